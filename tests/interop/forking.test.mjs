// One user with two phones, a browser and a SIP phone: both ring, the first answer wins, the other stops.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, assertUnanswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browserOfAlice;
let browserOfBob;
before(async () => {
  server = await startServer();
  browserOfAlice = await startChromium(TONES.first);
  browserOfBob = await startChromium(TONES.second);
});

/** Alice calls, and both phones of Bob ring. */
async function ringing() {
  const alice = await openPhone(browserOfAlice, server, 'alice');
  const page = await openPhone(browserOfBob, server, 'bob');
  const desk = await startBaresip(server, 'bob', { tone: TONES.third, name: 'desk-of-bob' });
  return {
    alice,
    page,
    desk,
    async ring() {
      await alice.dial('bob');
      await Promise.all([page.call('incoming'), desk.incoming(), alice.call('ringing')]);
    },
  };
}

scenario('the browser answers', async () => {
  const { alice, page, desk, ring } = await ringing();
  const cdr = await recordOf(server, async () => {
    await ring();
    await page.accept();
    await desk.closed();
    await Promise.all([alice.call('active'), page.call('active')]);
    await assertHearEachOther([alice, TONES.first], [page, TONES.second]);
    await alice.hangUp();
    await page.ended('far-hung-up');
  });
  assert.ok(
    !desk.events.some((event) => event.type === 'CALL_ESTABLISHED'),
    'the SIP phone stays out of the call',
  );
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
});

scenario('the SIP phone answers', async () => {
  const { alice, page, desk, ring } = await ringing();
  const cdr = await recordOf(server, async () => {
    await ring();
    await desk.accept();
    await page.ended('answered-elsewhere');
    await desk.established();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [desk, TONES.third]);
    await desk.hangUp();
    await alice.ended('far-hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
});

scenario('the caller gives up', async () => {
  const { alice, page, desk, ring } = await ringing();
  const cdr = await recordOf(server, async () => {
    await ring();
    await alice.hangUp();
    await Promise.all([page.ended('missed'), desk.closed(), alice.ended('cancelled')]);
  });
  assertUnanswered(cdr, { caller: 'alice', callee: 'bob', status: 487, endedBy: 'caller' });
});

scenario('one phone refuses and the other answers', async () => {
  const { alice, page, desk, ring } = await ringing();
  const cdr = await recordOf(server, async () => {
    await ring();
    await desk.hangUp();
    await desk.closed();
    await page.accept();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [page, TONES.second]);
    await page.hangUp();
    await alice.ended('far-hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
});
