// Connections of telephones that are gone without a goodbye: within 50 s nobody takes their users for reachable.
//
// The times are the kernel's and the server's own, and cannot be set: this file lasts as long as they do.
import assert from 'node:assert/strict';

import { severalAtOnce } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork, otherMachine } from './harness/netns.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient, write } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);

// Each has a server of its own, and waits.
const scenario = severalAtOnce(3);

const WITHIN_MS = 50_000;
const USERS = ['alice', 'bob', 'carol'];

const noContact = (user) => new RegExp(`no contact is left aor="${user}"`);
const ended = (server, reason) => server.metric('ringback_connections_ended_total', `"${reason}"`);

/** An OPTIONS of Alice to the server itself. */
const optionsOf = (server, via) =>
  write(`OPTIONS sip:${server.address} SIP/2.0`, {
    Via: via,
    'Max-Forwards': 70,
    From: `<${server.aor('alice')}>;tag=1`,
    To: `<sip:${server.address}>`,
    'Call-ID': 'asked',
    CSeq: '1 OPTIONS',
    'Content-Length': 0,
  });

async function assertAway(server, caller, user) {
  const { status, text } = await caller.request('INVITE', 'carol', {
    to: user,
    headers: { Contact: caller.contact('carol') },
  });
  assert.equal(status, 480, `at once, in place of ringing: ${text}`);
}

scenario(
  'a telephone over TCP that vanishes is given up, whether or not something is on its way',
  async () => {
    const server = await startServer({ users: USERS, bind: '0.0.0.0' });
    const [here, there] = [server.at('127.0.0.1'), server.at(OWN_ADDRESS)];
    const machine = otherMachine();
    const open = async (user) => {
      const phone = await openSipClient(there, 'tcp', { address: machine.address });
      assert.equal((await phone.register(user)).status, 200);
      return phone;
    };
    await open('alice');
    await open('bob');
    const carol = await openSipClient(here, 'tcp');
    assert.equal((await carol.register('carol')).status, 200);

    machine.vanish();
    const since = performance.now();
    // Of Alice nothing is wanted. Bob is asked something that nobody acknowledges.
    carol.request('INFO', 'carol', { to: 'bob', within: 60_000 }).catch(() => {});
    await until(
      'both to be given up',
      () => USERS.slice(0, 2).every((user) => noContact(user).test(server.log)),
      {
        within: WITHIN_MS,
        seen: () => server.log.slice(-400),
      },
    );
    const took = performance.now() - since;
    // With less, a phone whose network hiccups would be lost.
    assert.ok(took > 10_000, `${took} ms`);
    assert.equal(await ended(server, 'broken'), 2);
    await assertAway(server, carol, 'alice');
    await assertAway(server, carol, 'bob');
    assert.equal((await carol.fetchBindings('carol')).status, 200, 'who is there stays');
    assert.doesNotMatch(server.log, noContact('carol'));
  },
);

scenario(
  'a proxy over TCP that asks much at once, and reads, is not taken for one that reads nothing',
  async () => {
    const server = await startServer({ users: USERS });
    const alice = await openSipClient(server, 'tcp');
    assert.equal((await alice.register('alice')).status, 200);
    const answers = Array.from({ length: 200 }, () => {
      const via = alice.via();
      return alice.answer(optionsOf(server, via), via, 15_000);
    });
    const all = await Promise.all(
      answers.map((answer) =>
        answer.then(
          ({ status }) => status,
          () => 'none',
        ),
      ),
    );
    assert.deepEqual([...new Set(all)], [200]);
    assert.doesNotMatch(server.log, noContact('alice'));
  },
);

scenario('a telephone over TCP that reads nothing is given up, although its machine is there', async () => {
  const server = await startServer({ users: USERS });
  const [alice, bob, carol] = await Promise.all(
    USERS.map(async (user) => {
      const phone = await openSipClient(server, 'tcp');
      assert.equal((await phone.register(user)).status, 200);
      return phone;
    }),
  );
  alice.stopReading();
  // What Alice asks is answered until nothing more fits into the buffers between. Bob asks as much, and reads.
  const padding = `;padding=${'x'.repeat(8_000)}`;
  await until(
    'the connection to be given up',
    () => {
      const isGone = noContact('alice').test(server.log);
      for (let i = 0; i < 3 && !isGone; i += 1)
        for (const phone of [alice, bob]) phone.send(optionsOf(server, phone.via() + padding));
      return isGone;
    },
    { within: WITHIN_MS, every: 25, seen: () => server.log.slice(-400) },
  );
  // By the time that a write may take, or earlier by how much may wait for it.
  assert.equal((await ended(server, 'not_reading')) + (await ended(server, 'closed_by_server')), 1);
  await assertAway(server, carol, 'alice');
  assert.equal((await bob.fetchBindings('bob')).status, 200, 'who reads stays');
});
