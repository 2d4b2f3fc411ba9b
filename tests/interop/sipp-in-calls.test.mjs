// What happens within calls between telephones that sipp plays, over UDP and over TCP: hold, offers that meet, UPDATE,
// transfers and calls that another telephone takes over.
import { audio } from './harness/sipp-dialog.mjs';
import {
  SDP,
  direction,
  isOffered,
  isRefused,
  offers,
  refers,
  refuses,
  takes,
  talks,
  tells,
} from './harness/sipp-calls.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

/** A hold of the caller in one offer, and that it is one. */
const HOLD = { version: 2, direction: 'sendonly' };
const HELD = { version: 2, direction: 'recvonly' };

overUdpAndTcp({}, (test) => {
  for (const [form, offered, answered, wanted] of [
    ['sendonly', { direction: 'sendonly' }, 'recvonly', 'sendonly'],
    ['inactive', { direction: 'inactive' }, 'inactive', 'inactive'],
    ['the address 0.0.0.0', { at: '0.0.0.0' }, 'recvonly', '(sendonly|inactive)'],
  ]) {
    for (const holder of ['caller', 'callee']) {
      test(`hold by ${form} reaches the other side, and so does its end, by the ${holder}`, async (people) => {
        const holds = (dialog) => {
          offers(dialog, { ...offered, version: 2 }, direction('(recvonly|inactive)'));
          return offers(dialog, { version: 3 }, direction('sendrecv'));
        };
        const isHeld = (dialog) => {
          isOffered(dialog, direction(wanted), { direction: answered, version: 2 });
          return isOffered(dialog, direction('sendrecv'), { version: 3 });
        };
        const [byAlice, byBob] = holder === 'caller' ? [holds, isHeld] : [isHeld, holds];
        await people.meet(byAlice(talks(people)).pause(100).bye(), { bob: byBob(takes(people)).hungUp() });
      });
    }
  }

  test('an offer that meets another one is a 491', async (people) => {
    const bob = takes(people)
      .receive('INVITE')
      .send('INVITE', { body: audio({ version: 2 }) })
      .expect(491)
      .acknowledgeRefusal()
      .respond(200, { to: 'INVITE', body: audio(HELD) })
      .receive('ACK')
      .hungUp();
    const alice = offers(talks(people), HOLD, direction('recvonly')).pause(100).bye();
    await people.meet(alice, { bob });
  });

  test('what meets a 491 of the other side is offered there again, and who offered hears of the end alone', async (people) => {
    const bob = takes(people)
      .receive('INVITE', { has: direction('sendonly') })
      .respond(491)
      .receive('ACK');
    await people.meet(offers(talks(people), HOLD, direction('recvonly')).pause(100).bye(), {
      bob: isOffered(bob, direction('sendonly'), HELD).hungUp(),
    });
  });

  test('an UPDATE with an offer goes on as a re-INVITE', async (people) => {
    const alice = talks(people, { has: [['Allow', 'UPDATE']] })
      .send('UPDATE', { body: audio(HOLD) })
      .expect(200, { has: direction('recvonly') })
      .pause(100)
      .bye();
    await people.meet(alice, { bob: isOffered(takes(people), direction('sendonly'), HELD).hungUp() });
  });

  /** Carol takes a call, and is hung up on. */
  const target = (people, invite) => takes(people, { user: 'carol', rings: false, invite }).hungUp();
  /** Is offered the session of somebody else. */
  const isHandedOn = (dialog) => isOffered(dialog, direction('sendrecv'));
  const TO_CAROL = '<sip:carol@[remote_ip]>';

  for (const referrer of ['caller', 'callee']) {
    test(`a blind transfer by the ${referrer}`, async (people) => {
      const name = referrer === 'caller' ? 'alice' : 'bob';
      const carol = target(people, { has: [['Referred-By', `sip:${name}@`]] });
      const [alice, bob] =
        referrer === 'caller'
          ? [refers(talks(people), TO_CAROL), isHandedOn(takes(people)).pause(200).bye()]
          : [isHandedOn(talks(people)).pause(200).bye(), refers(takes(people), TO_CAROL)];
      await people.meet(alice, { carol, bob });
    });
  }

  test('a transfer to somebody who is busy fails, and the call goes on', async (people) => {
    const alice = talks(people)
      .send('REFER', { headers: [`Refer-To: ${TO_CAROL}`] })
      .expect(202)
      .receive('NOTIFY', tells(100))
      .respond(200)
      .receive('NOTIFY', tells(486))
      .respond(200)
      .bye();
    await people.meet(alice, {
      carol: refuses(people, 486, { user: 'carol' }),
      bob: takes(people).hungUp(),
    });
  });

  test('a transfer goes on when who has asked for it hangs up at once', async (people) => {
    const alice = talks(people)
      .send('REFER', { headers: [`Refer-To: ${TO_CAROL}`] })
      .expect(202)
      .receive('NOTIFY', tells(100))
      .send('BYE')
      .expect(200);
    await people.meet(alice, {
      carol: takes(people, { user: 'carol', rings: false, after: 500 }).hungUp(),
      bob: isHandedOn(takes(people)).pause(200).bye(),
    });
  });

  test('a key that is told by INFO reaches the other side, and its answer comes back', async (people) => {
    const key = { type: 'application/dtmf-relay', text: 'Signal=5\nDuration=160' };
    const bob = takes(people)
      .receive('INFO', {
        has: [
          ['Content-Type', 'application/dtmf-relay'],
          ['body', 'Signal=5'],
        ],
      })
      .respond(200)
      .hungUp();
    await people.meet(talks(people).send('INFO', { body: key }).expect(200).bye(), { bob });
  });

  /** Alice talks to Carol first, and the mark tells what names that dialog. */
  const consults = (people) => talks(people, { callee: 'carol' }).markReplaces('replaces').hungUp();

  test('an attended transfer joins the two calls of who asks for it', async (people) => {
    // What Carol has agreed on suits Bob, so that nothing is offered to her.
    const callees = [
      await people.answers('carol', target(people)),
      await people.answers('bob', isHandedOn(takes(people)).pause(200).bye()),
    ];
    const consult = people.calls(consults(people), 'alice-consults');
    const replaces = encodeURIComponent(await consult.reached('replaces'));
    const alice = refers(talks(people), `<sip:carol@[remote_ip]?Replaces=${replaces}>`);
    await everyone(people.calls(alice), consult, ...callees);
  });

  test('an INVITE with Replaces goes on with the call at another telephone', async (people) => {
    const carol = isHandedOn(takes(people, { user: 'carol', rings: false })).hungUp();
    const callee = await people.answers('carol', carol);
    const first = people.calls(consults(people), 'alice-first');
    const headers = [`Replaces: ${await first.reached('replaces')}`];
    const second = talks(people, { callee: 'carol', headers }).pause(300).bye();
    await everyone(people.calls(second, 'alice-second'), first, callee);
  });

  /** Alice talks to Carol until `during` is over, which is told what names that dialog. */
  const whileTheyTalk = async (people, during) => {
    const carol = takes(people, { user: 'carol', rings: false }).prompted().bye();
    const callee = await people.answers('carol', carol);
    const alice = people.calls(consults(people), 'alice-talks');
    await during(await alice.reached('replaces'));
    await callee.prompt();
    await everyone(alice, callee);
  };

  test('an INVITE with Join makes a conference of a call, which nobody is left alone in', async (people) => {
    const carol = isHandedOn(takes(people, { user: 'carol', rings: false })).hungUp();
    const callee = await people.answers('carol', carol);
    const alice = isHandedOn(talks(people, { callee: 'carol' }).markReplaces('dialog'));
    const first = people.calls(alice.pause(300).bye(), 'alice-first');
    const headers = [`Join: ${await first.reached('dialog')}`, 'Require: join'];
    const second = talks(people, { callee: 'carol', headers }).pause(600).bye();
    await everyone(people.calls(second, 'alice-second'), first, callee);
  });

  test("an INVITE with Join for a call that is somebody else's, or none, is refused", (people) =>
    whileTheyTalk(people, (dialog) => {
      const asks = (user, status, value) =>
        people.calls(isRefused(people, 'carol', status, { user, headers: [`Join: ${value}`] }));
      return everyone(asks('dave', 403, dialog), asks('alice', 481, 'no-such;to-tag=1;from-tag=2'));
    }));

  test("an INVITE with Replaces for a call that is somebody else's, or none, is refused", (people) =>
    whileTheyTalk(people, (replaces) => {
      const asks = (user, status, value) =>
        people.calls(isRefused(people, 'carol', status, { user, headers: [`Replaces: ${value}`] }));
      return everyone(asks('dave', 403, replaces), asks('alice', 481, 'no-such;to-tag=1;from-tag=2'));
    }));
});
