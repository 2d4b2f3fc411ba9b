// A browser that is gone without a word: the other side is not left in a call with nobody.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startChromium(TONES.first);
});

/** Alice talks to Bob until her page ends by `end`; how long they talked, and the record. */
async function talkUntil(end) {
  const alice = await openPhone(browser, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  let talked;
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await alice.call('active');
    const since = Date.now();
    (await alice.listen()).assertOnly(TONES.second);
    await end(alice);
    talked = Date.now() - since;
    // Consent (RFC 7675) is lost 30 s after the last check.
    await bob.closed(45_000);
  });
  assert.equal(cdr.status, 200);
  return { cdr, talked };
}

scenario('a closed tab hangs up', async () => {
  const { cdr } = await talkUntil((alice) => alice.close());
  assert.equal(cdr.ended_by, 'caller', JSON.stringify(cdr));
});

scenario('the page crashes in mid-call, and the SIP phone is let go', async () => {
  const { cdr, talked } = await talkUntil((alice) => alice.crash());
  assert.equal(cdr.ended_by, 'exchange', JSON.stringify(cdr));
  // The call was over with the last packet, not when that was noticed.
  const length = cdr.ended - cdr.answered;
  assert.ok(length < talked + 15_000, `${length} ms long, talked for ${talked} ms`);
});
