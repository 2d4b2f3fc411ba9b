// Rooms whose members are behind NATs that keep the port of a computer for whomever it sends to: they reach each other
// directly, at the addresses that STUN has told them, or at their own where the NAT is the same.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import { buildNat } from './harness/nat.mjs';
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

scenario('two behind port-restricted NATs reach each other directly, by what STUN has told', async () => {
  const computers = await computersBehind('port-restricted', 'port-restricted');
  const people = await meet(server, await startBrowsers(computers));
  const connections = await reachEachOther(people, 'stun');
  connections.forEach(({ local, remote, address }, i) => {
    for (const type of [local, remote]) assert.ok(['srflx', 'prflx'].includes(type), type);
    assert.equal(hostIn(address), computers[i].nat.address);
  });
  await hearEachOther(people);
  assert.deepEqual(await exchange(people), ['across']);
  await reachEachOther(people, 'stun');
});

scenario('two behind the same NAT reach each other without leaving it', async () => {
  const computers = await twoComputers();
  const people = await meet(server, await startBrowsers(computers));
  const connections = await reachEachOther(people, 'direct');
  connections.forEach(({ local, remote, address }, i) => {
    for (const type of [local, remote]) assert.ok(['host', 'prflx'].includes(type), type);
    assert.equal(hostIn(address), computers[i].address);
  });
  await hearEachOther(people);
  assert.deepEqual(await exchange(people), []);
  await reachEachOther(people, 'direct');
});

scenario('so they do when their browsers hide their addresses', async () => {
  const wary = { wary: true };
  const people = await meet(server, await startBrowsers(await twoComputers(), undefined, wary), wary);
  const connections = await reachEachOther(people, 'direct');
  for (const { address, remoteAddress } of connections) {
    assert.deepEqual([hostIn(address), hostIn(remoteAddress)], ['', ''], 'the addresses are hidden');
  }
  assert.deepEqual(await exchange(people), []);
  await reachEachOther(people, 'direct');
});

async function twoComputers() {
  const nat = await buildNat('port-restricted');
  return Promise.all([nat.computer(), nat.computer()]);
}

/** The host of an address with a port. */
const hostIn = (address) => address.slice(0, address.lastIndexOf(':'));
