// The load client of Ringback itself: `ringback bench`.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { BINARY, password } from './server.mjs';

const folder = mkdtempSync(join(tmpdir(), 'ringback-load-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Names of users. */
export function names(count) {
  return Array.from({ length: count }, (_, i) => `user${i}`);
}

/**
 * Loads a server and resolves to the report.
 *
 * @param {{ url: (transport: string) => string, pids: number[] }} server
 * @param {'register' | 'call' | 'idle'} work
 * @param {object} load
 * @param {string} load.transport
 * @param {number} load.users
 * @param {Record<string, string | number | boolean>} [load.options] more options by their names
 * @param {number} [load.within] seconds until it has to be over
 */
export function load(server, work, { transport, users, options = {}, within = 300 }) {
  const file = join(folder, `users-${users}`);
  const lines = names(users).map((name) => `${name}:${password(name)}\n`);
  writeFileSync(file, lines.join(''), { mode: 0o600 });
  const all = { to: server.url(transport), 'password-file': file, pid: server.pids.join(','), json: true, ...options };
  // The local certificate of a server that lives for a minute is not what is measured.
  if (['tls', 'wss'].includes(transport)) all.insecure = true;
  const args = Object.entries(all).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, `${value}`],
  );
  const kind = transport.startsWith('ws') ? 'wss' : 'sip';
  return new Promise((resolve, reject) => {
    const limits = { timeout: within * 1000, killSignal: 'SIGKILL', maxBuffer: 1 << 20 };
    execFile(BINARY, ['bench', kind, ...args, work], limits, (error, stdout, stderr) => {
      // 1 says that something has failed, which the report tells.
      if (stdout === '') return reject(new Error(stderr || error?.message));
      resolve(JSON.parse(stdout));
    });
  });
}
