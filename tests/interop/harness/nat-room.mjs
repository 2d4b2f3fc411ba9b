// Two people in a room who are behind NATs: how they reach each other, by what the page says, by what the browser says, and by
// what passes on the internet.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { startChromium } from './chromium.mjs';
import { NATS, SERVER_ADDRESS, buildNat, bytesPassed, openInternet } from './nat.mjs';
import { behaviourOf } from './nat-behaviour.mjs';
import { joinRoom, keepConnections, makeRoom } from './room.mjs';
import { startServer } from './server.mjs';
import { TONES } from './tones.mjs';
import { until } from './waiting.mjs';

/** Far more than all else that passes while a file is on its way. */
const FILE_BYTES = 400_000;

/** Makes this machine the internet, and starts the server that is on it. */
export function startServerOnInternet() {
  openInternet();
  const set = ['rooms.anonymous=true', `public_address="${SERVER_ADDRESS}"`];
  return startServer({ bind: '0.0.0.0', set });
}

/** Builds a NAT of each of these kinds, makes sure that it is one, and gives the computer that is behind it. */
export function computersBehind(...kinds) {
  return Promise.all(
    kinds.map(async (kind) => {
      const nat = await buildNat(kind);
      const computer = await nat.computer();
      assert.deepEqual(await behaviourOf(nat, computer), NATS[kind], `what a ${kind} NAT does`);
      return computer;
    }),
  );
}

/** A browser at each of these computers; what the microphone of each hears is `tones`. */
export function startBrowsers(computers, tones = [TONES.first, TONES.second], { wary = false } = {}) {
  return Promise.all(
    computers.map(({ chromium }, i) => startChromium(tones[i], { executable: chromium, wary })),
  );
}

/** Ada makes a room, in the first of two browsers, and Grace comes into it in the second. Whoever is `wary` has no microphone. */
export async function meet(server, browsers, { wary = false } = {}) {
  const options = {
    url: `https://${SERVER_ADDRESS}:${server.listen.https}/`,
    before: [keepConnections],
    camera: false,
    microphone: !wary,
  };
  const ada = await makeRoom(browsers[0], server, 'Ada', options);
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, options);
  return { ada, grace };
}

/** Waits until they reach each other in the way `kind`, and the page of each says so; what the browser of each says of it. */
export function reachEachOther({ ada, grace }, kind) {
  return Promise.all([reaches(ada, 'Grace', kind), reaches(grace, 'Ada', kind)]);
}

async function reaches(person, other, kind) {
  let connection;
  let says;
  // The browser may go on to another pair of candidates at any moment, and the page looks once in a while.
  await until(
    'the page to say what the browser does',
    async () => {
      says = await person.reaches(other, [kind]);
      const all = await person.connections();
      assert.equal(all.length, 1, 'there is one connection');
      [connection] = all;
      return says === wordsOf(kind, connection);
    },
    { seen: () => ({ says, connection }) },
  );
  return connection;
}

/** What the page says of a way. Of an allocation it matters whose it is. */
function wordsOf(kind, { local }) {
  if (kind !== 'relay') return { direct: 'Direct', stun: 'Direct, found by STUN' }[kind];
  return local === 'relay' ? 'Relayed by TURN over UDP' : 'Relayed at the other side';
}

/** Fails unless each hears the other. */
export async function hearEachOther({ ada, grace }) {
  const [atAda, atGrace] = await Promise.all([ada.listen('Grace'), grace.listen('Ada')]);
  atAda.assertOnly(TONES.second);
  atGrace.assertOnly(TONES.first);
}

/** Fails unless chat passes both ways, and a file; where the file has passed, as `across` and `toServers`. */
export async function exchange({ ada, grace }) {
  await ada.say('Can you read me?');
  await grace.reads('Can you read me?');
  await grace.say('I can');
  await ada.reads('I can');

  const bytes = randomBytes(FILE_BYTES);
  const before = bytesPassed();
  await grace.offer('plan.bin', bytes);
  const { name, bytes: come } = await ada.take();
  const after = bytesPassed();
  assert.equal(name, 'plan.bin');
  assert.ok(come.equals(bytes), 'the file arrives as it was sent');
  return Object.keys(before).filter((way) => {
    const passed = after[way] - before[way];
    assert.ok(passed >= FILE_BYTES || passed < FILE_BYTES / 4, `${way} a part of the file: ${passed} bytes`);
    return passed >= FILE_BYTES;
  });
}
