// Media past the server: two SIP phones that reach each other talk without it, and through it by default.
import assert from 'node:assert/strict';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { assertHearEachOther, assertSilence } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { startWire } from './harness/wire.mjs';

await enterOwnNetwork(import.meta.filename);

const USERS = ['alice', 'bob', 'carol'];

/** A server with this `media.bypass`, and Alice and Bob at baresips. */
async function people(bypass) {
  const set = [`media.bypass=${bypass}`];
  const server = await startServer({ users: USERS, address: OWN_ADDRESS, set });
  const alice = await startBaresip(server, 'alice', { tone: TONES.first });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const wire = await startWire();
  const ears = [alice, bob].map((phone) => ({ listen: () => wire.listen(phone) }));
  return {
    server,
    alice,
    bob,
    bothHear: () => assertHearEachOther([ears[0], TONES.first], [ears[1], TONES.second]),
    nobodyHears: () => assertSilence(...ears),
  };
}

async function connect(alice, bob) {
  await alice.dial('bob');
  await bob.incoming();
  await bob.accept();
  await Promise.all([alice.established(), bob.established()]);
}

/** Packets of any kind that a media worker has seen. */
async function packets(server) {
  const [passed, dropped] = await Promise.all([
    server.metric('ringback_media_packets_total'),
    server.metric('ringback_media_drops_total'),
  ]);
  return passed + dropped;
}

async function talks({ server, alice, bob, bothHear, nobodyHears }) {
  return recordOf(server, async () => {
    await connect(alice, bob);
    // With the recordings of the phones, and then, because these end with a hold, on the wire.
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    await bothHear();
    for (const phone of [alice, bob]) {
      await phone.hold();
      await nobodyHears();
      await phone.resume();
      await bothHear();
    }
    await alice.hangUp();
    await bob.closed();
  });
}

scenario('two SIP phones talk, hold and resume without a packet through the server', async () => {
  const all = await people('local');
  const cdr = await talks(all);
  assert.equal(await packets(all.server), 0);
  assert.equal(await all.server.metric('ringback_sip_total', 'calls_bypassed'), 1);
  const said = JSON.stringify(cdr);
  assert.deepEqual([cdr.status, cdr.ended_by, cdr.legs.length], [200, 'caller', 2], said);
  for (const leg of cdr.legs) {
    assert.deepEqual([leg.media_profile, leg.packets_received], ['RTP bypass', 0], said);
    assert.ok(leg.codec, said);
  }
});

scenario('the same two by default talk through it', async () => {
  const all = await people('never');
  assertAnswered(await talks(all), { caller: 'alice', callee: 'bob', endedBy: 'caller', talked: 8_000 });
  assert.ok((await packets(all.server)) > 500);
});

scenario('a transfer brings the media back', async () => {
  const { server, alice, bob } = await people('local');
  const carol = await startBaresip(server, 'carol', { tone: TONES.third });
  await connect(alice, bob);
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
  assert.equal(await packets(server), 0);
  await bob.transfer('carol');
  await carol.incoming();
  await carol.accept();
  await Promise.all([carol.established(), bob.closed()]);
  await assertHearEachOther([alice, TONES.first], [carol, TONES.third]);
  assert.ok((await packets(server)) > 50);
  await carol.hangUp();
  await alice.closed();
});
