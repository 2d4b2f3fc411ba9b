// The main job: our phone in a browser and a SIP phone talk, whoever calls and whoever hangs up.
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startChromium(TONES.first);
});

/** Alice in the browser and Bob with a SIP phone, both signed in. */
async function people() {
  const alice = await openPhone(browser, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  return { alice, bob };
}

async function aliceCallsBob({ alice, bob }) {
  await alice.dial('bob');
  await bob.incoming();
  await alice.call('ringing');
  await bob.accept();
  await alice.call('active');
  await bob.established();
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
}

async function bobCallsAlice({ alice, bob }) {
  await bob.dial('alice');
  await alice.call('incoming');
  await bob.ringing();
  await alice.accept();
  await alice.call('active');
  await bob.established();
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
}

async function aliceHangsUp({ alice, bob }) {
  await alice.hangUp();
  await bob.closed();
  await alice.ended('hung-up');
}

async function bobHangsUp({ alice, bob }) {
  await bob.hangUp();
  await alice.ended('far-hung-up');
  await bob.closed();
}

for (const [name, begin, end, record] of [
  [
    'the browser calls and hangs up',
    aliceCallsBob,
    aliceHangsUp,
    { caller: 'alice', callee: 'bob', endedBy: 'caller' },
  ],
  [
    'the browser calls and the SIP phone hangs up',
    aliceCallsBob,
    bobHangsUp,
    { caller: 'alice', callee: 'bob', endedBy: 'callee' },
  ],
  [
    'the SIP phone calls and hangs up',
    bobCallsAlice,
    bobHangsUp,
    { caller: 'bob', callee: 'alice', endedBy: 'caller' },
  ],
  [
    'the SIP phone calls and the browser hangs up',
    bobCallsAlice,
    aliceHangsUp,
    { caller: 'bob', callee: 'alice', endedBy: 'callee' },
  ],
]) {
  scenario(name, async () => {
    const both = await people();
    const cdr = await recordOf(server, async () => {
      await begin(both);
      await end(both);
    });
    assertAnswered(cdr, record);
  });
}
