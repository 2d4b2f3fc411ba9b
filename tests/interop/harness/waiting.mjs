// Waiting for a condition, never for a time.
import { setTimeout as sleep } from 'node:timers/promises';

/** How long something may take that is nobody's promise, in milliseconds. */
export const WITHIN_MS = 15_000;

/**
 * Asks `condition` until its answer is truthy, and returns it. The error says what was awaited, and what was seen last.
 *
 * @template T
 * @param {string} what completes "waited for …"
 * @param {() => T | Promise<T>} condition
 * @param {{within?: number, every?: number, seen?: () => unknown}} [options] milliseconds
 * @returns {Promise<T>}
 */
export async function until(what, condition, { within = WITHIN_MS, every = 25, seen } = {}) {
  const deadline = performance.now() + within;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() > deadline) {
      const last = seen === undefined ? answer : seen();
      throw new Error(`waited ${within} ms for ${what}; last seen: ${JSON.stringify(last)}`);
    }
    await sleep(every);
  }
}

/**
 * The outcome of `promise`, or an error that says what was awaited.
 *
 * @template T
 * @param {string} what completes "waited for …"
 * @param {Promise<T>} promise
 * @param {number} within milliseconds
 * @returns {Promise<T>}
 */
export async function bounded(what, promise, within = WITHIN_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${within} ms for ${what}`)), within);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
