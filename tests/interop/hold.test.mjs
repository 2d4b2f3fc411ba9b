// Hold and resume between our phone and a SIP phone, from each side.
import { enterOwnNetwork } from './harness/netns.mjs';
import { callsWithPhone } from './harness/phone-holds.mjs';

await enterOwnNetwork(import.meta.filename);

const inCall = callsWithPhone();

inCall('the browser holds and resumes', async ({ alice, bothHear, nobodyHears }) => {
  await alice.hold();
  await nobodyHears();
  await alice.resume();
  await bothHear();
});

inCall('the SIP phone holds and resumes', async ({ alice, bob, bothHear, nobodyHears }) => {
  await bob.hold();
  await alice.call('held');
  await nobodyHears();
  await bob.resume();
  await alice.call('active');
  await bothHear();
});
