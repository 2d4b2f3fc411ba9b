// A process that a test starts, whose output goes to a log, and that is ended by its id.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { once } from 'node:events';

import { evidencePath } from './evidence.mjs';
import { WITHIN_MS, bounded } from './waiting.mjs';

const running = new Set();
// Whatever happens to this process, nothing it started stays behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Child {
  /** What it wrote, both streams in the order of arrival. */
  output = '';
  /** What it wrote on standard output only. */
  stdout = '';
  #name;
  #process;
  #ended;

  /**
   * @param {string} name of the log
   * @param {string} command
   * @param {string[]} args
   * @param {import('node:child_process').SpawnOptions} [options]
   */
  constructor(name, command, args, options = {}) {
    this.#name = name;
    // Written at once: a failing test reads it a moment later.
    const path = evidencePath(`${name}.log`);
    const log = (text) => appendFileSync(path, text);
    log(`$ ${[command, ...args].join(' ')}\n`);
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(this.#process);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        this.output += text;
        if (stream === this.#process.stdout) this.stdout += text;
        log(text);
      });
    }
    this.#ended = new Promise((resolve) => {
      // `close` comes after the last output; `error` instead of both when the program is not there.
      this.#process.once('close', (code, signal) => resolve({ code, signal }));
      this.#process.once('error', (error) => {
        this.output += error.message;
        resolve({ code: null, signal: null, error });
      });
    }).then((end) => {
      running.delete(this.#process);
      log(`\n[ended: ${end.error?.message ?? `code ${end.code}, signal ${end.signal}`}]\n`);
      return end;
    });
  }

  get pid() {
    return this.#process.pid;
  }

  /** Its standard input, where the options give it one. */
  get stdin() {
    return this.#process.stdin;
  }

  get isRunning() {
    return running.has(this.#process);
  }

  /** How it ended: `{ code, signal }`. */
  ended(within = WITHIN_MS) {
    return bounded(`${this.#name} to end`, this.#ended, within);
  }

  kill(signal) {
    this.#process.kill(signal);
  }

  /** Ends it with `signal`, and by force when that is not heeded in time. */
  async stop(signal = 'SIGTERM', within = 5_000) {
    if (!this.isRunning) return this.#ended;
    this.kill(signal);
    try {
      return await this.ended(within);
    } catch (error) {
      this.kill('SIGKILL');
      await this.#ended;
      throw error;
    }
  }
}

/** Runs a program to its end. */
export async function run(name, command, args, { within = 30_000, ...options } = {}) {
  const child = new Child(name, command, args, options);
  try {
    const end = await child.ended(within);
    return { ...end, output: child.output, stdout: child.stdout };
  } catch (error) {
    await child.stop('SIGKILL');
    throw error;
  }
}

/** Waits for the first `event` of an emitter. */
export function first(emitter, event, within) {
  return bounded(`the event ${event}`, once(emitter, event), within);
}
