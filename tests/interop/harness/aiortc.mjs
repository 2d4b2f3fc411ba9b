// aiortc, in Python: a peer that is neither a browser nor ours (aiortc/peer.py).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { ScriptedPhone } from './scripted-phone.mjs';
import { readWav } from './tones.mjs';
import { until } from './waiting.mjs';

const FOLDER = resolve(import.meta.dirname, '../aiortc');
/** `./test` has made it. */
const PYTHON = join(FOLDER, '.venv/bin/python');
/** What a recording has before sound is at its loudest, in seconds. */
const SETTLE = 1;
/** How long its start takes on a busy machine, and a connection. */
const WITHIN = 30_000;

class AiortcPeer {
  #child;
  #name;
  #recording;

  constructor(name, mode, ...args) {
    const folder = mkdtempSync(join(tmpdir(), 'ringback-aiortc-'));
    atExit(() => rmSync(folder, { recursive: true, force: true }));
    this.#name = name;
    this.#recording = join(folder, 'heard.wav');
    const command = [join(FOLDER, 'peer.py'), mode, ...args, this.#recording];
    this.#child = new Child(`aiortc-${name}`, PYTHON, command, { stdio: ['pipe', 'pipe', 'pipe'] });
    atEnd(`aiortc of ${name}`, () => this.#child.stop('SIGKILL'));
  }

  /** What has happened, in its words. */
  get #events() {
    const lines = this.#child.stdout.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  /** Waits for an event with these members. */
  tells(wanted) {
    const entries = Object.entries(wanted);
    const isIt = (event) => entries.every(([name, value]) => event[name] === value);
    return until(`aiortc of ${this.#name} to tell ${JSON.stringify(wanted)}`, () => this.#events.find(isIt), {
      within: WITHIN,
      seen: () => this.#child.output.slice(-600),
    });
  }

  asks(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  /** Waits for a file that it has taken. */
  async takes(name, bytes) {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await this.tells({ event: 'file', name, bytes: bytes.length, sha256 });
  }

  /** Ends it; what it has heard. */
  async leave() {
    this.asks({ leave: true });
    const end = await this.#child.ended();
    assert.deepEqual([end.code, end.signal], [0, null], this.#child.output.slice(-1_000));
    const [sound] = readWav(this.#recording);
    sound.samples = sound.samples.subarray(SETTLE * sound.rate);
    sound.from = `aiortc of ${this.#name}`;
    return sound;
  }
}

/** aiortc as a member of a room, in which it is. */
export async function joinWithAiortc(server, name, { room, tone }) {
  const url = `${server.httpUrl.replace(/^http/, 'ws')}rooms/ws`;
  const peer = new AiortcPeer(name, 'room', url, room, name, `${tone}`);
  await peer.tells({ event: 'joined' });
  return peer;
}

/** A phone whose media is that of aiortc. */
export class AiortcPhone extends ScriptedPhone {
  #peer;
  #offer;

  constructor(server, user, { tone }) {
    super(server, user);
    this.#peer = new AiortcPeer(user, 'call', `${tone}`);
  }

  async start() {
    ({ sdp: this.#offer } = await this.#peer.tells({ event: 'offer' }));
    await super.start();
  }

  describe() {
    return this.#offer;
  }

  agree(message) {
    this.#peer.asks({ answer: message.slice(message.indexOf('\r\n\r\n') + 4) });
  }

  connected() {
    return this.#peer.tells({ event: 'state', state: 'connected' });
  }

  /** Ends its media; what it has heard. */
  leave() {
    return this.#peer.leave();
  }
}
