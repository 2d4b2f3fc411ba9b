// What is heard while the machine stands still is not believed, and what is heard at other times is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { undisturbed } from './harness/standstill.mjs';

/** Nothing else runs for so long. */
function standStill(milliseconds) {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

test('one listens again when the machine stood still, and then no more', async () => {
  let listened = 0;
  const heard = await undisturbed(async () => {
    listened += 1;
    await sleep(50);
    if (listened < 3) standStill(400);
    return listened;
  });
  assert.equal(heard, 3);
});

test('a machine that stands still all the time is not waited for for ever', async () => {
  let listened = 0;
  await undisturbed(async () => {
    listened += 1;
    await sleep(50);
    standStill(400);
  });
  assert.equal(listened, 4);
});
