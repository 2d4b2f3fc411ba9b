// What users have set about their calls, with sipp for every telephone, over UDP and over TCP.
import assert from 'node:assert/strict';

import { audio } from './harness/sipp-dialog.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const SDP = { body: audio() };
/** Who is parked is offered the session of the exchange, and then that of who goes on with the call. */
const OFFERED = { has: [['body', 'a=sendrecv']] };
const groups = { bob: 'sales', carol: 'sales' };

/** Carol is called in place of Bob, is told why, and talks. */
const inPlaceOfBob = (people, { reason, cause }) =>
  people
    .dialog('carol')
    .receive('INVITE', {
      has: [
        ['Diversion', `<sip:bob@[^>]*>.*reason=${reason}`],
        ['History-Info', `sip:bob@.*index=1.*sip:carol@.*cause=${cause}.*index=1\\.1`],
        ['From', 'sip:alice@'],
      ],
    })
    .respond(180)
    .respond(200, SDP)
    .receive('ACK')
    .hungUp();

const calls = (people, number, user = 'alice') =>
  people
    .dialog(user)
    .begin('INVITE', number, SDP)
    .expect(200, { dialog: true, provisional: true })
    .acknowledge()
    .pause(100)
    .bye();

/** Alice is told that her call is sent on, in so many words when somebody has rung. */
const isSentOn = (people, hasRung) => {
  const alice = people.dialog('alice').begin('INVITE', 'bob', SDP);
  for (const early of [100, 180]) alice.expect(early, { optional: true });
  if (hasRung) alice.expect(181);
  return alice.expect(200, { dialog: true, provisional: true }).acknowledge().pause(100).bye();
};

const isRefused = (people, number, status, user = 'alice') =>
  people.dialog(user).begin('INVITE', number, SDP).expect(status, { provisional: true }).acknowledgeRefusal();

const isBusy = (people) => people.dialog('bob').receive('INVITE').respond(180).respond(486).receive('ACK');

/** Bob rings until he is told to stop. */
const rings = (people, options) =>
  people
    .dialog('bob')
    .receive('INVITE')
    .respond(180)
    .mark('rings')
    .receive('CANCEL', options)
    .respond(200)
    .respond(487, { to: 'INVITE' })
    .receive('ACK');

overUdpAndTcp({ groups, set: ['domain=127.0.0.1'] }, (test) => {
  for (const [when, option, code, cancel, bobs, told] of [
    ['always', ['--always', 'carol'], '*72carol', '*73', undefined, { reason: 'unconditional', cause: 302 }],
    ['when busy', ['--busy', 'carol'], '*90carol', '*91', isBusy, { reason: 'user-busy', cause: 486 }],
    [
      'when nobody answers',
      ['--no-answer', 'carol', '--ring', '1'],
      '*92carol',
      '*93',
      rings,
      { reason: 'no-answer', cause: 408 },
    ],
  ]) {
    test(`forwarding ${when}`, async (people, server) => {
      await server.user('forward', 'bob', ...option);
      const played = bobs === undefined ? [] : [await people.answers('bob', bobs(people))];
      played.push(await people.answers('carol', inPlaceOfBob(people, told)));
      await everyone(people.calls(isSentOn(people, bobs !== undefined)), ...played);
      // By its code, and not any more by another.
      const dials = (number) =>
        people.calls(
          people
            .dialog('bob')
            .begin('INVITE', number, SDP)
            .expect(200, { dialog: true, provisional: true })
            .acknowledge()
            .hungUp(),
        );
      const column = `forward_${{ always: 'always', 'when busy': 'busy' }[when] ?? 'no_answer'}`;
      const set = async () =>
        (await server.query(`SELECT ${column} AS value FROM features WHERE user = 'bob'`))[0]?.value;
      await everyone(dials(cancel));
      assert.equal((await set()) ?? null, null);
      await everyone(dials(code));
      assert.equal(await set(), 'carol');
      await everyone(dials(cancel));
    });
  }

  test('a telephone that redirects sends its caller to another user', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(302, { headers: ['Contact: <sip:carol@[remote_ip]>'], contact: false })
      .receive('ACK');
    const carol = inPlaceOfBob(people, { reason: 'deflection', cause: 302 });
    const played = [await people.answers('bob', bob), await people.answers('carol', carol)];
    await everyone(people.calls(isSentOn(people, true)), ...played);
  });

  test('a telephone that redirects out of the house is not followed', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(302, { headers: ['Contact: <sip:+900123@192.0.2.99>'], contact: false })
      .receive('ACK');
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(isRefused(people, 'bob', 480)), callee);
  });

  test('who does not want to be disturbed is not, until told otherwise', async (people, server) => {
    const bob = people.dialog('bob').receive('INVITE').respond(200, SDP).receive('ACK').hungUp();
    const callee = await people.answers('bob', bob);
    await server.user('dnd', 'bob', 'on');
    await everyone(people.calls(isRefused(people, 'bob', 480)));
    await server.user('dnd', 'bob', 'off');
    await everyone(people.calls(calls(people, 'bob')), callee);
  });

  test('a call beyond the limit of a user finds it busy', async (people, server) => {
    await server.user('waiting', 'bob', '1');
    const bob = people.dialog('bob').receive('INVITE').respond(200, SDP).receive('ACK').hungUp();
    const callee = await people.answers('bob', bob);
    const alice = people.calls(
      people
        .dialog('alice')
        .begin('INVITE', 'bob', SDP)
        .expect(200, { dialog: true, provisional: true })
        .acknowledge()
        .mark('talks')
        .pause(10_000)
        .bye(),
    );
    await alice.reached('talks');
    await everyone(people.calls(isRefused(people, 'bob', 486, 'dave'), 'dave'));
    await everyone(alice, callee);
    await server.user('waiting', 'bob', 'off');
  });

  test('somebody of the group picks up what rings, and nobody else can', async (people) => {
    const bob = rings(people, { has: [['Reason', 'cause=200']] });
    const callee = await people.answers('bob', bob);
    const alice = people.calls(
      people
        .dialog('alice')
        .begin('INVITE', 'bob', SDP)
        .expect(200, { dialog: true, provisional: true })
        .acknowledge()
        .hungUp(),
    );
    await callee.reached('rings');
    await everyone(people.calls(isRefused(people, '*8bob', 404, 'dave'), 'dave'));
    await everyone(people.calls(calls(people, '*8bob', 'carol'), 'carol'), alice, callee);
  });

  test('a call is parked by a transfer, and somebody of the group goes on with it', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(200, SDP)
      .receive('ACK')
      .send('REFER', { headers: ['Refer-To: <sip:*68@[remote_ip]>'] })
      .expect(202)
      .receive('NOTIFY', { has: [['body', 'SIP/2.0 100']] })
      .respond(200)
      .receive('NOTIFY', { has: [['body', 'SIP/2.0 200']] })
      .respond(200)
      .hungUp();
    const callee = await people.answers('bob', bob);
    const alice = people.calls(
      people
        .dialog('alice')
        .begin('INVITE', 'bob', SDP)
        .expect(200, { dialog: true, provisional: true })
        .acknowledge()
        .receive('INVITE', OFFERED)
        .respond(200, SDP)
        .receive('ACK')
        .receive('INVITE', OFFERED)
        .respond(200, SDP)
        .receive('ACK')
        .hungUp(),
    );
    await callee.succeeded();
    await everyone(people.calls(calls(people, '*8bob', 'carol'), 'carol'), alice);
  });
});
