// The ways that media takes: other credentials of ICE in mid-call, and from IPv6 to IPv4.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, OWN_ADDRESS_V6, enterOwnNetwork, haveIpv6 } from './harness/netns.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);
haveIpv6();

let url;
let browser;
before(async () => {
  url = await servePlainPage('jssip');
  browser = await startChromium(TONES.first);
});

const fragments = (messages) => messages.flatMap((message) => message.match(/(?<=^a=ice-ufrag:).*$/gm) ?? []);

/** Alice's page and Bob's telephone in a call that either begins. */
async function talk(server, alice, bob, who, body) {
  return recordOf(server, async () => {
    const [dials, takes] =
      who === 'page'
        ? [() => alice.dial('bob'), () => bob.incoming().then(() => bob.accept())]
        : [() => bob.dial('alice'), () => alice.call('incoming').then(() => alice.accept())];
    await dials();
    await takes();
    await alice.call('active');
    await bob.established();
    await body(() => assertHearEachOther([alice, TONES.first], [bob, TONES.second]));
    await alice.hangUp();
    await bob.closed();
  });
}

for (const [who, name] of [
  ['page', 'the page has called'],
  ['phone', 'the SIP phone has called'],
]) {
  scenario(`a page restarts ICE in mid-call, ${name}`, async () => {
    const server = await startServer({ address: OWN_ADDRESS });
    const alice = await openPlainPage(browser, url, server, 'alice');
    const bob = await startBaresip(server, 'bob', { tone: TONES.second });
    const cdr = await talk(server, alice, bob, who, async (bothHear) => {
      await bothHear();
      for (let restarts = 1; restarts <= 2; restarts += 1) {
        await alice.do('restart');
        await until('other credentials from both', () =>
          ['sent', 'received'].every((way) => new Set(fragments(alice.messages(way))).size === restarts + 1),
        );
        await bothHear();
      }
    });
    assertAnswered(cdr, {
      caller: who === 'page' ? 'alice' : 'bob',
      callee: who === 'page' ? 'bob' : 'alice',
      endedBy: who === 'page' ? 'caller' : 'callee',
    });
  });
}

for (const [who, name] of [
  ['page', 'the page calls'],
  ['phone', 'the SIP phone calls'],
]) {
  scenario(`a page with IPv6 and a SIP phone with IPv4, ${name}`, async () => {
    const bind = [OWN_ADDRESS, OWN_ADDRESS_V6];
    const server = await startServer({ address: OWN_ADDRESS, bind, binds: { webrtc: OWN_ADDRESS_V6 } });
    const ws = `ws://[${OWN_ADDRESS_V6}]:${server.listen.http}/ws`;
    const alice = await openPlainPage(browser, url, server, 'alice', { ws });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second });
    const cdr = await talk(server, alice, bob, who, async (bothHear) => {
      await bothHear();
      const [, remote] = await alice.do('path');
      assert.equal(remote, OWN_ADDRESS_V6, 'where the media of the page goes');
    });
    assertAnswered(cdr, {
      caller: who === 'page' ? 'alice' : 'bob',
      callee: who === 'page' ? 'bob' : 'alice',
      endedBy: who === 'page' ? 'caller' : 'callee',
    });
  });
}
