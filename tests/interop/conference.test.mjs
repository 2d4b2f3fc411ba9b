// Three in a conference, each with a telephone of another kind: each hears the two others and not itself.
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertAllHear } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPhone } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
let browser;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol'] });
  browser = await startChromium(TONES.first);
});

scenario('a browser and two SIP phones', async () => {
  const alice = await openPhone(browser, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.third, codecs: ['PCMU/8000/1'] });
  // The way of baresip from 8 to 16 kHz lets little of the third tone through.
  const carol = await startBaresip(server, 'carol', { tone: TONES.second, codecs: ['G722/16000/1'] });
  await bob.dial('conf-sales');
  await bob.established();
  await carol.dial('CONF-Sales');
  await carol.established();
  const cdr = await recordOf(server, async () => {
    await alice.dial('conf-sales');
    await alice.call('active');
    await assertAllHear([alice, TONES.first], [bob, TONES.third], [carol, TONES.second]);
    await alice.hangUp();
    await alice.ended('hung-up');
  });
  assertAnswered(cdr, { caller: 'alice', callee: 'conf-sales', endedBy: 'caller' });
  // The two that stay hear each other, and her no more.
  const [atBob, atCarol] = await Promise.all([bob.listen(), carol.listen()]);
  atBob.assertOnly(TONES.second);
  atCarol.assertOnly(TONES.third);
  await bob.hangUp();
  await carol.hangUp();
});

scenario('two conferences at once do not hear each other', async () => {
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const carol = await startBaresip(server, 'carol', { tone: TONES.third });
  await bob.dial('conf-one');
  await carol.dial('conf-two');
  await Promise.all([bob.established(), carol.established()]);
  const sounds = await Promise.all([bob.listen(), carol.listen()]);
  sounds.forEach((sound) => sound.assertNone());
  await bob.hangUp();
  await carol.hangUp();
});

scenario('a call is transferred into a conference', async () => {
  const alice = await openPhone(browser, server, 'alice');
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  const carol = await startBaresip(server, 'carol', { tone: TONES.third });
  await carol.dial('conf-sales');
  await carol.established();
  await alice.dial('bob');
  await alice.call('active');
  await bob.established();
  await bob.transfer('conf-sales');
  await bob.closed();
  const [atAlice, atCarol] = await Promise.all([alice.listen(), carol.listen()]);
  atAlice.assertOnly(TONES.third);
  atCarol.assertOnly(TONES.first);
  await alice.hangUp();
  await carol.hangUp();
});
