// Hold and resume between our phone and a SIP phone, from each side.
import { speakOnly } from './harness/codec.mjs';
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

const inCallMadeAnew = callsWithPhone({
  set: ['media.transcode=always'],
  before: [speakOnly('opus')],
  codecs: ['PCMU/8000/1'],
});

inCallMadeAnew('both hold and resume, and the audio is made anew', async (people) => {
  const { alice, bob, bothHear, nobodyHears } = people;
  await alice.hold();
  await nobodyHears();
  await alice.resume();
  await bothHear();
  await bob.hold();
  await alice.call('held');
  await bob.resume();
  await alice.call('active');
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
