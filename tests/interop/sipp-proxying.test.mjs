// What is no call and goes on to the telephones of a user, with sipp for every telephone, over UDP and over TCP.
import { device } from './harness/sipp-calls.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const asks = (people, method, options = {}) => people.dialog('alice').begin(method, 'bob', options);

overUdpAndTcp({}, (test) => {
  for (const method of ['OPTIONS', 'INFO', 'SCAN']) {
    test(`${method} reaches a user, and the answer comes back`, async (people) => {
      const bob = people
        .dialog('bob')
        .receive(method, {
          has: [
            ['From', 'sip:alice@'],
            ['Max-Forwards', '^ *69$'],
            ['X-Question', 'how are you'],
          ],
          lacks: [['Proxy-Authorization', 'Digest']],
        })
        .respond(200, { headers: ['X-Answer: well'] });
      const callee = await people.answers('bob', bob);
      const alice = asks(people, method, { headers: ['X-Question: how are you'] }).expect(200, {
        has: [['X-Answer', 'well']],
      });
      await everyone(people.calls(alice), callee);
    });
  }

  for (const [what, statuses, wanted] of [
    ['a success before a refusal', [486, 200], 200],
    ['a refusal for good before any other', [486, 603], 603],
    ['the lowest class of refusals', [500, 404], 404],
  ]) {
    test(`the best answer of several devices comes back: ${what}`, async (people) => {
      const answers = (status, wait) => people.dialog('bob').receive('INFO').pause(wait).respond(status);
      const callees = [
        await people.answers('bob', answers(statuses[0], 1), device(1)),
        await people.answers('bob', answers(statuses[1], 300), device(2)),
      ];
      await everyone(people.calls(asks(people, 'INFO').expect(wanted, { provisional: true })), ...callees);
    });
  }

  test("the challenge of a telephone is nobody's to answer", async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INFO')
      .respond(401, { headers: ['WWW-Authenticate: Digest realm="desk", nonce="1", algorithm=MD5'] });
    const callee = await people.answers('bob', bob);
    const alice = asks(people, 'INFO').expect(403, {
      lacks: [
        ['WWW-Authenticate', 'Digest'],
        ['Proxy-Authenticate', 'Digest'],
      ],
    });
    await everyone(people.calls(alice), callee);
  });

  test('where a telephone sends on to is told, and not followed', async (people) => {
    const bob = people
      .dialog('bob')
      .receive('INFO')
      .respond(302, { headers: ['Contact: <sip:elsewhere@192.0.2.99>'], contact: false });
    const callee = await people.answers('bob', bob);
    const alice = asks(people, 'INFO').expect(302, { has: [['Contact', 'sip:elsewhere@192.0.2.99']] });
    await everyone(people.calls(alice), callee);
  });

  test('what may go no further, or needs what nobody has, is refused', async (people) => {
    const callee = await people.answers('bob', people.dialog('bob').receive('INFO'));
    await everyone(
      people.calls(asks(people, 'INFO', { hops: 0 }).expect(483), 'no-hops'),
      people.calls(
        asks(people, 'INFO', { headers: ['Proxy-Require: magic'] }).expect(420, {
          has: [['Unsupported', 'magic']],
        }),
        'proxy-require',
      ),
    );
    await callee.stop();
  });

  test('a user who is not there, and one who does not exist', async (people) => {
    await people.signOut('bob');
    await everyone(
      people.calls(asks(people, 'INFO').expect(480), 'away'),
      people.calls(people.dialog('alice').begin('INFO', 'nobody').expect(404), 'nobody'),
    );
  });
});
