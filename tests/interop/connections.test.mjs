// Connections on which nobody signs in: how long they may last, how many there may be, and which of them goes first.
//
// The limits for one source are meant for sources that are not loopback, so this runs in a network of its own. What is
// asked about the server itself goes over loopback, which has limits of its own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { openConnection } from './harness/connection.mjs';
import { scenario } from './harness/evidence.mjs';
import { readResponse, writeRequest } from './harness/http.mjs';
import { OWN_ADDRESS, enterOwnNetwork, ownAddresses } from './harness/netns.mjs';
import { startServer } from './harness/server.mjs';
import { optionsOver, sipClientOver } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';
import { openWebSocket } from './harness/web-socket.mjs';

await enterOwnNetwork(import.meta.filename);

/** The smallest number of connections that is a crowd. */
const MANY = 3_000;
/** How many of a crowd come before the users ask again: fewer than the kernel keeps for a listener. */
const ROUND = 480;
/** Fewer than `limits.unauthenticated_per_source`; a part of `ROUND`, and as many for each kind. */
const OF_ONE_SOURCE = 60;
/** The listeners on which who says nothing is half open. */
const HALF_OPEN = ['https', 'sip_tls', 'sip_tcp', 'http'];

const STREAMS = [
  ['sip_tcp', 'TCP'],
  ['sip_tls', 'TLS'],
];

const start = (...set) => startServer({ bind: '0.0.0.0', set });
const endedBy = (server, reason) => server.metric('ringback_connections_ended_total', `"${reason}"`);

/** Waits until `count` connections have ended for `reason`: a connection is counted a moment before or after it ends. */
function assertEnded(server, reason, count) {
  let seen;
  return until(
    `${count} connections to have ended by ${reason}`,
    async () => (seen = await endedBy(server, reason)) === count,
    { within: 5_000, seen: () => seen },
  );
}

/** How many files a process may have open: the test and the server raise their limits up to that by themselves. */
function openFiles() {
  const [, limit] = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return limit === 'unlimited' ? Infinity : Number(limit);
}

/** Opens a SIP connection over a stream. */
const openStream = (server, listener, options) =>
  openConnection(server, listener, { tls: listener === 'sip_tls', ...options });

/** Asks something and waits for the answer, so that the server has seen the connection and what came before it. */
async function ask(connection) {
  connection.received = Buffer.alloc(0);
  connection.send(optionsOver('TCP'));
  await until('an answer', () => connection.received.includes('SIP/2.0 200') || connection.isClosed);
  assert.equal(connection.isClosed, false, 'the server answers');
}

/** A browser on this machine's own address that has signed in. */
async function openUser(server, user, options = { to: OWN_ADDRESS }) {
  const socket = await openWebSocket(server, options);
  const client = sipClientOver(server, 'ws', socket);
  const { status, text } = await client.register(user);
  assert.equal(status, 200, text);
  return { socket, client };
}

async function assertServed({ socket, client }, user) {
  assert.equal(socket.isClosed, false);
  assert.equal((await client.fetchBindings(user)).status, 200, 'who has signed in is served');
}

for (const [listener, transport] of STREAMS) {
  scenario(`${transport}: the first request comes in time, whatever else comes`, async () => {
    const server = await start('limits.first_request_seconds=1');
    const asks = await openStream(server, listener);
    await ask(asks);
    const silent = await openStream(server, listener);
    await silent.ended();
    const beats = await openStream(server, listener);
    await beats.endedUnder('\r\n\r\n');
    assert.match(beats.received.toString(), /^(\r\n)+$/, 'its keep-alives are answered meanwhile');
    const single = await openStream(server, listener);
    await single.endedUnder('\r\n');
    await assertEnded(server, 'first_request_late', 3);
    await ask(asks);
  });

  scenario(`${transport}: the rest of a message comes in time`, async () => {
    const server = await start('limits.message_seconds=1');
    const message = optionsOver(transport, { length: 4_000 });
    const trickling = await openStream(server, listener);
    await trickling.endedUnder((next) => message.subarray(next, next + 1));
    // The end of one message and the beginning of the next in one read: the next has a time of its own.
    const second = await openStream(server, listener);
    second.send(Buffer.concat([optionsOver(transport), message.subarray(0, 100)]));
    await second.ended();
    await assertEnded(server, 'message_late', 2);
    assert.match(second.received.toString(), /^SIP\/2\.0 200 /);
  });

  scenario(
    `${transport}: a message above limits.message_bytes is refused, and the connection closed`,
    async () => {
      const server = await start('limits.message_bytes=4096');
      const fits = await openStream(server, listener);
      fits.send(optionsOver(transport, { length: 4_096 }));
      await until('an answer', () => fits.received.includes('SIP/2.0 200'));
      fits.send(optionsOver(transport, { length: 4_097 }));
      await fits.ended();
      assert.match(fits.received.toString(), /SIP\/2\.0 513 /);
      const promises = await openStream(server, listener);
      promises.send(optionsOver(transport).toString().replace('Content-Length: 0', 'Content-Length: 4096'));
      await promises.ended();
      assert.match(promises.received.toString(), /SIP\/2\.0 413 /);
      await assertEnded(server, 'too_large', 2);
    },
  );

  scenario(`${transport}: a connection on which nobody signs in is closed`, async () => {
    const server = await start('limits.sign_in_seconds=2');
    const guest = await openStream(server, listener);
    await guest.endedUnder(() => optionsOver(transport));
    await assertEnded(server, 'not_signed_in', 1);
  });

  scenario(`${transport}: what cannot be framed is counted`, async () => {
    const server = await start();
    const lost = await openStream(server, listener);
    lost.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await lost.ended();
    await assertEnded(server, 'unframed', 1);
  });
}

scenario('HTTP: the first request and each later one come in time', async () => {
  const server = await start('limits.first_request_seconds=1');
  const silent = await openConnection(server, 'http');
  await silent.ended();
  const trickling = await openConnection(server, 'http');
  await trickling.endedUnder((next) => (next === 0 ? 'GET / HTTP/1.1\r\n' : `X-${next}: y\r\n`));
  await assertEnded(server, 'first_request_late', 2);
  const idle = await openConnection(server, 'http');
  idle.send(writeRequest(server, '/readyz'));
  assert.equal((await readResponse(idle)).status, 200);
  await idle.ended();
  await assertEnded(server, 'idle', 1);
  const other = await openConnection(server, 'http');
  other.send('\x16\x03\x01\x00\x00 this is no HTTP\r\n\r\n');
  await other.ended();
  await assertEnded(server, 'not_http', 1);
});

scenario('TLS: the handshake comes in time, or fails', async () => {
  const server = await start('limits.tls_handshake_seconds=1');
  for (const listener of ['https', 'sip_tls']) {
    const silent = await openConnection(server, listener);
    await silent.ended();
    const garbage = await openConnection(server, listener);
    garbage.send('GET / HTTP/1.1\r\n\r\n');
    await garbage.ended();
  }
  await assertEnded(server, 'tls_late', 2);
  await assertEnded(server, 'tls_failed', 2);
});

scenario(
  'the oldest connection of a source without a user gives way, and one with a user never',
  async () => {
    const server = await start('limits.unauthenticated_per_source=2');
    const alice = await openUser(server, 'alice');
    const elsewhere = await openStream(server, 'sip_tcp');
    await ask(elsewhere);
    // The connection that asks is open as well.
    const seen = (count) =>
      until(
        'the connection to be seen',
        async () => (await server.metric('ringback_connections ')) === count + 1,
      );
    // A guest of each kind: half a TLS handshake, a SIP stream, a WebSocket, a page.
    const to = OWN_ADDRESS;
    const opens = [
      () => openConnection(server, 'https', { to }),
      () => openStream(server, 'sip_tcp', { to }),
      () => openWebSocket(server, { to }),
      () => openConnection(server, 'http', { to }),
      () => openStream(server, 'sip_tls', { to }),
    ];
    const guests = [];
    for (const open of opens) {
      guests.push(await open());
      // Each listener accepts by itself: the next one is opened when this one has its place.
      if (guests.length > 2) await guests.at(-3).ended();
      else await seen(2 + guests.length);
    }
    assert.deepEqual(
      guests.map((guest) => guest.isClosed),
      [true, true, true, false, false],
    );
    await ask(guests.at(-1));
    await assertEnded(server, 'evicted', 3);
    await assertServed(alice, 'alice');
    await ask(elsewhere);
    assert.equal(await server.metric('ringback_connections_refused_total'), 0);
  },
);

scenario('a crowd of half-open connections from one source keeps nobody out', async () => {
  const server = await start();
  const to = OWN_ADDRESS;
  const alice = await openUser(server, 'alice');
  const crowd = [];
  for (let round = 0; round < 10; round += 1) {
    crowd.push(
      ...(await Promise.all(Array.from({ length: 40 }, () => openConnection(server, 'https', { to })))),
    );
    await assertServed(alice, 'alice');
    const bob = await openUser(server, 'bob');
    await assertServed(bob, 'bob');
    bob.socket.close();
  }
  await until('most of the crowd to be gone', () => crowd.filter(({ isClosed }) => !isClosed).length <= 64);
  await assertServed(alice, 'alice');
  assert.equal(await server.metric('ringback_connections_refused_total'), 0);
});

// As many as this process and the server may have open files for, up to the default of `limits.connections`, and a tenth
// more. Handshakes and first requests have minutes, so that it is the crowd that needs places, however slow the machine is.
scenario(
  'a crowd of half-open connections from everywhere keeps nobody out',
  async () => {
    const places = Math.min(20_000, openFiles() - 1_000);
    assert.ok(places >= MANY, `${openFiles()} open files are too few for a crowd; raise \`ulimit -Hn\``);
    const server = await start(
      `limits.connections=${places}`,
      'limits.tls_handshake_seconds=600',
      'limits.first_request_seconds=600',
    );
    const alice = await openUser(server, 'alice');
    const sources = ownAddresses();
    const crowd = [];
    const allSeen = () =>
      until('the server to have seen them', async () => {
        const gone = await endedBy(server, 'evicted');
        return gone + (await server.metric('ringback_connections ')) >= crowd.length;
      });
    while (crowd.length < 1.1 * places) {
      const from = sources.next().value;
      const comers = Array.from({ length: OF_ONE_SOURCE }, (_, i) =>
        openConnection(server, HALF_OPEN[i % HALF_OPEN.length], { to: OWN_ADDRESS, from }),
      );
      crowd.push(...(await Promise.all(comers)));
      if (crowd.length % ROUND !== 0) continue;
      await assertServed(alice, 'alice');
      const bob = await openUser(server, 'bob');
      await assertServed(bob, 'bob');
      bob.socket.close();
      await allSeen();
    }
    await allSeen();
    let seen;
    await until(
      'those who gave way to be gone, and nobody else',
      async () => {
        seen = [crowd.filter(({ isClosed }) => isClosed).length, await endedBy(server, 'evicted')];
        return seen[0] === seen[1];
      },
      { seen: () => seen },
    );
    assert.ok(seen[0] >= crowd.length - places, `${seen[0]} of ${crowd.length} gave way`);
    // Each listener accepts by itself, in the order in which they came.
    for (const first of HALF_OPEN.keys()) {
      const gone = crowd.filter((_, i) => i % HALF_OPEN.length === first).map(({ isClosed }) => isClosed);
      assert.equal(gone.lastIndexOf(true), gone.indexOf(false) - 1, 'the oldest gave way');
    }
    await assertServed(alice, 'alice');
    assert.equal(await server.metric('ringback_connections_refused_total'), 0);
  },
  { timeout: 180_000 },
);

scenario('a full server sends its oldest guest away, and nobody new in when all are users', async () => {
  const server = await start('limits.connections=3');
  const alice = await openUser(server, 'alice', {});
  const guests = [];
  for (let i = 0; i < 4; i += 1) {
    guests.push(await openStream(server, 'sip_tcp'));
    await ask(guests[i]);
  }
  await Promise.all([guests[0].ended(), guests[1].ended()]);
  assert.deepEqual([guests[2].isClosed, guests[3].isClosed], [false, false]);
  await assertServed(alice, 'alice');

  const bob = await openUser(server, 'bob', {});
  const again = await openUser(server, 'alice', {});
  await Promise.all([guests[2].ended(), guests[3].ended()]);
  const late = await openConnection(server, 'sip_tcp');
  await late.ended();
  await assertServed(bob, 'bob');
  await assertServed(again, 'alice');
  again.socket.close();
  // The place is free when the control thread has heard of it.
  await until('a place for who asks', async () =>
    server.metric('ringback_connections_refused_total').then(
      (refused) => refused >= 1,
      () => false,
    ),
  );
});

scenario('behind a trusted proxy each client has the limit of its own address', async () => {
  const server = await start('listen.trusted_proxies=["127.0.0.1"]', 'limits.unauthenticated_per_source=2');
  const open = (client, options) =>
    openWebSocket(server, { headers: { 'X-Forwarded-For': client }, ...options });
  const [one, other] = ['198.51.100.9', '198.51.100.10'];
  const [bystander, first, second, third] = [
    await open(other),
    await open(`10.0.0.1, ${one}`),
    await open(one),
    await open(one),
  ];
  await first.ended();
  assert.deepEqual([second.isClosed, third.isClosed, bystander.isClosed], [false, false, false]);
  assert.match(server.log, new RegExp(`source=${one} .*a newer connection needed the place`));

  // Who is no proxy is itself, whatever it writes.
  const liars = [];
  for (let i = 0; i < 3; i += 1) liars.push(await open(`203.0.113.${i}`, { to: OWN_ADDRESS }));
  await liars[0].ended();
  assert.deepEqual([liars[1].isClosed, liars[2].isClosed], [false, false]);
});
