// The first call a newcomer makes: the phone of the page calls `echo` and hears itself.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { assertAnswered, recordOf } from './harness/cdr.mjs';
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

async function hearsItself(url, number) {
  const phone = await openPhone(browser, server, 'alice', { url });
  const cdr = await recordOf(server, async () => {
    await phone.dial(number);
    await phone.call('active');
    (await phone.listen()).assertOnly(TONES.first);
    assert.match(await phone.text('elapsed'), /^0:0\d$/);
    await phone.hangUp();
    await phone.ended('hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: number, endedBy: 'caller' });
  assert.equal(cdr.legs[0].media_profile, 'WebRTC', 'the leg of a browser is protected');
}

scenario('over WSS with the local certificate', () => hearsItself(server.httpsUrl, 'echo'));

scenario('over WebSocket on loopback', () => hearsItself(server.httpUrl, '*43'));
