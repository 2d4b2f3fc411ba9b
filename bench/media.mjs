// CPU of the server for a forwarded RTP packet of plain calls: G.711, 50 packets a second each way.
import { setTimeout as sleep } from 'node:timers/promises';

import { startCallee } from './harness/callee.mjs';
import { call } from './harness/caller.mjs';
import { open } from './harness/datagrams.mjs';
import { mediaPort, phoneSdp } from './harness/sdp.mjs';
import { startServer } from './harness/server.mjs';
import { isMain, print } from './harness/table.mjs';
import { Talker } from './harness/talker.mjs';

const CALLS = 100;
/** One user has 20 lines. */
const CALLERS = 10;
const SECONDS = 15;

/** @returns {Promise<import('./harness/table.mjs').Figure[]>} */
export async function measure() {
  const users = Array.from({ length: CALLERS }, (_, i) => `user${i}`);
  const server = await startServer({ users: ['bob', ...users], set: ['media.rtp_ports="23000-24999"'] });
  const callee = await startCallee(server, 'bob', { talk: true });
  const talker = await Talker.open();
  const connection = await open(server.udpPort);
  try {
    for (let made = 0; made < CALLS; made += 1) {
      const user = users[made % CALLERS];
      const via = `UDP 127.0.0.1:${connection.port}`;
      const contact = `sip:${user}@127.0.0.1:${connection.port}`;
      const { answer } = await call({ user, connection, via, contact, sdp: phoneSdp(talker.port) }, 'bob');
      talker.talkTo(mediaPort(answer));
    }
    const dropsBefore = await drops(server);
    const window = { cpu: server.cpu(), threads: server.cpuByThread(), sent: talker.sent, received: talker.received };
    await sleep(SECONDS * 1000);
    const cpu = server.cpu() - window.cpu;
    const threads = server.cpuByThread();
    const [sent, received] = [talker.sent - window.sent, talker.received - window.received];
    const dropped = (await drops(server)) - dropsBefore;
    // What alice sends goes to bob, what she receives came from him; counted here, both belong to the same seconds as
    // the CPU. A few drops would not show in the figure, many would be a fault.
    const packets = sent + received;
    if (dropped > packets / 1000 || packets < 0.9 * 2 * 50 * CALLS * SECONDS) {
      throw new Error(`not the load that was meant: ${JSON.stringify({ sent, received, dropped })}`);
    }
    const share = (threads.get('media') - window.threads.get('media')) / cpu;
    return [
      {
        name: `plain RTP, ${CALLS} calls`,
        unit: 'µs of CPU a packet',
        target: 8,
        value: cpu / packets,
        note:
          `${Math.round(packets / SECONDS)} packets/s, ${Math.round(100 * share)} % of it in the media worker; ` +
          `${dropped} dropped`,
      },
    ];
  } finally {
    talker.close();
    connection.close();
    await callee.stop();
    await server.stop();
  }
}

async function drops(server) {
  const samples = [...(await server.settledMetrics())];
  return samples.filter(([name]) => name.startsWith('ringback_media_drops')).reduce((sum, [, count]) => sum + count, 0);
}

if (isMain(import.meta)) print(await measure());
