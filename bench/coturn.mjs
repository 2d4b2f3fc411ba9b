// What TURN costs beside Debian's coturn, both loaded by `ringback bench turn`, in turn: packets relayed for a second of CPU,
// CPU and memory of an allocation.
//
//   node bench/coturn.mjs [--seconds N]
//
// The load and the servers are in two network namespaces, with a cable between them. Needs root.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';

import { BINARY } from './harness/server.mjs';
import { isMain } from './harness/table.mjs';
import { COTURN, enterNetworks, loadTurn, startCoturn, startRingback } from './harness/turn.mjs';

const RATES = [10_000, 40_000, 80_000];
const SIZES = [200, 1200];
/** Allocations that packets go through. */
const TALKING = 100;
/** Allocations whose cost is read. */
const STANDING = 2000;
const PACKETS_TARGET = 2;
const ALLOCATION_TARGET = 0.5;
const MEMORY_LIMIT = 4;
const hasCoturn = existsSync(COTURN);

/** Measures the rows one after the other. */
async function* measure(network, seconds) {
  const both = async (load) => {
    const results = [];
    for (const start of [hasCoturn ? startCoturn : undefined, startRingback]) {
      if (start === undefined) {
        results.push(undefined);
        continue;
      }
      // A server that has had allocations keeps memory of them: each has a fresh one.
      const server = await start(network);
      results.push(await loadTurn(server, load));
      await server.stop();
    }
    return { theirs: results[0], ours: results[1] };
  };
  for (const size of SIZES) {
    for (const rate of RATES) {
      const { theirs, ours } = await both({ allocations: TALKING, rate, size, seconds });
      yield {
        name: `packets relayed, ${size} bytes, ${rate / 1000} k a second`,
        unit: 'k a CPU-s',
        ours: ours.server_packets_per_cpu_second / 1000,
        theirs: theirs && theirs.server_packets_per_cpu_second / 1000,
        target: size === 200 ? PACKETS_TARGET : undefined,
        more: true,
        note: [told('', ours), told('coturn: ', theirs)].filter(Boolean).join('; '),
      };
    }
  }
  const { theirs, ours } = await both({ allocations: STANDING, rate: 0, seconds: 1 });
  const note = [told('', ours), told('coturn: ', theirs)].filter(Boolean).join('; ');
  yield {
    name: '1000 allocations with a channel',
    unit: 'CPU-s',
    ours: ours.server_cpu_seconds_per_1000_allocations,
    theirs: theirs?.server_cpu_seconds_per_1000_allocations,
    target: ALLOCATION_TARGET,
    note,
  };
  yield {
    name: 'memory of an allocation',
    unit: 'kB',
    ours: ours.server_memory_bytes_per_allocation / 1024,
    theirs: theirs && theirs.server_memory_bytes_per_allocation / 1024,
    limit: MEMORY_LIMIT,
  };
}

/** What went wrong in a run. */
function told(whose, report) {
  if (report === undefined) return '';
  const failed = Object.keys(report.failures).join(', ');
  const words = [
    report.up < report.allocations && `${report.allocations - report.up} allocations FAILED (${failed})`,
    report.loss > 0.0005 && `${(100 * report.loss).toFixed(2)} % lost`,
    report.packets_late > 0 && `${report.packets_late} packets not begun`,
    report.packets_dropped_by_the_load > 0 && `${report.packets_dropped_by_the_load} lost by the load`,
  ].filter(Boolean);
  return words.length > 0 ? `${whose}${words.join(', ')}` : '';
}

function print({ name, unit, ours, theirs, target, limit, more, note = '' }) {
  const ratio = theirs ? ours / theirs : undefined;
  const aim = limit !== undefined ? `${limit} ${unit}` : target !== undefined ? `${more ? '≥' : '≤'} ${target} ×` : '';
  const isMet =
    limit !== undefined
      ? ours <= limit
      : target === undefined || ratio === undefined
        ? undefined
        : more
          ? ratio >= target
          : ratio <= target;
  const met = isMet === undefined ? '' : isMet ? 'yes' : '**no**';
  console.log(`| ${[name, unit, digits(ours), digits(theirs), digits(ratio), aim, met, note].join(' | ')} |`);
}

function digits(value) {
  if (value === undefined) return '';
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

function said(command, ...args) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

if (isMain(import.meta)) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } });
  const network = await enterNetworks(import.meta.filename);
  const commit = said('git', '-C', import.meta.dirname, 'rev-parse', '--short', 'HEAD');
  console.log(`${said(BINARY, '--version')} (${commit}), Linux ${release()}, ${cpus().length} × ${cpus()[0].model}\n`);
  console.log(
    '| what | unit | Ringback | coturn | ratio | target | met | note |\n|---|---|---:|---:|---:|---:|---|---|',
  );
  for await (const row of measure(network, Number(values.seconds))) print(row);
  process.exit(0);
}
