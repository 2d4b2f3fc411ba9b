// A part of a processor for a server, so that a load from the same machine can ask more of it than it can do.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';

const V1 = '/sys/fs/cgroup/cpu';
const V2 = '/sys/fs/cgroup';
/** In microseconds. Short, so that a server is not kept from its work for longer than it notices. */
const PERIOD = 10_000;

/**
 * Holds processes to a share of one processor. Needs root, and a control group that may be written.
 *
 * @param {number[]} pids
 * @param {number} share of one processor
 * @returns {() => void} gives the group back once its processes are gone
 */
export function slice(pids, share) {
  const isV1 = existsSync(`${V1}/cpu.cfs_quota_us`);
  const folder = `${isV1 ? V1 : V2}/ringback-bench-${process.pid}`;
  mkdirSync(folder, { recursive: true });
  const quota = Math.round(PERIOD * share);
  const settings = isV1
    ? { 'cpu.cfs_period_us': PERIOD, 'cpu.cfs_quota_us': quota }
    : { 'cpu.max': `${quota} ${PERIOD}` };
  for (const [name, value] of Object.entries(settings)) writeFileSync(`${folder}/${name}`, `${value}`);
  for (const pid of pids) writeFileSync(`${folder}/cgroup.procs`, `${pid}`);
  return () => rmdirSync(folder);
}
