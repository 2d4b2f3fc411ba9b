// How a client keeps its flow alive (RFC 5626 §4.4), and learns that it is lost.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { before } from 'node:test';

import { openConnection } from './harness/connection.mjs';
import { scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

let server;
before(async () => {
  server = await startServer();
});

for (const [transport, tls] of [
  ['sip_tcp', false],
  ['sip_tls', true],
]) {
  scenario(`a ping of CRLF CRLF over ${transport} gets a pong of CRLF`, async () => {
    const connection = await openConnection(server, transport, { tls });
    for (const pongs of ['\r\n', '\r\n\r\n']) {
      connection.send('\r\n\r\n');
      await until('the pong', () => connection.received.toString() === pongs, {
        seen: () => connection.received.toString(),
      });
    }
  });
}

/** A UDP socket; `request` sends a STUN message of that type, and `heard` has what came back. */
async function stunClient() {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  atEnd('the STUN client', () => new Promise((resolve) => socket.close(resolve)));
  const heard = [];
  socket.on('message', (bytes) => heard.push(bytes));
  const request = (type) => {
    // RFC 8489 §5: the type, no attributes, the magic cookie, a transaction of its own.
    const bytes = Buffer.concat([Buffer.from(`${type}00002112a442`, 'hex'), randomBytes(12)]);
    socket.send(bytes, server.listen.sip_udp, '127.0.0.1');
    return bytes;
  };
  return { request, heard, port: socket.address().port };
}

/** Whether a response is that to the request and says where it came from. */
function assertAnswers(bytes, request, port) {
  assert.equal(bytes.readUInt16BE(0), 0x0101, 'a Binding success response');
  assert.deepEqual(bytes.subarray(4, 20), request.subarray(4, 20), 'of this transaction');
  const at = bytes.indexOf(Buffer.from('00200008', 'hex'), 20);
  assert.ok(at > 0, 'XOR-MAPPED-ADDRESS');
  assert.equal(bytes.readUInt16BE(at + 6) ^ 0x2112, port);
}

const counted = (name) => server.metric('ringback_control_thread_total', `"${name}"`);

scenario(
  'a STUN Binding request to the SIP port over UDP is answered with the address it came from',
  async () => {
    const { request, heard, port } = await stunClient();
    const stranger = request('0001');
    await until('the STUN response', () => heard.length === 1, { within: 3_000 });
    assertAnswers(heard[0], stranger, port);

    // Somebody signs in from this address: from here on it is known.
    const alice = await openSipClient(server);
    assert.equal((await alice.request('OPTIONS', 'alice', { to: 'alice' })).status, 480);
    const known = request('0001');
    await until('the STUN response', () => heard.length === 2, { within: 3_000 });
    assertAnswers(heard[1], known, port);
  },
);

scenario(
  'STUN on the SIP port that is no Binding request is dropped and counted, not read as SIP',
  async () => {
    const { request, heard } = await stunClient();
    const invalid = await server.metric('ringback_sip_total', '"messages_unparsed_dropped"');
    const dropped = await counted('stun_dropped');
    // An indication and a response have no answer; the Binding request behind them has.
    request('0011');
    request('0101');
    request('0001');
    await until('the STUN response', () => heard.length > 0, { within: 3_000 });
    await until('both to be counted', async () => (await counted('stun_dropped')) === dropped + 2);
    assert.equal(heard.length, 1);
    assert.equal(await server.metric('ringback_sip_total', '"messages_unparsed_dropped"'), invalid);
  },
);
