// CPU of the server for a call between two phones over UDP, INVITE to BYE: challenged, answered at once, ended after a
// moment, no media. Kamailio, where it is installed, is given the same load after it. It forwards the call, and its phones
// send each other their media; Ringback is back to back, and has a media port ready for each phone.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { startCallee } from './harness/callee.mjs';
import { call } from './harness/caller.mjs';
import { open } from './harness/datagrams.mjs';
import { KAMAILIO, startKamailio } from './harness/kamailio.mjs';
import { phoneSdp } from './harness/sdp.mjs';
import { startServer } from './harness/server.mjs';
import { isMain, print } from './harness/table.mjs';

const SECONDS = 12;
const WARM_UP = 2;
/** How long a call stands, in milliseconds. */
const TALK = 200;
/** Where nobody listens: below the ports that sockets of ours are given, above those of the server's media. */
const MEDIA_PORT = 30_000;
const callers = Array.from({ length: 50 }, (_, i) => `user${i}`);

/** @returns {Promise<import('./harness/table.mjs').Figure[]>} */
export async function measure() {
  const figures = [];
  for (const rate of [100, 200, 400]) {
    const ours = await atRate(await startServer({ users: [...callers, 'bob'] }), rate);
    figures.push(figure(`call, INVITE to BYE, ${rate}/s`, ours));
    if (!existsSync(KAMAILIO)) continue;
    const theirs = await atRate(await startKamailio(), rate);
    const ratio = `Ringback ${(ours.cpu / theirs.cpu).toFixed(2)} times as much`;
    figures.push(figure('the same, Kamailio, media past it', theirs, ratio));
  }
  return figures;
}

function figure(name, { cpu, threads, count, failed }, ratio) {
  const shares = threads.map(([thread, used]) => `${thread} ${Math.round(used)} µs`).join(', ');
  return {
    name,
    unit: 'CPU-s per 1000 calls',
    value: cpu / count / 1000,
    note: [`${count} calls, ${failed} failed`, shares, ratio].filter(Boolean).join('; '),
  };
}

/** The CPU that a server uses for calls that begin at a steady rate, in microseconds. Stops the server. */
async function atRate(server, rate) {
  const callee = await startCallee(server, 'bob');
  // A line holds one call at a time.
  const idle = [];
  const lines = [];
  let failed = 0;
  const line = async () => {
    if (idle.length > 0) return idle.pop();
    const connection = await open(server.udpPort);
    lines.push(connection);
    const user = callers[lines.length % callers.length];
    const [via, contact] = [`UDP 127.0.0.1:${connection.port}`, `sip:${user}@127.0.0.1:${connection.port}`];
    return { user, connection, via, contact, sdp: phoneSdp(MEDIA_PORT) };
  };
  const one = async () => {
    const caller = await line();
    try {
      const made = await call(caller, 'bob');
      await sleep(TALK);
      await made.hangUp();
      idle.push(caller);
    } catch (error) {
      failed += 1;
      if (failed === 1) console.error(`the first call that failed: ${error.message}`);
    }
  };
  const load = async (seconds) => {
    const calls = [];
    const started = performance.now();
    for (let made = 0; made < rate * seconds; await sleep(2)) {
      const due = Math.min(rate * seconds, ((performance.now() - started) / 1000) * rate);
      for (; made < due; made += 1) calls.push(one());
    }
    await Promise.all(calls);
    return calls.length;
  };
  try {
    await load(WARM_UP);
    [failed] = [0];
    const [cpu, threads] = [server.cpu(), server.cpuByThread?.() ?? new Map()];
    const count = await load(SECONDS);
    const ended = server.cpuByThread?.() ?? new Map();
    const used = [...ended].map(([name, value]) => [name, (value - (threads.get(name) ?? 0)) / count]);
    return { cpu: server.cpu() - cpu, threads: used, count, failed };
  } finally {
    for (const connection of lines) connection.close();
    await callee.stop();
    await server.stop();
  }
}

if (isMain(import.meta)) print(await measure());
