// One listener on the wildcard address, reached over loopback and over the machine's own address: there is sound either
// way, because every answer comes from the address that was asked.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { pageCallsPhone } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

await enterOwnNetwork(import.meta.filename);

const LOOPBACK = '127.0.0.1';

let server;
let browser;
before(async () => {
  server = await startServer({ bind: '0.0.0.0' });
  browser = await startChromium(TONES.first);
});

scenario('what is announced is the address that telephones reach, and loopback after it', () => {
  for (const transport of ['udp', 'tcp', 'tls']) {
    const port = server.listen[`sip_${transport}`];
    const line = `  SIP ${transport.toUpperCase()}   ${OWN_ADDRESS}:${port}  ${LOOPBACK}:${port}\n`;
    assert.ok(server.announcement.includes(line), server.announcement);
  }
});

for (const [page, phone] of [
  [LOOPBACK, LOOPBACK],
  [OWN_ADDRESS, OWN_ADDRESS],
  [LOOPBACK, OWN_ADDRESS],
  [OWN_ADDRESS, LOOPBACK],
]) {
  scenario(`the page over ${page}, the SIP phone over ${phone}`, async () => {
    const url = `https://${page}:${server.listen.https}/`;
    const alice = await openPhone(browser, server, 'alice', { url });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second, address: phone });
    const cdr = await pageCallsPhone(server, alice, bob);
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'callee' });
  });
}
