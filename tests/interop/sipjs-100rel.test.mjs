// Reliable provisional responses (RFC 3262) of SIP.js, required and sent: each page has its own on its leg.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

let server;
let url;
let first;
let second;
before(async () => {
  server = await startServer();
  url = await servePlainPage('sipjs-manager');
  [first, second] = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

/** A page that requires 100rel of who it calls, and rings with it when it is called. */
const openAlice = (reliable) => openPlainPage(first, url, server, 'alice', { reliable });
const openBob = (reliable) => openPlainPage(second, url, server, 'bob', { reliable });

const header = (message, name) => new RegExp(`^${name}: *(.*?)\r?$`, 'im').exec(message)?.[1];
const requests = (messages, method) => messages.filter((message) => message.startsWith(`${method} `));
const reliable = (messages) =>
  messages.filter(
    (message) => /^SIP\/2\.0 18/.test(message) && /\b100rel\b/.test(header(message, 'Require')),
  );

/** Each reliable response of a dialog has its PRACK, and each PRACK its 200. */
function assertAcknowledged(responses, pracks, answers) {
  const wanted = responses.map((response) => `${header(response, 'RSeq')} ${header(response, 'CSeq')}`);
  assert.deepEqual(
    pracks.map((prack) => header(prack, 'RAck')),
    [...new Set(wanted)],
  );
  const accepted = answers.filter(
    (answer) => answer.startsWith('SIP/2.0 200') && /PRACK/.test(header(answer, 'CSeq')),
  );
  assert.equal(accepted.length, pracks.length);
}

scenario('a page that requires it calls a SIP phone that does not know it', async () => {
  const alice = await openAlice('Required');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await alice.call('ringing');
    await until('the 200 to the PRACK', () => requests(alice.messages('sent'), 'PRACK').length > 0);
    await bob.accept();
    await alice.call('active');
    await bob.established();
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await alice.hangUp();
    await bob.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  const [sent, received] = [alice.messages('sent'), alice.messages('received')];
  assert.match(header(requests(sent, 'INVITE')[0], 'Require'), /100rel/);
  assert.ok(reliable(received).length > 0, 'it rings reliably');
  assertAcknowledged(reliable(received), requests(sent, 'PRACK'), received);
});

scenario('a page that rings with it is heard by a SIP phone before it answers', async () => {
  const alice = await openAlice('Supported');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const cdr = await recordOf(server, async () => {
    await bob.dial('alice');
    await alice.call('incoming');
    await alice.do('ring');
    await bob.event('CALL_PROGRESS');
    (await bob.listen()).assertOnly(TONES.first);
    await alice.accept();
    await alice.call('active');
    await bob.established();
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.hangUp();
    await alice.call('ended');
  });
  assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  const [sent, received] = [alice.messages('sent'), alice.messages('received')];
  assert.doesNotMatch(header(requests(received, 'INVITE')[0], 'Require') ?? '', /100rel/);
  assert.equal(reliable(sent).length, 1);
  assertAcknowledged(reliable(sent), requests(received, 'PRACK'), sent);
});

scenario('a page that requires it hears a page that rings with it before it answers', async () => {
  const alice = await openAlice('Required');
  const bob = await openBob('Supported');
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.call('incoming');
    await bob.do('ring');
    await alice.call('ringing');
    (await alice.listen()).assertOnly(TONES.second);
    await bob.accept();
    await Promise.all([alice.call('active'), bob.call('active')]);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await alice.hangUp();
    await bob.call('ended');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  assertAcknowledged(
    reliable(alice.messages('received')),
    requests(alice.messages('sent'), 'PRACK'),
    alice.messages('received'),
  );
  assertAcknowledged(
    reliable(bob.messages('sent')),
    requests(bob.messages('received'), 'PRACK'),
    bob.messages('sent'),
  );
});
