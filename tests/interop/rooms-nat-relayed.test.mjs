// Rooms whose members are behind NATs of which neither can know by which port the other one will come: what they say passes our
// TURN, and the page says so.
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
import { TONES } from './harness/tones.mjs';

await enterOwnNetwork(import.meta.filename);

let server;
const browsers = {};
before(async () => {
  server = await startServerOnInternet();
  const names = ['port-restricted', 'symmetric', 'another symmetric'];
  const computers = await computersBehind(...names.map((name) => name.replace('another ', '')));
  const started = await startBrowsers(computers, [TONES.first, TONES.second, TONES.first]);
  names.forEach((name, i) => (browsers[name] = started[i]));
});

for (const [one, other] of [
  ['port-restricted', 'symmetric'],
  ['another symmetric', 'symmetric'],
]) {
  scenario(`between NATs that are ${one} and ${other} all is relayed by TURN`, async () => {
    const people = await meet(server, [browsers[one], browsers[other]]);
    assertRelayed(await reachEachOther(people, 'relay'));
    await hearEachOther(people);
    assert.deepEqual(await exchange(people), ['toServers']);
    assertRelayed(await reachEachOther(people, 'relay'));
  });
}

/** Each may use its own allocation or that of the other. */
function assertRelayed(connections) {
  for (const { local, remote } of connections) {
    assert.ok([local, remote].includes('relay'), `from ${local} to ${remote}`);
  }
}
