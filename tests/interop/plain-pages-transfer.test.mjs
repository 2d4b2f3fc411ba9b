// Attended transfers: a page with SIP.js joins two SIP phones, and a SIP phone joins a page with another SIP phone.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { recordsOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { startWire } from './harness/wire.mjs';

// The first call of a transfer is held: from then on, the wire is what a SIP phone hears.
await enterOwnNetwork(import.meta.filename);

const urls = {};
let server;
let browser;
let wire;
before(async () => {
  server = await startServer({ bind: '0.0.0.0', users: ['alice', 'bob', 'carol'] });
  for (const library of ['jssip', 'sipjs', 'sipjs-manager']) urls[library] = await servePlainPage(library);
  browser = await startChromium(TONES.first);
  wire = await startWire();
});

const earOf = (phone) => ({ listen: () => wire.listen(phone) });
const startBob = () => startBaresip(server, 'bob', { tone: TONES.second, address: OWN_ADDRESS });
const startCarol = () =>
  startBaresip(server, 'carol', { tone: TONES.third, address: OWN_ADDRESS, answers: true });

scenario('a page with SIP.js joins the two SIP phones that it has calls with', async () => {
  const alice = await openPlainPage(browser, urls['sipjs-manager'], server, 'alice');
  const bob = await startBob();
  const carol = await startCarol();
  const records = await recordsOf(server, 3, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [earOf(bob), TONES.second]);
    await alice.hold();
    await alice.call('held-local');
    await alice.dial('carol');
    await carol.established();
    await alice.call('active');
    await assertHearEachOther([alice, TONES.first], [earOf(carol), TONES.third]);
    await alice.join();
    await alice.call('ended');
    await assertHearEachOther([earOf(bob), TONES.second], [earOf(carol), TONES.third]);
    await bob.hangUp();
    await carol.closed();
  });
  assert.deepEqual(
    records.map(({ reason }) => reason),
    ['transferred to carol', 'transferred to bob', 'the caller hung up'],
  );
});

for (const library of ['jssip', 'sipjs']) {
  scenario(`a SIP phone joins a page with ${library} with another SIP phone`, async () => {
    const alice = await openPlainPage(browser, urls[library], server, 'alice');
    const bob = await startBob();
    const carol = await startCarol();
    const records = await recordsOf(server, 3, async () => {
      await alice.dial('bob');
      await bob.incoming();
      await bob.accept();
      await alice.call('active');
      await bob.established();
      await bob.hold();
      await bob.dial('carol');
      await carol.established();
      await bob.established();
      await assertHearEachOther([earOf(bob), TONES.second], [earOf(carol), TONES.third]);
      // baresip 1.0.0 has no command for it: who uses it writes the Refer-To.
      const replaces = await until('the dialog of the second call', () => dialogTo(bob, 'carol'));
      await bob.command('line', '1');
      await bob.transfer('carol', replaces);
      await assertHearEachOther([alice, TONES.first], [earOf(carol), TONES.third]);
      await alice.hangUp();
      await carol.closed();
      await alice.call('ended');
    });
    const [first, second, joined] = records;
    assert.deepEqual(
      [first.reason, second.reason, joined.caller, joined.answered_by],
      ['transferred to carol', 'transferred to alice', 'alice', 'carol'],
    );
  });
}

/** The value of Replaces (RFC 3891) for the call of `phone` to `callee`, from the messages that it has shown. */
function dialogTo(phone, callee) {
  const acks = phone.output
    .split(/(?=^ACK )/m)
    .map((text) => text.split(/\r?\n\r?\n/, 1)[0])
    .filter((text) => text.startsWith('ACK ') && new RegExp(`^To: .*\\b${callee}@`, 'm').test(text));
  // The first one is for the challenge, the second one for the 200.
  if (acks.length < 2) return undefined;
  const line = (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(acks.at(-1))[1].trim();
  const tag = (name) => /;tag=([^;>\s]+)/.exec(line(name))[1];
  return `${line('Call-ID')};to-tag=${tag('To')};from-tag=${tag('From')}`;
}
