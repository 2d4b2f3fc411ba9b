// What happens within calls between telephones that sipp plays, over UDP and over TCP: hold, offers that meet, UPDATE,
// session timers, transfers and calls that another telephone takes over.
import { audio } from './harness/sipp-dialog.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const SDP = { body: audio() };
const direction = (word) => [['body', `a=${word}`]];

/** Bob takes a call. */
const takes = (people, options = {}) =>
  people
    .dialog('bob')
    .receive('INVITE')
    .respond(180)
    .respond(200, { ...SDP, ...options })
    .receive('ACK');

/** Alice has called, and it is answered. */
const talks = (people, { callee = 'bob', headers = [], ...options } = {}) =>
  people
    .dialog('alice')
    .begin('INVITE', callee, { ...SDP, headers })
    .expect(200, { dialog: true, provisional: true, ...options })
    .acknowledge();

overUdpAndTcp({}, (test) => {
  for (const [form, offered, answered, wanted] of [
    ['sendonly', { direction: 'sendonly' }, 'recvonly', 'sendonly'],
    ['inactive', { direction: 'inactive' }, 'inactive', 'inactive'],
    ['the address 0.0.0.0', { at: '0.0.0.0' }, 'recvonly', '(sendonly|inactive)'],
  ]) {
    for (const holder of ['caller', 'callee']) {
      test(`hold by ${form} reaches the other side, and so does its end, by the ${holder}`, async (people) => {
        const holds = (dialog) =>
          dialog
            .send('INVITE', { body: audio({ ...offered, version: 2 }) })
            .expect(200, { provisional: true, has: direction('(recvonly|inactive)') })
            .acknowledge()
            .send('INVITE', { body: audio({ version: 3 }) })
            .expect(200, { provisional: true, has: direction('sendrecv') })
            .acknowledge();
        const isHeld = (dialog) =>
          dialog
            .receive('INVITE', { has: direction(wanted) })
            .respond(200, { body: audio({ direction: answered, version: 2 }) })
            .receive('ACK')
            .receive('INVITE', { has: direction('sendrecv') })
            .respond(200, { body: audio({ version: 3 }) })
            .receive('ACK');
        const [byAlice, byBob] = holder === 'caller' ? [holds, isHeld] : [isHeld, holds];
        const alice = byAlice(talks(people)).pause(100).bye();
        const bob = byBob(takes(people)).hungUp();
        const callee = await people.answers('bob', bob);
        await everyone(people.calls(alice), callee);
      });
    }
  }

  test('an offer that meets another one is a 491', async (people) => {
    const bob = takes(people)
      .receive('INVITE')
      .send('INVITE', { body: audio({ version: 2 }) })
      .expect(491)
      .acknowledgeRefusal()
      .respond(200, { to: 'INVITE', body: audio({ version: 2, direction: 'recvonly' }) })
      .receive('ACK')
      .hungUp();
    const alice = talks(people)
      .send('INVITE', { body: audio({ version: 2, direction: 'sendonly' }) })
      .expect(200, { provisional: true, has: direction('recvonly') })
      .acknowledge()
      .pause(100)
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a 491 of the other side comes back to who offered, who offers again', async (people) => {
    const bob = takes(people)
      .receive('INVITE', { has: direction('sendonly') })
      .respond(491)
      .receive('ACK')
      .receive('INVITE', { has: direction('sendonly') })
      .respond(200, { body: audio({ version: 2, direction: 'recvonly' }) })
      .receive('ACK')
      .hungUp();
    const hold = { body: audio({ version: 2, direction: 'sendonly' }) };
    const alice = talks(people)
      .send('INVITE', hold)
      .expect(491, { provisional: true })
      .acknowledgeRefusal()
      .send('INVITE', hold)
      .expect(200, { provisional: true, has: direction('recvonly') })
      .acknowledge()
      .pause(100)
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('an UPDATE with an offer goes on as a re-INVITE', async (people) => {
    const bob = takes(people)
      .receive('INVITE', { has: direction('sendonly') })
      .respond(200, { body: audio({ version: 2, direction: 'recvonly' }) })
      .receive('ACK')
      .hungUp();
    const alice = talks(people, { has: [['Allow', 'UPDATE']] })
      .send('UPDATE', { body: audio({ version: 2, direction: 'sendonly' }) })
      .expect(200, { has: direction('recvonly') })
      .pause(100)
      .bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('an UPDATE without one refreshes the session of its leg alone', async (people) => {
    const alice = talks(people, {
      headers: ['Supported: timer', 'Session-Expires: 90;refresher=uac'],
      has: [
        ['Session-Expires', '90;refresher=uac'],
        ['Require', 'timer'],
      ],
    })
      .send('UPDATE', { headers: ['Supported: timer', 'Session-Expires: 90;refresher=uac'] })
      .expect(200, { has: [['Session-Expires', '90;refresher=uac']] })
      .bye();
    const bob = people
      .dialog('bob')
      .receive('INVITE', { lacks: [['Session-Expires', '[0-9]']] })
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a refresh by the exchange is made again after a 491, and with the longer interval of a 422', async (people) => {
    const refresh = (seconds, more = []) => ({
      has: [['Session-Expires', `${seconds};refresher=uac`], ...more],
    });
    const bob = takes(people, { headers: ['Require: timer', 'Session-Expires: 30;refresher=uac'] })
      .receive('INVITE', refresh(30))
      .respond(491)
      .receive('ACK')
      .receive('INVITE', refresh(30))
      .respond(422, { headers: ['Min-SE: 32'] })
      .receive('ACK')
      .receive('INVITE', refresh(32, [['Min-SE', '32']]))
      .respond(200, { body: audio(), headers: ['Require: timer', 'Session-Expires: 32;refresher=uac'] })
      .receive('ACK')
      .pause(100)
      .bye();
    const alice = talks(people).hungUp();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  test('a call whose caller stops refreshing ends, on both sides', async (people) => {
    const alice = talks(people, {
      headers: ['Supported: timer', 'Session-Expires: 30;refresher=uac'],
      has: [['Session-Expires', '30;refresher=uac']],
    }).hungUp();
    const bob = takes(people).hungUp();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  /** Carol takes a call, and is hung up on. */
  const target = (people, options) =>
    people.dialog('carol').receive('INVITE', options).respond(200, SDP).receive('ACK').hungUp();
  const tells = (status) => ({
    has: [
      ['Event', 'refer'],
      ['body', `SIP/2.0 ${status}`],
    ],
  });
  const told = (dialog) =>
    dialog
      .receive('NOTIFY', { has: [...tells(100).has, ['Subscription-State', 'active']] })
      .respond(200)
      .receive('NOTIFY', { has: [...tells(200).has, ['Subscription-State', 'terminated']] })
      .respond(200)
      .hungUp();
  const refers = (dialog, to) => told(dialog.send('REFER', { headers: [`Refer-To: ${to}`] }).expect(202));
  /** Is offered the session of somebody else. */
  const isHandedOn = (dialog) =>
    dialog
      .receive('INVITE', { has: direction('sendrecv') })
      .respond(200, SDP)
      .receive('ACK');
  const TO_CAROL = '<sip:carol@[remote_ip]>';

  for (const referrer of ['caller', 'callee']) {
    test(`a blind transfer by the ${referrer}`, async (people) => {
      const name = referrer === 'caller' ? 'alice' : 'bob';
      const carol = target(people, { has: [['Referred-By', `sip:${name}@`]] });
      const [alice, bob] =
        referrer === 'caller'
          ? [refers(talks(people), TO_CAROL), isHandedOn(takes(people)).pause(200).bye()]
          : [isHandedOn(talks(people)).pause(200).bye(), refers(takes(people), TO_CAROL)];
      const callees = [await people.answers('carol', carol), await people.answers('bob', bob)];
      await everyone(people.calls(alice), ...callees);
    });
  }

  test('a transfer to somebody who is busy fails, and the call goes on', async (people) => {
    const carol = people.dialog('carol').receive('INVITE').respond(486).receive('ACK');
    const bob = takes(people).hungUp();
    const alice = talks(people)
      .send('REFER', { headers: [`Refer-To: ${TO_CAROL}`] })
      .expect(202)
      .receive('NOTIFY', tells(100))
      .respond(200)
      .receive('NOTIFY', tells(486))
      .respond(200)
      .bye();
    const callees = [await people.answers('carol', carol), await people.answers('bob', bob)];
    await everyone(people.calls(alice), ...callees);
  });

  test('a transfer goes on when who has asked for it hangs up at once', async (people) => {
    const carol = people
      .dialog('carol')
      .receive('INVITE')
      .pause(500)
      .respond(200, SDP)
      .receive('ACK')
      .hungUp();
    const bob = isHandedOn(takes(people)).pause(200).bye();
    const alice = talks(people)
      .send('REFER', { headers: [`Refer-To: ${TO_CAROL}`] })
      .expect(202)
      .receive('NOTIFY', tells(100))
      .send('BYE')
      .expect(200);
    const callees = [await people.answers('carol', carol), await people.answers('bob', bob)];
    await everyone(people.calls(alice), ...callees);
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
    const alice = talks(people).send('INFO', { body: key }).expect(200).bye();
    const callee = await people.answers('bob', bob);
    await everyone(people.calls(alice), callee);
  });

  /** Alice talks to Carol first, and the mark tells what names that dialog. */
  const consults = (people) => talks(people, { callee: 'carol' }).markReplaces('replaces');

  test('an attended transfer joins the two calls of who asks for it', async (people) => {
    // What Carol has agreed on suits Bob, so that nothing is offered to her.
    const carol = target(people);
    const bob = isHandedOn(takes(people)).pause(200).bye();
    const callees = [await people.answers('carol', carol), await people.answers('bob', bob)];
    const consult = people.calls(consults(people).hungUp(), 'alice-consults');
    const replaces = encodeURIComponent(await consult.reached('replaces'));
    const alice = refers(talks(people), `<sip:carol@[remote_ip]?Replaces=${replaces}>`);
    await everyone(people.calls(alice), consult, ...callees);
  });

  test('an INVITE with Replaces goes on with the call at another telephone', async (people) => {
    const carol = isHandedOn(
      people.dialog('carol').receive('INVITE').respond(200, SDP).receive('ACK'),
    ).hungUp();
    const callee = await people.answers('carol', carol);
    const first = people.calls(consults(people).hungUp(), 'alice-first');
    const headers = [`Replaces: ${await first.reached('replaces')}`];
    const second = talks(people, { callee: 'carol', headers }).pause(300).bye();
    await everyone(people.calls(second, 'alice-second'), first, callee);
  });

  test('an INVITE with Join is refused as long as calls have two sides', async (people) => {
    const carol = people.dialog('carol').receive('INVITE').respond(200, SDP).receive('ACK').hungUp();
    const callee = await people.answers('carol', carol);
    const alice = people.calls(consults(people).pause(10_000).bye(), 'alice-talks');
    const joins = people
      .dialog('alice')
      .begin('INVITE', 'carol', { ...SDP, headers: [`Join: ${await alice.reached('replaces')}`] })
      .expect(488, { provisional: true })
      .acknowledgeRefusal();
    await everyone(people.calls(joins, 'alice-joins'));
    await everyone(alice, callee);
  });

  test("an INVITE with Replaces for a call that is somebody else's, or none, is refused", async (people) => {
    const carol = people.dialog('carol').receive('INVITE').respond(200, SDP).receive('ACK').hungUp();
    const callee = await people.answers('carol', carol);
    const alice = people.calls(consults(people).pause(10_000).bye(), 'alice-talks');
    const replaces = await alice.reached('replaces');
    const asks = (user, value) =>
      people
        .dialog(user)
        .begin('INVITE', 'carol', { ...SDP, headers: [`Replaces: ${value}`] })
        .expect(user === 'alice' ? 481 : 403, { provisional: true })
        .acknowledgeRefusal();
    await everyone(
      people.calls(asks('dave', replaces)),
      people.calls(asks('alice', 'no-such;to-tag=1;from-tag=2')),
    );
    await everyone(alice, callee);
  });
});
