// Both sides of a call hold it, in every order, and both are heard again.
import { before } from 'node:test';

import { startBaresip } from './baresip.mjs';
import { assertAnswered, recordOf } from './cdr.mjs';
import { startChromium } from './chromium.mjs';
import { assertHearEachOther, assertSilence } from './conversation.mjs';
import { scenario } from './evidence.mjs';
import { OWN_ADDRESS } from './netns.mjs';
import { openPlainPage, servePlainPage } from './plain-page.mjs';
import { startServer } from './server.mjs';
import { TONES } from './tones.mjs';
import { startWire } from './wire.mjs';

/** The scenarios with the page of `library`. Run in a network of its own: after a hold, the wire is what is heard. */
export function mutualHoldScenarios(library) {
  let server;
  let browser;
  let url;
  let wire;
  before(async () => {
    server = await startServer({ bind: '0.0.0.0' });
    url = await servePlainPage(library);
    browser = await startChromium(TONES.first);
    wire = await startWire();
  });

  for (const [name, holds, resumes] of [
    ['the page holds first and resumes first', ['page', 'phone'], ['page', 'phone']],
    ['the page holds first and resumes last', ['page', 'phone'], ['phone', 'page']],
    ['the SIP phone holds first and resumes first', ['phone', 'page'], ['phone', 'page']],
    ['the SIP phone holds first and resumes last', ['phone', 'page'], ['page', 'phone']],
  ]) {
    scenario(`both hold: ${name}`, async () => {
      const page = await openPlainPage(browser, url, server, 'alice');
      const phone = await startBaresip(server, 'bob', { tone: TONES.second, address: OWN_ADDRESS });
      const ear = { listen: () => wire.listen(phone) };
      const sides = {
        page: {
          hold: () => page.hold().then(() => page.call('held-local')),
          resume: () => page.resume().then(() => page.call('active')),
        },
        phone,
      };
      const bothHear = () => assertHearEachOther([page, TONES.first], [ear, TONES.second]);
      const cdr = await recordOf(server, async () => {
        await page.dial('bob');
        await phone.incoming();
        await phone.accept();
        await page.call('active');
        await phone.established();
        await bothHear();
        for (const side of holds) await sides[side].hold();
        // What JsSIP hears is its own to say: it answers a re-INVITE with sendrecv although it holds.
        const silent = library === 'jssip' ? [ear] : [page, ear];
        await assertSilence(...silent);
        await sides[resumes[0]].resume();
        await assertSilence(...(resumes[0] === 'page' ? [page, ear] : silent));
        await sides[resumes[1]].resume();
        await bothHear();
        await page.hangUp();
        await phone.closed();
      });
      assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller', talked: 8_000 });
    });
  }
}
