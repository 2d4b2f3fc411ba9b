// A server that stops: calls end by themselves; and one that comes back: phones find it again.
import assert from 'node:assert/strict';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

scenario('SIGTERM lets a call end by itself and takes no new one', async () => {
  const server = await startServer({ users: ['alice', 'bob', 'carol'] });
  const alice = await openPhone(await startChromium(TONES.first), server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  const carol = await startBaresip(server, 'carol');
  await alice.dial('bob');
  await bob.established();
  await alice.call('active');
  server.drain();
  await until('the server to say that it is not ready', async () => (await server.readiness()) === 503);
  await carol.dial('echo');
  const { param } = await carol.closed();
  assert.match(param, /^503 /);
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
  await alice.hangUp();
  await bob.closed();
  assert.deepEqual(await server.ended(), { code: 0, signal: null });
});

for (const [name, set, end] of [
  ['a second SIGTERM ends the calls', [], (server) => server.drain()],
  ['a call that outlives limits.drain_seconds is ended', ['limits.drain_seconds=1'], () => {}],
]) {
  scenario(name, async () => {
    const server = await startServer({ set });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second });
    await bob.dial('echo');
    await bob.established();
    server.drain();
    await until('the server to say that it is not ready', async () => (await server.readiness()) !== 200);
    end(server);
    await bob.closed();
    assert.deepEqual(await server.ended(), { code: 0, signal: null });
  });
}

scenario('our phone signs in again by itself after the server was killed', async () => {
  const server = await startServer();
  const alice = await openPhone(await startChromium(TONES.first), server, 'alice');
  await server.kill();
  await alice.registration('waiting');
  await alice.part('line-trouble').waitFor();
  await server.start();
  await alice.registration('registered');
  await alice.dial('echo');
  await alice.call('active');
  (await alice.listen()).assertOnly(TONES.first);
  await alice.hangUp();
  await alice.ended('hung-up');
});
