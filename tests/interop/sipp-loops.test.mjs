// Requests that would go round for ever, or to too many: circles, hops and breadth (RFC 3261 §16.3, RFC 5393), over UDP
// and over TCP.
import assert from 'node:assert/strict';

import { answerChallenge, openSipClient, write } from './harness/sip-client.mjs';
import { SDP, isRefused, redirects } from './harness/sipp-calls.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';
import { until } from './harness/waiting.mjs';

const header = (message, name) => new RegExp(`^${name}: *(.*?) *$`, 'im').exec(message)?.[1];

/** A telephone of Bob that the test plays itself, and what comes to it. */
async function openBob(server, transport) {
  const phone = await openSipClient(server, transport);
  const heard = phone.hearRequests();
  assert.equal((await phone.register('bob')).status, 200);
  return { phone, heard };
}

const heardBy = ({ heard }, count = 1) =>
  until(`request number ${count} at Bob's`, () => heard[count - 1], { seen: () => heard });

overUdpAndTcp({}, (test, transport) => {
  test('calls that users forward to each other in a circle are a 482', async (people, server) => {
    await server.user('forward', 'bob', '--always', 'carol');
    await server.user('forward', 'carol', '--always', 'bob');
    await everyone(people.calls(isRefused(people, 'bob', 482)));
    for (const user of ['bob', 'carol']) await server.user('forward', user, '--off');
  });

  test('telephones that send a caller round in a circle are a 482', async (people) => {
    await people.meet(isRefused(people, 'bob', 482), {
      bob: redirects(people, 'carol', 'bob'),
      carol: redirects(people, 'bob', 'carol'),
    });
    for (const user of ['bob', 'carol']) await people.signOut(user);
  });

  test('an INVITE that comes by two ways is one call, and a 482', async (people, server) => {
    await people.signOut('bob');
    const bob = await openBob(server, transport);
    const alice = people
      .dialog('alice')
      .begin('INVITE', 'bob', SDP)
      .expect(100, { optional: true })
      .expect(180)
      .mark('rings', '[call_id] [pid]c[call_number]')
      .expect(486)
      .acknowledgeRefusal();
    const caller = people.calls(alice);
    const invite = await heardBy(bob);
    bob.phone.respond(invite, 180);
    const [callId, tag] = (await caller.reached('rings')).split(' ');
    const proxy = await openSipClient(server, transport);
    const via = proxy.via();
    const copy = write(`INVITE ${server.aor('bob')} SIP/2.0`, {
      Via: via,
      'Max-Forwards': 69,
      From: `<${server.aor('alice')}>;tag=${tag}`,
      To: `<${server.aor('bob')}>`,
      'Call-ID': callId,
      CSeq: '2 INVITE',
      Contact: proxy.contact('alice'),
      'Content-Length': 0,
    });
    assert.equal((await proxy.answer(copy, via)).status, 482);
    // The call goes on, and is one call.
    bob.phone.respond(invite, 486);
    await caller.succeeded();
    assert.equal(new Set(bob.heard.map((request) => header(request, 'Call-ID'))).size, 1);
  });

  test('a request that comes back as it went is a 482', async (people, server) => {
    await people.signOut('bob');
    const bob = await openBob(server, transport);
    const alice = await openSipClient(server, transport);
    const asked = alice.request('INFO', 'alice', { to: 'bob' });
    // It is sent on to where it came for, by somebody who may speak for Alice: the circle is closed.
    const request = await heardBy(bob);
    const returns = (more = '') => {
      const via = bob.phone.via();
      const back = request
        .replace(/^INFO \S+/, `INFO ${server.aor('bob')}`)
        .replace(/^Max-Forwards: \d+/im, 'Max-Forwards: 68')
        .replace('\r\nVia:', `\r\nVia: ${via}\r\n${more}Via:`);
      return bob.phone.answer(back, via);
    };
    const { headers, status } = await returns();
    assert.equal(status, 407, 'nobody gets past us without a password');
    const target = server.aor('bob');
    const credentials = { method: 'INFO', target, user: 'alice', password: server.password('alice') };
    const answer = answerChallenge(headers.get('proxy-authenticate'), credentials);
    const looped = returns(`Proxy-Authorization: ${answer}\r\n`);
    // Without loop detection it is here once more.
    heardBy(bob, 2).then(
      (text) => bob.phone.respond(text, 200),
      () => {},
    );
    const { status: end } = await looped;
    bob.phone.respond(request, 482);
    await asked;
    assert.equal(end, 482, `it came ${bob.heard.length} times`);
  });

  for (const method of ['INVITE', 'INFO', 'SCAN']) {
    test(`${method} that may go no further is a 483, and one that may go one hop arrives`, async (people) => {
      const bob = people
        .dialog('bob')
        .receive(method, { has: [['Max-Forwards', '^ *0$']] })
        .respond(486);
      if (method === 'INVITE') bob.receive('ACK');
      const callee = await people.answers('bob', bob);
      const asks = (hops, status) => {
        const alice = people
          .dialog('alice')
          .begin(method, 'bob', { hops, ...(method === 'INVITE' ? SDP : {}) })
          .expect(status, { provisional: true });
        return people.calls(method === 'INVITE' ? alice.acknowledgeRefusal() : alice, `hops-${hops}`);
      };
      await everyone(asks(0, 483));
      await everyone(asks(1, 486), callee);
    });
  }

  test('Max-Breadth is kept: none is a 440, one is one telephone after the other, five are shared', async (people, server) => {
    await people.signOut('bob');
    const phones = [await openBob(server, transport), await openBob(server, transport)];
    const alice = await openSipClient(server, transport);
    const asks = (breadth) =>
      alice.request('INFO', 'alice', { to: 'bob', headers: { 'Max-Breadth': breadth }, within: 15_000 });
    assert.equal((await asks(0)).status, 440);
    assert.deepEqual(
      phones.map(({ heard }) => heard.length),
      [0, 0],
    );

    const one = asks(1);
    const first = await until('a telephone to be asked', () => phones.find(({ heard }) => heard.length > 0));
    const second = phones.find((phone) => phone !== first);
    // What would have gone out at once would be before this answer.
    await second.phone.fetchBindings('bob');
    assert.equal(second.heard.length, 0, 'the other one waits for its turn');
    first.phone.respond(first.heard[0], 486);
    await heardBy(second);
    second.phone.respond(second.heard[0], 486);
    assert.equal((await one).status, 486);
    assert.deepEqual(
      phones.map(({ heard }) => header(heard[0], 'Max-Breadth')),
      ['1', '1'],
    );

    const five = asks(5);
    const both = await Promise.all(phones.map((phone) => heardBy(phone, 2)));
    const shares = both.map((request) => Number(header(request, 'Max-Breadth')));
    assert.ok(shares[0] + shares[1] <= 5 && Math.min(...shares) >= 1, `shares of ${shares}`);
    phones.forEach(({ phone }, i) => phone.respond(both[i], 486));
    assert.equal((await five).status, 486);
  });
});
