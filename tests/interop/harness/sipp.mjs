// sipp, the scenario player of Debian's sip-tester.
import assert from 'node:assert/strict';
import { basename, resolve } from 'node:path';

import { Child } from './child.mjs';
import { evidencePath } from './evidence.mjs';
import { atEnd } from './lifetime.mjs';
import { hostOf } from './server.mjs';

const SCENARIOS = resolve(import.meta.dirname, '../sipp');

/**
 * Starts sipp towards `server` with a scenario of `sipp/`, a path or one that sipp has built in, and returns what it
 * needs to end well. It uses `port` of its own, so that a caller can be called there.
 */
export function startSipp(
  server,
  scenario,
  { transport = 'udp', port = server.ports.one(), media = server.ports.range(6), count = 1, options = [] },
) {
  const isBuiltIn = !scenario.endsWith('.xml');
  const child = new Child(`sipp-${basename(scenario, '.xml').replace(/^\d+-/, '')}`, 'sipp', [
    `${hostOf(server.address)}:${server.listen[`sip_${transport}`]}`,
    ...(isBuiltIn ? ['-sn', scenario] : ['-sf', resolve(SCENARIOS, scenario)]),
    ...['-i', server.address, '-p', String(port), '-t', transport === 'udp' ? 'u1' : 't1'],
    ...['-m', String(count), '-nostdin', '-timeout', '30', '-timeout_error'],
    ...['-trace_err', '-error_file', evidencePath('sipp-errors.log')],
    // RTP, RTCP and as much for video.
    ...['-mp', String(media.first)],
    ...options,
  ]);
  atEnd('sipp', () => child.stop('SIGKILL'));
  return {
    port,
    isRunning: () => child.isRunning,
    output: () => child.output,
    stop: () => child.stop('SIGKILL'),
    /** Waits until every call of the scenario has gone as it says. */
    async succeeded() {
      const { code } = await child.ended(40_000);
      assert.equal(code, 0, `sipp ${scenario}: ${child.output.slice(-1500)}`);
    },
  };
}
