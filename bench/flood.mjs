// What those who are signed in notice of a flood by strangers.
//
//   cargo build --release --example flood
//   node bench/flood.mjs [--rate 60000] [--seconds 10]
//
// Phones register at a quiet 100 a second while somebody else sends REGISTERs without credentials from a thousand addresses
// of 127.0.0.0/8, each for another user. The load, the flood and the server share the machine.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';

import { KAMAILIO, startKamailio } from './harness/kamailio.mjs';
import { load, names } from './harness/load.mjs';
import { BINARY, startServer } from './harness/server.mjs';

const FLOOD = process.env.RINGBACK_FLOOD ?? join(dirname(BINARY), 'examples/flood');
const USERS = 100;
const QUIET = 100;
/** The flood begins a second before the load and ends after it. */
const MORE_SECONDS = 5;

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '60000' }, seconds: { type: 'string', default: '10' } },
});
const seconds = Number(values.seconds);

/** Registrations, under a flood of `rate` datagrams a second. */
async function under(start, rate) {
  const server = await start();
  try {
    const lasting = seconds + MORE_SECONDS;
    const port = new URL(server.url('udp')).port;
    const flooding =
      rate > 0 ? promisify(execFile)(FLOOD, [port, `${rate}`, `${lasting}`]) : Promise.resolve({ stdout: '0' });
    await sleep(1000);
    const options = { rate: QUIET, seconds, within: 8, 'warm-up': 1 };
    const report = await load(server, 'register', { transport: 'udp', users: USERS, options });
    return { ...report, flood: Number((await flooding).stdout) / lasting };
  } finally {
    await server.stop();
  }
}

function printRow(name, report) {
  const { p50, p95, p99 } = report.answered_ms;
  const share = ((100 * report.succeeded) / report.begun).toFixed(1);
  const times = [p50, p95, p99].map((ms) => ms.toFixed(1)).join(' / ');
  console.log(`| ${[name, report.flood.toFixed(0), share, times, report.sent_again].join(' | ')} |`);
}

console.log(
  '| server | flood, datagrams a second | of 100 registrations | 200 after, p50 / p95 / p99, ms | sent again |',
);
console.log('|---|---:|---:|---:|---:|');
const starts = [['Ringback', () => startServer({ users: names(USERS) })]];
if (existsSync(KAMAILIO)) starts.push(['Kamailio', startKamailio]);
for (const [name, start] of starts)
  for (const rate of [0, Number(values.rate)]) printRow(name, await under(start, rate));
