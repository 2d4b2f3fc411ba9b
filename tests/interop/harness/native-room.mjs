// `ringback chat` in a terminal, and `ringback room join` with its voice and its ear in files.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { BINARY } from './server.mjs';
import { WITHOUT_SOUND } from './sound-card.mjs';
import { openTerminal } from './terminal.mjs';
import { readWav, tone, writeWav } from './tones.mjs';
import { until } from './waiting.mjs';

const RATE = 16_000;

const linkTo = (server, room) => `${server.httpUrl}r/${room}`;

function ownFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-room-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens `ringback chat` in a terminal. Without a room it makes one. */
export async function openChat(server, name, { room, more = [] } = {}) {
  const folder = ownFolder();
  const place =
    room === undefined
      ? ['--via', server.httpUrl.replace(/^http(.*)\/$/, 'ws$1'), '--create']
      : [linkTo(server, room)];
  const args = ['chat', ...place, '--name', name, '--folder', folder, ...more];
  const terminal = await openTerminal(name, BINARY, args);
  const [, joined] = await terminal.shows(new RegExp(`^\\* in \\S+/r/(\\S+) as ${name}$`, 'm'));
  return new Chat(terminal, folder, joined);
}

class Chat {
  #terminal;
  #folder;

  constructor(terminal, folder, room) {
    this.#terminal = terminal;
    this.#folder = folder;
    this.room = room;
  }

  get terminal() {
    return this.#terminal;
  }

  /** Waits until it has said that it is connected with somebody. */
  reaches(name) {
    return this.#terminal.shows(new RegExp(`^\\* connected with ${name}$`, 'm'));
  }

  /** Waits for a line of somebody. */
  async reads(name, text) {
    const line = `${name}: ${text}`;
    await until(`the line ${line}`, () => this.#terminal.text.split('\n').includes(line), {
      seen: () => this.#terminal.text.trim().slice(-600),
    });
  }

  say(text) {
    this.#terminal.type(text);
  }

  /** Offers these bytes as a file. */
  offer(name, bytes) {
    const path = join(this.#folder, `own-${name}`);
    writeFileSync(path, bytes);
    this.#terminal.type(`/send ${path}`);
  }

  /** Takes the file that is offered under this name; its bytes. */
  async take(name) {
    const [, number] = await this.#terminal.shows(
      new RegExp(`^\\* .* offers ${name} \\(\\d+ bytes\\); /accept (\\d+) or `, 'm'),
    );
    this.#terminal.type(`/accept ${number}`);
    const [, path] = await this.#terminal.shows(
      new RegExp(`^\\* (/.*${name}) is here \\(\\d+ bytes\\)$`, 'm'),
    );
    return readFileSync(path);
  }
}

/** `ringback room join`. */
export class NativeMember {
  #child;
  #folder = ownFolder();

  /** With files, or in a machine with sound (its environment). */
  constructor(server, name, { room, tone: frequency, machine, more = [] }) {
    const sound = [];
    if (machine === undefined) {
      const voice = join(this.#folder, 'voice.wav');
      writeWav(voice, tone(frequency, { rate: RATE, seconds: 10 }), RATE);
      sound.push('--play', voice, '--record', join(this.#folder, 'heard.wav'));
    }
    const args = ['room', 'join', linkTo(server, room), '--name', name, ...sound, ...more];
    this.#child = new Child(`room-${name}`, BINARY, args, { env: machine ?? WITHOUT_SOUND });
    atEnd(`${name} in the room`, () => this.#child.stop());
  }

  /** Waits for a line that it tells. */
  tells(pattern) {
    return until(`the line ${pattern} of ringback room`, () => pattern.exec(this.#child.output), {
      seen: () => this.#child.output.slice(-400),
    });
  }

  /** Ctrl-C. */
  async leave() {
    this.#child.kill('SIGINT');
    const end = await this.#child.ended();
    assert.deepEqual([end.code, end.signal], [0, null], this.#child.output);
  }

  /** Ctrl-C, and what it has heard of a member. */
  async leaveAndHear(member) {
    await this.leave();
    const [sound] = readWav(join(this.#folder, `heard-${member}.wav`));
    // Sound is at its loudest a second after its beginning.
    sound.samples = sound.samples.subarray(sound.rate);
    sound.from = 'ringback room';
    return sound;
  }
}
