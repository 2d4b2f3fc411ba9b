// `ringback tap`, with its ladder as lines.
import assert from 'node:assert/strict';

import { Child } from './child.mjs';
import { atEnd } from './lifetime.mjs';
import { BINARY } from './server.mjs';
import { until } from './waiting.mjs';

/** Starts a tap on `port` that leads to `to`, and takes browsers over wss when it has an `ownIdentity`. */
export async function startTap(port, to, { rules = [], args = [], ownIdentity } = {}) {
  const tap = new Tap(port, ownIdentity);
  atEnd('the tap', () => tap.stop());
  await tap.start(to, [...rules.flatMap((rule) => ['--rule', rule]), ...args]);
  return tap;
}

class Tap {
  #port;
  #identity;
  #child;

  constructor(port, identity) {
    this.#port = port;
    this.#identity = identity;
  }

  async start(to, args) {
    const identity =
      this.#identity === undefined
        ? []
        : ['--certificate', this.#identity.certificate, '--key', this.#identity.key];
    this.#child = new Child('tap', BINARY, [
      ...['tap', '--plain', '--listen', `127.0.0.1:${this.#port}`, '--to', to],
      ...identity,
      ...args,
    ]);
    await until('the line `ready` of the tap', () => {
      if (!this.#child.isRunning) throw new Error(`the tap ended at its start: ${this.#child.output}`);
      return /^ready$/m.test(this.#child.stdout);
    });
  }

  /** What it wrote. */
  get output() {
    return this.#child.output;
  }

  get wsUrl() {
    return `${this.#identity === undefined ? 'ws' : 'wss'}://127.0.0.1:${this.#port}/`;
  }

  /** The ladder so far: a row for each message. */
  get rows() {
    return this.#child.stdout.split('\n').filter((line) => /^ *\d+\.\d{3} +\d+ /.test(line));
  }

  /** Waits for a row of browser number `browser` that `pattern` matches. */
  row(browser, pattern) {
    const own = new RegExp(`^ *[\\d.]+ +${browser} `);
    return until(
      `a row of browser ${browser} like ${pattern}`,
      () => this.rows.find((row) => own.test(row) && pattern.test(row)),
      { seen: () => this.rows.slice(-10) },
    );
  }

  /** SIGTERM: it says goodbye to its browsers, and ends well. */
  async stop() {
    if (!this.#child.isRunning) return;
    const end = await this.#child.stop('SIGTERM');
    assert.deepEqual([end.code, end.signal], [0, null], 'how the tap ended');
    assert.doesNotMatch(this.#child.output, /panicked/, 'what the tap wrote');
  }
}
