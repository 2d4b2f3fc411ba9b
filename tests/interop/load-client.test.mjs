// `ringback bench`: the load client against a running server and against Debian's kamailio, over every transport of both.
import assert from 'node:assert/strict';

import { scenario, sideBySide } from './harness/evidence.mjs';
import { startKamailio } from './harness/kamailio.mjs';
import { load } from './harness/load.mjs';
import { reservePorts } from './harness/ports.mjs';
import { setUp } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';

const SMALL = ['--rate', '20', '--seconds', '2'];
/** As many as are begun: on a slow machine none of them may be done before the last begins. */
const USERS = Array.from({ length: 40 }, (_, i) => `user${i}`);
/** The same of calls, two ports for each of two legs. */
const RTP_PORTS = 40 * 4;

/** A server of ours, and where it is reached over each transport. */
async function startOurs() {
  const server = await startServer({ users: USERS, rtpPorts: RTP_PORTS });
  const { sip_udp, sip_tcp, sip_tls, http, https } = server.listen;
  const urls = {
    udp: `udp://${server.address}:${sip_udp}`,
    tcp: `tcp://${server.address}:${sip_tcp}`,
    tls: `tls://${server.address}:${sip_tls}`,
    ws: `ws://${server.address}:${http}/ws`,
    wss: `wss://${server.address}:${https}/ws`,
  };
  return { url: (transport) => urls[transport] };
}

const startTheirs = async () => startKamailio(await reservePorts());

const passwordsOf = (users) => Object.fromEntries(users.map((user) => [user, `${user}-secret`]));
const right = passwordsOf(USERS);

/** Everything that was begun has succeeded, and there was enough of it. */
function assertAllSucceeded({ code, report }, least) {
  const { begun, succeeded, failures, connections_refused, connections_closed } = report;
  assert.deepEqual(
    { failures, connections_refused, connections_closed },
    {
      failures: {},
      connections_refused: 0,
      connections_closed: 0,
    },
  );
  assert.equal(succeeded, begun);
  assert.ok(succeeded >= least, `${succeeded} of at least ${least}`);
  assert.equal(code, 0);
}

const WAYS = {
  ...Object.fromEntries(
    ['udp', 'tcp', 'tls', 'ws', 'wss'].map((by) => [`Ringback over ${by}`, [startOurs, by]]),
  ),
  ...Object.fromEntries(['udp', 'tcp', 'ws'].map((by) => [`Kamailio over ${by}`, [startTheirs, by]])),
};
// Each has a server of its own, and a load of twenty in a second.
const AT_ONCE = 4;
sideBySide(
  Object.keys(WAYS),
  (way) => {
    const [start, transport] = WAYS[way];
    let peer;
    setUp(async () => {
      peer = await start();
    });

    scenario(`phones register with ${way} at a rate`, async () => {
      const run = await load('register', peer.url(transport), right, SMALL);
      assertAllSucceeded(run, 20);
      const { report } = run;
      // REGISTER, 401, REGISTER, 200.
      assert.ok(report.messages >= 4 * report.succeeded, JSON.stringify(report));
      assert.ok(report.answered_ms.p50 > 0 && report.answered_ms.p50 <= report.answered_ms.most);
    });

    scenario(`phones call each other through ${way} at a rate`, async () => {
      const run = await load('call', peer.url(transport), right, [...SMALL, '--talk', '100']);
      assertAllSucceeded(run, 20);
      // INVITE, 407, ACK, INVITE, 200, ACK, BYE, 200, and what the callee has of it.
      assert.ok(run.report.messages >= 13 * run.report.succeeded, JSON.stringify(run.report));
    });

    scenario(`a wrong password at ${way} is a failure with its code`, async () => {
      const [anna, ...others] = USERS.slice(0, 4);
      const wrong = { ...passwordsOf(others), [anna]: 'guessed' };
      const { code, report } = await load('register', peer.url(transport), wrong, [
        '--rate',
        '2',
        '--seconds',
        '2',
      ]);
      assert.ok(report.failures['401'] >= 1, JSON.stringify(report.failures));
      assert.equal(report.failed, report.failures['401'], 'nothing else failed');
      assert.ok(report.succeeded >= 1, 'the others did not');
      assert.equal(code, 1);
    });
  },
  AT_ONCE,
);

scenario('phones that only stand there sign in and keep their connections', async () => {
  const { code, report } = await load('idle', (await startOurs()).url('ws'), right, ['--seconds', '1']);
  assert.deepEqual([code, report.failed, report.connections_closed], [0, 0, 0]);
  assert.ok(report.succeeded >= USERS.length, `${report.succeeded} registrations`);
});

scenario("the server's CPU and memory are read by the ids of its processes", async () => {
  const args = [...SMALL, '--pid', String(process.pid)];
  const { report } = await load('register', (await startOurs()).url('udp'), right, args);
  assert.ok(report.server_memory_bytes > 1_000_000, JSON.stringify(report));
  assert.equal(typeof report.server_cpu_seconds_per_1000, 'number');
});

scenario('the server of somebody else is not loaded', async () => {
  // An address for documentation (RFC 5737): nobody has it.
  const { code, output } = await load('register', 'udp://192.0.2.1:5060', right);
  assert.equal(code, 2);
  assert.match(output, /192\.0\.2\.1.*--i-operate-this-server/);
});

scenario('a server that is not there is one sentence', async () => {
  const ports = await reservePorts();
  const { code, output } = await load('register', `tcp://127.0.0.1:${ports.one()}`, right);
  assert.equal(code, 1);
  assert.match(output, /^ringback: tcp:\/\/127\.0\.0\.1:\d+ cannot be reached: .*refused/m);
});
