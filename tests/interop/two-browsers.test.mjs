// Two people with our phone in two browsers.
import { before } from 'node:test';

import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browsers;
before(async () => {
  server = await startServer();
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

async function people() {
  const [alice, bob] = await Promise.all([
    openPhone(browsers[0], server, 'alice', { url: server.httpsUrl }),
    openPhone(browsers[1], server, 'bob'),
  ]);
  return { alice, bob };
}

async function talk({ alice, bob }) {
  await alice.dial('bob');
  await bob.call('incoming');
  await bob.accept();
  await Promise.all([alice.call('active'), bob.call('active')]);
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
}

scenario('who called hangs up', async () => {
  const { alice, bob } = await people();
  const cdr = await recordOf(server, async () => {
    await talk({ alice, bob });
    await alice.hangUp();
    await bob.ended('far-hung-up');
    await alice.ended('hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
});

scenario('who was called holds, resumes and hangs up', async () => {
  const { alice, bob } = await people();
  const cdr = await recordOf(server, async () => {
    await talk({ alice, bob });
    await bob.hold();
    await alice.call('held');
    (await alice.listen()).assertNone();
    await bob.resume();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.hangUp();
    await alice.ended('far-hung-up');
    await bob.ended('hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
});
