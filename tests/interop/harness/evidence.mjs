// What a failing test leaves to be read: everything that ran writes into a folder of its own under out/.
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';

import { withLifetime } from './lifetime.mjs';

const OUT = join(import.meta.dirname, '..', 'out');
/** How much of the end of each log goes into the message of a failure. */
const TAIL_LINES = 40;

const folder = join(OUT, basename(process.argv[1] ?? 'adhoc', '.test.mjs'));
let made = false;

/** The folder of this test file. */
export function evidenceFolder() {
  if (!made) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    made = true;
  }
  return folder;
}

let number = 0;

/** A fresh file or folder name in it, numbered in the order of the test. */
export function evidencePath(name) {
  number += 1;
  return join(evidenceFolder(), `${String(number).padStart(3, '0')}-${name}`);
}

/**
 * A test whose failure shows the end of every log that was written while it ran, and where the rest is. What it starts
 * is ended with it. Of scenarios that run side by side, the logs of all are shown.
 *
 * @param {string} name
 * @param {(t: import('node:test').TestContext) => Promise<void>} body
 * @param {object} [options]
 * @param {string} [options.todo] what is known to be missing: its failure is shown, and fails nothing
 */
export function scenario(name, body, { timeout = 90_000, todo = false } = {}) {
  test(name, { timeout, todo }, async (t) => {
    const begun = Date.now();
    try {
      await withLifetime(() => body(t));
    } catch (error) {
      // What the reporter prints of an error is its stack.
      if (error instanceof Error) error.stack += `\n${tails(begun)}`;
      throw error;
    }
  });
}

/**
 * Has `define` define scenarios for each of `names`: those of one name run one after the other, and those of several
 * names, at most `atOnce` of them, at the same time. They may share nothing but what stands still.
 */
export function sideBySide(names, define, atOnce = names.length) {
  describe(names.join(', '), { concurrency: atOnce }, () => {
    for (const name of names) describe(name, { concurrency: 1 }, () => define(name));
  });
}

/** What defines scenarios as `scenario` does, of which `count` run at the same time. They may share nothing. */
export function severalAtOnce(count) {
  const definitions = [];
  // When the file is read to its end, all are known.
  queueMicrotask(() =>
    describe('several at once', { concurrency: count }, () => definitions.forEach((define) => define())),
  );
  return (...args) => void definitions.push(() => scenario(...args));
}

function tails(since) {
  const shown = [`-- evidence in ${folder} --`];
  for (const name of readdirSync(evidenceFolder()).sort()) {
    const path = join(folder, name);
    if (!name.endsWith('.log') || statSync(path).mtimeMs < since) continue;
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    shown.push(`-- the end of ${name} --`, ...lines.slice(-TAIL_LINES));
  }
  return shown.join('\n');
}
