// A fax machine of a few lines, which no phone with T.38 is needed for: PCMA first, and then numbered datagrams of
// UDPTL (ITU-T T.38 §9.1) in the place of the audio or beside it. What comes is kept byte for byte.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { atEnd } from './lifetime.mjs';
import { openSipClient, write } from './sip-client.mjs';
import { until } from './waiting.mjs';

const FRAME = 160;
const PCMA = 8;

/** A datagram with nothing but an indicator (ITU-T T.38 §7.2): no signal. */
const INDICATOR = Buffer.from([0xff, 0xff, 0x01, 0x00, 0x00, 0x00]);
const SDP = 'application/sdp';
const ALLOW = 'INVITE, ACK, BYE, CANCEL, OPTIONS';

/** Registers a machine of `user` at `server`, which answers whoever calls, and refuses faxes without `takesFax`. */
export async function startFaxMachine(server, user, { takesFax = true } = {}) {
  const machine = new FaxMachine(server, user, takesFax);
  atEnd(`the fax machine of ${user}`, () => machine.stop());
  await machine.start();
  return machine;
}

class FaxMachine {
  /** The datagrams that came while there was a fax. */
  pages = [];
  indicators = 0;
  /** The attributes of T.38 that the other end has said. */
  heard = [];
  /** Packets of audio that came since the last look. */
  sounds = 0;
  #server;
  #user;
  #takesFax;
  #client;
  /** Audio and faxes in their place have one port, faxes beside audio another one. */
  #media = createSocket('udp4');
  #beside = createSocket('udp4');
  #timer;
  #mode = 'audio';
  #remote;
  #dialog;
  #requests;
  #version = 1;
  #sequence = 0;

  constructor(server, user, takesFax) {
    this.#server = server;
    this.#user = user;
    this.#takesFax = takesFax;
  }

  async start() {
    for (const socket of [this.#media, this.#beside]) {
      socket.bind(0, this.#server.address);
      await once(socket, 'listening');
      socket.on('message', (packet) => this.#received(packet, socket));
    }
    this.#client = await openSipClient(this.#server);
    assert.equal((await this.#client.register(this.#user)).status, 200, `${this.#user} registers`);
    this.#requests = this.#client.hearRequests();
    this.#timer = setInterval(() => {
      this.#speak();
      this.#answerAll();
    }, 20);
  }

  stop() {
    clearInterval(this.#timer);
    this.#media.close();
    this.#beside.close();
  }

  /** Calls `callee` and waits for the answer. */
  async dial(callee) {
    const callId = randomBytes(8).toString('hex');
    const headers = { Contact: this.#client.contact(this.#user), Allow: ALLOW, 'Content-Type': SDP };
    const body = this.#sdp('audio');
    const response = await this.#client.request('INVITE', this.#user, { to: callee, headers, body, callId });
    assert.equal(response.status, 200, 'the call is answered');
    const get = (name) => response.headers.get(name);
    this.#dialog = {
      local: get('from'),
      remote: get('to'),
      callId,
      target: /<(.*)>/.exec(get('contact'))[1],
      cseq: Number.parseInt(get('cseq'), 10),
    };
    this.#agree('audio', response.text);
    this.#client.send(this.#request('ACK', { cseq: this.#dialog.cseq }));
  }

  /** Waits until it is in a call. */
  established = () => until(`the machine of ${this.#user} to be called`, () => this.#remote !== undefined);

  /** Wants to go on as `mode`: `audio`, `fax` in the place of the audio, or `beside` it. Gives the status. */
  async become(mode) {
    this.#version += 1;
    this.#dialog.cseq += 1;
    const { cseq } = this.#dialog;
    const via = this.#client.via();
    const request = this.#request('INVITE', { cseq, via, body: this.#sdp(mode) });
    const response = await this.#client.answer(request, via);
    if (response.status < 300) this.#agree(mode, response.text);
    const ack = response.status < 300 ? this.#client.via() : via;
    this.#client.send(this.#request('ACK', { cseq, via: ack }));
    return response.status;
  }

  /** Sends so many datagrams, one every 20 ms, each as long as pages make them; gives what was sent. */
  async sendPages(count) {
    const sent = [];
    for (let at = 0; at < count; at += 1) {
      const datagram = Buffer.concat([Buffer.from([at >> 8, at & 0xff]), randomBytes(20 + ((at * 7) % 200))]);
      this.#socket.send(datagram, this.#remote.port, this.#remote.address);
      sent.push(datagram);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return sent;
  }

  /** Sends an indicator, as machines do before a page, until the other one has had it. */
  async indicate(other) {
    other.indicators = 0;
    await until(`the fax of ${this.#user} to get through`, () => {
      this.#socket.send(INDICATOR, this.#remote.port, this.#remote.address);
      return other.indicators > 0;
    });
  }

  /** Waits until so many datagrams have come; forgets what came before. */
  async receivedPages(count) {
    await until(`${count} datagrams for ${this.#user}`, () => this.pages.length >= count, {
      seen: () => this.pages.length,
    });
    return this.pages.splice(0);
  }

  /** Waits until it hears audio. */
  async hears() {
    this.sounds = 0;
    await until(`${this.#user} to hear audio`, () => this.sounds >= 25, { seen: () => this.sounds });
  }

  /** Where it sends to. */
  get target() {
    return this.#remote;
  }

  /** Sends a datagram to where another machine sends to. */
  intrude({ port, address }) {
    this.#media.send(Buffer.from('not yours'), port, address);
  }

  async hangUp() {
    this.#dialog.cseq += 1;
    const via = this.#client.via();
    const request = this.#request('BYE', { cseq: this.#dialog.cseq, via });
    assert.equal((await this.#client.answer(request, via)).status, 200);
    this.#remote = undefined;
  }

  get #socket() {
    return this.#mode === 'beside' ? this.#beside : this.#media;
  }

  #sdp(mode) {
    const { address } = this.#media.address();
    const audio = (port) => [`m=audio ${port} RTP/AVP ${PCMA}`, 'a=rtpmap:8 PCMA/8000'];
    const image = (port) => [
      `m=image ${port} udptl t38`,
      'a=T38FaxVersion:0',
      'a=T38MaxBitRate:14400',
      'a=T38FaxRateManagement:transferredTCF',
      'a=T38FaxUdpEC:t38UDPRedundancy',
      `a=T38VendorInfo:0 0 ${this.#user}`,
    ];
    const lines = {
      audio: () => [...audio(this.#media.address().port), 'a=ptime:20', 'a=sendrecv'],
      fax: () => image(this.#media.address().port),
      beside: () => [...audio(0), ...image(this.#beside.address().port)],
    }[mode]();
    const top = ['v=0', `o=- 1 ${this.#version} IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0'];
    return `${[...top, ...lines].join('\r\n')}\r\n`;
  }

  /** Goes on as `mode`, to where a description says. */
  #agree(mode, message) {
    const port = Number(/^m=(?:audio|image) ([1-9]\d*)/m.exec(message)[1]);
    this.#remote = { port, address: /^c=IN IP4 (\S+)/m.exec(message)[1] };
    this.#mode = mode;
    this.heard = message.match(/^a=T38.*$/gm)?.map((line) => line.trim()) ?? [];
  }

  #received(packet, socket) {
    const isAudio = packet[0] === 0x80 && (packet[1] & 0x7f) === PCMA;
    if (this.#mode === 'audio') this.sounds += isAudio ? 1 : 0;
    else if (packet.equals(INDICATOR)) this.indicators += 1;
    // What was said last may come when the fax is agreed already.
    else if (socket === this.#socket && !isAudio) this.pages.push(packet);
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
      Contact: this.#client.contact(this.#user),
    };
    if (body !== '') headers['Content-Type'] = SDP;
    return write(`${method} ${target} SIP/2.0`, { ...headers, 'Content-Length': body.length }, body);
  }

  #answerAll() {
    for (const request of this.#requests.splice(0)) {
      const header = (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(request)?.[1].trim();
      const method = request.split(' ')[0];
      if (method === 'ACK') continue;
      const isFax = /^m=image [1-9]/m.test(request);
      const isRefused = isFax && !this.#takesFax;
      const to = /;tag=/i.test(header('To')) ? header('To') : `${header('To')};tag=fax${this.#user}`;
      const vias = request.match(/^Via: *.*$/gim).map((line) => line.replace(/^Via: */i, '').trim());
      const lines = {
        Via: vias.join(', '),
        From: header('From'),
        To: to,
        'Call-ID': header('Call-ID'),
        CSeq: header('CSeq'),
      };
      let body = '';
      if (method === 'INVITE' && !isRefused) {
        this.#dialog ??= {
          local: to,
          remote: header('From'),
          callId: header('Call-ID'),
          target: /<(.*)>/.exec(header('Contact'))[1],
          cseq: 1,
        };
        this.#version += 1;
        const mode = isFax ? 'fax' : 'audio';
        body = this.#sdp(mode);
        this.#agree(mode, request);
        const contact = this.#client.contact(this.#user);
        Object.assign(lines, { Contact: contact, Allow: ALLOW, 'Content-Type': SDP });
      }
      const status = isRefused ? '488 Not Acceptable Here' : '200 OK';
      this.#client.send(write(`SIP/2.0 ${status}`, { ...lines, 'Content-Length': body.length }, body));
    }
  }

  /** Sends 20 ms of sound, as long as there is audio. */
  #speak() {
    if (this.#remote === undefined || this.#mode !== 'audio') return;
    const packet = Buffer.alloc(12 + FRAME, 0x2a);
    packet.set([0x80, PCMA]);
    packet.writeUInt16BE((this.#sequence += 1) & 0xffff, 2);
    packet.writeUInt32BE((this.#sequence * FRAME) >>> 0, 4);
    packet.writeUInt32BE(0x0fa0_0fa0, 8);
    this.#media.send(packet, this.#remote.port, this.#remote.address);
  }
}
