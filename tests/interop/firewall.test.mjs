// Our phone behind a firewall that lets nothing through but pages: its media comes by TURN over TLS, at the port of HTTPS.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import {
  assertHearEachOther,
  assertSilence,
  pageCallsPhone,
  phoneCallsPage,
} from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OUR_ADDRESS, buildFirewall } from './harness/firewall.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { startWire } from './harness/wire.mjs';

await enterOwnNetwork(import.meta.filename);

const SERVERS = '**/api/v1/ice-servers';

let firewall;
let server;
let browser;
let wire;
before(async () => {
  firewall = await buildFirewall();
  server = await startServer({ bind: '0.0.0.0' });
  firewall.letThrough(server.listen.https);
  browser = await startChromium(TONES.first, { executable: firewall.chromium });
  wire = await startWire();
});

const urlOf = (it) => `https://${OUR_ADDRESS}:${it.listen.https}/`;
const openAlice = (options = {}, it = server) =>
  openPhone(browser, it, 'alice', { url: urlOf(it), ...options });
const startBob = (it = server) => startBaresip(it, 'bob', { tone: TONES.second, address: OWN_ADDRESS });

/** How often a page has offered media within its calls, as an ICE restart does. */
const offersWithin = (page) =>
  page.messages('sent').filter((message) => /^INVITE /.test(message) && /^To:.*;tag=/im.test(message)).length;

/** Runs in the page before its own scripts, and keeps what ICE was like in it. */
function watchIce() {
  window.iceStates = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(configuration) {
      super(configuration);
      window.iceStates.push(`${configuration.iceServers.length} servers`);
      const watch = (event, name) =>
        this.addEventListener(event, () => window.iceStates.push(this[name]), { capture: true });
      watch('iceconnectionstatechange', 'iceConnectionState');
      // Chromium calls ICE that has failed disconnected, and the connection failed.
      watch('connectionstatechange', 'connectionState');
    }
  };
}
const iceStates = (page) => page.page.evaluate(() => window.iceStates);

async function assertRelayed(page) {
  const words = 'The sound is relayed by TURN over TLS.';
  await until('the words that it is relayed', async () => (await page.text('path')) === words);
  await until('nothing to be tried any more', async () => (await page.part('detour').count()) === 0);
}

for (const [name, call, caller] of [
  ['the page calls', pageCallsPhone, 'alice'],
  ['the SIP phone calls', phoneCallsPage, 'bob'],
]) {
  scenario(`there is sound both ways, and the page says how: ${name}`, async () => {
    const alice = await openAlice({ before: [[watchIce]] });
    const bob = await startBob();
    // Until it is relayed there is nothing to hear.
    const cdr = await call(server, alice, bob, undefined, () => assertRelayed(alice));
    assertAnswered(cdr, {
      caller,
      callee: caller === 'alice' ? 'bob' : 'alice',
      endedBy: caller === 'bob' ? 'caller' : 'callee',
    });
    assert.equal(offersWithin(alice), 1, 'one offer more, for another way');
    assert.ok(firewall.keptBack('udp') > 0, 'the direct way was tried');

    // The next call has the servers from its beginning, and needs no other offer.
    await call(server, alice, bob, undefined, () => assertRelayed(alice));
    assert.equal(offersWithin(alice), 1);
    const states = await iceStates(alice);
    assert.deepEqual(
      states.filter((state) => / servers$/.test(state)),
      ['0 servers', '2 servers'],
    );
  });
}

scenario('holding and resuming go on working', async () => {
  const alice = await openAlice();
  const bob = await startBob();
  const ear = { listen: () => wire.listen(bob) };
  const bothHear = () => assertHearEachOther([alice, TONES.first], [ear, TONES.second]);
  await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await alice.call('active');
    await assertRelayed(alice);
    await bothHear();
    await alice.hold();
    await assertSilence(alice, ear);
    await alice.resume();
    await bothHear();
    await bob.hold();
    await alice.call('held');
    await bob.resume();
    await alice.call('active');
    await bothHear();
    await assertRelayed(alice);
    await alice.hangUp();
    await bob.closed();
  });
});

scenario('a call whose ICE has failed before the servers are known goes on', async () => {
  // ICE takes longer to fail than the page waits for an answer of the server.
  const waitForEver = () => (AbortSignal.timeout = () => new AbortController().signal);
  const alice = await openAlice({ before: [[watchIce], [waitForEver]] });
  await alice.page.route(SERVERS, async (route) => {
    await until('ICE to fail', async () => (await iceStates(alice)).includes('failed'));
    await route.continue();
  });
  const bob = await startBob();
  await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await alice.call('active');
    await until('the words that another way is tried', () => alice.part('detour').count());
    assert.match(await alice.text('detour'), /lets no media through directly; trying another way…$/);
    await until('ICE to have failed', async () => (await iceStates(alice)).includes('failed'));
    await until('the words to go', async () => (await alice.part('detour').count()) === 0);
    await assertRelayed(alice);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.hangUp();
    await alice.ended('far-hung-up');
  });
});

scenario('a call through a server without TURN ends soon, and says why', async () => {
  const without = await startServer({ bind: '0.0.0.0', set: ['listen.turn=[]', 'listen.turn_tls=[]'] });
  firewall.letThrough(without.listen.https);
  const alice = await openAlice({}, without);
  const bob = await startBob(without);
  await alice.dial('bob');
  await bob.incoming();
  await bob.accept();
  await alice.call('active');
  await until('the words about the other way', () => alice.part('detour').count());
  const why = /^Your network lets no media .* This server has no TURN/;
  await until('why there is none', async () => why.test(await alice.text('detour')));
  await alice.ended('ice-failed');
  assert.match(await alice.text('error'), /^No sound could pass .* This server has no TURN/);
  await bob.closed();
});

for (const [status, words] of [
  [401, /does not accept your password/],
  [404, /has no TURN/],
]) {
  scenario(`a call goes on, without sound, when the servers are answered ${status}`, async () => {
    const alice = await openAlice();
    await alice.page.route(SERVERS, (route) => route.fulfill({ status }));
    const bob = await startBob();
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await until('the words about the other way', () => alice.part('detour').count());
    await until('why there is none', async () => words.test(await alice.text('detour')));
    await alice.call('active');
    await bob.hangUp();
    await alice.ended('far-hung-up');
  });
}

scenario('before no firewall a call asks for no servers, and takes no allocation', async () => {
  const open = await startChromium(TONES.first);
  const url = server.httpUrl;
  const alice = await openPhone(open, server, 'alice', { url, before: [[watchIce]] });
  const asked = [];
  alice.page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const bob = await startBob();
  const allocations = () => server.metric('ringback_turn_total', 'event="allocations"');
  const before = await allocations();
  await pageCallsPhone(server, alice, bob, async () => {
    assert.equal(await alice.part('path').count(), 0);
  });
  assert.equal(offersWithin(alice), 0);
  assert.equal((await iceStates(alice))[0], '0 servers');
  assert.ok(!asked.includes('/api/v1/ice-servers'), `${asked}`);
  assert.equal(await allocations(), before);
});
