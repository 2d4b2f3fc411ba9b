// What every page with somebody else's library must be able to do with a SIP phone, unmodified.
import assert from 'node:assert/strict';

import { assertAnswered, assertUnanswered, recordOf, recordsOf } from './cdr.mjs';
import { scenario } from './evidence.mjs';
import { pageAndPhones } from './page-and-phones.mjs';
import { startServer } from './server.mjs';
import { TONES } from './tones.mjs';

/** Calls with the page of `library`, and how they end. Run in a network of its own. */
export function plainPageCalls(library) {
  const house = pageAndPhones([library]);

  async function people() {
    const alice = await house.openAlice(library);
    const bob = await house.startBob();
    return {
      alice,
      bob,
      bothHear: () => house.bothHear(alice, bob),
      nobodyHears: () => house.nobodyHears(alice, bob),
    };
  }

  scenario('the page calls, holds, resumes, presses keys and hangs up', async () => {
    const { alice, bob, bothHear, nobodyHears } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.talk(alice, bob);
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
    const cdr = await recordOf(house.server, async () => {
      await house.talkToPage(bob, alice);
      await bothHear();
      await bob.hangUp();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  });

  scenario('the SIP phone holds and resumes, and the page hangs up', async () => {
    const { alice, bob, bothHear, nobodyHears } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.talk(alice, bob);
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

  scenario('the page calls and the SIP phone hangs up', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.talk(alice, bob);
      (await alice.listen()).assertOnly(TONES.second);
      await bob.hangUp();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
  });

  scenario('the SIP phone cancels while the page rings', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.ringPage(bob, alice);
      await bob.ringing();
      await bob.hangUp();
      await alice.call('ended');
      await bob.closed();
    });
    assertUnanswered(cdr, { caller: 'bob', callee: 'alice', status: 487, endedBy: 'caller' });
  });

  scenario('the SIP phone refuses the call of the page', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.ring(alice, bob);
      await bob.hangUp();
      await alice.call('ended');
      await bob.closed();
    });
    assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 486, endedBy: 'callee' });
  });

  scenario('the page refuses the call of the SIP phone', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.ringPage(bob, alice);
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
    const alice = await house.openAlice(library, { server: impatient });
    const bob = await house.startBob({ server: impatient, name: 'deaf-bob', tone: undefined });
    const cdr = await recordOf(impatient, async () => {
      await house.ring(alice, bob);
      await alice.call('ended');
      await bob.closed();
    });
    assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 408, endedBy: 'exchange' });
  });

  scenario('the page cancels while the SIP phone rings', async () => {
    const { alice, bob } = await people();
    const cdr = await recordOf(house.server, async () => {
      await house.ring(alice, bob);
      await alice.hangUp();
      await bob.closed();
      await alice.call('ended');
    });
    assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 487, endedBy: 'caller' });
  });
}
