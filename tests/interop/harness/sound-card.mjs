// A machine with sound, without a sound card: a PulseAudio of one's own with two sinks that lead nowhere, in real time. What is
// played into the one is what the microphone hears; what the speaker plays is recorded at the other.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { evidencePath } from './evidence.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { LISTEN_MS, PATIENCE_MS, SETTLE_MS, Sound, fromPcm16, tone, writeWav } from './tones.mjs';
import { until } from './waiting.mjs';

/** The rate at which the speaker is recorded, and of what the microphone hears. */
const RATE = 16_000;
/** How long the microphone hears its tone. */
const SECONDS = 90;
const SAMPLE = 2;

/** The environment of a program in a machine without any sound, whatever this one has. */
export const WITHOUT_SOUND = { ...process.env, ALSA_CONFIG_PATH: '/dev/null' };

/** Starts a sound server whose microphone hears a tone of `frequency`. */
export async function startSoundCard(frequency) {
  const card = new SoundCard();
  await card.start(frequency);
  return card;
}

class SoundCard {
  #folder;
  #server;
  #recording;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'ringback-sound-'));
    atExit(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** The environment of a program in this machine. */
  get env() {
    return { ...process.env, ALSA_CONFIG_PATH: this.#path('asound.conf') };
  }

  async start(frequency) {
    // What is set on this machine for other programs does not matter here.
    const own = {
      ...process.env,
      HOME: this.#folder,
      XDG_RUNTIME_DIR: this.#folder,
      PULSE_SERVER: this.#address,
    };
    const native = `module-native-protocol-unix socket=${this.#path('socket')} auth-anonymous=1`;
    // Two rates, so that one of them at least is not that of the program.
    const sinks = ['sink_name=speaker rate=44100', 'sink_name=room rate=48000'];
    const modules = [native, ...sinks.map((sink) => `module-null-sink ${sink}`)];
    this.#server = new Child(
      'pulseaudio',
      'pulseaudio',
      [
        ...['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--disable-shm=yes'],
        ...['--log-target=stderr', ...modules.flatMap((module) => ['-L', module])],
      ],
      { env: own },
    );
    atEnd('the sound server', () => this.#server.stop());
    await until('the socket of pulseaudio', () => {
      assert.ok(this.#server.isRunning, `pulseaudio has ended: ${this.#server.output}`);
      return statSync(this.#path('socket'), { throwIfNoEntry: false })?.isSocket();
    });
    const device = (name) => `pcm { type pulse server "${this.#address}" device "${name}" }`;
    writeFileSync(
      this.#path('asound.conf'),
      [
        '</usr/share/alsa/alsa.conf>',
        'pcm.!default {',
        '  type asym',
        `  playback.${device('speaker')}`,
        `  capture.${device('room.monitor')}`,
        '}',
        '',
      ].join('\n'),
    );
    writeWav(this.#path('voice.wav'), tone(frequency, { rate: RATE, seconds: SECONDS }), RATE);
    const voice = new Child('voice', 'paplay', ['-d', 'room', this.#path('voice.wav')], { env: own });
    atEnd('the voice at the microphone', () => voice.stop());
    this.#recording = this.#path('speaker.raw');
    const args = ['-d', 'speaker.monitor', `--rate=${RATE}`, '--channels=1', '--format=s16le', '--raw'];
    const ear = new Child('ear', 'parec', [...args, '--latency-msec=50', this.#recording], { env: own });
    atEnd('the ear at the speaker', () => ear.stop());
    await until('the recording of the speaker', () => this.#length > 0);
  }

  /** What the speaker plays from a moment after this on. */
  async listen() {
    const start = this.#length + (SETTLE_MS / 1000) * RATE;
    const length = (LISTEN_MS / 1000) * RATE;
    await until(`${LISTEN_MS} ms of the speaker`, () => this.#length >= start + length, {
      within: SETTLE_MS + LISTEN_MS + PATIENCE_MS,
      seen: () => this.#length,
    });
    const bytes = readFileSync(this.#recording).subarray(start * SAMPLE, (start + length) * SAMPLE);
    writeFileSync(evidencePath('speaker.raw'), bytes);
    return new Sound(fromPcm16(bytes), RATE, 'the speaker');
  }

  /** Pulls the plug: microphone and speaker are gone. */
  async unplug() {
    await this.#server.stop('SIGKILL');
  }

  get #address() {
    return `unix:${this.#path('socket')}`;
  }

  /** Samples that were recorded so far. */
  get #length() {
    return Math.floor((statSync(this.#recording, { throwIfNoEntry: false })?.size ?? 0) / SAMPLE);
  }

  #path(name) {
    return join(this.#folder, name);
  }
}
