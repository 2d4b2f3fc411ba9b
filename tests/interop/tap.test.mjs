// `ringback tap` between pages with JsSIP and Debian's kamailio: calls pass, and are seen.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before } from 'node:test';

import { evidencePath, scenario } from './harness/evidence.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { callsThrough, tapPeople } from './harness/tap-people.mjs';

// The pages send each other their media without a server: that takes an address which is not loopback.
await enterOwnNetwork(import.meta.filename);

let people;
before(async () => {
  const all = await tapPeople();
  people = (...args) => all.people(...args);
});

for (const transport of ['ws', 'udp', 'tcp']) {
  scenario(`pages sign in and call each other through a tap that leads to ${transport}`, async () => {
    const saved = evidencePath(`${transport}.pcap`);
    const together = await people(transport, { args: ['--save', saved] });
    await callsThrough(together);
    await together.tap.stop();
    const capture = readFileSync(saved);
    assert.equal(capture.readUInt32LE(0), 0xa1b2c3d4, 'a pcap file');
    assert.ok(capture.includes('INVITE sip:bob@'), 'with the call');
  });
}
