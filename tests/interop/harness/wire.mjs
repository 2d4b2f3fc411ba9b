// What passes on the loopback interface, and the sound of it.
//
// baresip 1.0.0 takes its recording filter away at the first hold of a call and does not put it back, so what it hears
// after one is taken from the wire instead: G.711 is readable there. Needs a network namespace (`netns.mjs`), in which
// every user may listen.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { Child } from './child.mjs';
import { fromALaw, fromMuLaw } from './g711.mjs';
import { evidencePath } from './evidence.mjs';
import { undisturbed } from './standstill.mjs';
import { LISTEN_MS, PATIENCE_MS, SETTLE_MS, Sound } from './tones.mjs';
import { until } from './waiting.mjs';

const RATE = 8_000;
const PCMU = 0;
const PCMA = 8;
const GLOBAL_HEADER = 24;
const PACKET_HEADER = 16;
const LINK_TYPE = 20;
const LINK_HEADERS = { 1: 14, 101: 0 };

/** Starts to capture UDP on loopback. */
export async function startWire() {
  const file = evidencePath('wire.pcap');
  // -Z root: as another user it could not write its file. -U: every packet is in the file at once.
  const args = ['-i', 'lo', '-n', '-U', '--immediate-mode', '-Z', 'root', '-w', file, 'udp'];
  const child = new Child('tcpdump', 'tcpdump', args);
  await until('tcpdump to listen', () => {
    if (!child.isRunning) throw new Error(`tcpdump ended at its start: ${child.output}`);
    return child.output.includes('listening on');
  });
  return new Wire(file, child);
}

class Wire {
  #file;
  #child;

  constructor(file, child) {
    this.#file = file;
    this.#child = child;
  }

  stop() {
    return this.#child.stop('SIGINT');
  }

  /** What comes in at the RTP ports of `phone` from now on, after a settling. */
  listen(phone, { settle = SETTLE_MS, listen = LISTEN_MS } = {}) {
    return undisturbed(() => this.#listen(phone, settle, listen));
  }

  async #listen(phone, settle, listen) {
    await sleep(settle);
    const from = Date.now();
    await sleep(listen);
    const heard = () =>
      datagrams(this.#file, from).flatMap(({ to, payload }) => rtpAudio(to, payload, phone.rtpPorts).flat());
    const wanted = (listen * RATE) / 1000;
    let deadline = performance.now() + PATIENCE_MS;
    let samples = heard();
    // Where packets come, the rest of them comes, however busy the machine is.
    while (samples.length > 0 && samples.length < wanted && performance.now() < deadline) {
      await sleep(100);
      const { length } = samples;
      samples = heard();
      if (samples.length > length) deadline = performance.now() + PATIENCE_MS;
    }
    return new Sound(Float32Array.from(samples), RATE, `the wire to ${phone.user}`);
  }
}

/** What `phone` says in a capture. */
export function readCapture(file, phone) {
  const samples = datagrams(file).flatMap(({ from, payload }) =>
    rtpAudio(from, payload, phone.rtpPorts).flat(),
  );
  return new Sound(Float32Array.from(samples), RATE, `${phone.user} in the capture`);
}

/** The UDP datagrams of a capture since a time in Unix milliseconds: their ports, and what they carry. */
function datagrams(file, since = 0) {
  const bytes = readFileSync(file);
  const found = [];
  const link = LINK_HEADERS[bytes.readUInt32LE(LINK_TYPE)];
  for (let at = GLOBAL_HEADER; at + PACKET_HEADER <= bytes.length;) {
    const milliseconds = bytes.readUInt32LE(at) * 1000 + bytes.readUInt32LE(at + 4) / 1000;
    const length = bytes.readUInt32LE(at + 8);
    const frame = bytes.subarray(at + PACKET_HEADER, at + PACKET_HEADER + length);
    at += PACKET_HEADER + length;
    if (milliseconds < since || frame.length < length) continue;
    const ip = frame.subarray(link);
    if (ip.length < 20 || ip[0] >> 4 !== 4) continue;
    const udp = ip.subarray((ip[0] & 15) * 4);
    found.push({ from: udp.readUInt16BE(0), to: udp.readUInt16BE(2), payload: udp.subarray(8) });
  }
  return found;
}

/** The samples of an RTP packet with G.711 at one of these ports, in a list; none of another packet. */
function rtpAudio(port, payload, { first, last }) {
  const isRtp =
    port >= first && port <= last && port % 2 === 0 && payload.length > 12 && payload[0] >> 6 === 2;
  const type = payload[1] & 127;
  if (!isRtp || (type !== PCMU && type !== PCMA)) return [];
  const decode = type === PCMU ? fromMuLaw : fromALaw;
  const header = 12 + (payload[0] & 15) * 4;
  return [Array.from(payload.subarray(header), (byte) => decode(byte) / 32_768)];
}
