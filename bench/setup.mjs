// Time from an INVITE to its 200 with a callee that answers at once.
//
// One call after another on a server that is otherwise idle. Each call is challenged: "with a challenge" counts from the
// first INVITE, over 407 and ACK, to the 200; "without" from the INVITE that carries credentials to the 200.
import { setTimeout as sleep } from 'node:timers/promises';

import { startCallee } from './harness/callee.mjs';
import { call } from './harness/caller.mjs';
import { open as openDatagrams } from './harness/datagrams.mjs';
import { browserSdp, phoneSdp } from './harness/sdp.mjs';
import { startServer } from './harness/server.mjs';
import { median, quantile } from './harness/statistics.mjs';
import { isMain, print } from './harness/table.mjs';
import { open as openWebSocket } from './harness/websocket.mjs';

const CALLS = 300;
const WARM_UP = 30;
const PAUSE = 15;

/** @returns {Promise<import('./harness/table.mjs').Figure[]>} */
export async function measure() {
  const server = await startServer({ users: ['alice', 'bob'] });
  const callee = await startCallee(server, 'bob');
  try {
    const figures = [];
    for (const caller of [await phone(server), await browser(server)]) {
      const times = [];
      for (let number = 0; number < WARM_UP + CALLS; number += 1) {
        const made = await call(caller, 'bob');
        await made.hangUp();
        if (number >= WARM_UP) times.push(made);
        await sleep(PAUSE);
      }
      caller.connection.close();
      figures.push(
        figure(
          `${caller.name}, no challenge`,
          5,
          times.map(({ authenticated }) => authenticated),
        ),
        figure(
          `${caller.name}, with 407`,
          8,
          times.map(({ whole }) => whole),
        ),
      );
    }
    return figures;
  } finally {
    await callee.stop();
    await server.stop();
  }
}

function figure(name, target, times) {
  return {
    name: `call set-up, ${name}`,
    unit: 'ms p50',
    target,
    value: median(times),
    note: `p95 ${quantile(times, 0.95).toFixed(2)}, least ${Math.min(...times).toFixed(2)}; ${times.length} calls`,
  };
}

async function phone(server) {
  const connection = await openDatagrams(server.udpPort);
  return {
    name: 'phone over UDP to phone',
    user: 'alice',
    connection,
    via: `UDP 127.0.0.1:${connection.port}`,
    contact: `sip:alice@127.0.0.1:${connection.port}`,
    sdp: phoneSdp(44_000),
  };
}

async function browser(server) {
  return {
    name: 'browser over WSS (ICE, DTLS-SRTP) to phone',
    user: 'alice',
    connection: await openWebSocket({ port: server.httpsPort, secure: true }),
    via: 'WSS alice.invalid',
    contact: 'sip:alice@alice.invalid;transport=ws',
    sdp: browserSdp(),
  };
}

if (isMain(import.meta)) print(await measure());
