// A network of a test's own: loopback and one more address, in a namespace that nobody else sees.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The address in it that is not loopback: what other machines would call this one. */
export const OWN_ADDRESS = '10.77.0.1';

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
