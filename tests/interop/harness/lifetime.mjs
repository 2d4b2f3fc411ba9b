// The end of everything that a test starts, in the opposite order, whatever happened between.
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, before } from 'node:test';

import { bounded } from './waiting.mjs';

const WITHIN_MS = 20_000;
const ofFile = [];
/** What each scenario that runs has started. */
const ofScenario = new AsyncLocalStorage();

after(() => end(ofFile));

/**
 * Calls `stop` at the end of the scenario that runs, or of the test file outside of one. It may have been called before.
 */
export function atEnd(what, stop) {
  (ofScenario.getStore() ?? ofFile).push({ what, stop });
}

/** What is left to do when the process ends, whatever happened: files to be removed. */
const leftToDo = [];
process.once('exit', () => leftToDo.forEach((undo) => undo()));

/** Calls `undo`, which may not wait for anything, when the process ends. */
export function atExit(undo) {
  leftToDo.push(undo);
}

/** Runs `body` and ends what it has started. */
export async function withLifetime(body) {
  const own = [];
  try {
    await ofScenario.run(own, body);
  } finally {
    await end(own);
  }
}

/** `body` before the scenarios of the `describe` around it; what it starts ends with them, not with the file. */
export function setUp(body) {
  const own = [];
  before(() => ofScenario.run(own, body));
  after(() => end(own));
}

async function end(stops) {
  const errors = [];
  for (const { what, stop } of stops.reverse()) {
    try {
      await bounded(`the end of ${what}`, Promise.resolve(stop()), WITHIN_MS);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, errors.map((error) => error.message).join('\n'));
}
