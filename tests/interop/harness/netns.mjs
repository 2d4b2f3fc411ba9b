// A network of a test's own: loopback and one more address, in a namespace that nobody else sees.
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';

/** The address in it that is not loopback: what other machines would call this one. */
export const OWN_ADDRESS = '10.77.0.1';

/** Its address with IPv6, once `haveIpv6` was called. */
export const OWN_ADDRESS_V6 = 'fd77::1';

const MARK = 'RINGBACK_TEST_NAMESPACE';

/**
 * Runs the rest of this test file in a network namespace: the process starts itself there once more, and its reports go
 * where its own would have gone. Fails where the system allows no namespaces.
 */
export async function enterOwnNetwork(file) {
  if (process.env[MARK] !== undefined) return;
  const asUser = process.getuid() === 0 ? [] : ['--map-root-user'];
  const script = join(import.meta.dirname, 'netns.sh');
  const child = spawn(
    'unshare',
    [...asUser, '--net', '--kill-child', script, OWN_ADDRESS, process.execPath, ...process.execArgv, file],
    { stdio: 'inherit', env: { ...process.env, [MARK]: OWN_ADDRESS } },
  );
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => child.kill('SIGTERM'));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
  process.exit(code);
}

/** Gives this machine an address with IPv6. Before browsers start: they take a new one for a change of the network. */
export function haveIpv6() {
  execFileSync('ip', ['address', 'add', `${OWN_ADDRESS_V6}/64`, 'dev', 'ringback0', 'nodad']);
}

/**
 * Another machine, as far as the server can tell: an address of this network whose packets are lost, without a word to
 * anybody, once it has vanished. What connects from it gives it as its local address.
 */
export function otherMachine(address = '10.77.0.2') {
  const ip = (...args) => execFileSync('ip', args);
  ip('address', 'add', `${address}/32`, 'dev', 'ringback0');
  return {
    address,
    vanish() {
      ip('address', 'del', `${address}/32`, 'dev', 'ringback0');
      // Without it, the kernel would find out itself that nobody is there, and say so.
      ip('neighbour', 'add', address, 'lladdr', '02:00:00:00:00:02', 'dev', 'ringback0', 'nud', 'permanent');
    },
  };
}

/** More addresses of this machine, in a network of its own: 65 000 of them, for clients from everywhere. */
export function* ownAddresses() {
  execFileSync('ip', ['route', 'replace', 'local', '10.78.0.0/16', 'dev', 'lo']);
  for (let high = 0; high < 256; high += 1)
    for (let low = 1; low < 255; low += 1) yield `10.78.${high}.${low}`;
}
