// What every page with somebody else's library must be able to do with a SIP phone, unmodified.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './baresip.mjs';
import { assertAnswered, assertUnanswered, recordOf, recordsOf } from './cdr.mjs';
import { startChromium } from './chromium.mjs';
import { assertHearEachOther, assertSilence } from './conversation.mjs';
import { scenario } from './evidence.mjs';
import { OWN_ADDRESS } from './netns.mjs';
import { openPlainPage, servePlainPage } from './plain-page.mjs';
import { startServer } from './server.mjs';
import { TONES } from './tones.mjs';
import { startWire } from './wire.mjs';

/** The scenarios with the page of `library`. Run in a network of its own: after a hold, the wire is what is heard. */
export function plainPageScenarios(library) {
  let server;
  let browser;
  let url;
  let wire;
  before(async () => {
    server = await startServer({ bind: '0.0.0.0', users: ['alice', 'bob', 'carol'] });
    url = await servePlainPage(library);
    browser = await startChromium(TONES.first);
    wire = await startWire();
  });

  async function people() {
    const alice = await openPlainPage(browser, url, server, 'alice');
    const bob = await startBaresip(server, 'bob', { tone: TONES.second, address: OWN_ADDRESS });
    const earOfBob = earOf(bob);
    return {
      earOfBob,
      alice,
      bob,
      bothHear: () => assertHearEachOther([alice, TONES.first], [earOfBob, TONES.second]),
      nobodyHears: () => assertSilence(alice, earOfBob),
    };
  }

  const earOf = (phone) => ({ listen: () => wire.listen(phone) });
  const startCarol = () =>
    startBaresip(server, 'carol', { tone: TONES.third, address: OWN_ADDRESS, answers: true });

  scenario('the page calls, holds, resumes, presses keys and hangs up', async () => {
    const { alice, bob, bothHear, nobodyHears } = await people();
    const cdr = await recordOf(server, async () => {
      await talk(alice, bob);
      await bothHear();
      await alice.hold();
      await alice.call('held-local');
      await nobodyHears();
      await alice.resume();
      await alice.call('active');
      await bothHear();
      for (const key of ['5', '#']) {
        await alice.press(key);
        await alice.told('key', 'accepted');
        await bob.event('CALL_DTMF_START', ({ param }) => param === key);
      }
      await alice.hangUp();
      await bob.closed();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  });

  scenario('the SIP phone calls the page and hangs up', async () => {
    const { alice, bob, bothHear } = await people();
    const cdr = await recordOf(server, async () => {
      await ringPage(bob, alice);
      await alice.accept();
      await bob.established();
      await alice.call('active');
      await bothHear();
      await bob.hangUp();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  });

  scenario('the SIP phone holds and resumes, and the page hangs up', async () => {
    const { alice, bob, bothHear, nobodyHears } = await people();
    const cdr = await recordOf(server, async () => {
      await talk(alice, bob);
      await bothHear();
      await bob.hold();
      await nobodyHears();
      await bob.resume();
      await bothHear();
      await alice.hangUp();
      await bob.closed();
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  });

  scenario('the page hands the SIP phone on to another one', async () => {
    const { alice, bob, earOfBob } = await people();
    const carol = await startCarol();
    const [first, second] = await recordsOf(server, 2, async () => {
      await talk(alice, bob);
      await alice.transfer('carol');
      await carol.established();
      await alice.call('ended');
      await assertHearEachOther([earOfBob, TONES.second], [earOf(carol), TONES.third]);
      await bob.hangUp();
      await carol.closed();
    });
    assert.equal(first.reason, 'transferred to carol');
    assert.deepEqual([second.caller, second.answered_by], ['bob', 'carol']);
  });

  scenario('the SIP phone hands the page on to another one', async () => {
    const { alice, bob } = await people();
    const carol = await startCarol();
    const [first, second] = await recordsOf(server, 2, async () => {
      await talk(alice, bob);
      await bob.transfer('carol');
      await carol.established();
      await bob.closed();
      await assertHearEachOther([alice, TONES.first], [earOf(carol), TONES.third]);
      await alice.hangUp();
      await carol.closed();
    });
    assert.equal(first.reason, 'transferred to carol');
    assert.deepEqual([second.caller, second.answered_by], ['alice', 'carol']);
  });

  // SimpleUser of SIP.js knows one call at a time.
  if (library === 'jssip') {
    scenario('the page joins the two SIP phones that it has calls with', async () => {
      const { alice, bob, earOfBob } = await people();
      const carol = await startCarol();
      await recordsOf(server, 3, async () => {
        await talk(alice, bob);
        await alice.hold();
        await alice.call('held-local');
        await alice.dial('carol');
        await carol.established();
        await alice.call('active');
        await alice.join();
        await alice.call('ended');
        await assertHearEachOther([earOfBob, TONES.second], [earOf(carol), TONES.third]);
        await bob.hangUp();
        await carol.closed();
      });
    });
  }

  scenario('the page calls and the SIP phone hangs up', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(server, async () => {
      await talk(alice, bob);
      (await alice.listen()).assertOnly(TONES.second);
      await bob.hangUp();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
  });

  scenario('the SIP phone cancels while the page rings', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(server, async () => {
      await ringPage(bob, alice);
      await bob.ringing();
      await bob.hangUp();
      await alice.call('ended');
      await bob.closed();
    });
    assertUnanswered(cdr, { caller: 'bob', callee: 'alice', status: 487, endedBy: 'caller' });
  });

  scenario('the SIP phone refuses the call of the page', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(server, async () => {
      await ring(alice, bob);
      await bob.hangUp();
      await alice.call('ended');
      await bob.closed();
    });
    assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 486, endedBy: 'callee' });
  });

  scenario('the page refuses the call of the SIP phone', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(server, async () => {
      await ringPage(bob, alice);
      await alice.reject();
      await bob.closed();
      await alice.call('ended');
    });
    // SIP.js declines with 480, JsSIP was told to say 486.
    const status = library === 'sipjs' ? 480 : 486;
    assertUnanswered(cdr, { caller: 'bob', callee: 'alice', status, endedBy: 'callee' });
  });

  scenario('nobody answers the page', async () => {
    const impatient = await startServer({ bind: '0.0.0.0', set: ['limits.ring_seconds=2'] });
    const alice = await openPlainPage(browser, url, impatient, 'alice');
    const bob = await startBaresip(impatient, 'bob', { address: OWN_ADDRESS, name: 'deaf-bob' });
    const cdr = await recordOf(impatient, async () => {
      await ring(alice, bob);
      await alice.call('ended');
      await bob.closed();
    });
    assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 408, endedBy: 'exchange' });
  });

  scenario('the page cancels while the SIP phone rings', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(server, async () => {
      await ring(alice, bob);
      await alice.hangUp();
      await bob.closed();
      await alice.call('ended');
    });
    assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 487, endedBy: 'caller' });
  });
}

/** The page calls, and the SIP phone rings. */
async function ring(page, phone) {
  await page.dial('bob');
  await phone.incoming();
}

/** The page calls, and the SIP phone answers. */
async function talk(page, phone) {
  await ring(page, phone);
  await phone.accept();
  await page.call('active');
  await phone.established();
}

/** The SIP phone calls, and the page rings. */
async function ringPage(phone, page) {
  await phone.dial('alice');
  await page.call('incoming');
}
