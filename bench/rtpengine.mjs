// What media costs beside Debian's rtpengine, both driven over the ng protocol by the same load, `ringback bench media`, in
// turn: CPU of a packet, of setting calls up, memory of a call, delay, and the most calls that one processor carries.
//
//   node bench/rtpengine.mjs [--only cost|most] [--kind plain|sdes|webrtc|opus] [--seconds N]
//
// rtpengine forwards in user space here: its kernel module has no counterpart of ours.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';

import { RTPENGINE, loadMedia, startNg, startRtpengine } from './harness/rtpengine.mjs';
import { BINARY } from './harness/server.mjs';
import { isMain } from './harness/table.mjs';

/** Calls that stand while the cost is read. */
const CALLS = { plain: [100, 500, 1000], sdes: [100, 500, 1000], webrtc: [100, 500, 1000], opus: [20] };
/** kB of a call in progress. */
const MEMORY_TARGETS = { plain: 15, webrtc: 40, opus: 150 };
/** The p99 of the delay in ms. */
const DELAY_TARGETS = { 1000: 2.5 };
const CPU_TARGET = 0.4;
const SET_UP_TARGET = 0.4;
const MOST_TARGET = 2.5;
/** The most calls are looked for from here up, to a tenth. */
const FIRST = { plain: 200, sdes: 200, webrtc: 200, opus: 10 };
const MOST = 3200;
const MOST_LOSS = 0.001;
const hasRtpengine = existsSync(RTPENGINE);

/**
 * @typedef {object} Row a figure of each engine
 * @property {string} name
 * @property {string} unit
 * @property {number} ours
 * @property {number} [theirs]
 * @property {number} [target] the ratio that must not be exceeded, or reached where `more` is better
 * @property {number} [limit] what ours must not exceed
 * @property {boolean} [more]
 * @property {string} [note]
 */

/** Measures the rows one after the other. */
async function* measure({ only, kinds, seconds }) {
  for (const kind of kinds) {
    if (only !== 'most') for (const calls of CALLS[kind]) yield* cost(kind, calls, seconds);
    if (only !== 'cost' && kind !== 'sdes') yield await most(kind, seconds);
  }
}

async function* cost(kind, calls, seconds) {
  const run = (start) => withEngine(start, {}, (engine) => loadMedia(engine, kind, { calls, seconds }));
  const theirs = hasRtpengine ? await run(startRtpengine) : undefined;
  const ours = await run(startNg);
  const name = `${kind}, ${calls} calls`;
  const note = [told('', ours), told('rtpengine: ', theirs)].filter(Boolean).join('; ');
  const both = (read) => ({ ours: read(ours), theirs: theirs && read(theirs) });
  const packet = both((report) => report.server_cpu_us_per_packet);
  yield { name: `CPU of a packet, ${name}`, unit: 'µs', ...packet, target: CPU_TARGET, note };
  if (calls >= 500 || kind === 'opus') {
    const memory = both((report) => report.server_memory_bytes_per_call / 1024);
    yield { name: `memory of a call, ${name}`, unit: 'kB', ...memory, limit: MEMORY_TARGETS[kind] };
  }
  if (kind === 'webrtc' && calls >= 500) {
    const setUp = both((report) => report.server_cpu_seconds_per_1000_calls);
    yield { name: `setting up 1000 calls, ${name}`, unit: 'CPU-s', ...setUp, target: SET_UP_TARGET };
  }
  if (kind === 'plain') {
    const delay = both((report) => report.delay_ms.p99);
    const halves = both((report) => report.delay_ms.p50);
    const note = `p50 ${halves.ours.toFixed(2)}${theirs ? `, rtpengine ${halves.theirs.toFixed(2)}` : ''}`;
    yield { name: `delay, p99, ${name}`, unit: 'ms', ...delay, limit: DELAY_TARGETS[calls], note };
  }
}

/** The most calls that an engine on one processor carries with less than a thousandth lost; the load has the other. */
async function most(kind, seconds) {
  const search = async (start) => {
    let last = '';
    const passes = async (calls) => {
      const report = await withEngine(start, { core: 0 }, (engine) =>
        loadMedia(engine, kind, { calls, seconds, core: 1 }),
      );
      // A load that could not be made says nothing about the engine.
      const isLoad = report.packets_late + report.packets_dropped_by_the_load < MOST_LOSS * report.packets_sent;
      const passes = report.up === calls && report.loss < MOST_LOSS && isLoad;
      if (!passes) last = `at ${calls}: ${told('', report) || 'not all were set up'}`;
      return passes;
    };
    let [low, high] = [0, FIRST[kind]];
    while (high <= MOST && (await passes(high))) [low, high] = [high, 2 * high];
    while (high <= MOST && high - low > Math.max(low, 10) / 10) {
      const middle = Math.round((low + high) / 2);
      if (await passes(middle)) low = middle;
      else high = middle;
    }
    return { value: low, note: high > MOST ? `not looked for above ${low}` : last };
  };
  const theirs = hasRtpengine ? await search(startRtpengine) : undefined;
  const ours = await search(startNg);
  return {
    name: `most calls on one processor, ${kind}`,
    unit: 'calls',
    ours: ours.value,
    theirs: theirs?.value,
    target: MOST_TARGET,
    more: true,
    note: [ours.note, theirs && `rtpengine ${theirs.note}`].filter(Boolean).join('; '),
  };
}

/** What went wrong in a run. */
function told(whose, report) {
  if (report === undefined) return '';
  const words = [
    report.up < report.calls && `${report.calls - report.up} calls FAILED (${Object.keys(report.failures).join(', ')})`,
    report.loss > 0 && `${(100 * report.loss).toFixed(2)} % lost`,
    report.packets_late > 0 && `${report.packets_late} packets not begun`,
    report.packets_dropped_by_the_load > 0 && `${report.packets_dropped_by_the_load} lost by the load`,
  ].filter(Boolean);
  return words.length > 0 ? `${whose}${words.join(', ')}` : '';
}

async function withEngine(start, options, use) {
  const engine = await start(options);
  try {
    return await use(engine);
  } finally {
    await engine.stop();
  }
}

/** @param {Row} row */
function print({ name, unit, ours, theirs, target, limit, more, note = '' }) {
  const ratio = theirs ? ours / theirs : undefined;
  const isMet = [
    target !== undefined && ratio !== undefined && (more ? ratio >= target : ratio <= target),
    limit !== undefined && ours <= limit,
  ];
  const hasTarget = (target !== undefined && ratio !== undefined) || limit !== undefined;
  const aim = limit !== undefined ? `${limit} ${unit}` : target !== undefined ? `${more ? '≥' : '≤'} ${target} ×` : '';
  const met = hasTarget ? (isMet.some(Boolean) ? 'yes' : '**no**') : '';
  const cells = [name, unit, digits(ours), digits(theirs), digits(ratio), aim, met, note];
  console.log(`| ${cells.join(' | ')} |`);
}

function digits(value) {
  if (value === undefined) return '';
  return value.toFixed(Number.isInteger(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

function said(command, ...args) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

if (isMain(import.meta)) {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      kind: { type: 'string', multiple: true, default: Object.keys(CALLS) },
      seconds: { type: 'string', default: '10' },
    },
  });
  const commit = said('git', '-C', import.meta.dirname, 'rev-parse', '--short', 'HEAD');
  console.log(`${said(BINARY, '--version')} (${commit}), Linux ${release()}, ${cpus().length} × ${cpus()[0].model}\n`);
  console.log(
    '| what | unit | Ringback | rtpengine | ratio | target | met | note |\n|---|---|---:|---:|---:|---:|---|---|',
  );
  for await (const row of measure({ only: values.only, kinds: values.kind, seconds: Number(values.seconds) }))
    print(row);
}
