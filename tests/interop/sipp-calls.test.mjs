// How calls between telephones begin, with sipp for every telephone, each message insisted on, over UDP and over TCP.
import assert from 'node:assert/strict';

import { audio } from './harness/sipp-dialog.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const SDP = { body: audio() };
/** The SDP of ours, which is for the other side. */
const HAS_AUDIO = [['body', 'm=audio [1-9]']];
const REASON_ELSEWHERE = [['Reason', 'SIP.*cause=200']];

/** Two devices of one user. */
const device = (number) => ({
  parameters: `;+sip.instance="<urn:uuid:00000000-0000-4000-8000-00000000000${number}>"`,
  name: `device-${number}`,
});

overUdpAndTcp({}, (test) => {
  test('a call that the callee ends', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE', { has: HAS_AUDIO })
      .respond(180)
      .respond(200, SDP)
      .receive('ACK')
      .pause(100)
      .bye();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(200, { dialog: true, provisional: true, has: HAS_AUDIO })
      .acknowledge()
      .hungUp();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('all devices ring at once, and those that were too late are told so', async (people) => {
    const late = people
      .dialog('bob')
      .receive('INVITE')
      .respond(180)
      .receive('CANCEL', { has: REASON_ELSEWHERE })
      .respond(200)
      .respond(487, { to: 'INVITE' })
      .receive('ACK');
    const first = people
      .dialog('bob')
      .receive('INVITE')
      .respond(180)
      .pause(500)
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(100, { optional: true })
      .expect(180, { keep: { ringing: ['To', 'tag=.*'] } })
      .expect(180, { optional: true })
      .expect(200, { dialog: true, keep: { answered: ['To', 'tag=.*'] } })
      .acknowledge()
      .mark('tags', '[$ringing] [$answered]')
      .pause(100)
      .bye();
    const callees = [
      await people.answers('bob', late, device(1)),
      await people.answers('bob', first, device(2)),
    ];
    const caller = people.calls(alice);
    const [ringing, answered] = (await caller.reached('tags')).split(' ');
    assert.equal(ringing, answered, 'one dialog towards the caller');
    await everyone(caller, ...callees);
  });

  /** A device that plays early media; the first one to be heard is not the one that answers. */
  const plays = (people, version, wait = 1) =>
    people
      .dialog('bob')
      .receive('INVITE')
      .pause(wait)
      .respond(183, { body: audio({ version }) });

  for (const [what, headers, early, prack] of [
    ['one that knows 100rel hears the first', ['Supported: 100rel'], 183, (dialog) => dialog.prack('rseq')],
    ['one that does not know 100rel hears that it rings', [], 180, (dialog) => dialog],
  ]) {
    test(`of the early media of several devices, in one dialog, ${what}`, async (people) => {
      const late = plays(people, 1)
        .receive('CANCEL', { has: REASON_ELSEWHERE })
        .respond(200)
        .respond(487, { to: 'INVITE' })
        .receive('ACK');
      // sipp takes nothing while it has something to send: the PRACK of the first goes out before.
      const first = plays(people, 2, 1_000).pause(700).respond(200, SDP).receive('ACK').hungUp();
      const ringing = early === 183 ? { has: HAS_AUDIO, keep: { rseq: ['RSeq', '[0-9]+'] } } : {};
      const keep = { early: ['To', 'tag=.*'], ...ringing.keep };
      const alice = people
        .dialog('alice')
        .begin('INVITE', 'bob', { ...SDP, headers })
        .expect(100, { optional: true })
        .expect(early, { ...ringing, dialog: true, keep });
      const caller = prack(alice)
        .expect(180, { optional: true })
        .expect(200, { dialog: true, has: HAS_AUDIO, keep: { answered: ['To', 'tag=.*'] } })
        .acknowledge()
        .mark('tags', '[$early] [$answered]')
        .pause(100)
        .bye();
      const callees = [
        await people.answers('bob', late, device(1)),
        await people.answers('bob', first, device(2)),
      ];
      const played = people.calls(caller);
      const [before, after] = (await played.reached('tags')).split(' ');
      assert.equal(before, after, 'one dialog towards the caller');
      await everyone(played, ...callees);
    });
  }

  test('a caller that offers nothing is offered something, and answers in its ACK', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE', { has: HAS_AUDIO })
      .respond(180)
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob')
      .expect(200, { dialog: true, provisional: true, has: HAS_AUDIO })
      .acknowledge(SDP)
      .pause(100)
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a caller that requires 100rel has it on its leg, whatever the callee knows', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE', { lacks: [['Require', '100rel']] })
      .respond(180)
      .pause(500)
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', { ...SDP, headers: ['Require: 100rel'] })
      .expect(100, { optional: true })
      .expect(180, { dialog: true, has: [['Require', '100rel']], keep: { rseq: ['RSeq', '[0-9]+'] } })
      .prack('rseq')
      .expect(200, { dialog: true, has: HAS_AUDIO })
      .acknowledge()
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a callee that rings reliably has its PRACK, whatever the caller knows', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE', { has: [['Supported', '100rel']] })
      .respond(183, { ...SDP, headers: ['Require: 100rel', 'RSeq: 100'] })
      .receive('PRACK', { has: [['RAck', '100 1 INVITE']] })
      .respond(200)
      .pause(100)
      .respond(200, { to: 'INVITE' })
      .receive('ACK')
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(100, { optional: true })
      .expect(183, { has: HAS_AUDIO, lacks: [['Require', '100rel']] })
      .expect(200, { dialog: true, has: HAS_AUDIO })
      .acknowledge()
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('the reason that a caller gives when it gives up reaches the callee', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(180)
      .receive('CANCEL', { has: [['Reason', 'Q.850.*cause=16']] })
      .respond(200)
      .respond(487, { to: 'INVITE' })
      .receive('ACK');
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(100, { optional: true })
      .expect(180)
      .cancel({ headers: ['Reason: Q.850;cause=16;text="Changed my mind"'] })
      .expect(200, { has: [['CSeq', 'CANCEL']] })
      .expect(487, { has: [['CSeq', 'INVITE']] })
      .acknowledgeRefusal();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a caller that asks for privacy is nobody to the callee', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE', {
        has: [['From', 'Anonymous.*sip:anonymous@anonymous.invalid']],
        lacks: [
          ['P-Asserted-Identity', 'alice'],
          ['Contact', 'alice'],
          ['body', 'alice'],
        ],
      })
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', { ...SDP, headers: ['Privacy: id'] })
      .expect(200, { dialog: true, provisional: true })
      .acknowledge()
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });
});

overUdpAndTcp({ config: ['[[headers]]', 'peer = "users"', 'assert_identity = true'] }, (test) => {
  test('who calls is asserted where that is set, and what a caller asserts itself is not believed', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE', {
        has: [['P-Asserted-Identity', '<sip:alice@']],
        lacks: [['P-Asserted-Identity', 'carol']],
      })
      .respond(486)
      .receive('ACK');
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', { ...SDP, headers: ['P-Asserted-Identity: <sip:carol@[remote_ip]>'] })
      .expect(486, { provisional: true })
      .acknowledgeRefusal();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });
});

overUdpAndTcp({ set: ['limits.fork_seconds=1', 'limits.ring_seconds=3'] }, (test) => {
  test('a contact of a lower q rings when the one before has not answered', async (people) => {
    const first = people
      .dialog('bob')
      .receive('INVITE', { has: HAS_AUDIO })
      .respond(180)
      .receive('CANCEL')
      .respond(200)
      .respond(487, { to: 'INVITE' })
      .receive('ACK');
    const second = people
      .dialog('bob')
      .receive('INVITE')
      .respond(180)
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(100, { optional: true })
      .expect(180)
      .expect(180, { optional: true })
      .expect(200, { dialog: true })
      .acknowledge()
      .bye();
    const low = await people.answers('bob', second, { ...device(2), parameters: ';q=0.3' });
    const high = await people.answers('bob', first, { ...device(1), parameters: ';q=0.9' });
    await everyone(people.calls(alice), low, high);
  });

  test('a call that nobody takes ends with 408 when its time is over', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INVITE')
      .respond(180)
      .receive('CANCEL')
      .respond(200)
      .respond(487, { to: 'INVITE' })
      .receive('ACK');
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(100, { optional: true })
      .expect(180)
      .expect(408, { has: [['CSeq', 'INVITE']] })
      .acknowledgeRefusal();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });
});
