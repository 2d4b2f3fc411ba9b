// A browser that speaks Opus only, and a SIP phone that has another codec only: the server makes the audio anew.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { speakOnly } from './harness/codec.mjs';
import { assertHearEachOther, pageCallsPhone, phoneCallsPage } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browser;
before(async () => {
  server = await startServer({ set: ['media.transcode=always'] });
  browser = await startChromium(TONES.first);
});

/** Alice in a browser with one codec, Bob with a telephone of another. */
async function people(theirs, codec) {
  const before = theirs === undefined ? [] : [speakOnly(theirs)];
  const alice = await openPhone(browser, server, 'alice', { before });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, codecs: [codec] });
  return { alice, bob };
}

for (const [codec, name] of [
  ['PCMU/8000/1', 'PCMU'],
  ['PCMA/8000/1', 'PCMA'],
  ['G722/16000/1', 'G722'],
]) {
  scenario(`Opus and ${name}, the browser calls`, async () => {
    const { alice, bob } = await people('opus', codec);
    const cdr = await pageCallsPhone(server, alice, bob, async () => {
      await alice.press('5');
      await bob.event('CALL_DTMF_START', ({ param }) => param === '5');
      await bob.event('CALL_DTMF_END');
      await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
    assert.equal(cdr.legs[0].codec, `opus/${name}`);
  });

  scenario(`${name} and Opus, the SIP phone calls`, async () => {
    const { alice, bob } = await people('opus', codec);
    const cdr = await phoneCallsPage(server, alice, bob);
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  });
}

scenario('what both have passes as it is', async () => {
  const { alice, bob } = await people(undefined, 'opus/48000/2');
  const cdr = await pageCallsPhone(server, alice, bob);
  assert.equal(cdr.legs[0].codec, 'opus');
});

scenario('what a telephone cannot carry is not heard there as something else', async () => {
  // Folded down at 8 kHz it would be a tone of the tests.
  const hissing = await startChromium(8_000 + TONES.second);
  const alice = await openPhone(hissing, server, 'alice', { before: [speakOnly('opus')] });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, codecs: ['PCMU/8000/1'] });
  await alice.dial('bob');
  await bob.incoming();
  await bob.accept();
  await alice.call('active');
  await bob.established();
  const [atAlice, atBob] = await Promise.all([alice.listen(), bob.listen()]);
  atAlice.assertOnly(TONES.second);
  atBob.assertNone();
  assert.ok(atBob.seconds > 2, `packets came to bob: ${atBob.seconds} s`);
  await bob.hangUp();
  await alice.ended('far-hung-up');
});
