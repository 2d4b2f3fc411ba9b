// A telephone that knows no telephone events, which no phone of today is: PCMU, keys as tones in its audio or by INFO.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { fromMuLaw, toMuLaw } from './g711.mjs';
import { atEnd } from './lifetime.mjs';
import { openSipClient, write } from './sip-client.mjs';
import { COLUMNS, KEYPAD, ROWS, goertzel } from './tones.mjs';
import { until } from './waiting.mjs';

const RATE = 8_000;
const FRAME = 160;
/** A frame belongs to a key when both of its tones have so much of full scale. */
const LOUD = 0.03;
const INFO = 'application/dtmf-relay';
/** It does not say that it takes INFO; it does so as soon as it tells a key itself. */
const ALLOW = 'INVITE, ACK, BYE, CANCEL, OPTIONS';

/** Registers a telephone of `user` at `server`, which answers whoever calls. */
export async function startOldPhone(server, user) {
  const phone = new OldPhone(server, user);
  atEnd(`the old telephone of ${user}`, () => phone.stop());
  await phone.start();
  return phone;
}

class OldPhone {
  /** The keys that it was told of by INFO: `{ key, milliseconds }`. */
  infos = [];
  #server;
  #user;
  #client;
  #media = createSocket('udp4');
  #timer;
  #remote;
  #dialog;
  #requests;
  #heard = [];
  #saying = [];
  #sequence = 0;

  constructor(server, user) {
    this.#server = server;
    this.#user = user;
  }

  async start() {
    this.#media.bind(0, this.#server.address);
    await once(this.#media, 'listening');
    this.#media.on('message', (packet) => {
      if ((packet[1] & 0x7f) === 0 && packet.length > 12) this.#heard.push(...packet.subarray(12));
    });
    this.#client = await openSipClient(this.#server);
    const { status } = await this.#client.register(this.#user);
    assert.equal(status, 200, `${this.#user} registers`);
    this.#requests = this.#client.hearRequests();
    const started = performance.now();
    let frames = 0;
    this.#timer = setInterval(() => {
      while (frames < (performance.now() - started) / 20) {
        this.#speak(frames);
        frames += 1;
      }
      this.#answerAll();
    }, 10);
  }

  stop() {
    clearInterval(this.#timer);
    this.#media.close();
  }

  /** Calls `callee` and waits for the answer. */
  async dial(callee) {
    const callId = randomBytes(8).toString('hex');
    const headers = {
      Contact: this.#client.contact(this.#user),
      Allow: ALLOW,
      'Content-Type': 'application/sdp',
    };
    const response = await this.#client.request('INVITE', this.#user, {
      to: callee,
      headers,
      body: this.#sdp,
      callId,
    });
    assert.equal(response.status, 200, 'the call is answered');
    const get = (name) => response.headers.get(name);
    this.#dialog = {
      local: get('from'),
      remote: get('to'),
      callId,
      target: /<(.*)>/.exec(get('contact'))[1],
      cseq: Number.parseInt(get('cseq'), 10),
    };
    this.#follow(response.text);
    this.#client.send(this.#request('ACK', { cseq: this.#dialog.cseq }));
  }

  /** Waits until it is in a call. */
  established = () =>
    until(`the old telephone of ${this.#user} to be called`, () => this.#remote !== undefined);

  /** Presses a key as a tone in its audio. */
  pressTone(key, milliseconds) {
    const pair = tonesOf(key);
    for (let at = 0; at < (milliseconds * RATE) / 1000; at += 1) {
      const sample = pair.reduce((sum, hertz) => sum + 0.2 * Math.sin((2 * Math.PI * hertz * at) / RATE), 0);
      this.#saying.push(toMuLaw(sample));
    }
  }

  /** Presses a key by INFO. */
  async pressInfo(key, milliseconds) {
    this.#dialog.cseq += 1;
    const body = `Signal=${key}\r\nDuration=${milliseconds}\r\n`;
    const via = this.#client.via();
    const request = this.#request('INFO', { cseq: this.#dialog.cseq, via, body });
    assert.equal((await this.#client.answer(request, via)).status, 200, 'the INFO is taken');
  }

  /** Waits until it has heard a key as a tone, and gives how many milliseconds of it; forgets what it heard before. */
  async heardTone(key) {
    const pair = tonesOf(key);
    let longest = 0;
    await until(
      `the old telephone of ${this.#user} to hear the key ${key}, and its end`,
      () => {
        const samples = Float32Array.from(this.#heard, (byte) => fromMuLaw(byte) / 32_768);
        let [run, last] = [0, 0];
        longest = 0;
        // Steps of 5 ms, windows of 20.
        for (let at = 0; at + FRAME <= samples.length; at += FRAME / 4) {
          const window = samples.subarray(at, at + FRAME);
          const isKey = pair.every((hertz) => goertzel(window, hertz, RATE) > LOUD);
          run = isKey ? run + 5 : 0;
          if (run > longest) [longest, last] = [run, at];
        }
        return longest > 20 && samples.length - last > 10 * FRAME;
      },
      { seen: () => `${longest} ms in ${this.#heard.length} samples` },
    );
    this.#heard = [];
    return longest;
  }

  /** Waits until it is told of a key by INFO. */
  async told(key) {
    await until(`an INFO with the key ${key}`, () => this.infos.some((info) => info.key === key), {
      seen: () => this.infos,
    });
    return this.infos.find((info) => info.key === key);
  }

  get #sdp() {
    const { port, address } = this.#media.address();
    const lines = [
      'v=0',
      `o=- 1 1 IN IP4 ${address}`,
      's=-',
      `c=IN IP4 ${address}`,
      't=0 0',
      `m=audio ${port} RTP/AVP 0`,
    ];
    return `${[...lines, 'a=ptime:20', 'a=sendrecv'].join('\r\n')}\r\n`;
  }

  #follow(message) {
    const port = Number(/^m=audio (\d+)/m.exec(message)[1]);
    this.#remote = { port, address: /^c=IN IP4 (\S+)/m.exec(message)[1] };
  }

  #request(method, { cseq, via = this.#client.via(), body = '' }) {
    const { local, remote, callId, target } = this.#dialog;
    const headers = {
      Via: via,
      'Max-Forwards': 70,
      From: local,
      To: remote,
      'Call-ID': callId,
      CSeq: `${cseq} ${method}`,
    };
    if (body !== '') headers['Content-Type'] = INFO;
    return write(`${method} ${target} SIP/2.0`, { ...headers, 'Content-Length': body.length }, body);
  }

  #answerAll() {
    for (const request of this.#requests.splice(0)) {
      const header = (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(request)?.[1].trim();
      const method = request.split(' ')[0];
      if (method === 'ACK') continue;
      const isInvite = method === 'INVITE';
      const to = isInvite ? `${header('To')};tag=old${this.#user}` : header('To');
      const vias = request.match(/^Via: *.*$/gim).map((line) => line.replace(/^Via: */i, '').trim());
      const lines = {
        Via: vias.join(', '),
        From: header('From'),
        To: to,
        'Call-ID': header('Call-ID'),
        CSeq: header('CSeq'),
      };
      const body = isInvite ? this.#sdp : '';
      if (isInvite) {
        this.#dialog = {
          local: to,
          remote: header('From'),
          callId: header('Call-ID'),
          target: /<(.*)>/.exec(header('Contact'))[1],
          cseq: 1,
        };
        this.#follow(request);
        Object.assign(lines, {
          Contact: this.#client.contact(this.#user),
          Allow: ALLOW,
          'Content-Type': 'application/sdp',
        });
      }
      if (method === 'INFO') {
        const [, key, milliseconds] = /Signal= *(\S+)\s+Duration= *(\d+)/i.exec(request);
        this.infos.push({ key, milliseconds: Number(milliseconds) });
      }
      this.#client.send(write('SIP/2.0 200 OK', { ...lines, 'Content-Length': body.length }, body));
    }
  }

  /** Sends 20 ms of what it says, or of silence. */
  #speak(frame) {
    const said = this.#saying.splice(0, FRAME);
    if (this.#remote === undefined) return;
    const packet = Buffer.alloc(12 + FRAME, toMuLaw(0));
    packet.set([0x80, 0]);
    packet.writeUInt16BE((this.#sequence += 1) & 0xffff, 2);
    packet.writeUInt32BE((frame * FRAME) >>> 0, 4);
    packet.writeUInt32BE(0x01d0_0d1e, 8);
    packet.set(said, 12);
    this.#media.send(packet, this.#remote.port, this.#remote.address);
  }
}

/** The two tones of a key, in Hz. */
function tonesOf(key) {
  const row = KEYPAD.findIndex((keys) => keys.includes(key));
  return [ROWS[row], COLUMNS[KEYPAD[row].indexOf(key)]];
}
