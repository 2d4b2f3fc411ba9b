// CPU of the server for a REGISTER over UDP: digest, and the 200 only after the commit.
import { setTimeout as sleep } from 'node:timers/promises';

import { open } from './harness/datagrams.mjs';
import { read } from './harness/message.mjs';
import { Registration } from './harness/registration.mjs';
import { startServer } from './harness/server.mjs';
import { isMain, print } from './harness/table.mjs';

const USERS = 1000;
const SECONDS = 15;
const WITHIN = 15_000;

/** @returns {Promise<import('./harness/table.mjs').Figure[]>} */
export async function measure() {
  return [await atRate(1000, 'MD5'), await atRate(2000, 'MD5'), await atRate(2000, 'SHA-256')];
}

async function atRate(rate, algorithm) {
  const users = Array.from({ length: USERS }, (_, i) => `user${i}`);
  const server = await startServer({ users, set: ['digest=["SHA-256", "MD5"]'] });
  const connection = await open(server.udpPort);
  try {
    // Every user once: the table of bindings has its size, the file its pages.
    await load(connection, { rate, algorithm, users, count: USERS });
    const metrics = await server.settledMetrics();
    const [cpu, threads] = [server.cpu(), server.cpuByThread()];
    const count = rate * SECONDS;
    const repeated = await load(connection, { rate, algorithm, users, count });
    return figure(`${rate}/s, ${algorithm}`, count, repeated, {
      cpu: server.cpu() - cpu,
      threads: difference(server.cpuByThread(), threads),
      metrics: difference(await server.settledMetrics(), metrics),
    });
  } finally {
    connection.close();
    await server.stop();
  }
}

/**
 * Makes `count` registrations at a steady rate, the users in turn, and waits for the last. Returns how many requests had
 * to be sent again.
 */
async function load(connection, { rate, algorithm, users, count }) {
  const open = new Map();
  connection.onMessage = (text) => {
    const response = read(text);
    const callId = response.value('call-id');
    if (open.get(callId)?.handle(response)) open.delete(callId);
  };
  const address = `127.0.0.1:${connection.port}`;
  const started = performance.now();
  let repeated = 0;
  for (let made = 0; made < count; ) {
    const due = Math.min(count, ((performance.now() - started) / 1000) * rate);
    for (; made < due; made += 1) {
      const user = users[made % users.length];
      const phone = { user, contact: `sip:${user}@${address}`, via: `UDP ${address}`, algorithm };
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

function figure(name, count, repeated, { cpu, threads, metrics }) {
  const messages = metrics.get('ringback_sip_total{event="messages_received"}');
  const writes = metrics.get('ringback_store_total{event="writes"}');
  const transactions = metrics.get('ringback_store_total{event="transactions"}');
  if (messages < 2 * count || repeated > count / 50 || writes < count) {
    throw new Error(`not the load that was meant: ${JSON.stringify({ count, messages, repeated, writes })}`);
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
