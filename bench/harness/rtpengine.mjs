// Media engines on loopback that speak the ng protocol: Debian's rtpengine, and `ringback ng`.
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from './process.mjs';
import { BINARY } from './server.mjs';

/** The rtpengine that is measured. */
export const RTPENGINE = process.env.RTPENGINE_BINARY ?? '/usr/bin/rtpengine';
/** Below those that Linux hands out by itself, which are for the commands. */
const PORTS = { first: 10_000, last: 31_999 };
const running = new Set();
process.on('exit', () => {
  for (const engine of running) engine.end();
});

/** Starts rtpengine without its kernel module; `core` is the one processor that it may use. */
export async function startRtpengine({ core } = {}) {
  const port = await freePort();
  const media = ['-m', PORTS.first, '-M', PORTS.last].map(String);
  const args = ['--config-file=none', '-f', '-E', '-L', '3', '-t', '-1', '-i', '127.0.0.1', '-n', `127.0.0.1:${port}`];
  return started(new Engine('rtpengine', port, RTPENGINE, [...args, ...media], core));
}

/** Starts `ringback ng`; `core` is the one processor that it may use. */
export async function startNg({ core, set = [] } = {}) {
  const port = await freePort();
  const media = ['--webrtc', `127.0.0.1:${await freePort()}`, '--rtp-ports', `${PORTS.first}-${PORTS.last}`];
  const common = ['ng', '--listen', `127.0.0.1:${port}`, '--interface', 'main/127.0.0.1', ...media];
  const args = [...common, ...set.flatMap((key) => ['--set', key])];
  return started(new Engine('ringback ng', port, BINARY, args, core));
}

/**
 * Loads an engine with media and resolves to the report of `ringback bench media`.
 *
 * @param {Engine} engine
 * @param {'plain' | 'sdes' | 'webrtc' | 'opus'} kind
 * @param {object} options
 * @param {number} options.calls
 * @param {number} options.seconds
 * @param {number} [options.core] the one processor that the load may use
 */
export function loadMedia(engine, kind, { calls, seconds, core }) {
  const args = ['bench', 'media', '--to', `127.0.0.1:${engine.port}`, '--calls', `${calls}`, '--seconds', `${seconds}`];
  const [command, ...all] = pinned(core, [BINARY, ...args, '--pid', `${engine.pid}`, '--json', kind]);
  return new Promise((resolve, reject) => {
    execFile(command, all, { timeout: (seconds + 120) * 1000, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      // 1 says that something has failed, which the report tells.
      if (stdout === '') return reject(new Error(stderr || error?.message));
      resolve(JSON.parse(stdout));
    });
  });
}

class Engine {
  #folder = mkdtempSync(join(tmpdir(), 'engine-'));
  #log = join(this.#folder, 'log');
  #process;

  constructor(name, port, binary, args, core) {
    Object.assign(this, { name, port });
    const log = openSync(this.#log, 'w');
    const [command, ...all] = pinned(core, [binary, ...args]);
    this.#process = spawn(command, all, { stdio: ['ignore', log, log], cwd: this.#folder });
    closeSync(log);
    running.add(this);
  }

  get pid() {
    return this.#process.pid;
  }

  get log() {
    return readFileSync(this.#log, 'utf8');
  }

  /** Pings it until it answers. */
  async ready() {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    let answered = false;
    socket.once('message', (answer) => (answered = answer.toString().includes('pong')));
    for (const deadline = performance.now() + 20_000; !answered; await sleep(100)) {
      if (this.#process.exitCode !== null || performance.now() > deadline) {
        throw new Error(`${this.name} did not start:\n${this.log}`);
      }
      socket.send('ready d7:command4:pinge', this.port, '127.0.0.1');
    }
    socket.close();
  }

  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await Promise.race([ended, sleep(5_000)]);
    this.end();
  }

  end() {
    this.#process.kill('SIGKILL');
    running.delete(this);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function started(engine) {
  await engine.ready();
  return engine;
}

/** A command that may use one processor only, if one is named. */
function pinned(core, command) {
  return core === undefined ? command : ['taskset', '-c', `${core}`, ...command];
}
