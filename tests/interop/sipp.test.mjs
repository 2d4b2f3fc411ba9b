// The scenarios of sipp: registrations with digest, and calls between a caller and a callee that it plays.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';

import { recordsOf } from './harness/cdr.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { startSipp } from './harness/sipp.mjs';

const USERS = Array.from({ length: 40 }, (_, i) => `user${i}`);
const CALLS = 10;

/** The injection file of `register.xml`. */
function injection(server, users) {
  const lines = users.map(
    (user) => `${user};[authentication username=${user} password=${server.password(user)}]`,
  );
  const path = evidencePath('users.csv');
  writeFileSync(path, `${['SEQUENTIAL', ...lines].join('\n')}\n`);
  return path;
}

function register(server, users, options = {}) {
  return startSipp(server, 'register.xml', {
    count: users.length,
    options: ['-r', '200', '-inf', injection(server, users)],
    ...options,
  });
}

for (const transport of ['udp', 'tcp']) {
  scenario(`registrations over ${transport.toUpperCase()}`, async () => {
    const server = await startServer({ users: USERS });
    await register(server, USERS, { transport }).succeeded();
    const [{ count }] = await server.query('SELECT count(DISTINCT aor) AS count FROM bindings');
    assert.equal(count, USERS.length, 'every user has a binding in the store');
  });
}

scenario('calls from a caller to a callee', async () => {
  const server = await startServer();
  const port = server.ports.one();
  await register(server, ['bob'], { port }).succeeded();
  const records = await recordsOf(server, CALLS, async () => {
    const callee = startSipp(server, 'uas', { port, count: CALLS });
    const caller = startSipp(server, 'caller.xml', {
      count: CALLS,
      options: ['-r', '5', '-s', 'bob', '-d', '300', '-au', 'alice', '-ap', server.password('alice')],
    });
    await Promise.all([caller.succeeded(), callee.succeeded()]);
  });
  for (const { status, ended_by, answered, ended } of records) {
    assert.deepEqual([status, ended_by], [200, 'caller']);
    assert.ok(ended - answered >= 250 && ended - answered < 5_000, `talked for ${ended - answered} ms`);
  }
});

// RFC 3262: each side has PRACKs of its own, whatever the other one knows.
for (const [what, caller] of [
  ['a caller that requires it', 'caller-requires-100rel.xml'],
  ['a caller that does not know it', 'caller.xml'],
]) {
  scenario(`a callee that rings reliably, and ${what}`, async () => {
    const server = await startServer();
    const port = server.ports.one();
    await register(server, ['bob'], { port }).succeeded();
    const records = await recordsOf(server, CALLS, async () => {
      const callee = startSipp(server, 'callee-rings-reliably.xml', { port, count: CALLS });
      const calls = startSipp(server, caller, {
        count: CALLS,
        options: ['-r', '5', '-s', 'bob', '-d', '300', '-au', 'alice', '-ap', server.password('alice')],
      });
      await Promise.all([calls.succeeded(), callee.succeeded()]);
    });
    for (const { status, ended_by } of records) assert.deepEqual([status, ended_by], [200, 'caller']);
  });
}
