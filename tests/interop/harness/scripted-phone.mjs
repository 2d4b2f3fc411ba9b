// A telephone of a few lines, for what no phone of today does: it registers, calls, answers whoever calls, and hangs up.
// What it says, hears and agrees on is for those that extend it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { atEnd } from './lifetime.mjs';
import { openSipClient, write } from './sip-client.mjs';
import { until } from './waiting.mjs';

const SDP = 'application/sdp';
/** It does not say that it takes INFO; one that does so shows it when it tells something itself. */
const ALLOW = 'INVITE, ACK, BYE, CANCEL, OPTIONS';

/** Starts a telephone that extends {@link ScriptedPhone}, until the end of the scenario. */
export async function startScriptedPhone(phone) {
  atEnd(`the scripted phone of ${phone.user}`, () => phone.stop());
  await phone.start();
  return phone;
}

/** It calls `describe()` for its session description, and `agree(message)` with that of the other end. */
export class ScriptedPhone {
  user;
  /** Where it sends to, while it is in a call. */
  remote;
  /** The socket of its audio. */
  media;
  #server;
  #client;
  #sockets = [];
  #timer;
  #dialog;
  #requests;

  constructor(server, user) {
    this.#server = server;
    this.user = user;
    this.media = this.openSocket();
  }

  /** One more socket; what comes by it is for `received(packet, socket)`. */
  openSocket() {
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    return socket;
  }

  async start() {
    for (const socket of this.#sockets) {
      socket.bind(0, this.#server.address);
      await once(socket, 'listening');
      socket.on('message', (packet) => this.received(packet, socket));
    }
    this.#client = await openSipClient(this.#server);
    assert.equal((await this.#client.register(this.user)).status, 200, `${this.user} registers`);
    this.#requests = this.#client.hearRequests();
    const started = performance.now();
    let frames = 0;
    this.#timer = setInterval(() => {
      while (frames < (performance.now() - started) / 20) {
        this.speak(frames);
        frames += 1;
      }
      for (const request of this.#requests.splice(0)) this.#answer(request);
    }, 10);
  }

  stop() {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }

  /** Calls `callee` and waits for the answer. */
  async dial(callee) {
    const callId = randomBytes(8).toString('hex');
    const headers = { Contact: this.#client.contact(this.user), Allow: ALLOW, 'Content-Type': SDP };
    const body = this.describe();
    const response = await this.#client.request('INVITE', this.user, { to: callee, headers, body, callId });
    assert.equal(response.status, 200, 'the call is answered');
    const get = (name) => response.headers.get(name);
    this.#dialog = {
      local: get('from'),
      remote: get('to'),
      callId,
      target: /<(.*)>/.exec(get('contact'))[1],
      cseq: Number.parseInt(get('cseq'), 10),
    };
    this.agree(response.text);
    this.#acknowledge(this.#client.via());
  }

  /** Waits until it is in a call. */
  established = () => until(`the phone of ${this.user} to be called`, () => this.remote !== undefined);

  /** Sends a request within the dialog and gives the final response, an INVITE's acknowledged. */
  async ask(method, { body = '', type = SDP } = {}) {
    this.#dialog.cseq += 1;
    const via = this.#client.via();
    const response = await this.#client.answer(this.#request(method, { via, body, type }), via);
    if (method === 'INVITE') this.#acknowledge(response.status < 300 ? this.#client.via() : via);
    return response;
  }

  async hangUp() {
    assert.equal((await this.ask('BYE')).status, 200);
    this.remote = undefined;
  }

  /** Takes where the other end wants its `media`, of the first such section that it has not refused. */
  follow(message, media = 'audio') {
    const port = Number(new RegExp(`^m=(?:${media}) ([1-9]\\d*)`, 'm').exec(message)[1]);
    this.remote = { port, address: /^c=IN IP4 (\S+)/m.exec(message)[1] };
  }

  /** A packet of G.711 with 20 ms, the `frame`-th. */
  sendFrame(frame, payloadType, ssrc, samples) {
    const packet = Buffer.alloc(12 + samples.length);
    packet.set([0x80, payloadType]);
    packet.writeUInt16BE(frame & 0xffff, 2);
    packet.writeUInt32BE((frame * samples.length) >>> 0, 4);
    packet.writeUInt32BE(ssrc, 8);
    packet.set(samples, 12);
    this.media.send(packet, this.remote.port, this.remote.address);
  }

  /** What there is to do every 20 ms; nothing here. */
  speak() {}

  /** The status that a request is answered with. */
  judge() {
    return '200 OK';
  }

  /** Acknowledges the last INVITE of ours. */
  #acknowledge(via) {
    this.#client.send(this.#request('ACK', { via }));
  }

  #request(method, { via, body = '', type }) {
    const { local, remote, callId, target, cseq } = this.#dialog;
    const headers = {
      Via: via,
      'Max-Forwards': 70,
      From: local,
      To: remote,
      'Call-ID': callId,
      CSeq: `${cseq} ${method}`,
      Contact: this.#client.contact(this.user),
    };
    if (body !== '') headers['Content-Type'] = type;
    return write(`${method} ${target} SIP/2.0`, { ...headers, 'Content-Length': body.length }, body);
  }

  #answer(request) {
    const header = (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(request)?.[1].trim();
    const method = request.split(' ')[0];
    if (method === 'ACK') return;
    const status = this.judge(method, request);
    const to = /;tag=/i.test(header('To')) ? header('To') : `${header('To')};tag=of${this.user}`;
    const vias = request.match(/^Via: *.*$/gim).map((line) => line.replace(/^Via: */i, '').trim());
    const lines = {
      Via: vias.join(', '),
      From: header('From'),
      To: to,
      'Call-ID': header('Call-ID'),
      CSeq: header('CSeq'),
    };
    let body = '';
    if (method === 'INVITE' && status.startsWith('2')) {
      if (this.#dialog?.callId !== header('Call-ID')) {
        const target = /<(.*)>/.exec(header('Contact'))[1];
        this.#dialog = { local: to, remote: header('From'), callId: header('Call-ID'), target, cseq: 1 };
      }
      this.agree(request);
      body = this.describe();
      Object.assign(lines, { Contact: this.#client.contact(this.user), Allow: ALLOW, 'Content-Type': SDP });
    }
    this.#client.send(write(`SIP/2.0 ${status}`, { ...lines, 'Content-Length': body.length }, body));
  }
}
