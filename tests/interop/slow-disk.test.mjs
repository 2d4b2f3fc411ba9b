// A disk that takes its time holds up what promises to be on it, and nothing else: a call goes on as always.
import assert from 'node:assert/strict';

import { startBaresip } from './harness/baresip.mjs';
import { recordsOf } from './harness/cdr.mjs';
import { Child } from './harness/child.mjs';
import { scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

scenario('calls are made and ended while a registration waits for the disk', async () => {
  const server = await startServer({ users: ['alice', 'bob', 'carol'] });
  const bob = await startBaresip(server, 'bob', { answers: true });
  const alice = await startBaresip(server, 'alice');
  const client = await openSipClient(server);

  const disk = await slowDisk(server);
  let isOnDisk = false;
  const registered = client.register('carol', { within: 60_000 }).then((response) => {
    isOnDisk = true;
    return response;
  });
  // The second call begins when the record of the first waits behind the registration.
  const records = recordsOf(server, 2, async () => {
    for (let call = 0; call < 2; call += 1) {
      await alice.dial('bob');
      await Promise.all([alice.established(), bob.established()]);
      await alice.hangUp();
      await bob.closed();
    }
    assert.equal(isOnDisk, false, 'nothing is promised that is not on the disk');
    await disk.stop('SIGINT');
  });
  for (const cdr of await records) assert.equal(cdr.status, 200, JSON.stringify(cdr));
  assert.equal((await registered).status, 200);
});

/** Has every fsync of the server take a minute, until it is stopped. */
async function slowDisk(server) {
  const syncs = 'fsync,fdatasync';
  const options = ['-f', '-p', String(server.pid), '-e', `trace=${syncs}`];
  const disk = new Child('slow-disk', 'strace', [...options, '-e', `inject=${syncs}:delay_enter=60s`]);
  atEnd('strace', () => disk.stop('SIGINT'));
  await until('strace to be attached', () => /attached/.test(disk.output), { seen: () => disk.output });
  return disk;
}
