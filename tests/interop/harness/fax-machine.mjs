// A fax machine of a few lines, which no phone with T.38 is needed for: PCMA first, and then numbered datagrams of
// UDPTL (ITU-T T.38 §9.1) in the place of the audio or beside it. What comes is kept byte for byte.
import { randomBytes } from 'node:crypto';

import { ScriptedPhone, startScriptedPhone } from './scripted-phone.mjs';
import { until } from './waiting.mjs';

const PCMA = 8;
const SOUND = Buffer.alloc(160, 0x2a);
/** A datagram with nothing but an indicator (ITU-T T.38 §7.2): no signal. */
const INDICATOR = Buffer.from([0xff, 0xff, 0x01, 0x00, 0x00, 0x00]);

/** Registers a machine of `user` at `server`, which answers whoever calls, and refuses faxes without `takesFax`. */
export const startFaxMachine = (server, user, { takesFax = true } = {}) =>
  startScriptedPhone(new FaxMachine(server, user, takesFax));

class FaxMachine extends ScriptedPhone {
  /** The datagrams that came while there was a fax, but for indicators. */
  pages = [];
  indicators = 0;
  /** The attributes of T.38 that the other end has said. */
  heard = [];
  /** Packets of audio that came since the last look. */
  sounds = 0;
  #takesFax;
  /** Audio and faxes in their place have one port, faxes beside audio another one. */
  #beside = this.openSocket();
  #mode = 'audio';
  #version = 1;

  constructor(server, user, takesFax) {
    super(server, user);
    this.#takesFax = takesFax;
  }

  /** Wants to go on as `mode`: `audio`, `fax` in the place of the audio, or `beside` it. Gives the status. */
  async become(mode) {
    const response = await this.ask('INVITE', { body: this.describe(mode) });
    if (response.status < 300) this.#agree(mode, response.text);
    return response.status;
  }

  /** Sends so many datagrams, one every 20 ms, each as long as pages make them; gives what was sent. */
  async sendPages(count) {
    const sent = [];
    for (let at = 0; at < count; at += 1) {
      const primary = randomBytes(20 + ((at * 7) % 100));
      const head = [at >> 8, at & 0xff, primary.length];
      const datagram = Buffer.concat([Buffer.from(head), primary, Buffer.from([0, 0])]);
      this.#send(datagram);
      sent.push(datagram);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return sent;
  }

  /** Sends an indicator, as machines do before a page, until the other one has had it. */
  async indicate(other) {
    other.indicators = 0;
    await until(`the fax of ${this.user} to get through`, () => {
      this.#send(INDICATOR);
      return other.indicators > 0;
    });
  }

  /** Waits until so many datagrams have come; forgets what came before. */
  async receivedPages(count) {
    await until(`${count} datagrams for ${this.user}`, () => this.pages.length >= count, {
      seen: () => this.pages.length,
    });
    return this.pages.splice(0);
  }

  /** Waits until it hears audio. */
  async hears() {
    this.sounds = 0;
    await until(`${this.user} to hear audio`, () => this.sounds >= 25, { seen: () => this.sounds });
  }

  /** Sends a datagram to where another machine sends to. */
  intrude({ port, address }) {
    this.media.send(Buffer.from('not yours'), port, address);
  }

  describe(mode = this.#mode) {
    this.#version += 1;
    const { address } = this.media.address();
    const audio = (port) => [`m=audio ${port} RTP/AVP ${PCMA}`, 'a=rtpmap:8 PCMA/8000'];
    const image = (port) => [
      `m=image ${port} udptl t38`,
      'a=T38FaxVersion:0',
      'a=T38MaxBitRate:14400',
      'a=T38FaxRateManagement:transferredTCF',
      'a=T38FaxUdpEC:t38UDPRedundancy',
      `a=T38VendorInfo:0 0 ${this.user}`,
    ];
    const lines = {
      audio: () => [...audio(this.media.address().port), 'a=ptime:20', 'a=sendrecv'],
      fax: () => image(this.media.address().port),
      beside: () => [...audio(0), ...image(this.#beside.address().port)],
    }[mode]();
    const top = ['v=0', `o=- 1 ${this.#version} IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0'];
    return `${[...top, ...lines].join('\r\n')}\r\n`;
  }

  /** An offer: a fax is taken in the place of the audio. */
  agree(message) {
    this.#agree(isFax(message) ? 'fax' : 'audio', message);
  }

  judge(method, request) {
    return isFax(request) && !this.#takesFax ? '488 Not Acceptable Here' : super.judge();
  }

  received(packet, socket) {
    const isAudio = packet[0] === 0x80 && (packet[1] & 0x7f) === PCMA;
    if (this.#mode === 'audio') this.sounds += isAudio ? 1 : 0;
    else if (packet.equals(INDICATOR)) this.indicators += 1;
    // What was said last may come when the fax is agreed already.
    else if (socket === this.#socket && !isAudio) this.pages.push(packet);
  }

  /** Sends 20 ms of sound, as long as there is audio. */
  speak(frame) {
    if (this.remote !== undefined && this.#mode === 'audio') this.sendFrame(frame, PCMA, 0x0fa0_0fa0, SOUND);
  }

  /** Goes on as `mode`, to where a description says. */
  #agree(mode, message) {
    this.follow(message, 'audio|image');
    this.#mode = mode;
    this.heard = message.match(/^a=T38.*$/gm)?.map((line) => line.trim()) ?? [];
  }

  get #socket() {
    return this.#mode === 'beside' ? this.#beside : this.media;
  }

  #send(datagram) {
    this.#socket.send(datagram, this.remote.port, this.remote.address);
  }
}

/** Whether a message asks for a fax. */
const isFax = (message) => /^m=image [1-9]/m.test(message);
