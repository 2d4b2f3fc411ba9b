// Requests that are too large for a datagram (RFC 3261 §18.1.1), to real telephones that have registered over UDP.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';

import { startBaresip } from './harness/baresip.mjs';
import { assertPhonesTalk } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

/** Waits until a counter of the exchange has that value; counters are told once a second. */
const counted = (server, name, value) =>
  until(
    `${name} to be ${value}`,
    async () => (await server.metric('ringback_sip_total', `"${name}"`)) === value,
  );

// What every INVITE to a user has besides, by a table of the configuration.
const LARGE = ['[[headers]]', 'peer = "users"', `set = ["X-Site: ${'berlin '.repeat(180)}"]`];

scenario('a large call to a telephone that registered over UDP goes over TCP, and is a call', async () => {
  const server = await startServer({ config: LARGE });
  const alice = await startBaresip(server, 'alice', { tone: TONES.first });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  await assertPhonesTalk(server, alice, bob, () => counted(server, 'requests_moved_to_tcp', 1));
  await counted(server, 'connections_made', 1);
});

scenario('a large OPTIONS to such a telephone goes over TCP, and a small one over UDP', async () => {
  const server = await startServer();
  await startBaresip(server, 'bob');
  const alice = await openSipClient(server);
  const ask = (length) =>
    alice.request('OPTIONS', 'alice', { to: 'bob', headers: { 'X-Padding': 'x'.repeat(length) } });
  assert.equal((await ask(10)).status, 200);
  assert.equal((await ask(1_400)).status, 200);
  await counted(server, 'requests_moved_to_tcp', 1);
  await counted(server, 'connections_made', 1);
});

scenario('a telephone that does not speak over TCP loses no call', async () => {
  const server = await startServer({ config: LARGE });
  // Somebody takes connections at the port of the telephone and closes them when they are spoken to.
  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.destroy());
  });
  atEnd('the listener', () => new Promise((resolve) => listener.close(resolve)));
  const bob = await openSipClientAtPortOf(listener, server);
  const heard = bob.hearRequests();
  assert.equal((await bob.register('bob')).status, 200);
  const alice = await startBaresip(server, 'alice');
  await alice.dial('bob');
  await until('the INVITE as a datagram', () => heard.some((text) => /^INVITE /.test(text)), {
    within: 5_000,
  });
  assert.match(heard[0], /^Via: SIP\/2\.0\/UDP /m);
  assert.equal(connections, 1);
  await alice.hangUp();
});

/** A client over UDP at the port at which `listener` begins to listen: one that is free for both. */
async function openSipClientAtPortOf(listener, server) {
  for (;;) {
    await new Promise((resolve, reject) => listener.once('error', reject).listen(0, '127.0.0.1', resolve));
    try {
      return await openSipClient(server, 'udp', { port: listener.address().port });
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
      await new Promise((resolve) => listener.close(resolve));
    }
  }
}
