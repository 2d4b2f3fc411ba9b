// Rooms of which one member is behind a symmetric NAT, which has another port for each whom a computer sends to, and the other
// behind one that lets it in at any of them: they reach each other directly.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import {
  computersBehind,
  exchange,
  hearEachOther,
  meet,
  reachEachOther,
  startBrowsers,
  startServerOnInternet,
} from './harness/nat-room.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';

await enterOwnNetwork(import.meta.filename);

let server;
before(async () => {
  server = await startServerOnInternet();
});

for (const kind of ['full-cone', 'address-restricted']) {
  scenario(`a symmetric NAT is let in by one that is ${kind}: they reach each other directly`, async () => {
    const people = await meet(server, await startBrowsers(await computersBehind(kind, 'symmetric')));
    const [atAda, atGrace] = await reachEachOther(people, 'stun');
    // Ada is where STUN has told; Grace is where Ada sees her come from, which nobody could tell before.
    assert.deepEqual([atAda.local, atAda.remote], ['srflx', 'prflx']);
    assert.deepEqual([atGrace.local, atGrace.remote], ['prflx', 'srflx']);
    assert.equal(atGrace.remoteAddress, atAda.address);
    await hearEachOther(people);
    assert.deepEqual(await exchange(people), ['across']);
    await reachEachOther(people, 'stun');
  });
}
