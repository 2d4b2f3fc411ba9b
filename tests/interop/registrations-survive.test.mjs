// A registration that was answered 200 is on the disk: a killed server loses none, and the fsync comes before the answer.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { startBaresip } from './harness/baresip.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';

const names = (count) => Array.from({ length: count }, (_, i) => `user${i}`);

scenario('kill -9 in a run of registrations loses none that was answered', async () => {
  const users = names(300);
  const server = await startServer({ users, set: ['log.level="info"'] });
  const client = await openSipClient(server);
  const answered = [];
  const waiting = [...users];
  let isDead = false;
  const registerSome = async () => {
    for (let user = waiting.shift(); user !== undefined && !isDead; user = waiting.shift()) {
      const response = await client.register(user, { within: 3_000 }).catch((error) => {
        // A request that the dead server could not answer promises nothing.
        if (!isDead) throw error;
      });
      if (response === undefined) return;
      assert.equal(response.status, 200, response.text);
      answered.push(user);
      if (answered.length === users.length / 2) {
        isDead = true;
        await server.kill();
      }
    }
  };
  await Promise.all(Array.from({ length: 12 }, registerSome));
  assert.ok(
    isDead && answered.length < users.length,
    `killed in the middle: ${answered.length} of ${users.length}`,
  );
  await server.start();
  const lost = [];
  for (const user of answered) {
    const { status, headers } = await client.fetchBindings(user);
    if (status !== 200 || !headers.get('contact')?.includes(client.contact(user))) lost.push(user);
  }
  assert.deepEqual(lost, [], `lost of ${answered.length} answered registrations`);
});

scenario('a phone that registered before the kill is called after it', async () => {
  const server = await startServer();
  const bob = await startBaresip(server, 'bob', { answers: true });
  await server.kill();
  await server.start();
  const alice = await startBaresip(server, 'alice');
  await alice.dial('bob');
  await Promise.all([alice.established(), bob.established()]);
  await alice.hangUp();
  await bob.closed();
});

scenario('the fsync of its commit comes before each 200', async () => {
  assert.deepEqual(await unsynced({}), []);
});

scenario('with synchronous=OFF the same test fails', async () => {
  const found = await unsynced({ RINGBACK_TEST_SQLITE_SYNCHRONOUS: 'OFF' });
  assert.equal(found.length, TRACED, 'no registration is synced, and the trace shows it');
});

const TRACED = 12;

/** Registers users one after the other under strace, and returns those whose 200 had no fsync before it. */
async function unsynced(env) {
  const trace = evidencePath('strace.txt');
  const calls = 'fsync,fdatasync,recvfrom,recvmsg,recvmmsg,sendto,sendmsg,sendmmsg';
  // -D: the server stays the child of this process. -y: which file is synced. -s: enough of a message for its Call-ID.
  const under = ['strace', '-D', '-f', '-y', '-s', '1500', '-e', `trace=${calls}`, '-o', trace];
  const users = names(TRACED);
  const server = await startServer({ users, under, env });
  const client = await openSipClient(server);
  for (const user of users) {
    const { status, text } = await client.register(user, { callId: `traced-${user}.`, within: 10_000 });
    assert.equal(status, 200, text);
  }
  await server.stop();
  return users.filter(
    (user) => !isSynced(readFileSync(trace, 'utf8').split('\n'), `traced-${user}.`, server.database),
  );
}

/** Whether the database was synced between the REGISTER with credentials and the 200 of a Call-ID. */
function isSynced(trace, callId, database) {
  const received = trace.findIndex(
    (line) => /recv\w*/.test(line) && line.includes(callId) && line.includes('uthorization: '),
  );
  const answered = trace.findIndex(
    (line) => /send\w*/.test(line) && line.includes(callId) && line.includes('SIP/2.0 200'),
  );
  assert.ok(received >= 0 && answered > received, `the trace shows the REGISTER and the 200 of ${callId}`);
  const between = trace.slice(received, answered);
  // A call that another thread's line interrupts ends on a line of its own.
  const begun = between.filter((line) => /\bf(data)?sync\(/.test(line) && line.includes(database));
  const ended = between.filter((line) => /\bf(data)?sync( resumed>|\().*= 0$/.test(line));
  return begun.length > 0 && ended.length > 0;
}
