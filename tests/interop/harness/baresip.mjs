// baresip, a SIP phone, told what to do over its control socket (JSON in netstrings) and heard through its recordings.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { undisturbed } from './standstill.mjs';
import { LISTEN_MS, PATIENCE_MS, SETTLE_MS, Sound, fromPcm16, tone, writeWav } from './tones.mjs';
import { WITHIN_MS, bounded, until } from './waiting.mjs';

const RATE = 8_000;
/** Longer than any test talks: baresip falls silent at the end of its file. */
const SECONDS = 120;
/** The header of the WAV files that libsndfile writes. */
const WAV_HEADER = 44;

/** The modules of codecs beside G.711. */
const modulesOf = (codecs) =>
  ['g722', 'opus'].filter((name) => codecs.some((codec) => codec.toLowerCase().startsWith(name)));

/** Starts a phone of `user` at `server`. */
export async function startBaresip(server, user, options = {}) {
  const phone = new Baresip(server, user, options);
  atEnd(`baresip ${user}`, () => phone.stop());
  await phone.start();
  return phone;
}

export class Baresip {
  /** Every event it has told, oldest first. */
  events = [];
  /** Where its RTP and RTCP sockets are. */
  rtpPorts;
  #name;
  #folder;
  #child;
  #control;
  #controlPort;
  #answers = new Map();
  #token = 0;
  #seen = 0;
  #exchange;

  /**
   * @param {import('./server.mjs').Server} server where it registers
   * @param {string} user
   * @param {object} [options]
   * @param {number} [options.tone] in Hz; silence without one
   * @param {string} [options.address] of the server, where it has several; and its own
   * @param {'udp' | 'tcp' | 'tls'} [options.transport]
   * @param {boolean} [options.answers] by itself
   * @param {boolean} [options.registers]
   * @param {string} [options.password]
   * @param {string} [options.name] of its log
   * @param {number} [options.calls] how many it takes at once
   * @param {string[]} [options.apps] more modules, as `mwi`
   * @param {string[]} [options.watches] users whose presence it shows
   * @param {boolean} [options.publishes] its own presence
   * @param {string[]} [options.codecs] the only ones that it has, as `opus/48000/2`
   * @param {string} [options.encryption] of its media: `srtp` (RTP/AVP and a=crypto), `srtp-mand` (RTP/SAVP) or `srtp-mandf`
   *   (RTP/SAVPF)
   * @param {boolean} [options.video] shows a picture of its own, as VP8
   */
  constructor(
    server,
    user,
    {
      tone: frequency,
      address = server.address,
      transport = 'udp',
      answers = false,
      registers = true,
      password = server.password(user),
      name = user,
      calls = 4,
      apps = [],
      watches = [],
      publishes = false,
      codecs = [],
      encryption,
      video = false,
    } = {},
  ) {
    this.user = user;
    this.#name = name;
    this.#controlPort = server.ports.one();
    const sip = server.ports.range(2).first; // TLS takes the port after it.
    this.rtpPorts = server.ports.range(10);
    this.#folder = mkdtempSync(join(tmpdir(), 'ringback-baresip-'));
    atExit(() => rmSync(this.#folder, { recursive: true, force: true }));
    mkdirSync(this.#recordings);
    const voice = join(this.#folder, 'voice.wav');
    const samples =
      frequency === undefined
        ? new Float32Array(RATE * SECONDS)
        : tone(frequency, { rate: RATE, seconds: SECONDS });
    writeWav(voice, samples, RATE);
    const port = server.listen[`sip_${transport}`];
    this.#exchange = `${address}:${port};transport=${transport}`;
    const account = [
      `<sip:${user}@${this.#exchange}>`,
      `auth_user=${user}`,
      `auth_pass=${password}`,
      `regint=${registers ? 60 : 0}`,
      `answermode=${answers ? 'auto' : 'manual'}`,
      ...(publishes ? ['pubint=60'] : []),
      ...(codecs.length > 0 ? [`audio_codecs=${codecs.join(',')}`] : []),
      ...(encryption ? [`mediaenc=${encryption}`] : []),
    ];
    this.#write('accounts', [account.join(';')]);
    this.#write(
      'contacts',
      watches.map((name) => `"${name}" <sip:${name}@${this.#exchange}>;presence=p2p`),
    );
    this.#write('config', [
      'poll_method epoll',
      `sip_listen ${address}:${sip}`,
      `call_max_calls ${calls}`,
      `rtp_ports ${this.rtpPorts.first}-${this.rtpPorts.last}`,
      `audio_source aufile,${voice}`,
      // A bridge without a far end: a player that takes everything and needs no sound card.
      'audio_player aubridge,ear',
      'audio_alert aubridge,bell',
      ...['ausrc_srate 8000', 'auplay_srate 8000', 'ausrc_channels 1', 'auplay_channels 1'],
      'statmode_default off',
      'jitter_buffer_delay 0-0',
      'module_path /usr/lib/baresip/modules',
      ...['g711', ...modulesOf(codecs), 'sndfile', 'aufile', 'aubridge'].map(
        (module) => `module ${module}.so`,
      ),
      ...(encryption ? ['module srtp.so'] : []),
      ...(video
        ? [
            ...['vp8', 'fakevideo'].map((module) => `module ${module}.so`),
            ...['video_source fakevideo,nil', 'video_display fakevideo,nil'],
            ...['video_size 320x240', 'video_bitrate 256000', 'video_fps 15'],
          ]
        : []),
      'module_tmp account.so',
      ...['menu', 'ctrl_tcp', ...apps].map((module) => `module_app ${module}.so`),
      `ctrl_tcp_listen 127.0.0.1:${this.#controlPort}`,
      `snd_path ${this.#recordings}`,
    ]);
    this.registers = registers;
  }

  async start() {
    this.#child = new Child(`baresip-${this.#name}`, 'baresip', ['-4', '-v', '-s', '-f', this.#folder]);
    this.#control = await until(`the control socket of baresip ${this.#name}`, () => {
      if (!this.#child.isRunning) throw new Error(`baresip ended at its start: ${this.#child.output}`);
      return tryConnect(this.#controlPort);
    });
    this.#read();
    if (this.registers) await this.#registered();
  }

  /** Waits for the answer to its REGISTER. The event may have come before the control socket was open. */
  #registered() {
    const answered = new RegExp(`${this.user}@.*\\b200 OK.*\\[\\d+ bindings?\\]`);
    return until(`baresip ${this.#name} to be registered`, () => answered.test(this.#child.output), {
      seen: () => this.#child.output.slice(-300),
    });
  }

  /** Ends it. It unregisters first; a server that is gone gives no answer, and is not waited for. */
  async stop() {
    this.#control?.destroy();
    this.#child.kill('SIGTERM');
    await this.#child.ended(3_000).catch(() => this.#child.stop('SIGKILL'));
  }

  async dial(number) {
    await this.command('dial', `sip:${number}@${this.#exchange}`);
  }

  accept = () => this.command('accept');
  /** Ends the call; one that rings is refused with 486. */
  hangUp = () => this.command('hangup');

  async hold() {
    await this.command('hold');
    await this.event('CALL_REMOTE_SDP', ({ param }) => param === 'answer');
  }

  async resume() {
    await this.command('resume');
    await this.event('CALL_REMOTE_SDP', ({ param }) => param === 'answer');
  }

  /** Asks for a transfer of the call to a number: a blind one, or in place of the dialog that `replaces` names. */
  transfer = (number, replaces) => {
    const uri = `sip:${number}@${this.#exchange}`;
    const joined = replaces === undefined ? uri : `<${uri}?Replaces=${encodeURIComponent(replaces)}>`;
    return this.command('transfer', joined);
  };

  /** Sends a key as RFC 4733 events. */
  press = (key) => this.command('sndcode', key);

  incoming = () => this.event('CALL_INCOMING');
  ringing = () => this.event('CALL_RINGING');
  established = () => this.event('CALL_ESTABLISHED');
  closed = (within) => this.event('CALL_CLOSED', undefined, within);

  /** The next event of `type` after the ones that were asked for before. */
  async event(type, matches = () => true, within = WITHIN_MS) {
    let found = -1;
    await until(
      `the event ${type} of baresip ${this.#name}`,
      () => {
        found = this.events.findIndex((event, i) => i >= this.#seen && event.type === type && matches(event));
        return found >= 0;
      },
      { within, seen: () => this.events.slice(this.#seen).map((event) => event.type) },
    );
    this.#seen = found + 1;
    return this.events[found];
  }

  /** Whether an event came since the last one that was asked for. */
  has(type) {
    return this.events.slice(this.#seen).some((event) => event.type === type);
  }

  /** Sends a command of its menu, and returns what it printed. */
  async command(command, params = '') {
    const token = String(++this.#token);
    const answer = new Promise((resolve) => this.#answers.set(token, resolve));
    const text = JSON.stringify({ command, params, token });
    this.#control.write(`${Buffer.byteLength(text)}:${text},`);
    const { ok, data } = await bounded(`baresip's answer to ${command}`, answer);
    assert.ok(ok, `baresip ${this.#name} refused ${command} ${params}: ${data}`);
    return data;
  }

  /** What it hears from now on, after a settling. Deaf after the first hold of a call: see `wire.mjs`. */
  listen({ settle = SETTLE_MS, listen = LISTEN_MS } = {}) {
    return undisturbed(() => this.#listen(settle, listen));
  }

  async #listen(settle, listen) {
    await sleep(settle);
    const from = this.#recording().pcm.length;
    let deadline = performance.now() + listen + PATIENCE_MS;
    let length = from;
    // Packets that do not come leave the recording as it is: then nothing is what was heard.
    for (;;) {
      const { pcm, rate, channels } = this.#recording();
      if (pcm.length > length) deadline = Math.max(deadline, performance.now() + PATIENCE_MS);
      length = pcm.length;
      const wanted = (listen * rate * channels * 2) / 1000;
      if (pcm.length >= from + wanted || performance.now() >= deadline) {
        const heard = fromPcm16(pcm.subarray(from, from + wanted)).filter((_, i) => i % channels === 0);
        return new Sound(heard, rate, `baresip ${this.#name}`);
      }
      await sleep(50);
    }
  }

  get output() {
    return this.#child.output;
  }

  get #recordings() {
    return join(this.#folder, 'recordings');
  }

  /** The newest recording of what came in, at the rate of the codec in use. */
  #recording() {
    const files = readdirSync(this.#recordings).filter((name) => name.endsWith('-dec.wav'));
    const newest = files.sort().at(-1);
    const file = newest === undefined ? Buffer.alloc(0) : readFileSync(join(this.#recordings, newest));
    return file.length < WAV_HEADER
      ? { pcm: Buffer.alloc(0), rate: RATE, channels: 1 }
      : { pcm: file.subarray(WAV_HEADER), rate: file.readUInt32LE(24), channels: file.readUInt16LE(22) };
  }

  #write(name, lines) {
    writeFileSync(join(this.#folder, name), `${lines.join('\n')}\n`);
  }

  #read() {
    let buffered = Buffer.alloc(0);
    this.#control.on('data', (bytes) => {
      buffered = Buffer.concat([buffered, bytes]);
      for (;;) {
        const colon = buffered.indexOf(':');
        if (colon < 0) return;
        const end = colon + 1 + Number(buffered.subarray(0, colon).toString());
        if (buffered.length <= end) return;
        const message = JSON.parse(buffered.subarray(colon + 1, end).toString());
        buffered = buffered.subarray(end + 1);
        if (message.event) {
          this.events.push(message);
        } else {
          this.#answers.get(message.token)?.(message);
          this.#answers.delete(message.token);
        }
      }
    });
    this.#control.on('error', () => this.#control.destroy());
  }
}

function tryConnect(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}
