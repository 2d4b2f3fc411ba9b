// Clients behind a proxy that says by the PROXY protocol who they are, and those who only say so.
//
// The proxies connect from 127.0.0.2, from where a header always comes; everybody else comes from 127.0.0.1, from where none
// does.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { openConnection } from './harness/connection.mjs';
import { assertPhonesTalk } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { writeRequest } from './harness/http.mjs';
import { SIGNATURE, proxyHeader } from './harness/proxy-header.mjs';
import { startRelay } from './harness/relay.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClientAt, optionsOver, sipClientOver, write } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { openWebSocket } from './harness/web-socket.mjs';

const PROXY = '127.0.0.2';
const LISTENERS = ['sip_tcp', 'sip_tls', 'http', 'https'];
/** After so many wrong passwords a source is answered no more. */
const FAILURES = 20;

const start = (...set) =>
  startServer({
    set: [`listen.proxy_protocol=["${PROXY}"]`, `listen.trusted_proxies=["${PROXY}"]`, ...set],
  });

let server;
before(async () => {
  server = await start();
});

let addresses = 0;
/** The address of a client that nobody has heard of: what is known of a source lasts for hours. */
const nextAddress = () => `203.0.113.${(addresses += 1)}`;

/** `server` as it is reached through a proxy that writes `preface` first. */
async function behindProxy(server, listener, preface) {
  const at = { address: server.address, port: server.listen[listener] };
  const { port } = await startRelay({ ...at, from: PROXY, preface });
  return {
    address: server.address,
    ports: server.ports,
    listen: { ...server.listen, [listener]: port },
    password: (user) => server.password(user),
  };
}

/** `server` as the client at `address` reaches it through a proxy. */
const behindProxyAs = (server, listener, address) =>
  behindProxy(server, listener, () => proxyHeader({ address }));

/** A SIP client over whatever `listener` carries. */
async function openClient(server, listener) {
  const secure = listener === 'https';
  if (listener.startsWith('sip'))
    return openSipClientAt(server, server.address, server.listen[listener], { tls: listener === 'sip_tls' });
  return sipClientOver(server, secure ? 'wss' : 'ws', await openWebSocket(server, { secure }));
}

const register = async (client, user, options) => (await client.register(user, options)).status;

/** What a proxy writes that connects for itself: LOCAL, whose addresses do not count. */
const asItself = (address) => () => proxyHeader({ address, command: 0 });

/** A connection of a proxy that says nothing by itself. */
async function openBare(server, listener, options) {
  return openConnection(await behindProxy(server, listener), listener, options);
}

const endedBy = (server, reason) => server.metric('ringback_connections_ended_total', `"${reason}"`);

/** Waits until `count` connections more than `before` have ended for `reason`. */
function assertEnded(server, reason, count, before = 0) {
  let seen;
  return until(
    `${count} connections to have ended by ${reason}`,
    async () => (seen = (await endedBy(server, reason)) - before) === count,
    { within: 5_000, seen: () => seen },
  );
}

/** Waits until the log tells of the end of a connection of `source`. */
const assertLogged = (source, server) =>
  until(`the end of a connection of ${source} in the log`, () =>
    server.log.includes(`a connection ended source=${source} `),
  );

for (const listener of LISTENERS) {
  scenario(`${listener}: the client that the header names is the source`, async () => {
    const [one, other] = [nextAddress(), nextAddress()];
    const alice = await openClient(await behindProxyAs(server, listener, one), listener);
    const registered = await alice.register('alice');
    assert.equal(registered.status, 200);
    assert.match(registered.text, new RegExp(`^Via: .*;received=${one}\\b`, 'm'));

    // Requests find their way back over the connection of the proxy.
    const heard = alice.hearRequests();
    const bob = await openClient(await behindProxyAs(server, listener, other), listener);
    const sent = bob.request('MESSAGE', 'bob', {
      to: 'alice',
      body: 'hello',
      headers: { 'Content-Type': 'text/plain' },
    });
    await until('the message', () => heard.length > 0);
    alice.send(answerTo(heard[0]));
    assert.equal((await sent).status, 200);
    alice.close();
    await assertLogged(one, server);
  });

  scenario(`${listener}: wrong passwords shut out the client, and not its proxy`, async () => {
    const banned = () => server.metric('ringback_sip_total', 'requests_banned');
    const before = await banned();
    const scanner = await openClient(await behindProxyAs(server, listener, nextAddress()), listener);
    for (let i = 0; i < FAILURES; i += 1)
      assert.notEqual(await register(scanner, 'alice', { password: 'wrong' }), 200);
    await assert.rejects(register(scanner, 'alice', { within: 500 }), /waited 500 ms/);
    await until('the request to be counted', async () => (await banned()) === before + 1);
    const other = await openClient(await behindProxyAs(server, listener, nextAddress()), listener);
    assert.equal(await register(other, 'bob'), 200);
    const proxy = await openClient(await behindProxy(server, listener, asItself()), listener);
    assert.equal(await register(proxy, 'alice'), 200);
  });

  /** What a client of the listener asks first; under TLS it is as good as anything else. */
  const question = () => (listener.startsWith('sip') ? optionsOver('TCP') : writeRequest(server, '/readyz'));

  scenario(`${listener}: a proxy that connects for itself is served`, async () => {
    const address = nextAddress();
    const client = await openClient(await behindProxy(server, listener, asItself(address)), listener);
    const { status, text } = await client.register('alice');
    assert.equal(status, 200);
    assert.doesNotMatch(text, new RegExp(address), 'the addresses of LOCAL do not count');
    client.close();
    await assertLogged(PROXY, server);
  });

  scenario(`${listener}: a proxy that leaves the header out is not served`, async () => {
    const before = await endedBy(server, 'no_proxy_header');
    const begins = [
      question(),
      Buffer.concat([Buffer.from('\r\n\r\n'), question()]),
      Buffer.from('\r\n\r\n\0\r\nQUIT\r'),
    ];
    for (const bytes of begins) {
      const connection = await openBare(server, listener);
      connection.send(bytes);
      await connection.ended();
      assert.equal(connection.received.length, 0);
    }
    await assertEnded(server, 'no_proxy_header', begins.length, before);
    assert.match(server.log, /began without a PROXY header/);
  });

  scenario(`${listener}: a header from where none comes is garbage, from a trusted proxy too`, async () => {
    const reason = { sip_tcp: 'unframed', http: 'not_http' }[listener] ?? 'tls_failed';
    const trusting = await startServer({ set: ['listen.trusted_proxies=["127.0.0.1"]'] });
    for (const at of [server, trusting]) {
      const before = await endedBy(at, reason);
      const address = nextAddress();
      const stranger = await openConnection(at, listener);
      stranger.send(Buffer.concat([proxyHeader({ address }), question()]));
      await stranger.ended();
      assert.ok(!stranger.received.includes(' 200 '), 'what follows it is not served');
      await assertEnded(at, reason, 1, before);
      assert.ok(!at.log.includes(address));
    }
  });

  scenario(`${listener}: a header that cannot be taken ends the connection`, async () => {
    const before = await endedBy(server, 'proxy_header');
    const wrong = [
      proxyHeader({ version: 1 }),
      proxyHeader({ command: 2 }),
      proxyHeader({ tlvs: Buffer.alloc(2_048) }),
    ];
    for (const header of wrong) {
      const connection = await openBare(server, listener);
      connection.send(header);
      await connection.ended();
    }
    await assertEnded(server, 'proxy_header', wrong.length, before);
    assert.match(server.log, /version 1 of the PROXY protocol is not spoken/);
  });
}

scenario('a header comes in time, as the first bytes of a client do', async () => {
  const server = await start('limits.first_request_seconds=1', 'limits.tls_handshake_seconds=1');
  const header = proxyHeader();
  const slow = [];
  for (const listener of LISTENERS)
    for (const length of [0, 5, SIGNATURE.length, header.length - 1]) {
      const connection = await openBare(server, listener);
      if (length > 0) connection.send(header.subarray(0, length));
      slow.push(connection);
    }
  await Promise.all(slow.map((connection) => connection.ended()));
  await assertEnded(server, 'first_request_late', slow.length / 2);
  await assertEnded(server, 'tls_late', slow.length / 2);
});

scenario('telephones over TCP and TLS behind a proxy call each other', async () => {
  const honest = (near) => proxyHeader({ address: near.remoteAddress, port: near.remotePort });
  const [tcp, tls] = [
    await behindProxy(server, 'sip_tcp', honest),
    await behindProxy(server, 'sip_tls', honest),
  ];
  const alice = await startBaresip(tcp, 'alice', { tone: TONES.first, transport: 'tcp' });
  const bob = await startBaresip(tls, 'bob', { tone: TONES.second, transport: 'tls', answers: true });
  await assertPhonesTalk(server, alice, bob);
});

scenario('behind a proxy each client has the limit of its own address', async () => {
  const server = await start('limits.unauthenticated_per_source=2');
  const [one, other] = [nextAddress(), nextAddress()];
  const connections = [];
  for (const address of [other, one, one, one]) {
    connections.push(await openConnection(await behindProxyAs(server, 'sip_tcp', address), 'sip_tcp'));
    await ask(connections.at(-1));
  }
  await connections[1].ended();
  assert.deepEqual(
    connections.map(({ isClosed }) => isClosed),
    [false, true, false, false],
  );
  assert.match(server.log, new RegExp(`source=${one} .*a newer connection needed the place`));
});

scenario('X-Forwarded-For is believed when the header names a trusted proxy, and else not', async () => {
  const [client, liar] = [nextAddress(), nextAddress()];
  for (const [address, source] of [
    [PROXY, client],
    [liar, liar],
  ]) {
    const proxied = await behindProxyAs(server, 'http', address);
    const socket = await openWebSocket(proxied, { headers: { 'X-Forwarded-For': client } });
    const { text } = await sipClientOver(server, 'ws', socket).register('alice');
    assert.match(text, new RegExp(`;received=${source}\\b`));
  }
});

/** Asks something and waits for the answer, so that the server has seen the connection and what came before it. */
async function ask(connection) {
  connection.received = Buffer.alloc(0);
  connection.send(optionsOver('TCP'));
  await until('an answer', () => connection.received.includes('SIP/2.0 200') || connection.isClosed);
  assert.equal(connection.isClosed, false, 'the server answers');
}

/** A 200 to a request. */
function answerTo(request) {
  const line = (name) => new RegExp(`^${name}: *(.*?)\r$`, 'im').exec(request)[1];
  const names = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];
  const headers = Object.fromEntries(names.map((name) => [name, line(name)]));
  return write('SIP/2.0 200 OK', { ...headers, To: `${headers.To};tag=1`, 'Content-Length': 0 });
}
