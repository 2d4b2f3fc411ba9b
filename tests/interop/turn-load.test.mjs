// `ringback bench turn`: the load of TURN against Debian's coturn and against a running server.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';

import { Child, run } from './harness/child.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { reservePorts } from './harness/ports.mjs';
import { BINARY, startServer } from './harness/server.mjs';
import { until } from './harness/waiting.mjs';

const COTURN = '/usr/bin/turnserver';
const ALLOCATIONS = 10;
const RATE = 200;
const SECONDS = 2;

/** Runs a load and resolves to its report and exit code. */
async function load(port, password, { allocations = ALLOCATIONS, rate = RATE, more = [] } = {}) {
  const users = evidencePath('users');
  writeFileSync(users, `alice:${password}\n`, { mode: 0o600 });
  const size = ['--allocations', allocations, '--rate', rate, '--seconds', SECONDS, '--warm-up', 0].map(
    String,
  );
  const common = ['bench', 'turn', '--to', `127.0.0.1:${port}`, '--password-file', users, '--json'];
  const end = await run('load', BINARY, [...common, ...size, ...more]);
  assert.doesNotMatch(end.output, /panicked/, 'what the load wrote');
  return { ...end, report: end.stdout === '' ? undefined : JSON.parse(end.stdout) };
}

/** A coturn that relays on its own machine, which ours never does. */
async function startCoturn(password) {
  const ports = await reservePorts();
  const [port, relays] = [ports.one(), ports.range(100)];
  const where = [
    '-n',
    '--log-file',
    'stdout',
    '--pidfile',
    evidencePath('coturn.pid'),
    '-L',
    '127.0.0.1',
    '-p',
    port,
  ];
  const who = ['-a', '-u', `alice:${password}`, '-r', 'tests', '--allow-loopback-peers'];
  const range = ['--min-port', relays.first, '--max-port', relays.last];
  const off = ['--no-tls', '--no-dtls', '--no-cli', '--no-rfc5780'];
  const child = new Child('coturn', COTURN, [...where, ...who, ...range, ...off].map(String));
  atEnd('coturn', () => child.stop());
  await until('coturn to allocate', async () => (await load(port, password, { rate: 0 })).code === 0, {
    every: 200,
    seen: () => child.output.slice(-400),
  });
  return { port, pid: child.pid };
}

scenario('packets come through the allocations of coturn, there and back', async () => {
  const { port, pid } = await startCoturn('secret');
  const { code, report } = await load(port, 'secret', { more: ['--pid', `${pid}`] });
  assert.deepEqual([code, report.up, report.failures], [0, ALLOCATIONS, {}], JSON.stringify(report));
  // What a busy machine has no time for is told, and is not what is tested.
  assert.ok(report.packets_sent + report.packets_late >= 0.95 * RATE * SECONDS, JSON.stringify(report));
  assert.ok(report.packets_heard > 0.8 * report.packets_sent, JSON.stringify(report));
  assert.ok(report.packets_heard <= report.packets_sent, JSON.stringify(report));
  assert.ok(report.server_packets_per_cpu_second > 0 && report.server_memory_bytes_per_allocation >= 0);
});

scenario('what a server refuses is told with its code', async () => {
  const server = await startServer();
  const to = server.listen.turn;
  const here = await load(to, server.password('alice'));
  const refused = { 'a channel to a peer: the TURN server refused with 403': ALLOCATIONS };
  assert.deepEqual([here.code, here.report.up, here.report.failures], [1, 0, refused]);
  const wrong = await load(to, 'guess', { allocations: 2 });
  const words = 'an allocation: the TURN server does not know the user, or the password is another';
  assert.deepEqual([wrong.code, wrong.report.failures], [1, { [words]: 2 }]);
});

scenario('the server of somebody else is not loaded', async () => {
  const users = evidencePath('users');
  writeFileSync(users, 'alice:secret\n', { mode: 0o600 });
  // An address for documentation (RFC 5737): nobody has it.
  const args = ['bench', 'turn', '--to', '192.0.2.1:3478', '--password-file', users];
  const { code, output } = await run('load', BINARY, args);
  assert.equal(code, 2);
  assert.match(output, /192\.0\.2\.1.*--i-operate-this-server/);
});
