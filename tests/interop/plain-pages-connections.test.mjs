// Pages of other people's libraries whose WebSocket is lost in mid-call.
import assert from 'node:assert/strict';

import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { scenario } from './harness/evidence.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { pageAndPhones } from './harness/page-and-phones.mjs';
import { startRelay } from './harness/relay.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);

const house = pageAndPhones(['jssip', 'sipjs']);

/** The page of Alice behind a relay, and what cuts it from the server until the page has come back. */
async function behindRelay(library) {
  const relay = await startRelay({ address: '127.0.0.1', port: house.server.listen.http });
  const ws = `ws://127.0.0.1:${relay.port}/ws`;
  const alice = await house.openAliceByDefault(library, { ws });
  return {
    alice,
    async lose() {
      const known = alice.answersTo('REGISTER').length;
      relay.cut();
      await until(
        'the page to sign in over a new WebSocket',
        () =>
          alice.sockets === 2 &&
          alice
            .answersTo('REGISTER')
            .slice(known)
            .some((answer) => answer.startsWith('SIP/2.0 200')),
        { within: 30_000, seen: () => alice.messages('sent').slice(-2) },
      );
    },
  };
}

for (const [who, end] of [
  ['the SIP phone', 'callee'],
  ['the page', 'caller'],
]) {
  scenario(`a WebSocket of JsSIP that is lost keeps the call, and ${who} hangs up`, async () => {
    const { alice, lose } = await behindRelay('jssip');
    const bob = await house.startBob();
    const cdr = await recordOf(house.server, async () => {
      await house.talk(alice, bob);
      await house.bothHear(alice, bob);
      await lose();
      await house.bothHear(alice, bob);
      // What is asked within the call goes the new way, from either side.
      if (end === 'callee') {
        await bob.hold();
        await alice.call('held-remote');
        await bob.resume();
        await alice.call('active');
      } else {
        await alice.hold();
        await alice.call('held-local');
        await alice.resume();
        await alice.call('active');
      }
      await house.bothHear(alice, bob);
      if (end === 'callee') {
        await bob.hangUp();
        await alice.call('ended');
      } else {
        await alice.hangUp();
        await bob.closed();
      }
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: end });
  });
}

scenario(
  'SIP.js gives its call up with its WebSocket: the SIP phone is let go, and calls again',
  async () => {
    const { alice, lose } = await behindRelay('sipjs');
    const bob = await house.startBob();
    const lost = await recordOf(house.server, async () => {
      await house.talk(alice, bob);
      await house.bothHear(alice, bob);
      await lose();
      await alice.call('ended');
      // Consent (RFC 7675) is lost 30 s after the last check.
      await bob.closed(45_000);
    });
    assert.equal(lost.status, 200);
    const cdr = await recordOf(house.server, async () => {
      await house.talkToPage(bob, alice);
      await house.bothHear(alice, bob);
      await alice.hangUp();
      await bob.closed();
    });
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'callee' });
  },
);
