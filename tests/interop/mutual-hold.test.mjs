// Our phone and a SIP phone hold each other, and who held first, or last, resumes first.
import { assertSilence } from './harness/conversation.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { callsWithPhone } from './harness/phone-holds.mjs';

await enterOwnNetwork(import.meta.filename);

const inCall = callsWithPhone();

inCall('both hold, and who held first resumes first', async ({ alice, bob, bothHear, nobodyHears }) => {
  await alice.agreed(() => alice.hold());
  await bob.hold();
  await nobodyHears();
  await alice.resume('held');
  await nobodyHears();
  await bob.resume();
  await alice.call('active');
  await bothHear();
});

inCall('both hold, and who held last resumes first', async ({ alice, bob, earOfBob, bothHear }) => {
  await alice.agreed(() => alice.hold());
  await bob.hold();
  await bob.resume();
  // What Alice hears is hers to say: JsSIP answers a re-INVITE with sendrecv although it holds.
  await assertSilence(earOfBob);
  await alice.resume();
  await bothHear();
});
