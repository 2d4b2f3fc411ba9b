// A telephone that knows no telephone events, which no phone of today is: PCMU, keys as tones in its audio or by INFO.
import assert from 'node:assert/strict';

import { fromMuLaw, toMuLaw } from './g711.mjs';
import { ScriptedPhone, startScriptedPhone } from './scripted-phone.mjs';
import { COLUMNS, KEYPAD, ROWS, goertzel } from './tones.mjs';
import { until } from './waiting.mjs';

const RATE = 8_000;
const FRAME = 160;
/** A frame belongs to a key when both of its tones have so much of full scale. */
const LOUD = 0.03;

/** Registers a telephone of `user` at `server`, which answers whoever calls. */
export const startOldPhone = (server, user) => startScriptedPhone(new OldPhone(server, user));

class OldPhone extends ScriptedPhone {
  /** The keys that it was told of by INFO: `{ key, milliseconds }`. */
  infos = [];
  #heard = [];
  #saying = [];

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
    const body = `Signal=${key}\r\nDuration=${milliseconds}\r\n`;
    const { status } = await this.ask('INFO', { body, type: 'application/dtmf-relay' });
    assert.equal(status, 200, 'the INFO is taken');
  }

  /** Waits until it has heard a key as a tone, and gives how many milliseconds of it; forgets what it heard before. */
  async heardTone(key) {
    const pair = tonesOf(key);
    let longest = 0;
    await until(
      `the old telephone of ${this.user} to hear the key ${key}, and its end`,
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

  describe() {
    const { port, address } = this.media.address();
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

  agree(message) {
    this.follow(message);
  }

  judge(method, request) {
    if (method === 'INFO') {
      const [, key, milliseconds] = /Signal= *(\S+)\s+Duration= *(\d+)/i.exec(request);
      this.infos.push({ key, milliseconds: Number(milliseconds) });
    }
    return super.judge();
  }

  received(packet) {
    if ((packet[1] & 0x7f) === 0 && packet.length > 12) this.#heard.push(...packet.subarray(12));
  }

  /** Sends 20 ms of what it says, or of silence. */
  speak(frame) {
    const said = this.#saying.splice(0, FRAME);
    if (this.remote === undefined) return;
    const samples = Buffer.alloc(FRAME, toMuLaw(0));
    samples.set(said);
    this.sendFrame(frame, 0, 0x01d0_0d1e, samples);
  }
}

/** The two tones of a key, in Hz. */
function tonesOf(key) {
  const row = KEYPAD.findIndex((keys) => keys.includes(key));
  return [ROWS[row], COLUMNS[KEYPAD[row].indexOf(key)]];
}
