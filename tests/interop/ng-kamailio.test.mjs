// Debian's kamailio with its module for rtpengine, and our engine in rtpengine's place: calls between pages of JsSIP and
// SIP phones, set up by the routing script that the how-tos for WebRTC have.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther, assertSilence } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { startEngine, startProxy } from './harness/ng.mjs';
import { seesMore } from './harness/pictures.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { reservePorts } from './harness/ports.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { startWire } from './harness/wire.mjs';

await enterOwnNetwork(import.meta.filename);

/** Calls at the same time, and how often: twenty in all. */
const PAIRS = 5;
const ROUNDS = 4;

let engine;
let proxy;
let browser;
let url;
let wire;
before(async () => {
  // Soon enough to be seen.
  const more = ['--set', 'ng.delete_delay_seconds=1'];
  engine = await startEngine(await reservePorts(), { address: OWN_ADDRESS, more });
  proxy = await startProxy(await reservePorts(), engine);
  url = await servePlainPage('jssip');
  browser = await startChromium(TONES.first);
  wire = await startWire();
});

const openAlice = (name = 'alice') => openPlainPage(browser, url, proxy, name);
const startBob = (name = 'bob') => startBaresip(proxy, name, { tone: TONES.second });

const bothHear = (page, phone) => assertHearEachOther([page, TONES.first], [phone, TONES.second]);

async function pageCalls(page, phone, name = 'bob') {
  await page.dial(name);
  await phone.incoming();
  await phone.accept();
  await page.call('active');
  await phone.established();
}

async function phoneCalls(phone, page, name = 'alice') {
  await phone.dial(name);
  await page.call('incoming');
  await page.accept();
  await page.call('active');
  await phone.established();
}

scenario('twenty calls in both directions, five at a time, have sound both ways', async () => {
  const pairs = await Promise.all(
    Array.from({ length: PAIRS }, async (_, i) => [
      `page${i}`,
      await openAlice(`page${i}`),
      `phone${i}`,
      await startBob(`phone${i}`),
    ]),
  );
  let heard = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(
      pairs.map(async ([nameOfPage, page, nameOfPhone, phone], i) => {
        const isOfPage = (round + i) % 2 === 0;
        if (isOfPage) await pageCalls(page, phone, nameOfPhone);
        else await phoneCalls(phone, page, nameOfPage);
        await bothHear(page, phone);
        heard += 1;
        // Who hangs up changes too.
        if (round % 2 === 0) {
          await page.hangUp();
          await phone.closed();
        } else {
          await phone.hangUp();
        }
        await page.call('ended');
      }),
    );
  }
  assert.equal(heard, PAIRS * ROUNDS);
});

const callIdOf = (page) => {
  const invite = page.messages('sent').findLast((message) => message.startsWith('INVITE '));
  return /^Call-ID: *(\S+)/im.exec(invite)[1];
};

/** What the engine tells of its only call, with the RTP packets that came from each side, by its tag. */
async function packets() {
  const [call] = await engine.calls();
  const { tags, totals } = await engine.ask('query', { 'call-id': call });
  const streams = Object.values(tags).map(({ medias }) => medias[0].streams[0]);
  return { streams, total: totals.RTP.packets, rtcp: totals.RTCP.packets };
}

scenario('a page and a SIP phone hold and resume, and the engine counts their packets', async () => {
  const page = await openAlice();
  const phone = await startBob();
  const ear = { listen: (window) => wire.listen(phone, window) };
  const hear = () => bothHear(page, ear);
  await pageCalls(page, phone);
  await hear();
  const before = await packets();
  assert.equal(before.streams.length, 2);
  for (const { stats, stats_out: out } of before.streams) {
    assert.ok(stats.packets > 100 && out.packets > 100 && stats.bytes > 100 * 172, JSON.stringify(before));
  }
  await page.hold();
  await page.call('held-local');
  await assertSilence(page, ear);
  await page.resume();
  await page.call('active');
  await hear();
  await phone.hold();
  await assertSilence(page, ear);
  await phone.resume();
  await hear();
  const { streams, total } = await packets();
  const [one, other] = streams.map(({ stats }) => stats.packets);
  assert.ok(total === one + other && total > before.total, JSON.stringify(streams));
  await page.hangUp();
  await phone.closed();
  await engine.isEmpty();
});

scenario('telephones with SDES, and without a codec of the page, by flags of the script', async () => {
  const talk = async (name, options) => {
    const page = await openAlice(`caller-of-${name}`);
    const phone = await startBaresip(proxy, name, { tone: TONES.second, ...options });
    await pageCalls(page, phone, name);
    await bothHear(page, phone);
    const { tags } = await engine.ask('query', { 'call-id': callIdOf(page) });
    const codecs = page
      .answersTo('INVITE')
      .at(-1)
      .match(/^m=audio \d+ \S+ (\d+)/m)[1];
    assert.equal(
      codecs === '111',
      name === 'transcoded',
      `${name}: the page is answered with ${codecs} first`,
    );
    await page.hangUp();
    await phone.closed();
    return Object.values(tags).map(({ medias }) => medias[0]);
  };
  const [secure] = await Promise.all([talk('secure', { encryption: 'srtp-mand' }), talk('transcoded', {})]);
  const side = secure.find(({ protocol }) => protocol === 'RTP/SAVP');
  assert.ok(side.flags.includes('SDES'), JSON.stringify(secure));
  assert.match(side.streams[0]['crypto suite'], /^AE/, JSON.stringify(side));
  await engine.isEmpty();
});

scenario('a page sees another, and a SIP video phone', async () => {
  const openCamera = (name) => openPlainPage(browser, url, proxy, name, { video: '' });
  const [alice, carol] = await Promise.all([openCamera('alice'), openCamera('carol')]);
  const dave = await startBaresip(proxy, 'dave', { video: true, tone: TONES.second });
  await alice.dial('carol');
  await carol.call('incoming');
  await carol.accept();
  await Promise.all([alice.call('active'), carol.call('active')]);
  await Promise.all([seesMore(alice, 'alice', 30), seesMore(carol, 'carol', 30)]);
  await alice.hangUp();
  await carol.call('ended');

  await phoneCalls(dave, alice);
  await seesMore(alice, 'alice', 30);
  await until('baresip to get video', () => dave.output.includes("incoming rtp for 'video' established"));
  const { out } = await alice.do('video');
  assert.ok(out.packetsSent > 30, JSON.stringify(out));
  await bothHear(alice, dave);
  await alice.hangUp();
  await dave.closed();
  await engine.isEmpty();
});

scenario('calls that come to nothing leave nothing at the engine', async () => {
  const page = await openAlice();
  const phone = await startBob();
  const isOver = async () => {
    await phone.closed();
    await page.call('ended');
    await engine.isEmpty();
  };
  await page.dial('bob');
  await phone.incoming();
  assert.equal((await engine.calls()).length, 1);
  await page.hangUp();
  await isOver();

  await page.dial('bob');
  await phone.incoming();
  await phone.hangUp();
  await isOver();

  await phone.dial('alice');
  await page.call('incoming');
  assert.equal((await engine.calls()).length, 1);
  await phone.hangUp();
  await isOver();

  await phone.dial('alice');
  await page.call('incoming');
  await page.reject();
  await isOver();

  // One that is up ends as well, from either side.
  await pageCalls(page, phone);
  await phone.hangUp();
  await page.call('ended');
  await engine.isEmpty();
  const { statistics } = await engine.ask('statistics');
  assert.equal(statistics.currentstatistics.sessionsown, 0);
  assert.equal(
    statistics.totalstatistics.regularterminatedsessions,
    statistics.totalstatistics.managedsessions,
  );
});
