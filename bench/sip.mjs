// What SIP costs the server beside Kamailio: registrations and calls over every transport, memory of contacts and of idle
// connections, and the highest rate of calls without a failure. `ringback bench` makes the same load for both in turn.
//
//   node bench/sip.mjs [udp tcp tls ws wss] [--only register|call|memory|highest] [--seconds N]
//
// Kamailio keeps its contacts in memory and forwards a call, whose phones send each other their media. A 200 of Ringback is
// on the disk; it is back to back, and has media ports for each phone of a call, unless it knows `media.bypass`.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { parseArgs } from 'node:util';

import { KAMAILIO, startKamailio } from './harness/kamailio.mjs';
import { load, names } from './harness/load.mjs';
import { BINARY, startServer } from './harness/server.mjs';
import { isMain } from './harness/table.mjs';

const TRANSPORTS = ['udp', 'tcp', 'tls', 'ws', 'wss'];
const REGISTER_RATES = [1000, 2000, 4000];
const REGISTER_USERS = 1000;
const CALL_RATES = [200, 500, 1000];
const CALL_USERS = 200;
const WARM_UP = 2;
/** What takes longer than this counts as a failure. */
const WITHIN = 8;
const CONTACTS = 10_000;
const CONNECTIONS = 4000;
/** Each idle connection carries a ping and a pong within this time. */
const IDLE = 25;
/** After so many seconds a server may have forgotten the transactions of registrations over UDP (Timer J). */
const FORGOTTEN = 40;
/** Between these rates, and to a twentieth, the highest is looked for. */
const SEARCH = { from: 200, to: 6400, seconds: 5 };
const LIMITS = [
  'limits.connections=20000',
  'limits.unauthenticated_per_source=20000',
  'limits.first_request_seconds=3600',
  'limits.sign_in_seconds=3600',
  'limits.calls=20000',
  'media.rtp_ports=10000-29999',
];
const BYPASS = 'media.bypass=local';
const hasKamailio = existsSync(KAMAILIO);
const hasBypass = spawnSync(BINARY, ['check', '--set', BYPASS], { stdio: 'ignore' }).status === 0;

/**
 * @typedef {object} Row a figure of each server
 * @property {string} name
 * @property {string} unit
 * @property {number} ours
 * @property {number} [theirs]
 * @property {number} [target] the ratio that must not be exceeded, or reached where `more` is better
 * @property {boolean} [more]
 * @property {string} note
 */

/** Measures the rows one after the other. */
async function* measure({ transports, only, seconds }) {
  const wants = (what) => only === undefined || only === what;
  for (const transport of transports) {
    if (wants('register')) yield* registrations(transport, seconds);
    if (wants('call')) yield* calls(transport, seconds);
  }
  if (wants('memory')) yield* memory(transports);
  if (wants('highest')) for (const transport of transports) yield* highest(transport);
}

async function* registrations(transport, seconds) {
  const rates = transport === 'udp' ? REGISTER_RATES : [2000];
  for (const rate of rates) {
    const options = { rate, seconds, within: WITHIN };
    const run = async (server) =>
      cost(server, await load(server, 'register', { transport, users: REGISTER_USERS, options }));
    const ours = await ringback(REGISTER_USERS, [], (server) => withShares(server, () => run(server)));
    const theirs = await kamailio(run);
    const target = transport === 'udp' && rate === 2000 ? 0.8 : undefined;
    yield row(`REGISTER, ${transport.toUpperCase()}, ${rate}/s`, 'CPU-s per 1000', { ours, theirs, target });
  }
  if (transport !== 'udp') return;
  const options = { rate: 2000, seconds, within: WITHIN };
  const run = async (server) =>
    cost(server, await load(server, 'register', { transport, users: REGISTER_USERS, options }));
  const ours = await ringback(REGISTER_USERS, ['digest=["SHA-256", "MD5"]'], (server) =>
    withShares(server, () => run(server)),
  );
  yield row('REGISTER, UDP, 2000/s, SHA-256', 'CPU-s per 1000', { ours });
}

async function* calls(transport, seconds) {
  for (const rate of CALL_RATES) {
    const options = { rate, seconds, within: WITHIN, 'warm-up': WARM_UP };
    const run = async (server) => cost(server, await load(server, 'call', { transport, users: CALL_USERS, options }));
    const theirs = await kamailio(run);
    const ours = await ringback(CALL_USERS, [], (server) => withShares(server, () => run(server)));
    yield row(`call, ${transport.toUpperCase()}, ${rate}/s`, 'CPU-s per 1000', { ours, theirs, target: 1 });
    if (!hasBypass || transport.startsWith('ws')) continue;
    const past = await ringback(CALL_USERS, [BYPASS], (server) => withShares(server, () => run(server)));
    yield row(`call, ${transport.toUpperCase()}, ${rate}/s, bypass`, 'CPU-s per 1000', {
      ours: past,
      theirs,
      target: 0.6,
    });
  }
}

async function* memory(transports) {
  const idle = (transport, users, options) => async (server) => {
    const report = await load(server, 'idle', { transport, users, options: { within: WITHIN, ...options } });
    const isWhole = report.connections_refused + report.connections_closed + report.failed === 0;
    const note = isWhole ? `${users} phones` : `${users} phones, NOT all of them: ${summary(report)}`;
    return { value: report.server_memory_bytes_each / 1024, note };
  };
  const cases = [
    ['udp', 'registered contact', CONTACTS, { seconds: FORGOTTEN }, 0.6 / 1.2],
    ['ws', 'idle WS connection, not registered', CONNECTIONS, { seconds: IDLE, anonymous: true }],
    ['ws', 'idle WS connection, registered', CONNECTIONS, { seconds: IDLE }, 8 / 73],
    ['wss', 'idle WSS connection, not registered', CONNECTIONS, { seconds: IDLE, anonymous: true }],
    ['wss', 'idle WSS connection, registered', CONNECTIONS, { seconds: IDLE }, 16 / 142],
  ];
  for (const [transport, name, users, options, target] of cases.filter(([transport]) =>
    transports.includes(transport),
  )) {
    const ours = await ringback(users, [], idle(transport, users, options));
    const theirs = await kamailio(idle(transport, users, options));
    yield row(name, 'kB', { ours, theirs, target });
  }
}

async function* highest(transport) {
  const search = async (start) => {
    // A server of its own for each rate: what one overload leaves behind is not the next one's.
    const passes = async (rate) => {
      const options = { rate, seconds: SEARCH.seconds, within: WITHIN, 'warm-up': WARM_UP };
      const report = await start((server) => load(server, 'call', { transport, users: CALL_USERS, options }));
      // A load that could not be made says nothing about the server.
      return report !== undefined && report.failed === 0 && report.begun_per_second > 0.95 * rate;
    };
    let [low, high] = [0, SEARCH.from];
    while (high <= SEARCH.to && (await passes(high))) [low, high] = [high, 2 * high];
    while (low > 0 && high <= SEARCH.to && high - low > low / 20) {
      const middle = Math.round((low + high) / 2);
      if (await passes(middle)) low = middle;
      else high = middle;
    }
    return { value: low, note: low >= SEARCH.to ? 'not looked for above it' : '' };
  };
  const ours = await search((use) => ringback(CALL_USERS, [], use));
  const theirs = hasKamailio ? await search(kamailio) : undefined;
  yield row(`highest rate of calls without a failure, ${transport.toUpperCase()}`, 'calls/s', {
    ours,
    theirs,
    more: true,
  });
}

/** What a load has cost, with what went wrong. */
function cost(server, report) {
  const told = [
    report.failed > 0 && `FAILED ${summary(report)}`,
    report.begun_per_second < 0.95 * report.rate && `only ${Math.round(report.begun_per_second)} a second`,
    report.sent_again > 0 && `${report.sent_again} sent again`,
    `p50 ${report.answered_ms.p50.toFixed(1)} ms, p99 ${report.answered_ms.p99.toFixed(1)} ms`,
  ];
  return { value: report.server_cpu_seconds_per_1000, note: told.filter(Boolean).join(', '), count: report.succeeded };
}

function summary(report) {
  const reasons = Object.entries(report.failures).map(([reason, count]) => `${count} × ${reason}`);
  const connections = report.connections_refused + report.connections_closed;
  return [...reasons, connections > 0 && `${connections} connections lost`].filter(Boolean).join(', ');
}

/** Adds the share of each thread in what a run of ours used, signing in and warming up included, and the writes of a commit. */
async function withShares(server, run) {
  const before = server.cpuByThread();
  const figure = await run();
  const used = [...server.cpuByThread()].map(([thread, cpu]) => [thread, cpu - (before.get(thread) ?? 0)]);
  const sum = used.reduce((all, [, cpu]) => all + cpu, 0);
  const shares = used
    .filter(([, cpu]) => cpu > sum / 100)
    .map(([thread, cpu]) => `${thread} ${Math.round((100 * cpu) / sum)} %`);
  const metrics = await server.settledMetrics();
  const total = (event) => metrics.get(`ringback_store_total{event="${event}"}`);
  const writes = `${(total('writes') / total('transactions')).toFixed(1)} writes a commit`;
  return { ...figure, note: [figure.note, shares.join(' '), writes].filter(Boolean).join('; ') };
}

async function ringback(users, set, use) {
  return withServer(await startServer({ users: names(users), set: [...LIMITS, ...set] }), use);
}

async function kamailio(use) {
  if (!hasKamailio) return undefined;
  // Its TLS resets connections, or its processes end, in some runs with many handshakes at once (5.6.3 of Debian 12).
  for (let tries = 3; tries > 0; tries -= 1) {
    try {
      return await withServer(await startKamailio(), use);
    } catch (error) {
      console.error(`Kamailio, tries left ${tries - 1}: ${error.message.trim()}`);
    }
  }
  return undefined;
}

async function withServer(server, use) {
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

function row(name, unit, { ours, theirs, target, more = false }) {
  const note = [ours.note, theirs?.note && `Kamailio: ${theirs.note}`].filter(Boolean).join('; ');
  return { name, unit, ours: ours.value, theirs: theirs?.value, target, more, note };
}

/** Writes a line of the table in Markdown as soon as it is known: the whole takes a while. */
function printRow({ name, unit, ours, theirs, target, more, note }) {
  const ratio = theirs > 0 ? ours / theirs : undefined;
  const met = target === undefined || ratio === undefined ? '' : ratio <= target ? 'yes' : '**no**';
  const bar =
    ratio === undefined ? '' : '█'.repeat(Math.max(1, Math.min(20, Math.round((more ? 1 / ratio : ratio) * 10))));
  const cells = [name, unit, digits(ours), theirs === undefined ? '' : digits(theirs), ratio?.toFixed(2) ?? ''];
  console.log(`| ${[...cells, bar, target?.toFixed(2) ?? '', met, note].join(' | ')} |`);
}

function digits(value) {
  return value.toFixed(value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

function printHead() {
  const said = (command, ...args) => execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n')[0];
  const commit = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: import.meta.dirname, encoding: 'utf8' });
  const machine = `Linux ${release()}, ${availableParallelism()} × ${cpus()[0].model}`;
  const theirs = hasKamailio
    ? said(KAMAILIO, '-v')
        .replace(/^version: /, '')
        .trim()
    : 'no Kamailio is installed';
  console.log(`${said(BINARY, '--version')}, commit ${commit.stdout.trim() || 'unknown'}; ${theirs}; ${machine}.\n`);
  console.log(
    '| what | unit | Ringback | Kamailio | ratio | ten blocks are Kamailio, fewer are better | target | met | note |',
  );
  console.log('|---|---|---:|---:|---:|---|---:|---|---|');
}

if (isMain(import.meta)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string' }, seconds: { type: 'string', default: '12' } },
  });
  const unknown = positionals.filter((transport) => !TRANSPORTS.includes(transport));
  if (unknown.length > 0) throw new Error(`not a transport: ${unknown.join(', ')}; there are ${TRANSPORTS.join(', ')}`);
  const transports = positionals.length > 0 ? positionals : TRANSPORTS;
  printHead();
  for await (const figure of measure({ transports, only: values.only, seconds: Number(values.seconds) }))
    printRow(figure);
}
