// Keys pressed in a call: RFC 4733 events pass between a browser and a SIP phone, each with its own payload type.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol'] });
});

async function pressed(phone, key) {
  await phone.event('CALL_DTMF_START', ({ param }) => param === key);
  await phone.event('CALL_DTMF_END');
}

scenario('between our phone and a SIP phone', async () => {
  const alice = await openPhone(await startChromium(TONES.first), server, 'alice');
  const bob = await startBaresip(server, 'bob', { answers: true });
  await alice.dial('bob');
  await bob.established();
  await alice.call('active');
  for (const key of ['5', '#']) {
    await alice.press(key);
    await pressed(bob, key);
  }
  assert.equal(await alice.text('sent'), '5#');
  // A page is not told of the events that come in: the browser turns them into the sound of the key.
  const sound = alice.listen({ settle: 0 });
  for (let times = 0; times < 3; times += 1) await bob.press('7');
  (await sound).assertKey('7');
  await alice.hangUp();
  await bob.closed();
});

scenario('from a page that tells keys by INFO to a SIP phone, which gets events', async () => {
  const browser = await startChromium(TONES.first);
  const alice = await openPlainPage(browser, await servePlainPage('jssip'), server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  await alice.dial('bob');
  await bob.established();
  await alice.press('8');
  await pressed(bob, '8');
  assert.doesNotMatch(bob.output, /^INFO sip:/m, 'no INFO reached the phone');
  (await alice.listen()).assertOnly(TONES.second);
  (await bob.listen()).assertOnly(TONES.first);
  await bob.hangUp();
});

scenario('between two SIP phones, both ways', async () => {
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const carol = await startBaresip(server, 'carol', { tone: TONES.third, answers: true });
  await bob.dial('carol');
  await Promise.all([bob.established(), carol.established()]);
  await bob.press('1');
  await pressed(carol, '1');
  await carol.press('*');
  await pressed(bob, '*');
  await bob.hangUp();
  await carol.closed();
});
