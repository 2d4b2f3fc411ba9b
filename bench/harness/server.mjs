// One Ringback of the release build, on loopback, with what the kernel says about its process.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { ticksOf } from './process.mjs';
import { Program } from './program.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');

/** The binary that is measured. */
export const BINARY = process.env.RINGBACK_BINARY ?? join(TARGET, 'release/ringback');

/** Where servers keep their data. It must be a disk: a commit on tmpfs costs nothing. */
const DATA = process.env.RINGBACK_BENCH_DATA ?? join(TARGET, 'bench-data');

/** The threads of the server, as it names them without its own name before it; workers are numbered. */
const THREADS = ['control', 'store', 'net', 'media'];

const REALM = 'ringback';

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

class Server extends Program {
  realm = REALM;

  constructor(users, set) {
    mkdirSync(DATA, { recursive: true });
    const folder = mkdtempSync(join(DATA, 'run-'));
    const config = join(folder, 'ringback.toml');
    writeFileSync(config, configuration(users), { mode: 0o600 });
    const args = ['serve', '-c', config, '--data-dir', join(folder, 'data')];
    super('the server', folder, [BINARY, ...args, ...set.flatMap((key) => ['--set', key])]);
  }

  /** Waits for the line `ready` and reads the ports from what stands before it. */
  async ready() {
    await this.started(() => /^ready$/m.test(this.log), 20);
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
}

function configuration(users) {
  const lines = [`realm = "${REALM}"`, '[listen]'];
  for (const key of ['http', 'https', 'sip_udp', 'sip_tcp', 'sip_tls', 'webrtc', 'turn', 'turn_tls']) {
    lines.push(`${key} = "127.0.0.1:0"`);
  }
  for (const name of users) lines.push('[[user]]', `name = "${name}"`, `password = "${password(name)}"`);
  return `${lines.join('\n')}\n`;
}
