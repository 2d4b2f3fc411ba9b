// Calls between our phone and a SIP phone, in which somebody holds.
import { before } from 'node:test';

import { startBaresip } from './baresip.mjs';
import { assertAnswered, recordOf } from './cdr.mjs';
import { startChromium } from './chromium.mjs';
import { assertHearEachOther, assertSilence } from './conversation.mjs';
import { scenario } from './evidence.mjs';
import { OWN_ADDRESS } from './netns.mjs';
import { openPhone } from './phone.mjs';
import { startServer } from './server.mjs';
import { TONES } from './tones.mjs';
import { startWire } from './wire.mjs';

/**
 * What defines scenarios in a call from Alice in the browser to Bob with a SIP phone. For a network of one's own: after a
 * hold, the wire is what the SIP phone hears.
 *
 * @param {object} [options]
 * @param {string[]} [options.set] keys of the server
 * @param {Array} [options.before] scripts that run in the page before its own
 * @param {string[]} [options.codecs] the only ones that the phone has
 */
export function callsWithPhone({ set = [], before: scripts = [], codecs = [] } = {}) {
  let server;
  let browser;
  let wire;
  before(async () => {
    server = await startServer({ address: OWN_ADDRESS, set });
    browser = await startChromium(TONES.first);
    wire = await startWire();
  });

  return function inCall(name, body) {
    scenario(name, async () => {
      const alice = await openPhone(browser, server, 'alice', { url: server.httpsUrl, before: scripts });
      const bob = await startBaresip(server, 'bob', { tone: TONES.second, codecs });
      const earOfBob = { listen: () => wire.listen(bob) };
      const people = {
        alice,
        bob,
        earOfBob,
        bothHear: () => assertHearEachOther([alice, TONES.first], [earOfBob, TONES.second]),
        nobodyHears: () => assertSilence(alice, earOfBob),
      };
      const cdr = await recordOf(server, async () => {
        await alice.dial('bob');
        await bob.incoming();
        await bob.accept();
        await alice.call('active');
        await bob.established();
        await people.bothHear();
        await body(people);
        await alice.hangUp();
        await bob.closed();
      });
      assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller', talked: 8_000 });
    });
  };
}
