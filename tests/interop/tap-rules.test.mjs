// Rules of `ringback tap` between pages with JsSIP and Debian's kamailio: each changes the call that passes.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { tapPeople } from './harness/tap-people.mjs';
import { TONES } from './harness/tones.mjs';

// The pages send each other their media without a server: that takes an address which is not loopback.
await enterOwnNetwork(import.meta.filename);

let people;
before(async () => {
  const all = await tapPeople();
  people = (...args) => all.people(...args);
});

scenario('a rule answers the call in place of the server', async () => {
  const { tap, alice, bob } = await people('ws', {
    rules: ['answer INVITE from browser 1 with 486 "Not today"'],
  });
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
    const { tap, alice, bob } = await people(transport, { rules: [rule] });
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
