// SIP phones over UDP, TCP and TLS call each other and the built-in echo.
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { assertPhonesTalk } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
before(async () => {
  server = await startServer();
});

for (const [one, other] of [
  ['udp', 'tcp'],
  ['tcp', 'tls'],
  ['tls', 'udp'],
]) {
  scenario(`from ${one.toUpperCase()} to ${other.toUpperCase()}`, async () => {
    const alice = await startBaresip(server, 'alice', { tone: TONES.first, transport: one });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second, transport: other, answers: true });
    await assertPhonesTalk(server, alice, bob);
  });
}

scenario('echo', async () => {
  const alice = await startBaresip(server, 'alice', { tone: TONES.first });
  const cdr = await recordOf(server, async () => {
    await alice.dial('echo');
    await alice.established();
    (await alice.listen()).assertOnly(TONES.first);
    await alice.hangUp();
    await alice.closed();
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'echo', endedBy: 'caller' });
});
