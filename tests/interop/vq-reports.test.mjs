// What phones say of how a call sounded goes into its record: our page during the call, a desk phone after it.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startChromium(TONES.first);
});

const COLUMNS = ['loss', 'discarded', 'jitter', 'round_trip', 'mos_lq', 'mos_cq'];

/** What a leg of a record has of its phone's report. */
const reported = (leg) => COLUMNS.map((column) => leg[`reported_${column}`]);

const NOTHING = COLUMNS.map(() => null);

const counted = (name) => server.metric('ringback_sip_total', `"${name}"`);

/** Waits until as many are counted: what is read is a second old. */
const isCounted = (name, count) => until(`${count} ${name}`, async () => (await counted(name)) === count);

/** Alice with the page and Bob with a SIP phone begin a call, talk for so long, and end it. */
async function talk(begin, milliseconds, end) {
  const alice = await openPhone(browser, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  return recordOf(server, async () => {
    await begin({ alice, bob });
    await alice.call('active');
    await bob.established();
    await sleep(milliseconds);
    await end({ alice, bob });
    await bob.closed();
  });
}

async function pageCalls({ alice, bob }) {
  await alice.dial('bob');
  await bob.incoming();
  await bob.accept();
}

async function pageIsCalled({ alice, bob }) {
  await bob.dial('alice');
  await alice.call('incoming');
  await alice.accept();
}

/** What a page can measure on loopback: nothing is lost, and the network takes no time to speak of. */
function assertMeasured([loss, discarded, jitter, roundTrip, ...scores], said) {
  assert.ok(loss >= 0 && loss < 10, `a loss: ${said}`);
  assert.ok(discarded >= 0 && discarded < 50, `what the jitter buffer discarded: ${said}`);
  assert.ok(jitter !== null && jitter < 500, `a jitter: ${said}`);
  assert.ok(roundTrip !== null && roundTrip < 500, `a round trip: ${said}`);
  assert.deepEqual(scores, [null, null], `no score that nobody has worked out: ${said}`);
}

scenario('the page says how a call has sounded when its user hangs up', async () => {
  const before = await counted('quality_reports');
  const cdr = await talk(pageCalls, 12_000, async ({ alice }) => {
    await alice.hangUp();
    await alice.ended('hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  assertMeasured(reported(cdr.legs[0]), JSON.stringify(cdr.legs[0]));
  assert.deepEqual(reported(cdr.legs[1]), NOTHING, 'baresip has said nothing');
  await isCounted('quality_reports', before + 1);
});

scenario('the page has said so far how a call sounds when the other side hangs up', async () => {
  const cdr = await talk(pageIsCalled, 22_500, async ({ alice, bob }) => {
    await bob.hangUp();
    await alice.ended('far-hung-up');
  });
  assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  assert.deepEqual(reported(cdr.legs[0]), NOTHING);
  assertMeasured(reported(cdr.legs[1]), JSON.stringify(cdr.legs[1]));
});

/** As the example of RFC 6035 §4.7.3 goes, with every line that it has. */
const deskPhoneReport = (callId, { loss = '5.0', mos = '4.2' } = {}) =>
  [
    'VQSessionReport: CallTerm',
    `CallID: ${callId}`,
    'LocalID: Bob <sip:bob@127.0.0.1>',
    'RemoteID: <sip:echo@127.0.0.1>',
    'OrigID: Bob <sip:bob@127.0.0.1>',
    'LocalGroup: desk-phone-55671',
    'RemoteGroup: exchange-09871',
    'LocalAddr: IP=127.0.0.1 PORT=5000 SSRC=1a3b5c7d',
    'LocalMAC: 00:00:5e:00:53:0f',
    'RemoteAddr: IP=127.0.0.1 PORT=5002 SSRC=0x2468abcd',
    'RemoteMAC: 00:00:5e:00:53:02',
    'LocalMetrics:',
    'Timestamps: START=2026-10-10T18:23:43Z STOP=2026-10-10T18:26:02Z',
    'SessionDesc: PT=8 PD=PCMA SR=8000 FD=20 FO=160 FPP=1 PPS=50 FMTP="annexb=no" PLC=3 SSUP=on',
    'JitterBuffer: JBA=3 JBR=2 JBN=40 JBM=80 JBX=120',
    `PacketLoss: NLR=${loss} JDR=2.25`,
    'BurstGapLoss: BLD=0 BD=0 GLD=2.0 GD=500 GMIN=16',
    'Delay: RTD=200 ESD=140 SOWD=100 IAJ=2 MAJ=10',
    'Signal: SL=-18 NL=-50 RERL=55',
    `QualityEst: RLQ=90 RCQ=85 EXTRI=90 MOSLQ=${mos} MOSCQ=4.1 QoEEstAlg=P.564`,
    'RemoteMetrics:',
    'PacketLoss: NLR=50.0 JDR=50.0',
    'Delay: RTD=900 ESD=900 SOWD=900 IAJ=90 MAJ=90',
    'QualityEst: MOSLQ=1.1 MOSCQ=1.1',
    `DialogID: ${callId}`,
    '',
  ].join('\r\n');

scenario('a desk phone publishes after the call, and nobody else does so for it', async () => {
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const cdr = await recordOf(server, async () => {
    await bob.dial('echo');
    await bob.established();
    await sleep(2_500);
    await bob.hangUp();
    await bob.closed();
  });
  assert.deepEqual(reported(cdr.legs[0]), NOTHING);
  const client = await openSipClient(server);
  const publish = (user, body) =>
    client.request('PUBLISH', user, {
      headers: { Event: 'vq-rtcpxr', 'Content-Type': 'application/vq-rtcpxr', Expires: 3600 },
      body,
    });
  const row = async () => (await server.query(`SELECT * FROM cdr_legs WHERE call = '${cdr.call}'`))[0];
  const { call_id: callId } = cdr.legs[0];
  const unmatched = await counted('quality_reports_unmatched');

  const stranger = await publish('alice', deskPhoneReport(callId, { loss: '99.0' }));
  assert.equal(stranger.status, 200, 'which calls there are is nobody else’s business');
  const answer = await publish('bob', deskPhoneReport(callId));
  assert.deepEqual([answer.status, answer.headers.get('expires')], [200, '0'], 'nothing is kept of it');
  assert.ok(answer.headers.get('sip-etag'), answer.text);
  await until('the report to be in the record', async () => reported(await row())[0] !== null, {
    seen: row,
  });
  assert.deepEqual(reported(await row()), [5, 2.25, 2, 200, 4.2, 4.1]);
  await publish('alice', deskPhoneReport(callId, { loss: '99.0' }));

  await publish('bob', deskPhoneReport(callId, { loss: '6.5', mos: '127' }));
  await until('the newer one', async () => reported(await row())[0] === 6.5, { seen: row });
  assert.deepEqual(reported(await row()), [6.5, 2.25, 2, 200, null, 4.1], '127 says that there is no score');
  await isCounted('quality_reports_unmatched', unmatched + 2);

  const refused = await publish('bob', 'PacketLoss: NLR=1\r\n');
  assert.equal(refused.status, 400, refused.text);
  assert.match(refused.headers.get('warning'), /a report begins with VQSessionReport/);
  await isCounted('quality_reports_refused', 1);
});
