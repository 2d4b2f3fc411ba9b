// Relaying by TURN: coturn's client and Chromium against our server.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { before } from 'node:test';
import { connect } from 'node:tls';

import { first, run } from './harness/child.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario, sideBySide } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { openPage } from './harness/page.mjs';
import { startServer } from './harness/server.mjs';
import { until } from './harness/waiting.mjs';

const MESSAGES = 20;
const CLIENTS = 2;

let server;
before(async () => {
  server = await startServer();
});

/** Runs coturn's client as alice; each of its clients has an allocation. */
function client(name, { at = server, listener = 'turn', password = at.password('alice'), more = [] } = {}) {
  const port = at.listen[listener];
  // -c: a port for RTP and none for RTCP beside it.
  const load = ['-c', '-n', `${MESSAGES}`, '-m', `${CLIENTS}`, '-u', 'alice', '-w', password];
  return run(name, 'turnutils_uclient', [...load, ...more, '-p', `${port}`, '127.0.0.1']);
}

/** How many messages the clients sent, and how many came back. */
function passed(output) {
  const last = [...output.matchAll(/tot_send_msgs=(\d+), tot_recv_msgs=(\d+)/g)].at(-1);
  return last === undefined ? undefined : last.slice(1).map(Number);
}

const WAYS = {
  UDP: { more: ['-y'] },
  'UDP with Send indications': { more: ['-y', '-s'] },
  'UDP, and move between ports on their way': { more: ['-y', '-M'], moves: true },
  TCP: { more: ['-y', '-t'] },
  TLS: { more: ['-y', '-t', '-S'], listener: 'turn_tls' },
  'UDP on the port of media': { more: ['-y'], listener: 'webrtc' },
  'TLS on the port of HTTPS': { more: ['-y', '-t', '-S'], listener: 'https' },
};
sideBySide(
  Object.keys(WAYS),
  (way) => {
    scenario(`clients over ${way} reach each other by their allocations`, async () => {
      const { code, output } = await client(`clients-${way}`, WAYS[way]);
      assert.deepEqual(passed(output), [MESSAGES * CLIENTS, MESSAGES * CLIENTS], output.slice(-600));
      assert.equal(code, 0);
      const moved = await server.metric('ringback_turn_total', 'event="moved"');
      assert.ok(!WAYS[way].moves || moved >= CLIENTS, `${moved} allocations have followed their clients`);
    });
  },
  2,
);

scenario('over TLS the application protocol of TURN is agreed on, and none where none is named', async () => {
  for (const [names, agreed] of [
    [['stun.turn'], 'stun.turn'],
    [[], false],
  ]) {
    const socket = connect({
      host: '127.0.0.1',
      port: server.listen.turn_tls,
      ALPNProtocols: names,
      rejectUnauthorized: false,
    });
    await first(socket, 'secureConnect', 10_000);
    assert.equal(socket.alpnProtocol, agreed);
    socket.destroy();
  }
});

scenario('a wrong password allocates nothing', async () => {
  const { output } = await client('wrong-password', { password: 'wrong', more: ['-y'] });
  assert.match(output, /Cannot complete Allocation/);
  assert.equal(passed(output), undefined, 'nothing is sent');
  await until(
    'the wrong credentials in the metrics',
    async () => (await server.metric('ringback_turn_total', 'event="wrong_credentials"')) > 0,
  );
});

scenario('a peer on this machine is refused, and what listens there hears nothing', async () => {
  const canary = createSocket('udp4');
  let heard = 0;
  canary.on('message', () => (heard += 1));
  await new Promise((resolve) => canary.bind(0, '127.0.0.1', resolve));
  atEnd('the canary', () => new Promise((resolve) => canary.close(resolve)));
  // Clients that are refused leave their allocations behind, as others do now and then: here there is room for them.
  const own = await startServer();
  // Before anything was dropped there is no such metric.
  const refused = () => own.metric('ringback_turn_drops_total', 'reason="peer_refused"').catch(() => 0);
  // A channel is bound to a port, and a permission has none: what decides where our media has the same address comes later.
  for (const [address, method, says] of [
    ['127.0.0.1', [], /error 403/],
    ['127.0.0.2', [], /error 403/],
    ['127.0.0.2', ['-s'], /error 403/],
    ['127.0.0.1', ['-s'], /tot_recv_msgs=0/],
  ]) {
    assert.equal(await refused(), 0);
    const more = ['-e', address, '-r', `${canary.address().port}`, ...method];
    const { output } = await client(`peer-on-${address}${method}`, { at: own, more });
    assert.match(output, says);
  }
  await until('every message to be refused', async () => (await refused()) >= MESSAGES * CLIENTS);
  assert.equal(heard, 0);
});

/**
 * In a page: two peers that may use TURN alone open a data channel, and what is said comes back. Resolves to how the pair
 * was made up.
 */
async function relayed({ urls, username, credential }) {
  const configuration = { iceServers: [{ urls, username, credential }], iceTransportPolicy: 'relay' };
  const [one, other] = [new RTCPeerConnection(configuration), new RTCPeerConnection(configuration)];
  one.onicecandidate = ({ candidate }) => other.addIceCandidate(candidate);
  other.onicecandidate = ({ candidate }) => one.addIceCandidate(candidate);
  other.ondatachannel = ({ channel }) => (channel.onmessage = ({ data }) => channel.send(`${data} back`));
  const channel = one.createDataChannel('test');
  const answer = new Promise((resolve) => {
    channel.onmessage = ({ data }) => resolve(data);
    channel.onopen = () => channel.send('there and');
  });
  await one.setLocalDescription();
  await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription();
  await one.setRemoteDescription(other.localDescription);
  const said = await answer;
  // Statistics are a moment old.
  let stats;
  let pair;
  while (pair === undefined) {
    stats = await one.getStats();
    const transport = [...stats.values()].find(({ type }) => type === 'transport');
    pair = stats.get(transport.selectedCandidatePairId);
    if (pair === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const [local, remote] = [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id));
  one.close();
  other.close();
  return { said, types: [local.candidateType, remote.candidateType], protocol: local.relayProtocol };
}

scenario('peers in a page that may use nothing else talk by our allocations', async () => {
  const { page } = await openPage(await startChromium(440), server.httpUrl, 'relayed');
  for (const protocol of ['udp', 'tcp']) {
    const urls = `turn:127.0.0.1:${server.listen.turn}?transport=${protocol}`;
    const told = { urls, username: 'alice', credential: server.password('alice') };
    const { said, types, protocol: used } = await page.evaluate(relayed, told);
    assert.deepEqual(
      { said, types, used },
      { said: 'there and back', types: ['relay', 'relay'], used: protocol },
    );
  }
});
