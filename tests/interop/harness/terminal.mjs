// A terminal that a program runs in, as a person sees and types it: a window of tmux.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { evidencePath } from './evidence.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { until } from './waiting.mjs';

const COLUMNS = 120;
const LINES = 40;
/** Lines above the window that are kept. */
const HISTORY = 500;

/** Runs `command` in a terminal. */
export async function openTerminal(name, command, args) {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-terminal-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const socket = join(folder, 'socket');
  // -D: it stays our child, and ends by its id.
  const tmux = new Child(`tmux-${name}`, 'tmux', ['-D', '-f', '/dev/null', '-S', socket]);
  atEnd(`the terminal of ${name}`, () => tmux.stop('SIGKILL'));
  await until('tmux to listen', () => existsSync(socket));
  return new Terminal(name, socket, [command, ...args]);
}

class Terminal {
  #name;
  #socket;
  #raw;

  constructor(name, socket, command) {
    this.#name = name;
    this.#socket = socket;
    this.#raw = evidencePath(`terminal-${name}.raw`);
    this.#tmux('set-option', '-g', 'remain-on-exit', 'on');
    this.#tmux('set-option', '-g', 'history-limit', `${HISTORY}`);
    // The shell waits until everything that is written is kept, and tells the exit code: tmux itself loses it now and then.
    const script = 'read start; "$@"; echo "[ended: $?]"';
    const size = ['-x', `${COLUMNS}`, '-y', `${LINES}`];
    this.#tmux('new-session', '-d', ...size, 'sh', '-c', script, 'sh', ...command);
    this.#tmux('pipe-pane', '-o', `cat >> '${this.#raw}'`);
    this.#tmux('send-keys', 'Enter');
  }

  /** What stands on it, with what was scrolled off. */
  get text() {
    return this.#tmux('capture-pane', '-p', '-J', '-S', `-${HISTORY}`);
  }

  /** Everything that was written to it, with what moves the cursor. */
  get written() {
    return existsSync(this.#raw) ? readFileSync(this.#raw, 'utf8') : '';
  }

  type(line) {
    this.#tmux('send-keys', '-l', line);
    this.#tmux('send-keys', 'Enter');
  }

  /** Waits until it shows something. */
  shows(pattern) {
    return until(`the terminal of ${this.#name} to show ${pattern}`, () => pattern.exec(this.text), {
      within: 30_000,
      seen: () => this.text.trim().slice(-600),
    });
  }

  /** Waits until the program has ended; its exit code. */
  async ended() {
    const [, code] = await this.shows(/^\[ended: (\d+)\]$/m);
    return Number(code);
  }

  #tmux(...args) {
    return execFileSync('tmux', ['-S', this.#socket, ...args], { encoding: 'utf8' });
  }
}
