// Ringback connects to others: to an edge proxy (Debian's kamailio) by the Path of registrations, over TCP, TLS and
// WebSocket, and by name.
import assert from 'node:assert/strict';

import { makeAuthority } from './harness/authority.mjs';
import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { startDns } from './harness/dns.mjs';
import { startEdge } from './harness/edge.mjs';
import { severalAtOnce } from './harness/evidence.mjs';
import { reservePorts } from './harness/ports.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

// Kamailio takes ten seconds to close a connection that nobody uses. Each scenario has its own server and its own proxy.
const scenario = severalAtOnce(3);

/** Waits until a counter of the exchange has at least that value; counters are told once a second. */
const counted = (server, name, value) =>
  until(
    `${name} to be ${value}`,
    async () => (await server.metric('ringback_sip_total', `"${name}"`)) >= value,
  );

/** Waits until the edge proxy has closed the connection that it registered its phone over. */
const closed = (server) => {
  const { sip_tcp: tcp, sip_tls: tls } = server.listen;
  const line = new RegExp(`a connection ended .*connection=T(CP|LS) \\S+:(${tcp}|${tls}) `);
  return until('the edge proxy to close its connection', () => line.test(server.log));
};

async function assertCall(server, edge) {
  const alice = await startBaresip(server, 'alice', { tone: TONES.first });
  const bob = await startBaresip(edge, 'bob', { tone: TONES.second, answers: true });
  await closed(server);
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await Promise.all([alice.established(), bob.established()]);
    await counted(server, 'connections_made', 1);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    // The edge proxy closes that one as well, while they talk.
    await counted(server, 'dialogs_reconnected', 1);
    await alice.hangUp();
    await bob.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
}

scenario('a call to a phone behind a proxy over TCP, whose connection is gone', async () => {
  const server = await startServer();
  await assertCall(server, await startEdge(server, { transport: 'tcp' }));
});

scenario('the same over TLS, with a certificate that is trusted', async () => {
  const authority = await makeAuthority('edge');
  const identity = await authority.issue('edge', ['127.0.0.1']);
  const server = await startServer({ set: [`tls.trust="${authority.certificate}"`] });
  await assertCall(server, await startEdge(server, { transport: 'tls', identity }));
});

scenario('a certificate for another name is not trusted, and the log says what to do', async () => {
  const authority = await makeAuthority('edge');
  const identity = await authority.issue('edge', ['127.0.0.2']);
  const server = await startServer({ set: [`tls.trust="${authority.certificate}"`] });
  const edge = await startEdge(server, { transport: 'tls', identity });
  await startBaresip(edge, 'bob', { answers: true });
  await closed(server);
  const alice = await openSipClient(server);
  const answer = await alice.request('OPTIONS', 'alice', { to: 'bob' });
  assert.equal(answer.status, 480, answer.text);
  await counted(server, 'connects_untrusted', 1);
  assert.match(server.log, /WARN.*the far end is not trusted: .*`tls\.trust`/);
});

scenario('a phone behind a proxy that is reached over WebSocket', async () => {
  const server = await startServer();
  const edge = await startEdge(server, { transport: 'ws' });
  await startBaresip(edge, 'bob', { answers: true });
  await closed(server);
  const alice = await openSipClient(server);
  const answer = await alice.request('OPTIONS', 'alice', { to: 'bob' });
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.headers.get('user-agent') ?? answer.headers.get('server') ?? '', /baresip/);
  await counted(server, 'connections_made', 1);
});

scenario('a caller behind a proxy whose connection is gone before the answer is answered', async () => {
  const server = await startServer();
  const edge = await startEdge(server, { transport: 'tcp' });
  const alice = await startBaresip(edge, 'alice', { tone: TONES.first });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    // The edge proxy closes its connection while the telephone rings.
    await counted(server, 'responses_reconnected', 1);
    await bob.accept();
    await Promise.all([alice.established(), bob.established()]);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.hangUp();
    await alice.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
});

scenario('a proxy that is known by name is found by SRV, past one that takes no connections', async () => {
  const port = (await reservePorts()).one();
  const server = await startServer({ set: [`dns.servers="127.0.0.1:${port}"`] });
  const edge = await startEdge(server, { transport: 'tcp', host: 'edge.example' });
  const dns = await startDns(port, {
    'SRV _sip._tcp.edge.example': [
      { priority: 20, weight: 0, port: edge.port, target: 'second.example' },
      { priority: 10, weight: 60, port: server.ports.one(), target: 'first.example' },
      { priority: 10, weight: 40, port: server.ports.one(), target: 'first.example' },
    ],
    'A first.example': ['127.0.0.1'],
    'A second.example': ['127.0.0.1'],
  });
  await startBaresip(edge, 'bob', { answers: true });
  await closed(server);
  const alice = await openSipClient(server);
  const answer = await alice.request('OPTIONS', 'alice', { to: 'bob' });
  assert.equal(answer.status, 200, `${answer.text}\nasked: ${dns.asked.join(', ')}`);
  await counted(server, 'connects_unreachable', 2);
  await counted(server, 'connections_made', 1);
});
