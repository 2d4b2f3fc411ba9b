// CPU of the server for a REGISTER over UDP: digest, and the 200 only after the commit. Kamailio, where it is installed,
// is given the same load after it; it keeps its contacts in memory.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { open } from './harness/datagrams.mjs';
import { KAMAILIO, startKamailio } from './harness/kamailio.mjs';
import { read } from './harness/message.mjs';
import { Registration } from './harness/registration.mjs';
import { startServer } from './harness/server.mjs';
import { isMain, print } from './harness/table.mjs';

const USERS = 1000;
const SECONDS = 15;
const WITHIN = 15_000;
const users = Array.from({ length: USERS }, (_, i) => `user${i}`);

/** @returns {Promise<import('./harness/table.mjs').Figure[]>} */
export async function measure() {
  const figures = [];
  for (const rate of [1000, 2000, 4000]) {
    const ours = await ringback(rate, 'MD5');
    figures.push(ours);
    if (existsSync(KAMAILIO)) figures.push(await kamailio(rate, ours));
  }
  figures.push(await ringback(2000, 'SHA-256'));
  return figures;
}

async function ringback(rate, algorithm) {
  const server = await startServer({
    users,
    set: ['digest=["SHA-256", "MD5"]'],
  });
  try {
    return await atRate(server, { rate, algorithm }, async (load) => {
      const [metrics, threads] = [await server.settledMetrics(), server.cpuByThread()];
      const run = await load();
      return figure(`${rate}/s, ${algorithm}`, run, {
        threads: difference(server.cpuByThread(), threads),
        metrics: difference(await server.settledMetrics(), metrics),
      });
    });
  } finally {
    await server.stop();
  }
}

async function kamailio(rate, ours) {
  const server = await startKamailio();
  try {
    return await atRate(server, { rate, algorithm: 'MD5' }, async (load) => {
      const { cpu, count, repeated } = await load();
      const value = cpu / (2 * count);
      return {
        name: `the same, Kamailio`,
        unit: 'µs of CPU a message',
        value,
        note: `Ringback ${(ours.value / value).toFixed(2)} times as much; ${repeated} requests sent twice`,
      };
    });
  } finally {
    await server.stop();
  }
}

/** Warms a server up, and has it measured while `load` runs. */
async function atRate(server, { rate, algorithm }, measured) {
  const connection = await open(server.udpPort);
  try {
    // Every user once: the table of bindings has its size, the file its pages.
    await load(connection, { rate, algorithm, count: USERS });
    return await measured(async () => {
      const [cpu, count] = [server.cpu(), rate * SECONDS];
      const repeated = await load(connection, { rate, algorithm, count });
      if (repeated > count / 50) throw new Error(`not the load that was meant: ${repeated} of ${count} sent twice`);
      return { cpu: server.cpu() - cpu, count, repeated };
    });
  } finally {
    connection.close();
  }
}

/**
 * Makes `count` registrations at a steady rate, the users in turn, and waits for the last. Returns how many requests had
 * to be sent again.
 */
async function load(connection, { rate, algorithm, count }) {
  const open = new Map();
  connection.onMessage = (text) => {
    const response = read(text);
    const callId = response.value('call-id');
    if (open.get(callId)?.handle(response)) open.delete(callId);
  };
  const address = `127.0.0.1:${connection.port}`;
  const started = performance.now();
  let repeated = 0;
  for (let made = 0; made < count;) {
    const due = Math.min(count, ((performance.now() - started) / 1000) * rate);
    for (; made < due; made += 1) {
      const user = users[made % users.length];
      const phone = {
        user,
        contact: `sip:${user}@${address}`,
        via: `UDP ${address}`,
        algorithm,
      };
      const registration = new Registration(phone, (text) => connection.send(text));
      open.set(registration.callId, registration);
      registration.start();
    }
    await sleep(1);
    repeated += retransmit(open);
  }
  for (const deadline = performance.now() + WITHIN; open.size > 0; await sleep(10)) {
    if (performance.now() > deadline) throw new Error(`${open.size} registrations without an end`);
    repeated += retransmit(open);
  }
  return repeated;
}

/** Repeats requests whose time has come; says how many. */
function retransmit(open) {
  const now = performance.now();
  let repeated = 0;
  for (const registration of open.values()) {
    if (registration.retransmit(now)) repeated += 1;
  }
  return repeated;
}

function figure(name, { cpu, count, repeated }, { threads, metrics }) {
  const messages = metrics.get('ringback_sip_total{event="messages_received"}');
  const writes = metrics.get('ringback_store_total{event="writes"}');
  const transactions = metrics.get('ringback_store_total{event="transactions"}');
  if (messages < 2 * count || writes < count) {
    throw new Error(`not the load that was meant: ${JSON.stringify({ count, messages, writes })}`);
  }
  const shares = [...threads].map(([thread, used]) => `${thread} ${(used / messages).toFixed(1)}`);
  return {
    name: `REGISTER over UDP, ${name}`,
    unit: 'µs of CPU a message',
    target: 25,
    value: cpu / messages,
    note:
      `${shares.join(', ')}; ${(cpu / count / 1000).toFixed(3)} CPU-s per 1000 registrations; ` +
      `${(writes / transactions).toFixed(1)} writes a commit; ${repeated} requests sent twice`,
  };
}

function difference(after, before) {
  return new Map([...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)]));
}

if (isMain(import.meta)) print(await measure());
