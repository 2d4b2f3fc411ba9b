// What a page does beside talking: it writes, watches and has its mailbox while its call goes on.
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { scenario } from './harness/evidence.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const TYPES = {
  presence: 'application/pidf+xml',
  dialog: 'application/dialog-info+xml',
  'message-summary': 'application/simple-message-summary',
};

let server;
let browser;
const urls = {};
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol'] });
  for (const library of ['jssip', 'sipjs-manager']) urls[library] = await servePlainPage(library);
  browser = await startChromium(TONES.first);
});

for (const library of ['jssip', 'sipjs-manager']) {
  scenario(`a page with ${library} writes, watches and has its mailbox while it talks`, async () => {
    const alice = await openPlainPage(browser, urls[library], server, 'alice');
    const bob = await startBaresip(server, 'bob', { tone: TONES.second });
    const watch = (user, event) => alice.do('watch', [server.aor(user), event, TYPES[event]]);
    /** Waits until what the page was told of `event` last has `text` in it. */
    const told = (event, text) =>
      until(
        `${text} in the last ${event} of the page`,
        async () => {
          const all = await alice.do('list', 'notifications');
          return all.findLast((one) => one.event === event)?.body?.includes(text);
        },
        { seen: () => alice.messages('received').at(-1) },
      );
    const bothHear = () => assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    const cdr = await recordOf(server, async () => {
      await alice.dial('bob');
      await bob.incoming();
      await bob.accept();
      await alice.call('active');
      await bob.established();
      await bothHear();

      await alice.do('write', [server.aor('bob'), 'while we talk']);
      await until('the message on the phone', () => bob.output.includes('while we talk'));
      const desk = await openSipClient(server, 'tcp');
      await desk.request('MESSAGE', 'bob', {
        to: 'alice',
        body: 'and back',
        headers: { 'Content-Type': 'text/plain' },
      });
      await until('the message on the page', async () =>
        (await alice.do('list', 'messages')).includes('and back'),
      );
      await watch('bob', 'presence');
      await told('presence', 'on-the-phone');
      await watch('bob', 'dialog');
      await told('dialog', '<state>confirmed</state>');
      await watch('alice', 'message-summary');
      await told('message-summary', 'Messages-Waiting: no');
      await bothHear();

      await alice.hangUp();
      await bob.closed();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'alice', callee: 'bob', endedBy: 'caller' });
    await until('the end of the call in the presence of the phone', async () => {
      const all = await alice.do('list', 'notifications');
      return !all.findLast(({ event }) => event === 'presence').body.includes('on-the-phone');
    });
    await told('dialog', '<state>terminated</state>');
  });
}
