// The record key of a telephone: an INFO with `Record: on` or `Record: off`, from telephones that sipp plays.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { recordOf } from './harness/cdr.mjs';
import { takes, talks } from './harness/sipp-calls.mjs';
import { overUdpAndTcp } from './harness/sipp-people.mjs';

/** Presses the key, and is answered like that. */
const presses = (dialog, value, status, phrase) =>
  dialog
    .send('INFO', { headers: [`Record: ${value}`] })
    .expect(status, { has: phrase ? [['Warning', phrase]] : [] })
    .pause(300);

/** Alice presses these keys in a call; its record, and the names of the files. */
async function pressed(people, server, keys) {
  const cdr = await recordOf(server, async () => {
    let alice = talks(people);
    for (const key of keys) alice = presses(alice, ...key);
    await people.meet(alice.bye(), { bob: takes(people).hungUp() });
  });
  const folder = join(server.dataDir, 'recordings');
  return { cdr, files: existsSync(folder) ? readdirSync(folder) : [] };
}

overUdpAndTcp({ set: ['recording.calls=asked'] }, (test) => {
  test('a party begins and ends recordings of its call', async (people, server) => {
    const keys = [
      ['off', 200],
      ['on', 200],
      ['on', 200],
      ['off', 200],
      ['on', 200],
    ];
    const { cdr, files } = await pressed(people, server, keys);
    const names = [1, 2].map((number) => `${cdr.call}-${number}.wav`);
    assert.equal(cdr.recordings, names.join(' '));
    assert.deepEqual(files.toSorted(), names);
  });
});

overUdpAndTcp({ set: ['recording.calls=all'] }, (test) => {
  test('a party does not end what is recorded for the exchange', async (people, server) => {
    const keys = [
      ['off', 403, 'a party cannot stop that'],
      ['on', 200],
    ];
    const { cdr, files } = await pressed(people, server, keys);
    assert.equal(cdr.recordings, `${cdr.call}-1.wav`);
    assert.deepEqual(files, [cdr.recordings]);
  });
});

overUdpAndTcp({}, (test) => {
  test('nobody begins a recording where there are to be none', async (people, server) => {
    const { cdr, files } = await pressed(people, server, [['on', 403, 'recording.calls']]);
    assert.equal(cdr.recordings, null);
    assert.deepEqual(files, []);
  });
});
