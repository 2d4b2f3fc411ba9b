// Faxes between telephone lines (T.38 over UDPTL): out of a call, byte for byte both ways, and back to audio.
//
// The machines are of a few lines (`harness/fax-machine.mjs`): no phone at hand speaks T.38.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { startFaxMachine } from './harness/fax-machine.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

const PAGES = 150;

let server;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol'] });
});

/** Bob has called Carol, and both hear audio. */
async function talking(options) {
  const bob = await startFaxMachine(server, 'bob');
  const carol = await startFaxMachine(server, 'carol', options);
  await bob.dial('carol');
  await carol.established();
  await Promise.all([bob.hears(), carol.hears()]);
  return { bob, carol };
}

/** Both send so many datagrams, and each gets what the other sent. */
async function exchangePages(bob, carol) {
  await Promise.all([bob.indicate(carol), carol.indicate(bob)]);
  const [fromBob, fromCarol] = await Promise.all([bob.sendPages(PAGES), carol.sendPages(PAGES)]);
  for (const [machine, sent] of [
    [carol, fromBob],
    [bob, fromCarol],
  ]) {
    const pages = await machine.receivedPages(PAGES);
    assert.deepEqual(pages, sent, `${machine.user} got another fax than was sent`);
  }
}

for (const mode of ['fax', 'beside']) {
  const where = mode === 'fax' ? 'in the place of the audio' : 'beside the audio';
  scenario(`a fax ${where}, and audio again`, async () => {
    const cdr = await recordOf(server, async () => {
      const { bob, carol } = await talking();
      // As in the field, the machine that was called hears the tone and asks for it.
      assert.equal(await carol.become(mode), 200);
      assert.ok(carol.heard.includes('a=T38VendorInfo:0 0 bob'), String(carol.heard));
      assert.ok(bob.heard.includes('a=T38VendorInfo:0 0 carol'), String(bob.heard));
      await exchangePages(bob, carol);
      assert.equal(await carol.become('audio'), 200);
      await Promise.all([bob.hears(), carol.hears()]);
      await bob.hangUp();
    });
    const said = JSON.stringify(cdr);
    for (const leg of cdr.legs) {
      assert.equal(leg.codec, 'PCMA+t38', said);
      assert.ok(leg.packets_received > PAGES && leg.packets_sent > PAGES, said);
      assert.equal(leg.verdict, null, said);
    }
  });
}

scenario('a machine that takes no fax goes on with audio', async () => {
  const { bob, carol } = await talking({ takesFax: false });
  assert.equal(await bob.become('fax'), 488);
  await Promise.all([bob.hears(), carol.hears()]);
  await bob.hangUp();
});

scenario('a browser that is asked for a fax goes on with audio', async () => {
  const alice = await openPhone(await startChromium(TONES.first), server, 'alice');
  const carol = await startFaxMachine(server, 'carol');
  await alice.dial('carol');
  await alice.call('active');
  await carol.established();
  assert.equal(await carol.become('fax'), 488);
  await carol.hears();
  await alice.hangUp();
});

scenario('a stranger does not get a word into a fax', async () => {
  const { bob, carol } = await talking();
  assert.equal(await bob.become('fax'), 200);
  const stranger = await startFaxMachine(server, 'alice');
  const known = await server.metric('ringback_media_drops_total', 'wrong_source');
  stranger.intrude(bob.remote);
  await exchangePages(bob, carol);
  assert.ok((await server.metric('ringback_media_drops_total', 'wrong_source')) > known);
  await bob.hangUp();
});
