// Messages, presence, busy lamps, mailboxes and lists, with sipp for every telephone, over UDP and over TCP.
import assert from 'node:assert/strict';

import { audio } from './harness/sipp-dialog.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

/** Milliseconds in which a lamp is sure to show what has changed: changes that follow each other are told together. */
const OF_A_LAMP = 2_500;
const SDP = { body: audio() };
const text = (words) => ({ body: { type: 'text/plain', text: words } });
const document = (basic, activity) => ({
  type: 'application/pidf+xml',
  text:
    '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" ' +
    'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:bob@[remote_ip]">' +
    `<dm:person id="p"><rpid:activities><rpid:${activity}/></rpid:activities></dm:person>` +
    `<tuple id="t"><status><basic>${basic}</basic></status></tuple></presence>`,
});

/** Alice watches, and is told at once what `has` says. */
const watches = (people, whom, event, has, { headers = [], body, status = 200 } = {}) =>
  people
    .dialog('alice')
    .begin('SUBSCRIBE', whom, { headers: [`Event: ${event}`, 'Expires: 600', ...headers], body })
    .expect(status, { dialog: true, has: [['Expires', '[0-9]+']] })
    .receive('NOTIFY', {
      has: [['Event', event], ['Subscription-State', 'active'], ...has],
    })
    .respond(200);

/** Alice is told something new. */
const isTold = (dialog, has) => dialog.receive('NOTIFY', { has }).respond(200);

/** Alice has seen enough. */
const unwatches = (dialog) =>
  dialog
    .send('SUBSCRIBE', { headers: ['Event: presence', 'Expires: 0'] })
    .expect(200)
    .receive('NOTIFY', { has: [['Subscription-State', 'terminated']] })
    .respond(200);

overUdpAndTcp({}, (test) => {
  test('a message reaches who is there', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('MESSAGE', {
        has: [
          ['body', 'hello there'],
          ['From', 'sip:alice@'],
          ['Content-Type', 'text/plain'],
        ],
      })
      .respond(200);
    const callee = await people.answers('bob', bob);
    await everyone(
      people.calls(
        people
          .dialog('alice')
          .begin('MESSAGE', 'bob', { ...text('hello there'), contact: false })
          .expect(200),
      ),
      callee,
    );
  });

  test('a message within a call goes within it', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(200, SDP)
      .receive('ACK')
      .receive('MESSAGE', {
        has: [
          ['body', 'while we talk'],
          ['To', 'tag='],
        ],
      })
      .respond(200)
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(200, { dialog: true, provisional: true })
      .acknowledge()
      .send('MESSAGE', text('while we talk'))
      .expect(200)
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a message for who is away is kept, and delivered at the next sign-in', async (people) => {
    await people.signOut('bob');
    const writes = people
      .dialog('alice')
      .begin('MESSAGE', 'bob', { ...text('for later'), contact: false })
      .expect(202);
    const mailbox = (waiting) => [
      ['Content-Type', 'application/simple-message-summary'],
      ['body', `Messages-Waiting: ${waiting}`],
    ];
    await everyone(people.calls(writes));
    const watcher = people
      .dialog('bob')
      .begin('SUBSCRIBE', 'bob', { headers: ['Event: message-summary', 'Expires: 600'] })
      .expect(200, { dialog: true })
      .receive('NOTIFY', { has: mailbox('yes') })
      .respond(200)
      .mark('told')
      .receive('NOTIFY', { has: mailbox('no') })
      .respond(200);
    const lamp = people.calls(watcher, 'lamp-of-bob');
    await lamp.reached('told');
    const bob = people
      .dialog('bob')
      .receive('MESSAGE', { has: [['body', 'for later']] })
      .respond(200);
    await everyone(await people.answers('bob', bob), lamp);
  });

  test('a message that nobody fetches in its time is not delivered', async (people) => {
    await people.signOut('bob');
    const writes = (words, headers) =>
      people
        .dialog('alice')
        .begin('MESSAGE', 'bob', { ...text(words), headers, contact: false })
        .expect(202)
        .pause(1_500);
    await everyone(people.calls(writes('too late', ['Expires: 1'])));
    await everyone(people.calls(writes('in time', ['Expires: 600'])));
    const bob = people
      .dialog('bob')
      .receive('MESSAGE', { has: [['body', 'in time']] })
      .respond(200);
    await everyone(await people.answers('bob', bob));
  });

  test('presence is told at once, and follows what is published', async (people) => {
    await people.signOut('bob');
    const alice = watches(people, 'bob', 'presence', [['body', '<basic>closed</basic>']]).mark('watches');
    isTold(alice, [['body', 'away']]).mark('away');
    isTold(alice, [['body', 'busy']]).mark('busy');
    const watcher = people.calls(unwatches(alice), 'watcher');
    await watcher.reached('watches');
    const publishes = (headers, body, status = 200) => {
      const answer =
        status === 200 ? { has: [['SIP-ETag', '.']], keep: { etag: ['SIP-ETag', '[^ ].*'] } } : {};
      return people
        .dialog('bob')
        .begin('PUBLISH', 'bob', {
          headers: ['Event: presence', 'Expires: 600', ...headers],
          body,
          contact: false,
        })
        .expect(status, answer);
    };
    const publish = async (headers, body) => {
      const played = people.calls(publishes(headers, body).mark('etag', '[$etag]'), 'publisher');
      const etag = await played.reached('etag');
      await everyone(played);
      return etag.trim();
    };
    const first = await publish([], document('open', 'away'));
    await watcher.reached('away');
    const second = await publish([`SIP-If-Match: ${first}`], document('open', 'busy'));
    await watcher.reached('busy');
    assert.notEqual(first, second);
    await everyone(people.calls(publishes([`SIP-If-Match: ${first}`], undefined, 412), 'late'), watcher);
  });

  test('a busy lamp follows a call', async (people) => {
    await people.signOut('alice');
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(180)
      .pause(OF_A_LAMP)
      .respond(200, SDP)
      .receive('ACK')
      .pause(OF_A_LAMP)
      .bye();
    const callee = await people.answers('bob', bob);
    const lamp = (state) => [['body', `<state>${state}</state>`]];
    const alice = watches(people, 'bob', 'dialog', [['body', '<dialog-info[^>]*state="full"']]).mark(
      'watches',
    );
    isTold(alice, lamp('early'));
    isTold(alice, lamp('confirmed'));
    isTold(alice, lamp('terminated'));
    const watcher = people.calls(alice, 'watcher');
    await watcher.reached('watches');
    const carol = people
      .dialog('carol')
      .begin('INVITE', 'bob', SDP)
      .expect(200, { dialog: true, provisional: true })
      .acknowledge()
      .hungUp();
    await everyone(people.calls(carol), callee, watcher);
  });

  test('a list is watched by one subscription', async (people) => {
    await people.signOut('bob');
    await people.signOut('carol');
    const list = {
      type: 'application/resource-lists+xml',
      text:
        '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>' +
        '<entry uri="sip:bob@[remote_ip]"/><entry uri="sip:carol@[remote_ip]"/></list></resource-lists>',
    };
    const headers = [
      'Supported: eventlist',
      'Require: recipient-list-subscribe',
      'Content-Disposition: recipient-list',
    ];
    const alice = watches(
      people,
      'friends',
      'presence',
      [
        ['Require', 'eventlist'],
        ['Content-Type', 'multipart/related'],
        ['body', 'fullState="true"'],
        ['body', 'sip:bob@'],
        ['body', 'sip:carol@'],
      ],
      { headers, body: list },
    ).mark('watches');
    isTold(alice, [
      ['body', 'fullState="false"'],
      ['body', '<basic>open</basic>'],
    ]);
    const watcher = people.calls(alice, 'watcher');
    await watcher.reached('watches');
    await people.answers('bob', people.dialog('bob').receive('INVITE'));
    await everyone(watcher);
  });

  test('what nobody can watch is refused', async (people) => {
    const refused = (event, to, status, answer = {}) =>
      people.calls(
        people
          .dialog('alice')
          .begin('SUBSCRIBE', to, { headers: [`Event: ${event}`, 'Expires: 600'] })
          .expect(status, answer),
        `refused-${status}`,
      );
    await everyone(
      refused('conference', 'bob', 489, { has: [['Allow-Events', 'presence']] }),
      refused('reg', 'bob', 403),
      refused('message-summary', 'bob', 403),
    );
  });
});
