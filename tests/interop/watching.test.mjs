// Presence and busy lamps with the pages of other people's libraries and with a SIP phone. Each library has its own server:
// what changes is told five seconds later at the earliest, and the pages wait for it side by side.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { LAMPS, PIDF, basic, eventsPages, lamp } from './harness/events-page.mjs';
import { scenario, sideBySide } from './harness/evidence.mjs';
import { setUp } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let browser;
before(async () => {
  browser = await startChromium(TONES.first);
});

sideBySide(['jssip', 'sipjs', 'published'], (mine) => {
  let server;
  let open;
  setUp(async () => {
    server = await startServer({ users: ['alice', 'bob', 'carol'] });
    open = await eventsPages(browser, server);
  });

  if (mine === 'published') {
    scenario('what a page of SIP.js publishes is seen by a page of JsSIP', async () => {
      const alice = await open('jssip', 'alice');
      const bob = await open('sipjs', 'bob');
      await alice.do('watch', server.aor('bob'), 'presence', PIDF);
      await alice.last('notifications', basic('open'));
      const away =
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" ' +
        `xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${server.aor('bob')}"><dm:person id="p">` +
        '<r:activities><r:away/></r:activities></dm:person><tuple id="t"><status><basic>closed</basic></status></tuple></presence>';
      await bob.do('publish', away);
      await bob.last('answers', (state) => state === 'Published');
      const { body } = await alice.last('notifications', basic('closed'));
      assert.match(body, /<r:away\/>/);
      await bob.do('publish', away.replace('closed', 'open'));
      await alice.last('notifications', basic('open'));
      await bob.do('unpublish');
      await bob.last('answers', (state) => state === 'Unpublished');
      await alice.last('notifications', ({ body: text }) => !text.includes('away'));
    });
    return;
  }

  scenario(`${mine} watches a SIP phone come, talk and go`, async () => {
    const alice = await open(mine, 'alice');
    await alice.do('watch', server.aor('bob'), 'presence', PIDF);
    await alice.do('watch', server.aor('bob'), 'dialog', LAMPS);
    await alice.last('notifications', (_, all) => all.length === 2);
    const all = await alice.list('notifications');
    assert.ok(all.find(({ event }) => event === 'presence').body.includes('<basic>closed</basic>'));
    const bob = await startBaresip(server, 'bob', { answers: true });
    await alice.last('notifications', basic('open'));
    const carol = await startBaresip(server, 'carol');
    await carol.dial('bob');
    await carol.established();
    await alice.last('notifications', (_, seen) => seen.some(lamp('confirmed')));
    await alice.last('notifications', (_, seen) => seen.some(({ body }) => body?.includes('on-the-phone')));
    await carol.hangUp();
    await alice.last('notifications', (_, seen) => seen.some(lamp('terminated')));
    await bob.stop();
    await alice.last('notifications', basic('closed'));
    await alice.do('unwatch');
    await alice.last('notifications', (_, seen) => seen.some(({ isFinal }) => isFinal));
    await carol.stop();
  });
});
