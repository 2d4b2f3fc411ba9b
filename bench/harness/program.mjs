// A server that a benchmark starts: its log is in a folder of its own, and it ends with the benchmark, whatever happens.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_WITHIN = 20_000;
const running = new Set();
process.on('exit', () => {
  for (const program of running) program.end();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

export class Program {
  #folder;
  #process;
  #failure;

  /** `folder` is its own, and is removed when it ends. */
  constructor(name, folder, [command, ...args]) {
    this.name = name;
    this.#folder = folder;
    const log = openSync(join(folder, 'log'), 'w');
    this.#process = spawn(command, args, { stdio: ['ignore', log, log], cwd: folder });
    this.#process.once('error', (error) => (this.#failure = error));
    closeSync(log);
    running.add(this);
  }

  get pid() {
    return this.#process.pid;
  }

  get #isRunning() {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it has written. */
  get log() {
    return readFileSync(join(this.#folder, 'log'), 'utf8');
  }

  /** Waits until it `isReady`, which is asked again and again. */
  async started(isReady, every = 100) {
    const deadline = performance.now() + START_WITHIN;
    while (!(await isReady())) {
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#isRunning || performance.now() > deadline) throw new Error(`${this.name} did not start:\n${this.log}`);
      await sleep(every);
    }
  }

  /** SIGTERM, and after five seconds the end. */
  async stop() {
    const ended = this.#isRunning && once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await Promise.race([ended, sleep(5_000)]);
    this.end();
    await ended;
  }

  /** Ends it at once and removes its folder. */
  end() {
    this.#process.kill('SIGKILL');
    running.delete(this);
    if (!process.env.RINGBACK_BENCH_KEEP) rmSync(this.#folder, { recursive: true, force: true });
  }
}
