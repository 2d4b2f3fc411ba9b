// The record that a call leaves in the store.
import assert from 'node:assert/strict';

import { until } from './waiting.mjs';

/** Makes one call, waits for its record, and returns it with its legs, the caller's first. */
export async function recordOf(server, makeCall) {
  const [cdr] = await recordsOf(server, 1, makeCall);
  return cdr;
}

/** The same for several calls; their records are in the order in which the calls began. */
export async function recordsOf(server, count, makeCalls) {
  const known = new Set((await calls(server)).map((row) => row.call));
  const begun = Date.now();
  await makeCalls();
  let rows = [];
  await until(
    `the records of ${count} calls`,
    async () => {
      rows = (await calls(server)).filter((row) => !known.has(row.call));
      return rows.length >= count;
    },
    { seen: () => rows, every: 100 },
  );
  assert.equal(rows.length, count, `one call leaves one record: ${JSON.stringify(rows)}`);
  for (const cdr of rows) {
    const times = [begun, cdr.started, cdr.answered ?? cdr.started, cdr.ended, Date.now()];
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
      `times in order: ${JSON.stringify(cdr)}`,
    );
    cdr.legs = await server.query(`SELECT * FROM cdr_legs WHERE call = '${cdr.call}' ORDER BY leg`);
  }
  return rows;
}

/** Asserts the record of a call that was talked in for at least `talked` milliseconds. */
export function assertAnswered(cdr, { caller, callee, endedBy, talked = 2_000 }) {
  const { status, ended_by, answered, ended } = cdr;
  const said = JSON.stringify(cdr);
  assert.deepEqual([userOf(cdr.caller), cdr.callee, status, ended_by], [caller, callee, 200, endedBy], said);
  assert.ok(ended - answered >= talked, `talked for ${ended - answered} ms: ${said}`);
  for (const leg of cdr.legs) {
    assert.ok(leg.packets_received > 50 && leg.packets_sent > 50, `packets both ways on each leg: ${said}`);
    assert.ok(leg.codec, `a codec on each leg: ${said}`);
    assert.equal(leg.verdict, null, `each leg is heard: ${said}`);
    assert.ok(leg.mos_received_worst >= 1 && leg.mos_received <= 4.5, `a score for each leg: ${said}`);
    assert.ok(leg.received_after !== null && leg.sent_after !== null, `times of each leg: ${said}`);
  }
}

/** Asserts the record of a call that nobody took. */
export function assertUnanswered(cdr, { caller, callee, status, endedBy }) {
  const said = JSON.stringify(cdr);
  assert.deepEqual(
    [userOf(cdr.caller), cdr.callee, cdr.status, cdr.ended_by, cdr.answered, cdr.answered_by],
    [caller, callee, status, endedBy, null, null],
    said,
  );
}

function calls(server) {
  return server.query('SELECT * FROM cdrs ORDER BY started, rowid');
}

/** `alice` of `sip:alice@example.com`. */
function userOf(aor) {
  return /^(?:sips?:)?([^@]+)/.exec(aor)[1];
}
