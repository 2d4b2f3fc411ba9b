// What users have set about their calls, with sipp for every telephone, over UDP and over TCP.
import assert from 'node:assert/strict';

import {
  SDP,
  calls,
  direction,
  isOffered,
  isRefused,
  redirects,
  refers,
  rings,
  takes,
  talks,
} from './harness/sipp-calls.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const groups = { bob: 'sales', carol: 'sales' };

/** Carol is called in place of Bob, is told why, and talks. */
const inPlaceOfBob = (people, { reason, cause }) => {
  const has = [
    ['Diversion', `<sip:bob@[^>]*>.*reason=${reason}`],
    ['History-Info', `sip:bob@.*index=1.*sip:carol@.*cause=${cause}.*index=1\\.1`],
    ['From', 'sip:alice@'],
  ];
  return takes(people, { user: 'carol', invite: { has } }).hungUp();
};

/** Alice is told that her call is sent on, in so many words when somebody has rung. */
const isSentOn = (people, hasRung) => {
  const alice = people.dialog('alice').begin('INVITE', 'bob', SDP);
  for (const early of [100, 180]) alice.expect(early, { optional: true });
  if (hasRung) alice.expect(181);
  return alice.expect(200, { dialog: true, provisional: true }).acknowledge().pause(100).bye();
};

const isBusy = (people) => people.dialog('bob').receive('INVITE').respond(180).respond(486).receive('ACK');

overUdpAndTcp({ groups, set: ['domain=127.0.0.1'] }, (test) => {
  for (const [when, option, code, cancel, bobs, told] of [
    ['always', ['--always', 'carol'], '*72carol', '*73', undefined, { reason: 'unconditional', cause: 302 }],
    ['when busy', ['--busy', 'carol'], '*90carol', '*91', isBusy, { reason: 'user-busy', cause: 486 }],
    [
      'when nobody answers',
      ['--no-answer', 'carol', '--ring', '1'],
      '*92carol',
      '*93',
      (people) => rings(people),
      { reason: 'no-answer', cause: 408 },
    ],
  ]) {
    test(`forwarding ${when}`, async (people, server) => {
      await server.user('forward', 'bob', ...option);
      const played = bobs === undefined ? [] : [await people.answers('bob', bobs(people))];
      played.push(await people.answers('carol', inPlaceOfBob(people, told)));
      await everyone(people.calls(isSentOn(people, bobs !== undefined)), ...played);
      // By its code, and not any more by another.
      const dials = (number) => people.calls(talks(people, { user: 'bob', callee: number }).hungUp());
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

  test('a telephone that redirects sends its caller to another user', (people) =>
    people.meet(isSentOn(people, true), {
      bob: redirects(people, 'carol'),
      carol: inPlaceOfBob(people, { reason: 'deflection', cause: 302 }),
    }));

  test('a telephone that redirects out of the house is not followed', (people) =>
    people.meet(isRefused(people, 'bob', 480), { bob: redirects(people, 'sip:+900123@192.0.2.99') }));

  /** Bob takes a call, without ringing. */
  const answers = (people) => takes(people, { rings: false });

  test('who does not want to be disturbed is not, until told otherwise', async (people, server) => {
    const callee = await people.answers('bob', answers(people).hungUp());
    await server.user('dnd', 'bob', 'on');
    await everyone(people.calls(isRefused(people, 'bob', 480)));
    await server.user('dnd', 'bob', 'off');
    await everyone(people.calls(calls(people, 'bob')), callee);
  });

  test('a call beyond the limit of a user finds it busy', async (people, server) => {
    await server.user('waiting', 'bob', '1');
    const callee = await people.answers('bob', answers(people).prompted().bye());
    const alice = people.calls(talks(people).mark('talks').hungUp());
    await alice.reached('talks');
    await everyone(people.calls(isRefused(people, 'bob', 486, { user: 'dave' }), 'dave'));
    await callee.prompt();
    await everyone(alice, callee);
    await server.user('waiting', 'bob', 'off');
  });

  test('somebody of the group picks up what rings, and nobody else can', async (people) => {
    const callee = await people.answers(
      'bob',
      rings(people, { has: [['Reason', 'cause=200']] }, { tells: true }),
    );
    const alice = people.calls(talks(people).hungUp());
    await callee.reached('rings');
    await everyone(people.calls(isRefused(people, '*8bob', 404, { user: 'dave' }), 'dave'));
    await everyone(people.calls(calls(people, '*8bob', 'carol'), 'carol'), alice, callee);
  });

  test('a call is parked by a transfer, and somebody of the group goes on with it', async (people) => {
    const callee = await people.answers('bob', refers(answers(people), '<sip:*68@[remote_ip]>'));
    // Who is parked is offered the session of the exchange, and then that of who goes on with the call.
    const isParked = isOffered(talks(people), direction('sendrecv'));
    const alice = people.calls(isOffered(isParked, direction('sendrecv')).hungUp());
    await callee.succeeded();
    await everyone(people.calls(calls(people, '*8bob', 'carol'), 'carol'), alice);
  });
});
