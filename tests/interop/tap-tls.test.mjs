// `ringback tap` towards Debian's kamailio over TLS, as WebSocket and as SIP: pages sign in, call and write through it.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { makeAuthority } from './harness/authority.mjs';
import { scenario } from './harness/evidence.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { callsThrough, tapPeople } from './harness/tap-people.mjs';
import { until } from './harness/waiting.mjs';

// The pages send each other their media without a server: that takes an address which is not loopback.
await enterOwnNetwork(import.meta.filename);

let pages;
let trusted;
let identity;
before(async () => {
  pages = await tapPeople();
  const authority = await makeAuthority('kamailio');
  trusted = ['--ca', authority.certificate];
  identity = await authority.issue('kamailio', ['127.0.0.1']);
});

for (const [transport, browsersBy] of [
  ['wss', 'wss'],
  ['wss', 'ws'],
  ['tls', 'ws'],
]) {
  scenario(`pages over ${browsersBy} call and write through a tap that leads to ${transport}`, async () => {
    const ownIdentity = browsersBy === 'wss' ? identity : undefined;
    const together = await pages.people(transport, { identity, ownIdentity, args: trusted });
    const { tap, alice, bob } = together;
    assert.match(tap.wsUrl, new RegExp(`^${browsersBy}:`));
    await callsThrough(together);
    await alice.do('write', [`sip:bob@127.0.0.1`, 'past the tap']);
    await until('the message at Bob', async () =>
      (await bob.do('list', 'messages')).includes('past the tap'),
    );
    await tap.row(1, / MESSAGE ─+▶│/);
    await tap.row(2, /│◀─+ MESSAGE /);
    await tap.row(1, /│◀─+ 200 OK .*MESSAGE/);
  });
}

for (const transport of ['wss', 'tls']) {
  scenario(`a server over ${transport} that is not trusted hears nothing, and the tap says why`, async () => {
    const both = await pages.tapTo(transport, { identity });
    // It goes on trying until its page is closed.
    pages.open(pages.through(both), 'alice').catch(() => {});
    const refusal = /was turned away: the TLS handshake with \S+ failed: .*certificate/;
    await until('the page to be turned away', () => refusal.test(both.tap.output), {
      seen: () => both.tap.output,
    });
    assert.deepEqual(
      both.tap.rows.filter((row) => row.includes('REGISTER')),
      [],
    );
  });
}
