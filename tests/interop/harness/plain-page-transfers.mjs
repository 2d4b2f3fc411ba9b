// Transfers between a page with somebody else's library and SIP phones, by either.
import assert from 'node:assert/strict';

import { recordsOf } from './cdr.mjs';
import { scenario } from './evidence.mjs';
import { pageAndPhones } from './page-and-phones.mjs';
import { TONES } from './tones.mjs';

/** Transfers with the page of `library`. Run in a network of its own. */
export function plainPageTransfers(library) {
  const house = pageAndPhones([library]);
  const people = async () => ({ alice: await house.openAlice(library), bob: await house.startBob() });

  scenario('the page hands the SIP phone on to another one', async () => {
    const { alice, bob } = await people();
    const carol = await house.startCarol();
    const [first, second] = await recordsOf(house.server, 2, async () => {
      await house.talk(alice, bob);
      await alice.transfer('carol');
      await carol.established();
      await alice.call('ended');
      await house.phonesHear(bob, carol);
      await bob.hangUp();
      await carol.closed();
    });
    assert.equal(first.reason, 'transferred to carol');
    assert.deepEqual([second.caller, second.answered_by], ['bob', 'carol']);
  });

  scenario('the SIP phone hands the page on to another one', async () => {
    const { alice, bob } = await people();
    const carol = await house.startCarol();
    const [first, second] = await recordsOf(house.server, 2, async () => {
      await house.talk(alice, bob);
      await bob.transfer('carol');
      await carol.established();
      await bob.closed();
      await house.bothHear(alice, carol, TONES.third);
      await alice.hangUp();
      await carol.closed();
    });
    assert.equal(first.reason, 'transferred to carol');
    assert.deepEqual([second.caller, second.answered_by], ['alice', 'carol']);
  });

  /** Alice talks with Bob, holds that call, and talks with Carol. */
  const talkToBoth = async (alice, bob, carol) => {
    await house.talk(alice, bob);
    await alice.hold();
    await alice.call('held-local');
    await alice.dial('carol');
    await carol.established();
    await alice.call('active');
  };

  // SimpleUser of SIP.js knows one call at a time.
  if (library === 'jssip') {
    scenario('the page joins the two SIP phones that it has calls with', async () => {
      const { alice, bob } = await people();
      const carol = await house.startCarol();
      await recordsOf(house.server, 3, async () => {
        await talkToBoth(alice, bob, carol);
        await alice.join();
        await alice.call('ended');
        await house.phonesHear(bob, carol);
        await bob.hangUp();
        await carol.closed();
      });
    });

    scenario('the page makes one conversation of its two calls', async () => {
      const { alice, bob } = await people();
      const carol = await house.startCarol();
      const records = await recordsOf(house.server, 5, async () => {
        await talkToBoth(alice, bob, carol);
        await alice.confer();
        // The call on hold is over, and the other one is where all are heard.
        await alice.call('ended');
        await house.allHear(alice, bob, carol);
        await bob.hangUp();
        await house.bothHear(alice, carol, TONES.third);
        // Who would be left alone is hung up on.
        await alice.hangUp();
        await carol.closed();
      });
      assert.deepEqual(records.map((cdr) => cdr.reason).toSorted(), [
        'became a conference',
        'everybody else has left',
        'the caller hung up',
        'the caller hung up',
        'transferred to conference',
      ]);
    });
  }
}
