// What users set about their calls, between a page with JsSIP and SIP phones: forwarding, do not disturb, pickup and
// parking.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, assertUnanswered, recordOf, recordsOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther, assertSilence } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let browser;
let url;

before(async () => {
  url = await servePlainPage('jssip');
  browser = await startChromium(TONES.first);
});

/** A server with Alice, Bob and Carol, the latter two of one pickup group. */
const start = () =>
  startServer({ users: ['alice', 'bob', 'carol'], groups: { bob: 'sales', carol: 'sales' } });

scenario('a page whose call finds the SIP phone busy talks with the one it is forwarded to', async () => {
  const server = await start();
  await server.user('forward', 'bob', '--busy', 'carol');
  const alice = await openPlainPage(browser, url, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.third });
  const carol = await startBaresip(server, 'carol', { tone: TONES.second });
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.hangUp();
    await carol.incoming();
    await carol.accept();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [carol, TONES.second]);
    await alice.hangUp();
    await carol.closed();
    await alice.call('ended');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  assert.equal(cdr.answered_by, 'carol');
});

scenario('a page that is busy has its callers forwarded, also without ringing', async () => {
  const server = await start();
  await server.user('forward', 'bob', '--busy', 'carol');
  await server.user('waiting', 'bob', '1');
  const bob = await openPlainPage(browser, url, server, 'bob');
  const alice = await startBaresip(server, 'alice', { tone: TONES.third });
  const carol = await startBaresip(server, 'carol', { tone: TONES.second });
  const refused = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.call('incoming');
    await bob.reject();
    await carol.incoming();
    await carol.accept();
    await alice.established();
    await assertHearEachOther([alice, TONES.third], [carol, TONES.second]);
    await carol.hangUp();
    await alice.closed();
  });
  assertAnswered(refused, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
  const [echo, full] = await recordsOf(server, 2, async () => {
    await bob.dial('echo');
    await bob.call('active');
    await alice.dial('bob');
    await carol.incoming();
    await carol.accept();
    await alice.established();
    await assertHearEachOther([alice, TONES.third], [carol, TONES.second]);
    (await bob.listen()).assertOnly(TONES.first);
    await alice.hangUp();
    await carol.closed();
    await bob.hangUp();
    await bob.call('ended');
  });
  assertAnswered(full, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  assert.deepEqual([echo.callee, full.answered_by], ['echo', 'carol']);
});

scenario('a page is not disturbed until it says otherwise', async () => {
  const server = await start();
  const bob = await openPlainPage(browser, url, server, 'bob');
  const alice = await startBaresip(server, 'alice', { tone: TONES.second });
  // The record of a code is its own, and comes when the call is over.
  const dial = (code) =>
    recordOf(server, async () => {
      await bob.dial(code);
      await bob.call('active');
      await bob.call('ended');
    });
  await dial('*78');
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await alice.closed();
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 480, endedBy: 'exchange' });
  await bob.call('ended');
  await dial('*79');
  const answered = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.call('incoming');
    await bob.accept();
    await alice.established();
    await assertHearEachOther([bob, TONES.first], [alice, TONES.second]);
    await alice.hangUp();
    await bob.call('ended');
  });
  assertAnswered(answered, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
});

scenario('a page picks up what rings at the SIP phone of its group', async () => {
  const server = await start();
  const carol = await openPlainPage(browser, url, server, 'carol');
  const alice = await startBaresip(server, 'alice', { tone: TONES.second });
  const bob = await startBaresip(server, 'bob', { tone: TONES.third });
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await carol.dial('*8bob');
    await carol.call('active');
    await Promise.all([alice.established(), bob.closed()]);
    await assertHearEachOther([carol, TONES.first], [alice, TONES.second]);
    await carol.hangUp();
    await alice.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
  assert.equal(cdr.answered_by, 'carol');
});

scenario('a SIP phone picks up what rings at the page of its group', async () => {
  const server = await start();
  const bob = await openPlainPage(browser, url, server, 'bob');
  const alice = await startBaresip(server, 'alice', { tone: TONES.second });
  const carol = await startBaresip(server, 'carol', { tone: TONES.third });
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.call('incoming');
    await carol.dial('*8');
    await Promise.all([alice.established(), carol.established(), bob.call('ended')]);
    await assertHearEachOther([alice, TONES.second], [carol, TONES.third]);
    await alice.hangUp();
    await carol.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  assert.equal(cdr.answered_by, 'carol');
});

scenario('a SIP phone parks the call of a page, and another phone of its group picks it up', async () => {
  const server = await start();
  const alice = await openPlainPage(browser, url, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const carol = await startBaresip(server, 'carol', { tone: TONES.third });
  const [talked, waited, picked] = await recordsOf(server, 3, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.transfer('*68');
    await bob.closed();
    await assertSilence(alice);
    await carol.dial('*8bob');
    await carol.established();
    await assertHearEachOther([alice, TONES.first], [carol, TONES.third]);
    await alice.hangUp();
    await carol.closed();
  });
  assert.deepEqual([talked.callee, talked.reason], ['bob', 'parked']);
  assert.deepEqual([waited.callee, waited.answered_by], ['*68', null]);
  assert.deepEqual([picked.answered_by, picked.ended_by], ['carol', 'caller']);
});
