// Keys between telephones that know them in different ways: as telephone events (RFC 4733), by INFO, as tones in the audio.
//
// The telephone without events is one of a few lines (`harness/old-phone.mjs`); no phone of today is like that. Events to
// events, and INFO to events, are in `dtmf.test.mjs`.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { startOldPhone } from './harness/old-phone.mjs';
import { openPhone } from './harness/phone.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol', 'dora'] });
});

/** Asserts a duration that went by the clock of the media, to a frame of 20 ms at each end. */
const assertLasts = (found, milliseconds) =>
  assert.ok(Math.abs(found - milliseconds) <= 45, `${found} ms in place of ${milliseconds}`);

scenario('tones become events, and events become tones', async () => {
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const carol = await startOldPhone(server, 'carol');
  await bob.dial('carol');
  await Promise.all([bob.established(), carol.established()]);
  for (const key of ['5', '#']) {
    carol.pressTone(key, 200);
    await bob.event('CALL_DTMF_START', ({ param }) => param === key);
    await bob.event('CALL_DTMF_END');
    await bob.press(key);
    await carol.heardTone(key);
  }
  assert.deepEqual(carol.infos, []);
  await bob.hangUp();
});

scenario('our phone is heard as tones, and gets them as the sound of the key', async () => {
  const alice = await openPhone(await startChromium(TONES.first), server, 'alice');
  const carol = await startOldPhone(server, 'carol');
  await alice.dial('carol');
  await alice.call('active');
  await alice.press('9');
  await carol.heardTone('9');
  const sound = alice.listen({ settle: 0 });
  for (let times = 0; times < 3; times += 1) carol.pressTone('7', 400);
  (await sound).assertKey('7');
  await alice.hangUp();
});

scenario('who tells keys by INFO is told events by INFO', async () => {
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const carol = await startOldPhone(server, 'carol');
  await bob.dial('carol');
  await Promise.all([bob.established(), carol.established()]);
  await carol.pressInfo('1', 160);
  await bob.event('CALL_DTMF_START', ({ param }) => param === '1');
  await bob.event('CALL_DTMF_END');
  await bob.press('8');
  const { milliseconds } = await carol.told('8');
  assert.ok(milliseconds >= 40, `${milliseconds} ms`);
  await bob.hangUp();
});

scenario('tones pass as they are, and become INFO for who tells keys so; INFO becomes tones', async () => {
  const carol = await startOldPhone(server, 'carol');
  const dora = await startOldPhone(server, 'dora');
  await carol.dial('dora');
  await dora.established();
  carol.pressTone('3', 240);
  assertLasts(await dora.heardTone('3'), 240);
  await dora.pressInfo('6', 240);
  assertLasts(await carol.heardTone('6'), 240);
  carol.pressTone('4', 240);
  assertLasts((await dora.told('4')).milliseconds, 240);
});

scenario('INFO passes between two who tell keys so, one of them a page', async () => {
  const url = await servePlainPage('jssip');
  const alice = await openPlainPage(await startChromium(TONES.first), url, server, 'alice');
  const carol = await startOldPhone(server, 'carol');
  await alice.dial('carol');
  await alice.call('active');
  await alice.press('2');
  assertLasts(await carol.heardTone('2'), 240);
  await carol.pressInfo('*', 320);
  await alice.told('pressed', '* 320');
  await alice.press('0');
  assert.deepEqual(await carol.told('0'), { key: '0', milliseconds: 240 });
  await alice.hangUp();
});
