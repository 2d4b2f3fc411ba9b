// Every SIP message in a pcap file and at a collector, the messages of one call tied together.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { statSync } from 'node:fs';

import { startBaresip } from './harness/baresip.mjs';
import { startCollector } from './harness/collector.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { reservePorts } from './harness/ports.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

/** Alice calls Bob, and hangs up. */
async function aCall(server) {
  const alice = await startBaresip(server, 'alice');
  const bob = await startBaresip(server, 'bob', { answers: true });
  await alice.dial('bob');
  await Promise.all([alice.established(), bob.established()]);
  await alice.hangUp();
  await bob.closed();
}

scenario('a call between phones is traced', async () => {
  const collector = await openCollector();
  const pcap = evidencePath('sip.pcap');
  const server = await startServer({
    set: [`trace.pcap=${pcap}`, `trace.hep=127.0.0.1:${collector.port}`, 'trace.hep_id=77'],
  });
  await aCall(server);

  const byes = () => collector.packets.filter(({ payload }) => /^BYE /.test(payload));
  await until('both BYEs at the collector', () => byes().length === 2, { seen: () => collector.packets });
  const [received, sent] = byes();
  assert.equal(received.destinationPort, server.listen.sip_udp, 'from alice to us');
  assert.equal(sent.sourcePort, server.listen.sip_udp, 'from us to bob');
  assert.notEqual(callId(received.payload), callId(sent.payload), 'two dialogs');
  assert.equal(sent.correlation, callId(received.payload), 'of one call');
  assert.equal(received.correlation, callId(received.payload));
  for (const packet of collector.packets) {
    assert.equal(packet.protocol, 1, 'SIP');
    assert.equal(packet.agent, 77);
    assert.ok(Math.abs(packet.at - Date.now()) < 120_000, `at ${packet.at}`);
  }

  await until('both BYEs in the file', () => read(pcap).match(/BYE sip:/g)?.length >= 2);
  assert.match(read(pcap), /IP 127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.\d+: UDP, length \d+\s+\S+INVITE sip:bob@/);
  assert.equal(statSync(pcap).mode & 0o777, 0o600, 'nobody else does');
  assert.equal(await server.metric('ringback_control_thread_total', 'trace_missed'), 0);
});

scenario('the collector of kamailio has each message of a call, and which call it is of', async () => {
  const collector = await startCollector(await reservePorts());
  const server = await startServer({
    bind: ['127.0.0.1', '::1'],
    set: [`trace.hep=127.0.0.1:${collector.port}`, 'trace.hep_id=77'],
  });
  await aCall(server);
  // Over IPv6, and over TCP.
  const carol = await openSipClient(server.at('::1'), 'tcp');
  assert.equal((await carol.request('OPTIONS', 'alice', { to: 'ringback' })).status, 200);
  await until('both BYEs and OPTIONS at the collector', () => {
    return collector.count('BYE') === 2 && collector.count('OPTIONS') === 1;
  });

  const rows = await collector.rows();
  assert.doesNotMatch(collector.output, /ERROR: (sipcapture|<core>)/);
  const of = (method) => rows.filter((row) => row.method === method);
  const [first, ...more] = of('INVITE');
  const out = more.find(({ source_port: port }) => Number(port) === server.listen.sip_udp);
  assert.equal(Number(first.destination_port), server.listen.sip_udp, 'from alice to us');
  assert.match(out.ruri, /^sip:bob/);
  assert.notEqual(out.callid, first.callid, 'two dialogs');
  for (const row of [...of('INVITE'), ...of('ACK'), ...of('BYE')]) {
    assert.equal(row.correlation_id, first.callid, `${row.method} from ${row.source_ip}:${row.source_port}`);
    assert.ok([first.callid, out.callid].includes(row.callid));
  }
  for (const row of rows) {
    assert.equal(row.node, 'collector:77', 'who has captured it');
    assert.ok(Math.abs(Number(row.date) * 1000 - Date.now()) < 120_000, `at ${row.date}`);
  }
  // Each message as it was, from its first line to its body.
  assert.match(first.msg, /^INVITE sip:bob@127\.0\.0\.1.* SIP\/2\.0\r\n[^]*\r\n\r\nv=0\r\n[^]*m=audio /);
  assert.deepEqual(
    rows
      .filter((row) => row.callid === first.callid && row.method === '200')
      .map((row) => row.cseq.split(' ')[1]),
    ['INVITE', 'BYE'],
  );
  const [options] = of('OPTIONS');
  assert.deepEqual(
    [options.source_ip, options.destination_ip, Number(options.destination_port)],
    ['::1', '::1', server.listen.sip_tcp],
  );
});

/** What tcpdump makes of the file. */
const read = (pcap) =>
  execFileSync('tcpdump', ['-n', '-A', '-r', pcap], {
    encoding: 'latin1',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
const callId = (message) => /^Call-ID: *(.*?)\r?$/im.exec(message)[1];

/** A socket that reads HEP3. */
async function openCollector() {
  const socket = createSocket('udp4');
  const packets = [];
  socket.on('message', (bytes) => packets.push(readHep(bytes)));
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  atEnd('the collector', () => new Promise((resolve) => socket.close(resolve)));
  return { port: socket.address().port, packets };
}

function readHep(bytes) {
  assert.equal(bytes.toString('latin1', 0, 4), 'HEP3');
  assert.equal(bytes.readUInt16BE(4), bytes.length);
  const chunks = new Map();
  for (let at = 6; at < bytes.length;) {
    const length = bytes.readUInt16BE(at + 4);
    chunks.set(bytes.readUInt16BE(at + 2), bytes.subarray(at + 6, at + length));
    at += length;
  }
  return {
    sourcePort: chunks.get(7).readUInt16BE(),
    destinationPort: chunks.get(8).readUInt16BE(),
    at: chunks.get(9).readUInt32BE() * 1000,
    protocol: chunks.get(11)[0],
    agent: chunks.get(12).readUInt32BE(),
    payload: chunks.get(15).toString(),
    correlation: chunks.get(17)?.toString(),
  };
}
