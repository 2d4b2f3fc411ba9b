// GRUUs: what the pages of other people's libraries are given, and that a call to one reaches that page alone.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';

const urls = {};
const browsers = {};
let server;

before(async () => {
  server = await startServer();
  for (const library of ['jssip', 'sipjs']) urls[library] = await servePlainPage(library);
  browsers.first = await startChromium(TONES.first);
  browsers.second = await startChromium(TONES.second);
});

/** The GRUUs of the devices of `user`, in the order of the contacts. */
async function gruus(user, param) {
  const client = await openSipClient(server);
  const response = await client.request('REGISTER', user, { headers: { Supported: 'gruu' } });
  assert.equal(response.status, 200, response.text);
  return [...response.headers.get('contact').matchAll(new RegExp(`;${param}="([^"]*)"`, 'g'))].map(
    ([, uri]) => uri,
  );
}

for (const param of ['pub-gruu', 'temp-gruu']) {
  scenario(`a call to a ${param} reaches that page alone and both hear each other`, async () => {
    const page = await openPlainPage(browsers.first, urls.jssip, server, 'alice');
    const [gruu, ...others] = await gruus('alice', param);
    assert.deepEqual(others, [], 'one page, one device');
    assert.match(gruu, param === 'pub-gruu' ? /^sip:alice@.*;gr=urn:uuid:/ : /^sip:tgruu\..*;gr$/);
    const other = await openPlainPage(browsers.first, urls.jssip, server, 'alice');
    assert.equal((await gruus('alice', param)).length, 2);

    const bob = await openPlainPage(browsers.second, urls.jssip, server, 'bob');
    await bob.dialUri(gruu);
    await page.call('incoming');
    await page.accept();
    await bob.call('active');
    await page.call('active');
    await assertHearEachOther([bob, TONES.second], [page, TONES.first]);
    // Within the call the page is sent to though its Contact is its GRUU.
    await bob.hold();
    await page.call('held-remote');
    await bob.hangUp();
    await page.call('ended');
    assert.equal(await other.said('call'), undefined, 'the other page was never rung');
    for (const phone of [page, other, bob]) await phone.close();
  });
}

scenario('a page that was given a GRUU calls with it in its Contact, and is hung up on', async () => {
  const alice = await openPlainPage(browsers.first, urls.sipjs, server, 'alice');
  const bob = await openPlainPage(browsers.second, urls.jssip, server, 'bob');
  await bob.dial('alice');
  await alice.call('incoming');
  await alice.accept();
  await bob.call('active');
  await assertHearEachOther([bob, TONES.second], [alice, TONES.first]);
  await alice.hangUp();
  await bob.call('ended');
  for (const phone of [alice, bob]) await phone.close();
});

scenario('a GRUU outlives the server, and leads nowhere while its page is away', async () => {
  const page = await openPlainPage(browsers.first, urls.jssip, server, 'alice');
  const [lasting] = await gruus('alice', 'pub-gruu');
  const [temporary] = await gruus('alice', 'temp-gruu');
  await page.close();
  const client = await openSipClient(server);
  const ask = async (uri) => {
    const target = uri.replace(/^sip:/, '').replace(/@.*/, '');
    const params = uri.slice(uri.indexOf(';'));
    const { status } = await client.request('OPTIONS', 'bob', { to: target, params });
    return status;
  };
  assert.deepEqual([await ask(lasting), await ask(temporary)], [480, 480]);
  await server.kill();
  await server.start();
  assert.deepEqual([await ask(lasting), await ask(temporary)], [480, 480], 'known after the restart');
  assert.equal(await ask('sip:tgruu.AAAA@x;gr'), 404);
});
