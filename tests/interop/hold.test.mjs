// Hold and resume between our phone and a SIP phone, from each side and from both at once.
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther, assertSilence } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { startWire } from './harness/wire.mjs';

await enterOwnNetwork(import.meta.filename);

let server;
let browser;
let wire;
before(async () => {
  server = await startServer({ address: OWN_ADDRESS });
  browser = await startChromium(TONES.first);
  wire = await startWire();
});

/** A scenario in a call from Alice in the browser to Bob with a SIP phone. */
function inCall(name, body) {
  scenario(name, async () => {
    const alice = await openPhone(browser, server, 'alice', { url: server.httpsUrl });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second });
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
}

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

inCall('both hold, and who held first resumes first', async ({ alice, bob, bothHear, nobodyHears }) => {
  await alice.hold();
  await bob.hold();
  await nobodyHears();
  await alice.resume('held');
  await nobodyHears();
  await bob.resume();
  await alice.call('active');
  await bothHear();
});

inCall('both hold, and who held last resumes first', async ({ alice, bob, earOfBob, bothHear }) => {
  await alice.hold();
  await bob.hold();
  await bob.resume();
  // What Alice hears is hers to say: JsSIP answers a re-INVITE with sendrecv although it holds.
  await assertSilence(earOfBob);
  await alice.resume();
  await bothHear();
});
