// `ringback call`: a telephone that is a command, with its voice and its ear in files.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { BINARY, hostOf } from './server.mjs';
import { WITHOUT_SOUND } from './sound-card.mjs';
import { readWav, tone, writeWav } from './tones.mjs';
import { until } from './waiting.mjs';

const RATE = 16_000;
/** Longer than any of these calls: who has played its file hangs up. */
const SECONDS = 90;
/** What a recording has before sound is at its loudest, in seconds: the call is set up, and buffers fill. */
const SETTLE = 1;

/** The transports of a server, as `--via` takes them. */
export function viaOf(server, transport) {
  const at = (port) => `${hostOf(server.address)}:${port}`;
  const { listen } = server;
  return {
    udp: `udp://${at(listen.sip_udp)}`,
    tcp: `tcp://${at(listen.sip_tcp)}`,
    tls: `tls://${at(listen.sip_tls)}`,
    ws: `ws://${at(listen.http)}/ws`,
    wss: `wss://${at(listen.https)}/ws`,
  }[transport];
}

export class NativeCall {
  #folder;
  #child;
  #recording;

  /**
   * @param {import('./server.mjs').Server} server
   * @param {string} user whose name it calls under
   * @param {object} [options]
   * @param {string} [options.callee] whom it calls; without one it waits for a call
   * @param {'udp' | 'tcp' | 'tls' | 'ws' | 'wss'} [options.transport]
   * @param {number} [options.tone] in Hz, what it says
   * @param {string} [options.password]
   * @param {string} [options.format] of its recording
   * @param {NodeJS.ProcessEnv} [options.machine] the environment of a machine with sound: it records nothing then
   * @param {string[]} [options.more] options
   */
  constructor(
    server,
    user,
    {
      callee,
      transport = 'udp',
      tone: frequency,
      password = server.password(user),
      format = 'wav',
      machine,
      more = [],
    } = {},
  ) {
    this.#folder = mkdtempSync(join(tmpdir(), 'ringback-call-'));
    atExit(() => rmSync(this.#folder, { recursive: true, force: true }));
    const passwords = join(this.#folder, 'passwords');
    writeFileSync(passwords, `${user}:${password}\n`, { mode: 0o600 });
    this.#recording = join(this.#folder, `heard.${format}`);
    const play = [];
    if (frequency !== undefined) {
      const voice = join(this.#folder, 'voice.wav');
      writeWav(voice, tone(frequency, { rate: RATE, seconds: SECONDS }), RATE);
      play.push('--play', voice);
    }
    const secured = ['tls', 'wss'].includes(transport)
      ? ['--ca', join(server.dataDir, 'ringback-ca.pem')]
      : [];
    const args = [
      'call',
      ...(callee === undefined ? ['--answer'] : [callee]),
      ...['--via', viaOf(server, transport), '--user', user, '--password-file', passwords],
      ...(machine === undefined ? ['--record', this.#recording] : []),
      ...[...secured, ...play, ...more],
    ];
    this.#child = new Child(`call-${user}`, BINARY, args, { env: machine ?? WITHOUT_SOUND });
    atEnd(`the call of ${user}`, () => this.#child.stop());
  }

  /** Waits for a line that it tells. */
  tells(pattern) {
    return until(
      `the line ${pattern} of ringback call`,
      () => {
        if (pattern.test(this.output)) return true;
        assert.ok(this.#child.isRunning, `ringback call has ended: ${this.output}`);
        return false;
      },
      { seen: () => this.output.slice(-400) },
    );
  }

  /** Ctrl-C. */
  interrupt() {
    this.#child.kill('SIGINT');
  }

  /** Waits for its end, and for that exit code. */
  async ended(code = 0) {
    const end = await this.#child.ended(40_000);
    assert.deepEqual([end.code, end.signal], [code, null], this.output);
  }

  /** What it has heard, without the beginning. */
  heard() {
    const [sound] = readWav(this.#recording);
    sound.samples = sound.samples.subarray(SETTLE * sound.rate);
    sound.from = 'ringback call';
    return sound;
  }

  get recordingPath() {
    return this.#recording;
  }

  get output() {
    return this.#child.output;
  }
}
