// sipp, the scenario player of Debian's sip-tester.
import assert from 'node:assert/strict';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { evidencePath } from './evidence.mjs';
import { atEnd } from './lifetime.mjs';

const SCENARIOS = join(import.meta.dirname, '../sipp');

/**
 * Starts sipp towards `server` and returns what it needs to end well. It uses `port` of its own, so that a caller can
 * be called there.
 */
export function startSipp(
  server,
  scenario,
  { transport = 'udp', port = server.ports.one(), count = 1, options = [] },
) {
  const isBuiltIn = !scenario.endsWith('.xml');
  const child = new Child(`sipp-${scenario.replace('.xml', '')}`, 'sipp', [
    `${server.address}:${server.listen[`sip_${transport}`]}`,
    ...(isBuiltIn ? ['-sn', scenario] : ['-sf', join(SCENARIOS, scenario)]),
    ...['-i', server.address, '-p', String(port), '-t', transport === 'udp' ? 'u1' : 't1'],
    ...['-m', String(count), '-nostdin', '-timeout', '30', '-timeout_error'],
    ...['-trace_err', '-error_file', evidencePath('sipp-errors.log')],
    // RTP, RTCP and as much for video.
    ...['-mp', String(server.ports.range(6).first)],
    ...options,
  ]);
  atEnd('sipp', () => child.stop('SIGKILL'));
  return {
    port,
    /** Waits until every call of the scenario has gone as it says. */
    async succeeded() {
      const { code } = await child.ended(40_000);
      assert.equal(code, 0, `sipp ${scenario}: ${child.output.slice(-1500)}`);
    },
  };
}
