// `ringback bench`: many phones of one process.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';

import { run } from './child.mjs';
import { evidencePath } from './evidence.mjs';
import { BINARY } from './server.mjs';

/**
 * Runs a load and resolves to its report and exit code.
 *
 * @param {'register' | 'call' | 'idle'} work
 * @param {string} to the URL of the server
 * @param {Record<string, string>} passwords by the names of the users
 * @param {string[]} [args]
 */
export async function load(work, to, passwords, args = []) {
  const users = evidencePath('users');
  const lines = Object.entries(passwords).map(([name, password]) => `${name}:${password}\n`);
  writeFileSync(users, lines.join(''), { mode: 0o600 });
  const kind = to.startsWith('ws') ? 'wss' : 'sip';
  const common = ['--to', to, '--password-file', users, '--within', '8', '--json'];
  // The certificate of a server that lives for a minute is not what is tested.
  const trust = /^(tls|wss):/.test(to) ? ['--insecure'] : [];
  const end = await run('load', BINARY, ['bench', kind, ...common, ...trust, ...args, work]);
  assert.doesNotMatch(end.output, /panicked/, 'what the load wrote');
  return { ...end, report: end.stdout === '' ? undefined : JSON.parse(end.stdout) };
}
