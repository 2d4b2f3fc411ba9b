// Calls that end before anybody talks, and sign-ins that fail: what each side sees, and the record that stays.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertUnanswered, recordOf, recordsOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone, openSignIn } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browser;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol', 'dave'] });
  browser = await startChromium(TONES.first);
});

const openAlice = () => openPhone(browser, server, 'alice');
const startBob = () => startBaresip(server, 'bob', { calls: 1 });

scenario('the browser cancels while the SIP phone rings', async () => {
  const alice = await openAlice();
  const bob = await startBob();
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await alice.call('ringing');
    await alice.hangUp();
    await bob.closed();
    await alice.ended('cancelled');
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 487, endedBy: 'caller' });
});

scenario('the SIP phone cancels while the browser rings', async () => {
  const alice = await openAlice();
  const bob = await startBob();
  const cdr = await recordOf(server, async () => {
    await bob.dial('alice');
    await alice.call('incoming');
    await bob.ringing();
    await bob.hangUp();
    await alice.ended('missed');
    await bob.closed();
  });
  assertUnanswered(cdr, { caller: 'bob', callee: 'alice', status: 487, endedBy: 'caller' });
});

scenario('the SIP phone refuses the call', async () => {
  const alice = await openAlice();
  const bob = await startBob();
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.hangUp();
    await alice.ended('busy');
    await bob.closed();
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 486, endedBy: 'callee' });
});

scenario('the browser refuses the call', async () => {
  const alice = await openAlice();
  const bob = await startBob();
  const cdr = await recordOf(server, async () => {
    await bob.dial('alice');
    await alice.call('incoming');
    await alice.reject();
    const { param } = await bob.closed();
    assert.match(param, /^486 /);
    await alice.ended('rejected');
  });
  assertUnanswered(cdr, { caller: 'bob', callee: 'alice', status: 486, endedBy: 'callee' });
});

scenario('the SIP phone talks to somebody else', async () => {
  const alice = await openAlice();
  const bob = await startBob();
  await startBaresip(server, 'carol', { answers: true });
  const [talk, refused] = await recordsOf(server, 2, async () => {
    await bob.dial('carol');
    await bob.established();
    await alice.dial('bob');
    await alice.ended('busy');
    await bob.hangUp();
    await bob.closed();
  });
  assert.equal(talk.status, 200);
  assertUnanswered(refused, { caller: 'alice', callee: 'bob', status: 486, endedBy: 'callee' });
});

scenario('nobody answers', async () => {
  const impatient = await startServer({ set: ['limits.ring_seconds=2'] });
  const caller = await openPhone(browser, impatient, 'alice');
  const callee = await startBaresip(impatient, 'bob', { name: 'deaf-bob' });
  const cdr = await recordOf(impatient, async () => {
    await caller.dial('bob');
    await callee.incoming();
    await caller.ended('no-answer');
    await callee.closed();
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 408, endedBy: 'exchange' });
  const rung = cdr.ended - cdr.started;
  assert.ok(rung >= 1_900 && rung < 6_000, `rang for ${rung} ms`);
});

scenario('the number does not exist', async () => {
  const alice = await openAlice();
  const cdr = await recordOf(server, async () => {
    await alice.dial('nobody');
    await alice.ended('not-found');
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'nobody', status: 404, endedBy: 'exchange' });
  assert.match(await alice.text('error'), /nobody/);
});

scenario('the user exists and no phone is there', async () => {
  const alice = await openAlice();
  const cdr = await recordOf(server, async () => {
    await alice.dial('dave');
    await alice.ended('unreachable');
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'dave', status: 480, endedBy: 'exchange' });
});

scenario('the password is wrong', async () => {
  const phone = await openSignIn(browser, server.httpUrl, 'alice-mistaken');
  await phone.signIn('alice', 'not-the-password');
  await phone.part('error').waitFor();
  assert.match(await phone.text('error'), /password/i);
  const words = await phone.text('error');

  const stranger = await openSignIn(browser, server.httpUrl, 'stranger');
  await stranger.signIn('nobody', 'not-the-password');
  await stranger.part('error').waitFor();
  assert.equal(await stranger.text('error'), words, 'an unknown user looks the same');
});
