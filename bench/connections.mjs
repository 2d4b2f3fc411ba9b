// Memory of the server for a WebSocket that only stands there, over TCP and TLS, with and without a registration.
import { setTimeout as sleep } from 'node:timers/promises';

import { register } from './harness/registration.mjs';
import { startServer } from './harness/server.mjs';
import { isMain, print } from './harness/table.mjs';
import { open } from './harness/websocket.mjs';

/** The server lets in 4096 connections from loopback that nobody has signed in on. */
const CONNECTIONS = 3600;
/** Opened before the first look, so that buffers, threads and tables of the server itself are there. */
const FIRST = 400;
const AT_ONCE = 50;
/** The server pings every 15 s: after this long each connection has carried a ping and a pong. */
const IDLE = 25_000;
/** Those that have not signed in stand there for longer than a server lets them by default. */
const LIMITS = ['limits.connections=9000', 'limits.first_request_seconds=3600', 'limits.sign_in_seconds=3600'];

/** @returns {Promise<import('./harness/table.mjs').Figure[]>} */
export async function measure() {
  const figures = [];
  for (const secure of [false, true]) {
    for (const registered of [false, true]) figures.push(await idle(secure, registered));
  }
  return figures;
}

async function idle(secure, registered) {
  const users = Array.from({ length: FIRST + CONNECTIONS }, (_, i) => `user${i}`);
  const server = await startServer({ users, set: LIMITS });
  const port = secure ? server.httpsPort : server.httpPort;
  const connections = [];
  const openMore = async (count) => {
    for (let left = count; left > 0; left -= AT_ONCE) {
      const first = connections.length;
      const batch = Array.from({ length: Math.min(left, AT_ONCE) }, async (_, i) => {
        const connection = await open({ port, secure });
        const user = users[first + i];
        const contact = `sip:${user}@${user}.invalid;transport=ws`;
        const via = `${secure ? 'WSS' : 'WS'} ${user}.invalid`;
        if (registered) await register(connection, { user, contact, via });
        return connection;
      });
      connections.push(...(await Promise.all(batch)));
    }
    await sleep(IDLE);
  };
  await openMore(FIRST);
  const before = server.memory();
  await openMore(CONNECTIONS);
  const after = server.memory();
  const metrics = await server.settledMetrics();
  const lost = connections.filter((connection) => connection.ended).length;
  const quiet = connections.filter((connection) => connection.pings === 0).length;
  const bindings = metrics.get('ringback_bindings');
  if (lost + quiet > 0 || bindings !== (registered ? users.length : 0)) {
    throw new Error(`not an idle crowd: ${JSON.stringify({ lost, quiet, bindings })}`);
  }
  for (const connection of connections) connection.close();
  await server.stop();
  return {
    name: `idle ${secure ? 'WSS' : 'WS'} connection, ${registered ? 'registered' : 'not registered'}`,
    unit: 'kB of memory (Pss)',
    target: secure ? 16 : 8,
    value: (after - before) / CONNECTIONS / 1024,
    note: `${CONNECTIONS} connections after ${FIRST}; ${(after / (1 << 20)).toFixed(1)} MB in all`,
  };
}

if (isMain(import.meta)) print(await measure());
