// Media engines on loopback that speak the ng protocol: Debian's rtpengine, and `ringback ng`.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './process.mjs';
import { Program } from './program.mjs';
import { BINARY } from './server.mjs';

/** The rtpengine that is measured. */
export const RTPENGINE = process.env.RTPENGINE_BINARY ?? '/usr/bin/rtpengine';
/** Below those that Linux hands out by itself, which are for the commands. */
const PORTS = { first: 10_000, last: 31_999 };

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

class Engine extends Program {
  constructor(name, port, binary, args, core) {
    super(name, mkdtempSync(join(tmpdir(), 'engine-')), pinned(core, [binary, ...args]));
    this.port = port;
  }

  /** Pings it until it answers. */
  async ready() {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    let answered = false;
    socket.once('message', (answer) => (answered = answer.toString().includes('pong')));
    await this.started(() => {
      if (!answered) socket.send('ready d7:command4:pinge', this.port, '127.0.0.1');
      return answered;
    });
    socket.close();
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
