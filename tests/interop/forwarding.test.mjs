// Calls that go on to somebody else, with sipp as the phone that does not take them and baresip as those that talk.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, assertUnanswered, recordOf } from './harness/cdr.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { startSipp } from './harness/sipp.mjs';
import { TONES } from './harness/tones.mjs';

const USERS = ['alice', 'bob', 'carol', 'dave'];

/** A server, and Alice and Carol at baresips. */
async function people(options = {}) {
  const server = await startServer({ users: USERS, ...options });
  const alice = await startBaresip(server, 'alice', { tone: TONES.first });
  const carol = await startBaresip(server, 'carol', { tone: TONES.second });
  return { server, alice, carol };
}

/** Bob, registered at a port where sipp plays him. */
async function bobPlays(server, played, options = []) {
  const port = server.ports.one();
  const path = evidencePath('users.csv');
  const line = `bob;[authentication username=bob password=${server.password('bob')}]`;
  writeFileSync(path, `SEQUENTIAL\n${line}\n`);
  await startSipp(server, 'register.xml', { port, options: ['-inf', path] }).succeeded();
  return startSipp(server, played, { port, options });
}

/** Alice calls Bob, and it is Carol who talks to her. */
async function reachesCarol(server, alice, carol, bob) {
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await carol.incoming();
    await bob?.succeeded();
    await carol.accept();
    await Promise.all([alice.established(), carol.established()]);
    await assertHearEachOther([alice, TONES.first], [carol, TONES.second]);
    await carol.hangUp();
    await alice.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
  assert.equal(cdr.answered_by, 'carol');
}

scenario('when busy', async () => {
  const { server, alice, carol } = await people();
  await server.user('forward', 'bob', '--busy', 'carol');
  await reachesCarol(server, alice, carol, await bobPlays(server, 'callee-is-busy.xml'));
});

scenario('when nobody answers', async () => {
  const { server, alice, carol } = await people();
  await server.user('forward', 'bob', '--no-answer', 'carol', '--ring', '2');
  const bob = await bobPlays(server, 'callee-does-not-answer.xml');
  await reachesCarol(server, alice, carol, bob);
});

scenario('a phone that sends its callers elsewhere', async () => {
  const { server, alice, carol } = await people();
  const elsewhere = ['-key', 'elsewhere', `<${server.aor('carol')}>`];
  const bob = await bobPlays(server, 'callee-redirects.xml', elsewhere);
  await reachesCarol(server, alice, carol, bob);
});

scenario('a phone that sends its callers out of the house is not followed', async () => {
  const { server, alice } = await people({ set: ['domain=127.0.0.1'] });
  const elsewhere = ['-key', 'elsewhere', '<sip:+900123@192.0.2.99>'];
  const bob = await bobPlays(server, 'callee-redirects.xml', elsewhere);
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.succeeded();
    await alice.closed();
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 480, endedBy: 'callee' });
});

scenario('by a code that a phone dials, and not any more by another', async () => {
  const { server, alice, carol } = await people();
  const bob = await startBaresip(server, 'bob', { tone: TONES.third });
  // The record of a code is its own, and comes when the call is over.
  await recordOf(server, async () => {
    await bob.dial('*72carol');
    await bob.established();
    await bob.closed();
  });
  const [row] = await server.query("SELECT * FROM features WHERE user = 'bob'");
  assert.equal(row.forward_always, 'carol');
  await reachesCarol(server, alice, carol);
  await bob.dial('*73');
  await bob.established();
  await bob.closed();
  await alice.dial('bob');
  await bob.incoming();
  await bob.hangUp();
  await alice.closed();
});

scenario('a call is picked up by somebody of the group, and by nobody else', async () => {
  const { server, alice, carol } = await people({ groups: { bob: 'sales', carol: 'sales' } });
  const dave = await startBaresip(server, 'dave');
  const bob = await bobPlays(server, 'callee-does-not-answer.xml');
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await alice.ringing();
    await dave.dial('*8');
    await dave.closed();
    await carol.dial('*8');
    await Promise.all([alice.established(), carol.established(), bob.succeeded()]);
    await assertHearEachOther([alice, TONES.first], [carol, TONES.second]);
    await alice.hangUp();
    await carol.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
  assert.equal(cdr.answered_by, 'carol');
  const counted = (event) => server.metric('ringback_sip', `event="${event}"`);
  assert.deepEqual([await counted('calls_picked_up'), await counted('pickups_refused')], [1, 1]);
});
