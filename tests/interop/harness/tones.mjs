// Tones to speak with, and the ear that tells them apart.
//
// A tone is 400 ms on and 200 ms off, give or take: noise suppression takes a steady one for noise and removes it, and
// an echo canceller learns a regular one and removes it when it returns.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

import { evidencePath } from './evidence.mjs';

/** Tones in Hz, far enough from each other and from each other's harmonics. */
export const TONES = { first: 440, second: 1000, third: 1620 };

/** How much one listens to, after how long a settling. */
export const SETTLE_MS = 1_000;
export const LISTEN_MS = 2_400;
/** How much longer one waits for that much sound. */
export const PATIENCE_MS = 2_000;

/** A block of 50 ms resolves 20 Hz. */
const BLOCK_MS = 50;
/** The amplitude of full scale 1 below which a block counts as silence. */
const AUDIBLE = 0.01;
/** Part of the energy of a block that one tone has when the block is that tone. */
const DOMINANT = 0.5;
/** A tone is on for two thirds of the time; a jitter buffer that adapts may swallow some of it. */
const PRESENT = 0.3;
/** A tone that should not be there may not fill more than one block in fifty, or two: the clicks of a start and an end. */
const ABSENT = 0.02;
const CLICKS = 2;

/** Part of the energy of a block that each of two equal tones has at least. */
const IN_PAIR = 0.25;
/** The same for a tone that is added to others. */
const IN_MIX = 0.15;
/** What stands before the samples of a WAV file. */
const WAV_HEADER = 44;
export const KEYPAD = ['123A', '456B', '789C', '*0#D'];
export const ROWS = [697, 770, 852, 941];
export const COLUMNS = [1209, 1336, 1477, 1633];

/** Samples of a tone between -1 and 1. */
export function tone(frequency, { rate, seconds }) {
  const samples = new Float32Array(Math.round(rate * seconds));
  // A simple generator of its own, so that every run speaks the same.
  let state = 1;
  const vary = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  let at = 0;
  while (at < samples.length) {
    const on = Math.round(0.4 * rate);
    const off = Math.round((0.17 + 0.06 * vary()) * rate);
    const ramp = Math.round(0.005 * rate);
    for (let i = 0; i < on && at + i < samples.length; i += 1) {
      const envelope = Math.min(1, i / ramp, (on - i) / ramp);
      samples[at + i] = 0.4 * envelope * Math.sin((2 * Math.PI * frequency * (at + i)) / rate);
    }
    at += on + off;
  }
  return samples;
}

/** Writes samples as a WAV file of 16 bit, mono. */
export function writeWav(path, samples, rate) {
  const bytes = Buffer.alloc(WAV_HEADER + samples.length * 2);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(36 + samples.length * 2, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((sample, i) => {
    const clipped = Math.max(-1, Math.min(1, sample));
    bytes.writeInt16LE(Math.round(clipped * 32_767), WAV_HEADER + i * 2);
  });
  writeFileSync(path, bytes);
}

/** 16 bit little endian to samples between -1 and 1. */
export function fromPcm16(bytes) {
  const samples = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < samples.length; i += 1) samples[i] = bytes.readInt16LE(i * 2) / 32_768;
  return samples;
}

/** The channels of a WAV file, as far as its header says that there is one. */
export function readWav(path) {
  const file = readFileSync(path);
  const [channels, rate, length] = [file.readUInt16LE(22), file.readUInt32LE(24), file.readUInt32LE(40)];
  assert.ok(
    length <= file.length - WAV_HEADER,
    `${path} has what its header says: ${length} of ${file.length}`,
  );
  const samples = fromPcm16(file.subarray(WAV_HEADER, WAV_HEADER + length));
  return Array.from({ length: channels }, (_, channel) => {
    const own = samples.filter((_, i) => i % channels === channel);
    return new Sound(own, rate, `channel ${channel} of the recording`);
  });
}

/** What was heard: samples at a rate, and the questions one asks of them. */
export class Sound {
  constructor(samples, rate, from) {
    this.samples = samples;
    this.rate = rate;
    this.from = from;
  }

  get seconds() {
    return this.samples.length / this.rate;
  }

  /** The part of the time, 0 to 1, in which `frequency` has the part `dominant` of what is heard. */
  share(frequency, dominant = DOMINANT) {
    const size = this.#blockSize;
    const blocks = this.#blocks;
    let heard = 0;
    for (let block = 0; block < blocks; block += 1) {
      const samples = this.samples.subarray(block * size, (block + 1) * size);
      const amplitude = goertzel(samples, frequency, this.rate);
      const energy = samples.reduce((sum, sample) => sum + sample * sample, 0) / size;
      if (amplitude >= AUDIBLE && (amplitude * amplitude) / 2 >= dominant * energy) heard += 1;
    }
    return blocks === 0 ? 0 : heard / blocks;
  }

  get #blockSize() {
    return Math.round((this.rate * BLOCK_MS) / 1000);
  }

  get #blocks() {
    return Math.floor(this.samples.length / this.#blockSize);
  }

  /** Whether a tone is not heard, but for clicks. */
  #isAbsent(frequency, dominant) {
    return this.share(frequency, dominant) * this.#blocks <= Math.max(CLICKS, ABSENT * this.#blocks) + 1e-6;
  }

  /** `{ 440: 0.66, 1000: 0 }`: the share of each tone that the tests use. */
  shares() {
    return Object.fromEntries(
      Object.values(TONES).map((hertz) => [hertz, Number(this.share(hertz).toFixed(3))]),
    );
  }

  /** Fails unless `wanted` is heard and none of the other tones is. */
  assertOnly(wanted) {
    const shares = this.shares();
    const lasted = this.seconds * 1000 >= LISTEN_MS * 0.8;
    const isClean = Object.values(TONES).every((hertz) => hertz === wanted || this.#isAbsent(hertz));
    if (lasted && shares[wanted] >= PRESENT && isClean) return;
    assert.fail(`${this.from} should hear ${wanted} Hz only, but ${this.#report(shares)}`);
  }

  /** Fails unless the two tones of a key of a keypad are heard at once (ITU-T Q.23). */
  assertKey(key) {
    const found = KEYPAD.findIndex((row) => row.includes(key));
    const pair = [ROWS[found], COLUMNS[KEYPAD[found].indexOf(key)]];
    if (pair.every((hertz) => this.share(hertz, IN_PAIR) > ABSENT)) return;
    assert.fail(
      `${this.from} should hear the key ${key}, ${pair.join(' and ')} Hz, but ${this.#report(this.shares())}`,
    );
  }

  /** Fails unless `wanted` is heard, alone or beside others. */
  assertHas(wanted) {
    if (this.share(wanted, IN_MIX) >= PRESENT / 2) return;
    assert.fail(`${this.from} should hear ${wanted} Hz among others, but ${this.#report(this.shares())}`);
  }

  /** Fails if `unwanted` is heard, even beside others. */
  assertLacks(unwanted) {
    if (this.#isAbsent(unwanted, IN_MIX)) return;
    assert.fail(`${this.from} should not hear ${unwanted} Hz, but ${this.#report(this.shares())}`);
  }

  /** Fails if one of the tones is heard. */
  assertNone() {
    if (Object.values(TONES).every((hertz) => this.#isAbsent(hertz))) return;
    assert.fail(`${this.from} should hear no tone, but ${this.#report(this.shares())}`);
  }

  #report(shares) {
    const path = evidencePath(`${this.from.replace(/\W+/g, '-')}.wav`);
    writeWav(path, this.samples, this.rate);
    return `heard for ${this.seconds.toFixed(2)} s these shares: ${JSON.stringify(shares)}; see ${path}`;
  }
}

/** The amplitude of `frequency` in `samples`: Goertzel's algorithm. */
export function goertzel(samples, frequency, rate) {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / rate);
  let before = 0;
  let last = 0;
  for (const sample of samples) {
    [before, last] = [last, sample + coefficient * last - before];
  }
  const power = last * last + before * before - coefficient * last * before;
  return (2 * Math.sqrt(Math.max(0, power))) / samples.length;
}
