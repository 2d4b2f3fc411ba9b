// One Ringback of the release build, on loopback, with what the kernel says about its process.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { ticksOf } from './process.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');

/** The binary that is measured. */
export const BINARY = process.env.RINGBACK_BINARY ?? join(TARGET, 'release/ringback');

/** Where servers keep their data. It must be a disk: a commit on tmpfs costs nothing. */
const DATA = process.env.RINGBACK_BENCH_DATA ?? join(TARGET, 'bench-data');

/** The threads of the server, as it names them without its own name before it; workers are numbered. */
const THREADS = ['control', 'store', 'net', 'media'];

const REALM = 'ringback';
const running = new Set();
process.on('exit', () => {
  for (const server of running) server.end();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/**
 * Starts a server and waits until it is ready.
 *
 * @param {object} [options]
 * @param {string[]} [options.users] names; the password of `alice` is `alice-secret`
 * @param {string[]} [options.set] more keys, as `media.workers=2`
 */
export async function startServer({ users = ['alice', 'bob'], set = [] } = {}) {
  const server = new Server(users, set);
  await server.ready();
  return server;
}

export function password(user) {
  return `${user}-secret`;
}

class Server {
  realm = REALM;
  #folder;
  #process;
  #log;

  constructor(users, set) {
    mkdirSync(DATA, { recursive: true });
    this.#folder = mkdtempSync(join(DATA, 'run-'));
    const config = join(this.#folder, 'ringback.toml');
    writeFileSync(config, configuration(users), { mode: 0o600 });
    this.#log = join(this.#folder, 'log');
    const log = openSync(this.#log, 'w');
    const args = ['serve', '-c', config, '--data-dir', join(this.#folder, 'data')];
    this.#process = spawn(BINARY, [...args, ...set.flatMap((key) => ['--set', key])], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    running.add(this);
  }

  get pid() {
    return this.#process.pid;
  }

  get log() {
    return readFileSync(this.#log, 'utf8');
  }

  /** Waits for the line `ready` and reads the ports from what stands before it. */
  async ready() {
    const failed = new Promise((_, reject) => this.#process.once('error', reject));
    const deadline = performance.now() + 20_000;
    while (!/^ready$/m.test(this.log)) {
      if (this.#process.exitCode !== null || performance.now() > deadline) {
        throw new Error(`the server did not start:\n${this.log}`);
      }
      await Promise.race([sleep(20), failed]);
    }
    this.httpPort = this.#port(/http:\/\/127\.0\.0\.1:(\d+)/);
    this.httpsPort = this.#port(/https:\/\/127\.0\.0\.1:(\d+)/);
    this.udpPort = this.#port(/SIP UDP +127\.0\.0\.1:(\d+)/);
    this.tcpPort = this.#port(/SIP TCP +127\.0\.0\.1:(\d+)/);
    this.tlsPort = this.#port(/SIP TLS +127\.0\.0\.1:(\d+)/);
  }

  /** Where it is reached over `transport`. */
  url(transport) {
    const ports = { udp: this.udpPort, tcp: this.tcpPort, tls: this.tlsPort, ws: this.httpPort, wss: this.httpsPort };
    return `${transport}://127.0.0.1:${ports[transport]}${transport.startsWith('ws') ? '/ws' : ''}`;
  }

  get pids() {
    return [this.pid];
  }

  #port(pattern) {
    const found = pattern.exec(this.log);
    if (!found) throw new Error(`the announcement has no ${pattern}:\n${this.log}`);
    return Number(found[1]);
  }

  /** CPU that the process has used, kernel included, in microseconds. */
  cpu() {
    return ticksOf(`/proc/${this.pid}/stat`);
  }

  /** CPU of each thread so far, kernel included, in microseconds, summed by name. */
  cpuByThread() {
    const sums = new Map();
    for (const task of readdirSync(`/proc/${this.pid}/task`)) {
      const folder = `/proc/${this.pid}/task/${task}`;
      // The kernel keeps 15 bytes of a name.
      const comm = readFileSync(`${folder}/comm`, 'utf8').trim();
      const name = THREADS.find((thread) => comm.startsWith(`ringback-${thread}`.slice(0, 15))) ?? 'other';
      sums.set(name, (sums.get(name) ?? 0) + ticksOf(`${folder}/stat`));
    }
    return sums;
  }

  /** The samples of `/metrics` by name and labels, as they stand there. They are at most a second old. */
  async metrics() {
    const text = await (await fetch(`http://127.0.0.1:${this.httpPort}/metrics`)).text();
    const samples = new Map();
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const space = line.lastIndexOf(' ');
      samples.set(line.slice(0, space), Number(line.slice(space + 1)));
    }
    return samples;
  }

  /** The metrics after the counters of every thread have been handed over. */
  async settledMetrics() {
    await sleep(2_200);
    return this.metrics();
  }

  async stop() {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await Promise.race([ended, sleep(3_000)]);
    this.end();
    await ended;
  }

  /** Ends it at once and removes its data. */
  end() {
    this.#process.kill('SIGKILL');
    running.delete(this);
    if (!process.env.RINGBACK_BENCH_KEEP) rmSync(this.#folder, { recursive: true, force: true });
  }
}

function configuration(users) {
  const lines = [`realm = "${REALM}"`, '[listen]'];
  for (const key of ['http', 'https', 'sip_udp', 'sip_tcp', 'sip_tls', 'webrtc', 'turn', 'turn_tls']) {
    lines.push(`${key} = "127.0.0.1:0"`);
  }
  for (const name of users) lines.push('[[user]]', `name = "${name}"`, `password = "${password(name)}"`);
  return `${lines.join('\n')}\n`;
}
