// What a server gets done when more calls come than it can serve: beside what it does at its best.
//
//   node bench/overload.mjs [--share 0.2] [--seconds 10]
//
// The server has a part of one processor, so that a load beside it can be several times too much. Its best is looked for by
// rates that rise by a quarter; then come twice and three times that rate. A call counts that is up and ended within 8 s.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { KAMAILIO, startKamailio } from './harness/kamailio.mjs';
import { load, names } from './harness/load.mjs';
import { startServer } from './harness/server.mjs';
import { slice } from './harness/slice.mjs';

const USERS = 200;
const WITHIN = 8;
const LIMITS = ['limits.calls=20000', 'media.rtp_ports=10000-29999'];
/** Of the best, what has to be left at twice the rate. */
const TARGET = 0.95;

const { values } = parseArgs({
  options: { share: { type: 'string', default: '0.2' }, seconds: { type: 'string', default: '10' } },
});
const [share, seconds] = [Number(values.share), Number(values.seconds)];

/** Calls at a rate, on a server of its own: what one overload leaves behind is not the next one's. */
async function at(start, rate) {
  const server = await start();
  const giveBack = slice(server.pids, share);
  try {
    const options = { rate, seconds, within: WITHIN, 'warm-up': 2 };
    const report = await load(server, 'call', { transport: 'udp', users: USERS, options });
    return { ...report, goodput: report.succeeded / report.lasted_seconds };
  } finally {
    await server.stop();
    await sleep(100);
    giveBack();
  }
}

async function measure(name, start) {
  let best = { goodput: 0 };
  // One rate may fall into a bad second of the machine.
  for (let [rate, behind] = [100, 0]; behind < 2; rate = Math.round(rate * 1.25)) {
    const report = await at(start, rate);
    if (report.goodput > best.goodput) best = report;
    behind = report.goodput < 0.85 * rate ? behind + 1 : 0;
  }
  printRow(name, 'at its best', best, best);
  for (const times of [2, 3]) {
    const report = await at(start, Math.round(times * best.goodput));
    printRow(name, `${times} times that`, report, best, times === 2);
  }
}

function printRow(name, what, report, best, isJudged) {
  const ratio = report.goodput / best.goodput;
  const { p50, p99 } = report.answered_ms;
  const failures = Object.entries(report.failures).map(([reason, count]) => `${count} × ${reason}`);
  const cells = [name, what, report.rate, report.goodput.toFixed(0), ratio.toFixed(2)];
  const met = isJudged ? (ratio >= TARGET ? 'yes' : '**no**') : '';
  const note = [`${report.sent_again} sent again`, ...failures].join(', ');
  console.log(`| ${[...cells, met, `${p50.toFixed(0)} / ${p99.toFixed(0)}`, note].join(' | ')} |`);
}

console.log(`Calls over UDP; each server has ${share} of a processor.\n`);
console.log(
  '| server | rate | calls begun a second | calls done a second | of its best | met | 200 after, p50 / p99, ms | note |',
);
console.log('|---|---|---:|---:|---:|---|---:|---|');
await measure('Ringback', () => startServer({ users: names(USERS), set: LIMITS }));
if (existsSync(KAMAILIO)) await measure('Kamailio', startKamailio);
