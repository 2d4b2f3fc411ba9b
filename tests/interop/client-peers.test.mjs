// Ringback as the client of peers: over secure WebSocket and over IPv6, known by SIP URIs in their certificates, and known to
// them by its own.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';

import { makeAuthority } from './harness/authority.mjs';
import { startBaresip } from './harness/baresip.mjs';
import { startDns } from './harness/dns.mjs';
import { startEdge } from './harness/edge.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { registerBehind, startFarEnd } from './harness/far-end.mjs';
import { reservePorts } from './harness/ports.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

const NOT_TAKEN = /WARN.*the far end asks for our certificate and does not take it: .*`tls\.certificate`/;

/** Waits until a counter of the exchange has at least that value; counters are told once a second. */
const counted = (server, name, value) =>
  until(
    `${name} to be ${value}`,
    async () => (await server.metric('ringback_sip_total', `"${name}"`)) >= value,
  );

/** Asks bob, who is behind the far end, for his options. */
async function ask(server) {
  const alice = await openSipClient(server);
  return (await alice.request('OPTIONS', 'alice', { to: 'bob', within: 10_000 })).status;
}

const shows = ({ certificate, key }) => [`tls.certificate="${certificate}"`, `tls.key="${key}"`];

function install(from, to) {
  copyFileSync(from.certificate, to.certificate);
  copyFileSync(from.key, to.key);
  chmodSync(to.key, 0o600);
}

scenario('a peer over secure WebSocket', async () => {
  const authority = await makeAuthority('peer');
  const identity = await authority.issue('peer', ['127.0.0.1']);
  const server = await startServer({ set: [`tls.trust="${authority.certificate}"`] });
  const farEnd = await startFarEnd({ transport: 'wss', port: server.ports.one(), identity });
  await registerBehind(farEnd, server, 'bob');
  assert.equal(await ask(server), 200);
  assert.match(farEnd.requests[0].text, /^Via: SIP\/2\.0\/WSS /m);
  await counted(server, 'connections_made', 1);
});

for (const transport of ['udp', 'tcp', 'ws']) {
  scenario(`a peer over IPv6 and ${transport}, for a caller over IPv4`, async () => {
    const ports = await reservePorts();
    const [v4, v6] = [ports.one(), ports.one()];
    const server = await startServer({
      set: [`listen.sip_udp=["127.0.0.1:${v4}", "[::1]:${v6}"]`, `listen.sip_tcp="[::1]:${v6}"`],
    });
    server.listen.sip_udp = v4;
    const farEnd = await startFarEnd({ transport, address: '::1', port: server.ports.one() });
    await registerBehind(farEnd, server, 'bob', { host: '::1', port: v6 });
    assert.equal(await ask(server), 200);
    const via = new RegExp(`^Via: SIP/2\\.0/${transport.toUpperCase()} \\[::1\\]:\\d+;`, 'm');
    assert.match(farEnd.requests[0].text, via);
    if (transport !== 'udp') await counted(server, 'connections_made', 1);
  });
}

scenario("Debian's kamailio asks who connects, and takes our certificate", async () => {
  const authority = await makeAuthority('peers');
  const [edges, ours] = await Promise.all([
    authority.issue('edge', ['127.0.0.1']),
    authority.issue('ringback', ['127.0.0.1', 'sip.example.com']),
  ]);
  const server = await startServer({ set: [`tls.trust="${authority.certificate}"`, ...shows(ours)] });
  const edge = await startEdge(server, {
    transport: 'tls',
    identity: edges,
    clientCa: authority.certificate,
  });
  await startBaresip(edge, 'bob', { answers: true });
  const line = new RegExp(`a connection ended .*connection=TLS \\S+:${server.listen.sip_tls} `);
  await until('the edge proxy to close its connection', () => line.test(server.log));
  assert.equal(await ask(server), 200);
  await counted(server, 'connections_made', 1);
});

scenario('a peer is shown the certificate of our domain, and the new one once it is renewed', async () => {
  const authority = await makeAuthority('peers');
  const [peers, ours, before, after] = await Promise.all([
    authority.issue('peer', ['127.0.0.1']),
    authority.issue('other', ['other.example.com']),
    authority.issue('before', ['sip.example.com']),
    authority.issue('after', ['sip.example.com']),
  ]);
  const inUse = { certificate: evidencePath('in-use.pem'), key: evidencePath('in-use.key') };
  install(before, inUse);
  const server = await startServer({
    set: [
      'domain=["sip.example.com", "127.0.0.1"]',
      `tls.trust="${authority.certificate}"`,
      ...shows(ours),
      `tls.sni=[{ certificate = "${inUse.certificate}", key = "${inUse.key}" }]`,
    ],
  });
  const farEnd = await startFarEnd({
    transport: 'tls',
    port: server.ports.one(),
    identity: peers,
    clientCa: authority.certificate,
  });
  await registerBehind(farEnd, server, 'bob');
  assert.equal(await ask(server), 200);
  assert.deepEqual(
    farEnd.requests.map(({ subject }) => subject),
    ['before'],
  );

  install(after, inUse);
  process.kill(server.pid, 'SIGHUP');
  await until('the log to say so', () => /certificates were read again/.test(server.log));
  await farEnd.hangUp();
  const again = async () => (await ask(server)) === 200 && farEnd.requests.at(-1).subject === 'after';
  await until('the new certificate to be shown', again, { every: 200 });
});

scenario('without a configuration a peer that trusts our authority takes the local certificate', async () => {
  const authority = await makeAuthority('peer');
  const identity = await authority.issue('peer', ['127.0.0.1']);
  const server = await startServer({ set: [`tls.trust="${authority.certificate}"`] });
  const clientCa = join(server.dataDir, 'ringback-ca.pem');
  const farEnd = await startFarEnd({ transport: 'wss', port: server.ports.one(), identity, clientCa });
  await registerBehind(farEnd, server, 'bob');
  assert.equal(await ask(server), 200);
  assert.equal(farEnd.requests[0].subject, 'Ringback');
});

for (const [transport, version] of [
  ['tls', 'TLSv1.3'],
  ['tls', 'TLSv1.2'],
  ['wss', 'TLSv1.3'],
]) {
  scenario(
    `a certificate that the peer does not take is said so, over ${transport} and ${version}`,
    async () => {
      const [peers, others] = await Promise.all([makeAuthority('peers'), makeAuthority('others')]);
      const [identity, ours] = await Promise.all([
        peers.issue('peer', ['127.0.0.1']),
        others.issue('ringback', ['sip.example.com']),
      ]);
      const server = await startServer({ set: [`tls.trust="${peers.certificate}"`, ...shows(ours)] });
      const clientCa = peers.certificate;
      const farEnd = await startFarEnd({ transport, version, port: server.ports.one(), identity, clientCa });
      await registerBehind(farEnd, server, 'bob');
      assert.equal(await ask(server), 480);
      await counted(server, 'connects_certificate_not_taken', 1);
      assert.match(server.log, NOT_TAKEN);
      assert.deepEqual(farEnd.requests, []);
    },
  );
}

/** The status of a request to a peer that is known as `edge.example` and has a certificate for these names. */
async function askByName(names) {
  const authority = await makeAuthority('peer');
  const identity = await authority.issue('peer', names);
  const port = (await reservePorts()).one();
  const server = await startServer({
    set: [`tls.trust="${authority.certificate}"`, `dns.servers="127.0.0.1:${port}"`],
  });
  await startDns(port, { 'A edge.example': ['127.0.0.1'] });
  const farEnd = await startFarEnd({
    transport: 'tls',
    host: 'edge.example',
    port: server.ports.one(),
    identity,
  });
  await registerBehind(farEnd, server, 'bob');
  const status = await ask(server);
  if (status !== 200) await counted(server, 'connects_untrusted', 1);
  return status;
}

scenario('a peer is known by the SIP URI in its certificate', async () => {
  assert.equal(await askByName(['sip:edge.example', 'machine.example']), 200);
});

scenario('a DNS name counts for nothing beside the SIP URI of another domain', async () => {
  assert.equal(await askByName(['sip:other.example', 'edge.example']), 480);
});
