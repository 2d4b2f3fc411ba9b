// A room with as many members as it takes: six, of whom each is connected with each.
import assert from 'node:assert/strict';
import { before } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { CONNECTED_WITHIN, keepConnections, makeRoom, openRoomPage } from './harness/room.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const NAMES = ['Ada', 'Grace', 'Eve', 'Alan', 'Barbara', 'Edsger'];
const LATE = 'Niklaus';
/** Thirty streams of sound were more than the machine of a test encodes and decodes. */
const options = { before: [keepConnections], camera: false, microphone: false };
/** Pages that are busy need not be asked more often. */
const EVERY_MS = 200;

/** Who is in the room, by name; the scenarios go on from each other. */
const people = new Map();
let server;
let browsers;
before(async () => {
  server = await startServer();
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
  const [host, ...others] = NAMES;
  people.set(host, await makeRoom(browsers[0], server, host, options));
  const { room } = people.get(host);
  for (const [i, name] of others.entries()) {
    const browser = browsers[(i + 1) % browsers.length];
    people.set(name, await openRoomPage(browser, server, name, { room, ...options }));
  }
});

scenario('five come into a room at once, and each of the six is connected with each', async () => {
  const others = NAMES.slice(1).map((name) => people.get(name));
  await Promise.all(others.map((person) => person.enter(options)));
  await Promise.all(others.map((person) => person.inside()));
  await assertMesh();
  for (const name of NAMES) await assertHeard(name);
});

scenario('a seventh is told that the room is full, and takes the place of one who leaves', async () => {
  const { room } = people.get('Ada');
  const late = await openRoomPage(browsers[0], server, LATE, { room, ...options });
  await late.enter(options);
  assert.equal(await late.trouble(), 'The room is full; try again when somebody has left.');
  await late.state('entry');
  await assertMesh();

  const before = await fragments();
  await people.get('Eve').part('leave').click();
  people.delete('Eve');
  await assertMesh();
  await late.part('enter').click();
  await late.inside();
  people.set(LATE, late);
  await assertMesh();
  for (const name of people.keys()) await assertHeard(name);
  for (const [name, now] of await fragments()) {
    const kept = now.filter((fragment) => before.get(name)?.includes(fragment));
    assert.equal(kept.length, name === LATE ? 0 : 4, `connections of ${name} that have stood`);
  }
});

/** Fails unless each reaches each other one, and nobody else, by one connection for each. */
function assertMesh() {
  return each(async (person, name) => {
    const wanted = Object.fromEntries(others(name).map((other) => [other, 'direct']));
    let seen;
    await until(
      `${name} to be connected with each other one`,
      async () => {
        seen = { paths: await person.paths(), connections: (await person.connections()).length };
        return isDeepStrictEqual(sorted(seen.paths), sorted(wanted)) && seen.connections === people.size - 1;
      },
      { within: CONNECTED_WITHIN, every: EVERY_MS, seen: () => seen },
    );
  });
}

/** Fails unless all others read what `name` says. */
async function assertHeard(name) {
  // Another text with each member that comes.
  const text = `This is ${name}: ${[...people.keys()].join(', ')}`;
  await people.get(name).say(text);
  await Promise.all(others(name).map((other) => people.get(other).reads(text)));
}

/** What changes of a connection when it is made anew, for those of each. */
async function fragments() {
  const found = new Map();
  await each(async (person, name) => {
    found.set(
      name,
      (await person.connections()).map(({ fragment }) => fragment),
    );
  });
  return found;
}

const others = (name) => [...people.keys()].filter((other) => other !== name);
const each = (what) => Promise.all([...people].map(([name, person]) => what(person, name)));
const sorted = (object) => Object.entries(object).sort();
