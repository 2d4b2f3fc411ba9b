// Telephones whose media is encrypted by a=crypto (SDES), with each other, with plain ones and with a browser.
//
// baresip's DTLS-SRTP is not among them: this version of it shows an RSA certificate, which our DTLS does not take.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther, pageCallsPhone, phoneCallsPage } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let strict;
let browser;
before(async () => {
  server = await startServer();
  strict = await startServer({ set: ['media.srtp=required'] });
  browser = await startChromium(TONES.first);
});

/** The media profiles of the legs of a call, by party. */
const profiles = (cdr) => Object.fromEntries(cdr.legs.map((leg) => [leg.party, leg.media_profile]));

/** Alice calls Bob from one telephone to another; each hears the other. */
async function phonesTalk(at, alice, bob) {
  return recordOf(at, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await Promise.all([alice.established(), bob.established()]);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await alice.hangUp();
    await bob.closed();
  });
}

for (const [name, ofAlice, ofBob, expected] of [
  ['RTP/SAVP calls a plain one', { encryption: 'srtp-mand' }, {}, { alice: 'SRTP', bob: 'RTP' }],
  ['RTP/SAVPF calls a plain one', { encryption: 'srtp-mandf' }, {}, { alice: 'SRTP', bob: 'RTP' }],
  ['RTP/AVP and a=crypto calls a plain one', { encryption: 'srtp' }, {}, { alice: 'SRTP', bob: 'RTP' }],
  [
    'RTP/SAVP calls one that is reached over TLS',
    { encryption: 'srtp-mand' },
    { encryption: 'srtp', transport: 'tls' },
    { alice: 'SRTP', bob: 'SRTP' },
  ],
  [
    'no keys calls one that is reached over TLS',
    {},
    { encryption: 'srtp', transport: 'tls' },
    { alice: 'RTP', bob: 'SRTP' },
  ],
  [
    'no keys over TLS calls another',
    { transport: 'tls' },
    { transport: 'tls' },
    { alice: 'RTP', bob: 'RTP' },
  ],
]) {
  scenario(`a SIP phone with ${name}`, async () => {
    const alice = await startBaresip(server, 'alice', { tone: TONES.first, ...ofAlice });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second, ...ofBob });
    const cdr = await phonesTalk(server, alice, bob);
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
    assert.deepEqual(profiles(cdr), expected, JSON.stringify(cdr));
  });
}

scenario('where it is required, keys go to both', async () => {
  const encryption = 'srtp-mand';
  const alice = await startBaresip(strict, 'alice', { tone: TONES.first, encryption });
  const bob = await startBaresip(strict, 'bob', { tone: TONES.second, encryption });
  const cdr = await phonesTalk(strict, alice, bob);
  assert.deepEqual(profiles(cdr), { alice: 'SRTP', bob: 'SRTP' }, JSON.stringify(cdr));
});

scenario('where it is required, a phone without keys has no call', async () => {
  const alice = await startBaresip(strict, 'alice', { tone: TONES.first });
  const bob = await startBaresip(strict, 'bob', { tone: TONES.second, encryption: 'srtp-mand' });
  await alice.dial('bob');
  const closed = await alice.closed();
  assert.match(closed.param, /488/);
  assert.equal(bob.has('CALL_INCOMING'), false);
});

for (const [name, at, ofBob] of [
  ['with RTP/AVP and a=crypto', () => server, { encryption: 'srtp' }],
  ['with RTP/SAVP', () => server, { encryption: 'srtp-mand' }],
  ['over TLS', () => server, { encryption: 'srtp', transport: 'tls' }],
]) {
  scenario(`a SIP phone ${name} calls a browser`, async () => {
    const alice = await openPhone(browser, at(), 'alice');
    const bob = await startBaresip(at(), 'bob', { tone: TONES.second, ...ofBob });
    const cdr = await phoneCallsPage(at(), alice, bob);
    assert.deepEqual(profiles(cdr), { alice: 'WebRTC', bob: 'SRTP' }, JSON.stringify(cdr));
  });
}

for (const [name, at, ofBob] of [
  ['over TLS', () => server, { encryption: 'srtp', transport: 'tls' }],
  ['where keys are required', () => strict, { encryption: 'srtp-mand' }],
]) {
  scenario(`a browser calls a SIP phone with keys ${name}, which holds and resumes`, async () => {
    const alice = await openPhone(browser, at(), 'alice');
    const bob = await startBaresip(at(), 'bob', { tone: TONES.second, ...ofBob });
    const cdr = await pageCallsPhone(at(), alice, bob, async () => {
      await bob.hold();
      await bob.resume();
      await alice.call('active');
      // After a hold baresip records nothing; the page tells whether the keys are still those.
      (await alice.listen()).assertOnly(TONES.second);
    });
    assert.deepEqual(profiles(cdr), { alice: 'WebRTC', bob: 'SRTP' }, JSON.stringify(cdr));
  });
}
