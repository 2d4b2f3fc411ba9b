// How calls between telephones begin, with sipp for every telephone, each message insisted on, over UDP and over TCP.
import assert from 'node:assert/strict';

import { audio } from './harness/sipp-dialog.mjs';
import {
  HAS_AUDIO,
  SDP,
  device,
  isCancelled,
  isRefused,
  refuses,
  rings,
  takes,
  talks,
} from './harness/sipp-calls.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const ELSEWHERE = { has: [['Reason', 'SIP.*cause=200']] };
const WITH_AUDIO = { has: HAS_AUDIO };

/** Alice calls Bob, and is told that his telephone rings. */
const isRinging = (people, { keep } = {}) =>
  people.dialog('alice').begin('INVITE', 'bob', SDP).expect(100, { optional: true }).expect(180, { keep });

/** Registers the devices of Bob, in the order of their numbers. */
const answerAt = async (people, ...dialogs) => {
  const played = [];
  for (const [i, dialog] of dialogs.entries())
    played.push(await people.answers('bob', dialog, device(i + 1)));
  return played;
};

/** Plays a caller whose mark `tags` tells the To tags of what came before the answer and of the answer. */
const inOneDialog = async (people, caller, callees) => {
  const played = people.calls(caller);
  const [before, after] = (await played.reached('tags')).split(' ');
  assert.equal(before, after, 'one dialog towards the caller');
  await everyone(played, ...callees);
};

overUdpAndTcp({}, (test) => {
  test('a call that the callee ends', (people) =>
    people.meet(talks(people, WITH_AUDIO).hungUp(), {
      bob: takes(people, { invite: WITH_AUDIO }).pause(100).bye(),
    }));

  test('all devices ring at once, and those that were too late are told so', async (people) => {
    const alice = isRinging(people, { keep: { ringing: ['To', 'tag=.*'] } })
      .expect(180, { optional: true })
      .expect(200, { dialog: true, keep: { answered: ['To', 'tag=.*'] } })
      .acknowledge()
      .mark('tags', '[$ringing] [$answered]')
      .pause(100)
      .bye();
    const devices = [rings(people, ELSEWHERE), takes(people, { after: 500 }).hungUp()];
    await inOneDialog(people, alice, await answerAt(people, ...devices));
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
      // sipp takes nothing while it has something to send: the PRACK of the first goes out before.
      const first = plays(people, 2, 1_000).pause(700).respond(200, SDP).receive('ACK').hungUp();
      const ringing = early === 183 ? { ...WITH_AUDIO, keep: { rseq: ['RSeq', '[0-9]+'] } } : {};
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
      await inOneDialog(
        people,
        caller,
        await answerAt(people, isCancelled(plays(people, 1), ELSEWHERE), first),
      );
    });
  }

  test('a caller that offers nothing is offered something, and answers in its ACK', (people) => {
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob')
      .expect(200, { dialog: true, provisional: true, has: HAS_AUDIO })
      .acknowledge(SDP)
      .pause(100)
      .bye();
    return people.meet(alice, { bob: takes(people, { invite: WITH_AUDIO }).hungUp() });
  });

  test('a caller that requires 100rel has it on its leg, whatever the callee knows', (people) => {
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', { ...SDP, headers: ['Require: 100rel'] })
      .expect(100, { optional: true })
      .expect(180, { dialog: true, has: [['Require', '100rel']], keep: { rseq: ['RSeq', '[0-9]+'] } })
      .prack('rseq')
      .expect(200, { dialog: true, has: HAS_AUDIO })
      .acknowledge()
      .bye();
    const bob = takes(people, { invite: { lacks: [['Require', '100rel']] }, after: 500 }).hungUp();
    return people.meet(alice, { bob });
  });

  test('a callee that rings reliably has its PRACK, whatever the caller knows', (people) => {
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
    return people.meet(alice, { bob });
  });

  test('the reason that a caller gives when it gives up reaches the callee', (people) => {
    const alice = isRinging(people)
      .cancel({ headers: ['Reason: Q.850;cause=16;text="Changed my mind"'] })
      .expect(200, { has: [['CSeq', 'CANCEL']] })
      .expect(487, { has: [['CSeq', 'INVITE']] })
      .acknowledgeRefusal();
    return people.meet(alice, { bob: rings(people, { has: [['Reason', 'Q.850.*cause=16']] }) });
  });

  test('a caller that asks for privacy is nobody to the callee', (people) => {
    const invite = {
      has: [['From', 'Anonymous.*sip:anonymous@anonymous.invalid']],
      lacks: [
        ['P-Asserted-Identity', 'alice'],
        ['Contact', 'alice'],
        ['body', 'alice'],
      ],
    };
    return people.meet(talks(people, { headers: ['Privacy: id'] }).bye(), {
      bob: takes(people, { rings: false, invite }).hungUp(),
    });
  });
});

overUdpAndTcp({ config: ['[[headers]]', 'peer = "users"', 'assert_identity = true'] }, (test) => {
  test('who calls is asserted where that is set, and what a caller asserts itself is not believed', (people) => {
    const invite = {
      has: [['P-Asserted-Identity', '<sip:alice@']],
      lacks: [['P-Asserted-Identity', 'carol']],
    };
    const headers = ['P-Asserted-Identity: <sip:carol@[remote_ip]>'];
    return people.meet(isRefused(people, 'bob', 486, { headers }), { bob: refuses(people, 486, { invite }) });
  });
});

overUdpAndTcp({ set: ['limits.fork_seconds=1', 'limits.ring_seconds=3'] }, (test) => {
  test('a contact of a lower q rings when the one before has not answered', async (people) => {
    const alice = isRinging(people)
      .expect(180, { optional: true })
      .expect(200, { dialog: true })
      .acknowledge()
      .bye();
    const low = await people.answers('bob', takes(people).hungUp(), device(2, ';q=0.3'));
    const high = await people.answers('bob', rings(people, {}, { invite: WITH_AUDIO }), device(1, ';q=0.9'));
    await everyone(people.calls(alice), low, high);
  });

  test('a call that nobody takes ends with 408 when its time is over', (people) => {
    const alice = isRinging(people)
      .expect(408, { has: [['CSeq', 'INVITE']] })
      .acknowledgeRefusal();
    return people.meet(alice, { bob: rings(people) });
  });
});
