// `ringback tap` between pages with JsSIP and Debian's kamailio: calls pass, are seen, and are altered by a rule.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { startKamailio } from './harness/kamailio.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { reservePorts } from './harness/ports.mjs';
import { startTap } from './harness/tap.mjs';
import { TONES } from './harness/tones.mjs';

// The pages send each other their media without a server: that takes an address which is not loopback.
await enterOwnNetwork(import.meta.filename);

let ports;
let url;
let browsers;
before(async () => {
  ports = await reservePorts();
  url = await servePlainPage('jssip');
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

/** Alice and then Bob, who have signed in to a kamailio of their own through a tap: browsers 1 and 2 of it. */
async function people(transport, rules, args) {
  const kamailio = await startKamailio(ports);
  const tap = await startTap(ports.one(), kamailio.url(transport), { rules, args });
  const server = {
    wsUrl: tap.wsUrl,
    aor: (user) => kamailio.aor(user),
    password: (user) => kamailio.password(user),
  };
  const alice = await openPlainPage(browsers[0], url, server, 'alice');
  const bob = await openPlainPage(browsers[1], url, server, 'bob');
  return { tap, alice, bob };
}

for (const transport of ['ws', 'udp', 'tcp']) {
  scenario(`pages sign in and call each other through a tap that leads to ${transport}`, async () => {
    const saved = evidencePath(`${transport}.pcap`);
    const { tap, alice, bob } = await people(transport, [], ['--save', saved]);
    await tap.row(1, /REGISTER ─+▶/);
    await tap.row(1, /◀─+ 401 Unauthorized/);
    await tap.row(1, /◀─+ 200 OK .* REGISTER alice/);
    await alice.dial('bob');
    await bob.call('incoming');
    await alice.call('ringing');
    await bob.accept();
    await alice.call('active');
    await bob.call('active');
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bob.hangUp();
    await alice.call('ended');
    for (const pattern of [
      / INVITE SDP ─+▶│/,
      /│◀─+ 180 Ringing /,
      /│◀─+ 200 OK SDP /,
      / ACK ─+▶│/,
      /│◀─+ BYE /,
    ])
      await tap.row(1, pattern);
    for (const pattern of [
      /│◀─+ INVITE SDP /,
      / 180 Ringing ─+▶│/,
      / 200 OK SDP ─+▶│/,
      /│◀─+ ACK /,
      / BYE ─+▶│/,
    ])
      await tap.row(2, pattern);
    await tap.stop();
    const capture = readFileSync(saved);
    assert.equal(capture.readUInt32LE(0), 0xa1b2c3d4, 'a pcap file');
    assert.ok(capture.includes('INVITE sip:bob@'), 'with the call');
  });
}

scenario('a rule answers the call in place of the server', async () => {
  const { tap, alice, bob } = await people('ws', ['answer INVITE from browser 1 with 486 "Not today"']);
  await alice.dial('bob');
  await alice.call('ended');
  await alice.told('cause', 'Busy');
  await tap.row(1, /INVITE SDP .*✕.*rule 1: answer 486/);
  await tap.row(1, /◀.* 486 Not today .*by the tap/);
  assert.equal(
    tap.rows.some((row) => row.includes('INVITE SDP') && row.includes('◀')),
    false,
    'bob hears nothing of it',
  );
  // Calls the other way pass.
  await bob.dial('alice');
  await alice.call('incoming');
  await alice.reject();
  await bob.told('cause', 'Busy');
});

for (const transport of ['ws', 'udp']) {
  scenario(`a rule on the SDP makes a call over ${transport} one-way`, async () => {
    const rule = 'replace "a=sendrecv" by "a=recvonly" in the SDP of INVITE from browser 1';
    const { tap, alice, bob } = await people(transport, [rule]);
    await alice.dial('bob');
    await bob.call('incoming');
    await bob.accept();
    await alice.call('active');
    await tap.row(1, /INVITE SDP ═+▶.*rule 1: replace in the SDP/);
    const [atAlice, atBob] = await Promise.all([alice.listen(), bob.listen()]);
    atAlice.assertOnly(TONES.second);
    atBob.assertNone();
    await alice.hangUp();
    await bob.call('ended');
  });
}
