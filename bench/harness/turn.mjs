// TURN servers in a network of their own, since neither may relay to its own machine: Debian's coturn, and Ringback.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Program } from './program.mjs';
import { BINARY } from './server.mjs';

/** The coturn that is measured. */
export const COTURN = process.env.COTURN_BINARY ?? '/usr/bin/turnserver';
/** The network: where servers are, and where the load is. */
const NETWORK = '10.78.0.0/24';
const SERVER = '10.78.0.1';
/** A server answers one address only so often in a second. */
const LOADS = Array.from({ length: 100 }, (_, i) => `10.78.0.${100 + i}`);
const PORT = 3478;
const USER = 'alice';
const PASSWORD = 'alice-secret';
const MARK = 'RINGBACK_BENCH_NAMESPACE';
const folder = mkdtempSync(join(tmpdir(), 'turn-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Runs the rest of this script in a network namespace, with a cable to a second one. Needs root. */
export async function enterNetworks(file) {
  if (process.env[MARK] === undefined) {
    const args = ['--net', '--kill-child', process.execPath, file, ...process.argv.slice(2)];
    const child = spawn('unshare', args, { stdio: 'inherit', env: { ...process.env, [MARK]: 'load' } });
    process.exit(await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1))));
  }
  // It stands for as long as this process does.
  const far = spawn('unshare', ['--net', '--kill-child', 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] });
  process.on('exit', () => far.kill('SIGKILL'));
  const ip = (...args) => execFileSync('ip', args);
  // Until `unshare` has made it.
  const own = () => execFileSync('readlink', ['/proc/self/ns/net']).toString();
  while (execFileSync('readlink', [`/proc/${far.pid}/ns/net`]).toString() === own()) await sleep(20);
  const there = (...args) => execFileSync('nsenter', ['-t', `${far.pid}`, '-n', 'ip', ...args]);
  ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', `${far.pid}`);
  for (const address of LOADS) ip('address', 'add', `${address}/24`, 'dev', 'near');
  for (const device of ['near', 'lo']) ip('link', 'set', device, 'up');
  there('address', 'add', `${SERVER}/24`, 'dev', 'far');
  for (const device of ['far', 'lo']) there('link', 'set', device, 'up');
  return far.pid;
}

/** Starts coturn with a user of its own, no TLS and as many threads as it takes by itself. */
export function startCoturn(network) {
  const args = ['-n', '--log-file', 'stdout', '--pidfile', join(folder, 'pid'), '-L', SERVER, '-E', SERVER];
  const rest = [
    '-p',
    PORT,
    '--min-port',
    20_000,
    '--max-port',
    60_000,
    '-a',
    '-u',
    `${USER}:${PASSWORD}`,
    '-r',
    'bench',
  ];
  const off = ['--no-tls', '--no-dtls', '--no-cli', '--no-tcp', '--no-tcp-relay', '--no-rfc5780'];
  return started(network, 'coturn', COTURN, [...args, ...rest, ...off].map(String));
}

/** Starts Ringback with a user of its own. */
export function startRingback(network) {
  const config = join(folder, 'ringback.toml');
  const listen = ['http', 'https', 'sip_udp', 'sip_tcp', 'sip_tls', 'webrtc', 'turn_tls']
    .map((key) => `${key} = "127.0.0.1:0"`)
    .join('\n');
  const turn = `relay_ports = "20000-59999"\nallow_peers = ["${NETWORK}"]\nquota = 10000`;
  const user = `[[user]]\nname = "${USER}"\npassword = "${PASSWORD}"`;
  const media = 'rtp_ports = "10000-10999"';
  writeFileSync(
    config,
    `[listen]\n${listen}\nturn = "${SERVER}:${PORT}"\n[media]\n${media}\n[turn]\n${turn}\n${user}\n`,
    { mode: 0o600 },
  );
  const args = ['serve', '-c', config, '--data-dir', mkdtempSync(join(folder, 'data-'))];
  return started(network, 'ringback', BINARY, args);
}

/**
 * Loads a server and resolves to the report of `ringback bench turn`.
 *
 * @param {Program} server
 * @param {object} options
 * @param {number} options.allocations
 * @param {number} options.rate packets a second
 * @param {number} [options.size] bytes
 * @param {number} [options.seconds]
 */
export function loadTurn(server, { allocations, rate, size = 200, seconds = 10 }) {
  const users = join(folder, 'users');
  writeFileSync(users, `${USER}:${PASSWORD}\n`, { mode: 0o600 });
  const args = [
    'bench',
    'turn',
    '--to',
    `${SERVER}:${PORT}`,
    '--from',
    LOADS.join(','),
    '--password-file',
    users,
    '--json',
  ];
  const load = [
    '--allocations',
    allocations,
    '--rate',
    rate,
    '--size',
    size,
    '--seconds',
    seconds,
    '--pid',
    server.pid,
  ];
  return new Promise((resolve, reject) => {
    const limits = { timeout: (seconds + 120) * 1000, killSignal: 'SIGKILL' };
    execFile(BINARY, [...args, ...load.map(String)], limits, (error, stdout, stderr) => {
      // 1 says that something has failed, which the report tells.
      if (stdout === '') return reject(new Error(stderr || error?.message));
      resolve(JSON.parse(stdout));
    });
  });
}

/** Starts a server and waits until it allocates. */
async function started(network, name, binary, args) {
  // nsenter becomes what it runs, so that its id is the server's.
  const command = ['nsenter', '-t', `${network}`, '-n', binary, ...args];
  const server = new Program(name, mkdtempSync(join(folder, `${name}-`)), command);
  await server.started(async () => (await loadTurn(server, { allocations: 1, rate: 0, seconds: 1 })).up === 1, 300);
  return server;
}
