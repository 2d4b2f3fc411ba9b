// Pages of other people's libraries that stay signed in: their own ways to register again, and a WebSocket that is lost
// in mid-call.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startRelay } from './harness/relay.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { startWire } from './harness/wire.mjs';

// Bob is put on hold: from then on, the wire is what he hears.
await enterOwnNetwork(import.meta.filename);

const urls = {};
let server;
let browser;
let wire;
before(async () => {
  server = await startServer({ bind: '0.0.0.0' });
  for (const library of ['jssip', 'sipjs']) urls[library] = await servePlainPage(library);
  browser = await startChromium(TONES.first);
  wire = await startWire();
});

const startBob = () => startBaresip(server, 'bob', { tone: TONES.second, address: OWN_ADDRESS });

/** The page of Alice calls, Bob answers, and both hear each other. */
async function talk(alice, bob) {
  await alice.dial('bob');
  await bob.incoming();
  await bob.accept();
  await alice.call('active');
  await bob.established();
  await bothHear(alice, bob);
}

const bothHear = (alice, bob) =>
  assertHearEachOther([alice, TONES.first], [{ listen: () => wire.listen(bob) }, TONES.second]);

const header = (message, name) => new RegExp(`^${name}: *(.*?)\r?$`, 'im').exec(message)?.[1];
const parameter = (value, name) => new RegExp(`\\b${name}="?([^",]*)"?`).exec(value ?? '')?.[1];
const registers = (page) => page.messages('sent').filter((message) => message.startsWith('REGISTER '));
const answers = (page) =>
  page.messages('received').filter((message) => /^CSeq: *\d+ REGISTER/im.test(message));

for (const library of ['jssip', 'sipjs']) {
  scenario(`a page of ${library} registers again as it does, and is called`, async () => {
    const alice = await openPlainPage(browser, urls[library], server, 'alice', { expires: 10 });
    assert.match(header(answers(alice)[1], 'Contact'), /;expires=10\b/, 'not shortened');
    await until('the next registration', () => answers(alice).length >= 4, { within: 30_000 });
    const [challenge, first, again, second] = answers(alice);
    assert.deepEqual(
      [challenge, first, again, second].map((answer) => answer.split(' ')[1]),
      ['401', '200', '401', '200'],
    );
    const [, signed, repeated, fresh] = registers(alice).map((request) => header(request, 'Authorization'));
    if (library === 'sipjs') {
      // It sends what it has sent before, its nonce and its nonce count.
      assert.equal(parameter(repeated, 'nonce'), parameter(signed, 'nonce'));
      assert.equal(parameter(repeated, 'nc'), '00000001');
      assert.match(header(again, 'WWW-Authenticate'), /stale=true/i);
    } else {
      assert.equal(repeated, undefined, 'it asks for a challenge of its own');
    }
    assert.notEqual(parameter(fresh, 'nonce'), parameter(signed, 'nonce'));
    await alice.told('registration', 'registered');

    const bob = await startBob();
    const cdr = await recordOf(server, async () => {
      await bob.dial('alice');
      await alice.call('incoming');
      await alice.accept();
      await bob.established();
      await alice.call('active');
      await bothHear(alice, bob);
      await bob.hangUp();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  });
}

/** The page of Alice behind a relay, and what cuts it from the server until the page has come back. */
async function behindRelay(library) {
  const relay = await startRelay({ address: '127.0.0.1', port: server.listen.http });
  const ws = `ws://127.0.0.1:${relay.port}/ws`;
  const alice = await openPlainPage(browser, urls[library], server, 'alice', { ws });
  return {
    alice,
    async lose() {
      const known = answers(alice).length;
      relay.cut();
      await until(
        'the page to sign in over a new WebSocket',
        () =>
          alice.sockets === 2 &&
          answers(alice)
            .slice(known)
            .some((answer) => answer.startsWith('SIP/2.0 200')),
        { within: 30_000, seen: () => alice.messages('sent').slice(-2) },
      );
    },
  };
}

for (const [who, end] of [
  ['the SIP phone', 'callee'],
  ['the page', 'caller'],
]) {
  scenario(`a WebSocket of JsSIP that is lost keeps the call, and ${who} hangs up`, async () => {
    const { alice, lose } = await behindRelay('jssip');
    const bob = await startBob();
    const cdr = await recordOf(server, async () => {
      await talk(alice, bob);
      await lose();
      await bothHear(alice, bob);
      // What is asked within the call goes the new way, from either side.
      if (end === 'callee') {
        await bob.hold();
        await alice.call('held-remote');
        await bob.resume();
        await alice.call('active');
      } else {
        await alice.hold();
        await alice.call('held-local');
        await alice.resume();
        await alice.call('active');
      }
      await bothHear(alice, bob);
      if (end === 'callee') {
        await bob.hangUp();
        await alice.call('ended');
      } else {
        await alice.hangUp();
        await bob.closed();
      }
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: end });
  });
}

scenario(
  'SIP.js gives its call up with its WebSocket: the SIP phone is let go, and calls again',
  async () => {
    const { alice, lose } = await behindRelay('sipjs');
    const bob = await startBob();
    const lost = await recordOf(server, async () => {
      await talk(alice, bob);
      await lose();
      await alice.call('ended');
      // Consent (RFC 7675) is lost 30 s after the last check.
      await bob.closed(45_000);
    });
    assert.equal(lost.status, 200);
    const cdr = await recordOf(server, async () => {
      await bob.dial('alice');
      await alice.call('incoming');
      await alice.accept();
      await bob.established();
      await bothHear(alice, bob);
      await alice.hangUp();
      await bob.closed();
    });
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'callee' });
  },
);
