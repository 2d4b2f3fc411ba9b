// `ringback bench media`: the load of media through Debian's rtpengine and through `ringback ng`.
import assert from 'node:assert/strict';

import { run } from './harness/child.mjs';
import { scenario, sideBySide } from './harness/evidence.mjs';
import { setUp } from './harness/lifetime.mjs';
import { startRtpengine } from './harness/media-engine.mjs';
import { startEngine } from './harness/ng.mjs';
import { reservePorts } from './harness/ports.mjs';
import { BINARY } from './harness/server.mjs';

const CALLS = 3;
const SECONDS = 2;

async function load(engine, kind, args = []) {
  const size = ['--calls', `${CALLS}`, '--seconds', `${SECONDS}`, '--warm-up', '0'];
  const common = ['bench', 'media', '--to', `127.0.0.1:${engine.port}`, '--json', ...size];
  const end = await run(`load-${kind}`, BINARY, [...common, ...args, kind]);
  assert.doesNotMatch(end.output, /panicked/, 'what the load wrote');
  return { ...end, report: end.stdout === '' ? undefined : JSON.parse(end.stdout) };
}

const ENGINES = {
  rtpengine: startRtpengine,
  ringback: startEngine,
  // What is used where a machine does not allow the other.
  'ringback with epoll': (ports) => startEngine(ports, { more: ['--set', 'media.io_uring=false'] }),
};
sideBySide(
  Object.keys(ENGINES).flatMap((engine) =>
    ['plain', 'sdes', 'webrtc', 'opus'].map((kind) => `${kind} by ${engine}`),
  ),
  (way) => {
    const [kind, name] = way.split(' by ');
    let engine;
    setUp(async () => {
      engine = await ENGINES[name](await reservePorts());
    });

    scenario(`packets come through, ${way}`, async () => {
      const { code, report } = await load(engine, kind, ['--pid', `${engine.pid}`]);
      assert.deepEqual(
        [report.up, report.failures, report.packets_unusable],
        [CALLS, {}, 0],
        JSON.stringify(report),
      );
      assert.equal(code, 0);
      // What a busy machine has no time for is told, and is not what is tested.
      const meant = 2 * CALLS * SECONDS * 50;
      assert.ok(report.packets_sent + report.packets_late >= 0.95 * meant, JSON.stringify(report));
      assert.ok(report.packets_heard > 0.8 * report.packets_sent, JSON.stringify(report));
      assert.ok(report.packets_heard <= 1.05 * report.packets_sent, JSON.stringify(report));
      assert.equal(
        report.delay_ms === null,
        kind === 'opus',
        'the time of a packet that is made anew is not known',
      );
      assert.equal(typeof report.server_memory_bytes_per_call, 'number');
    });
  },
  4,
);

scenario('an engine that is not there is said so', async () => {
  const ports = await reservePorts();
  const { code, report } = await load({ port: ports.one() }, 'plain');
  assert.deepEqual([code, report.up, report.failures], [1, 0, { 'the engine did not answer': CALLS }]);
});

scenario('the engine of somebody else is not loaded', async () => {
  // An address for documentation (RFC 5737): nobody has it.
  const { code, output } = await run('load', BINARY, ['bench', 'media', '--to', '192.0.2.1:22222', 'plain']);
  assert.equal(code, 2);
  assert.match(output, /192\.0\.2\.1.*--i-operate-this-server/);
});
