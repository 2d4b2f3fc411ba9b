// Messages with the pages of other people's libraries and with a SIP phone, mailboxes, and what is refused.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { eventsPages } from './harness/events-page.mjs';
import { scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

let server;
let open;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol'] });
  open = await eventsPages(await startChromium(TONES.first), server);
});

for (const [mine, theirs] of [
  ['jssip', 'sipjs'],
  ['sipjs', 'jssip'],
]) {
  scenario(`${mine} writes to ${theirs}, who is there, and who is away`, async () => {
    const alice = await open(mine, 'alice');
    const bob = await open(theirs, 'bob');
    await alice.do('write', server.aor('bob'), 'hällo');
    await alice.last('answers', (status) => status === 200);
    const message = await bob.last('messages', ({ text }) => text === 'hällo');
    assert.equal(message.from, 'alice');
    assert.match(message.type, /^text\/plain/);

    await bob.close();
    for (const [at, text] of ['one', 'two', 'three'].entries()) {
      await alice.do('write', server.aor('bob'), text);
      await alice.last('answers', (status, all) => status === 202 && all.length === at + 2);
    }
    const again = await open(theirs, 'bob');
    await again.last('messages', (_, all) => all.length === 3);
    assert.deepEqual(
      (await again.list('messages')).map(({ text }) => text),
      ['one', 'two', 'three'],
    );
  });

  scenario(`${mine} has a mailbox`, async () => {
    const alice = await open(mine, 'alice');
    await alice.do('watch', server.aor('alice'), 'message-summary', 'application/simple-message-summary');
    const { body } = await alice.last('notifications', ({ event }) => event === 'message-summary');
    assert.match(body, /^Messages-Waiting: no\r\n/);
  });
}

scenario(
  'a SIP phone and a page write to each other, and the phone has its mailbox and its friends',
  async () => {
    const alice = await open('jssip', 'alice');
    const apps = ['contact', 'mwi', 'presence'];
    const bob = await startBaresip(server, 'bob', { apps, watches: ['alice'], publishes: true });
    await alice.do('write', server.aor('bob'), 'to the desk');
    await alice.last('answers', (status) => status === 200);
    await until('the message on the phone', () => bob.output.includes('to the desk'));
    await until('the mailbox of the phone', () => /MWI_NOTIFY|Messages-Waiting/i.test(bob.output));
    await until('the friend of the phone', async () => /Online/i.test(await bob.command('contacts')));
    // Its output shows what came; that it took it, its answers show.
    assert.equal(await server.metric('ringback_sip_total', 'notifications_failed'), 0);
    const desk = await openSipClient(server, 'tcp');
    const letter = { to: 'alice', body: 'from the desk', headers: { 'Content-Type': 'text/plain' } };
    assert.equal((await desk.request('MESSAGE', 'bob', letter)).status, 200);
    const message = await alice.last('messages', ({ text }) => text === 'from the desk');
    assert.equal(message.from, 'bob');
    await bob.stop();
  },
);

scenario('a message that was stored outlives the server', async () => {
  const own = await startServer({ users: ['alice', 'bob'] });
  const client = await openSipClient(own);
  const options = { to: 'bob', body: 'still here', headers: { 'Content-Type': 'text/plain' } };
  assert.equal((await client.request('MESSAGE', 'alice', options)).status, 202);
  await own.kill();
  await own.start();
  const bob = await startBaresip(own, 'bob');
  await until('the message on the phone', () => bob.output.includes('still here'));
  await bob.stop();
});

scenario('what cannot be watched or written says why', async () => {
  const client = await openSipClient(server);
  const subscribe = { Contact: client.contact('alice'), Expires: 60 };
  const event = (name) =>
    client.request('SUBSCRIBE', 'alice', { to: 'bob', headers: { ...subscribe, Event: name } });
  const unknown = await event('conference');
  assert.equal(unknown.status, 489);
  assert.match(unknown.headers.get('allow-events'), /presence/);
  assert.equal((await event('reg')).status, 403);
  const large = { to: 'bob', body: 'x'.repeat(17_000), headers: { 'Content-Type': 'text/plain' } };
  assert.equal((await client.request('MESSAGE', 'alice', large)).status, 413);
  assert.equal((await client.request('MESSAGE', 'alice', { to: 'nobody', body: 'x' })).status, 404);
  const options = await client.request('OPTIONS', 'alice', { to: 'ringback' });
  assert.match(options.headers.get('allow'), /MESSAGE, SUBSCRIBE, PUBLISH/);
  assert.match(options.headers.get('allow-events'), /dialog/);
});
