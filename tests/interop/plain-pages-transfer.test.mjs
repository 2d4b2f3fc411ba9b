// Attended transfers: a page with SIP.js joins two SIP phones, and a SIP phone joins a page with another SIP phone.
import assert from 'node:assert/strict';
import { recordsOf } from './harness/cdr.mjs';
import { scenario } from './harness/evidence.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { pageAndPhones } from './harness/page-and-phones.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);

const house = pageAndPhones(['jssip', 'sipjs', 'sipjs-manager']);

scenario('a page with SIP.js joins the two SIP phones that it has calls with', async () => {
  const alice = await house.openAlice('sipjs-manager');
  const bob = await house.startBob();
  const carol = await house.startCarol();
  const records = await recordsOf(house.server, 3, async () => {
    await house.talk(alice, bob);
    await house.bothHear(alice, bob);
    await alice.hold();
    await alice.call('held-local');
    await alice.dial('carol');
    await carol.established();
    await alice.call('active');
    await house.bothHear(alice, carol, TONES.third);
    await alice.join();
    await alice.call('ended');
    await house.phonesHear(bob, carol);
    await bob.hangUp();
    await carol.closed();
  });
  assert.deepEqual(
    records.map(({ reason }) => reason),
    ['transferred to carol', 'transferred to bob', 'the caller hung up'],
  );
});

for (const library of ['jssip', 'sipjs']) {
  scenario(`a SIP phone joins a page with ${library} with another SIP phone`, async () => {
    const alice = await house.openAlice(library);
    const bob = await house.startBob();
    const carol = await house.startCarol();
    const records = await recordsOf(house.server, 3, async () => {
      await house.talk(alice, bob);
      await bob.hold();
      await bob.dial('carol');
      await carol.established();
      await bob.established();
      await house.phonesHear(bob, carol);
      // baresip 1.0.0 has no command for it: who uses it writes the Refer-To.
      const replaces = await until('the dialog of the second call', () => dialogTo(bob, 'carol'));
      await bob.command('line', '1');
      await bob.transfer('carol', replaces);
      await house.bothHear(alice, carol, TONES.third);
      await alice.hangUp();
      await carol.closed();
      await alice.call('ended');
    });
    const [first, second, joined] = records;
    assert.deepEqual(
      [first.reason, second.reason, joined.caller, joined.answered_by],
      ['transferred to carol', 'transferred to alice', 'alice', 'carol'],
    );
  });
}

/** The value of Replaces (RFC 3891) for the call of `phone` to `callee`, from the messages that it has shown. */
function dialogTo(phone, callee) {
  const acks = phone.output
    .split(/(?=^ACK )/m)
    .map((text) => text.split(/\r?\n\r?\n/, 1)[0])
    .filter((text) => text.startsWith('ACK ') && new RegExp(`^To: .*\\b${callee}@`, 'm').test(text));
  // The first one is for the challenge, the second one for the 200.
  if (acks.length < 2) return undefined;
  const line = (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(acks.at(-1))[1].trim();
  const tag = (name) => /;tag=([^;>\s]+)/.exec(line(name))[1];
  return `${line('Call-ID')};to-tag=${tag('To')};from-tag=${tag('From')}`;
}
