// Registrations of telephones that sipp plays, and the ways by which they are reached, over UDP and over TCP.
import assert from 'node:assert/strict';

import { openSipClient } from './harness/sip-client.mjs';
import { calls, isRefused, takes } from './harness/sipp-calls.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';
import { until } from './harness/waiting.mjs';

const INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-4000-8000-00000000000a>"';

/** A REGISTER of Bob with what is to be in its Contact and beside it, and the 200 or another answer. */
const registers = (people, { parameters = '', headers = [], status = 200, contact, ...answer }) =>
  people
    .dialog('bob')
    .begin('REGISTER', 'bob', {
      contact: false,
      headers: [
        ...(contact ?? [`Contact: <sip:bob@[local_ip]:[local_port];transport=[transport]>${parameters}`]),
        ...headers,
      ],
    })
    .expect(status, answer);

/** What the server chooses when five minutes are the longest: no more, and less by a tenth at most. */
const CHOSEN = 'expires=(2[789][0-9]|300)$';

overUdpAndTcp({ set: ['limits.min_expires=60', 'limits.max_expires=300'] }, (test) => {
  test('a registration that is too short is a 423, and what is too long is shortened', async (people) => {
    await people.signOut('bob');
    await everyone(
      people.calls(
        registers(people, { headers: ['Expires: 30'], status: 423, has: [['Min-Expires', '60']] }),
        'short',
      ),
      people.calls(registers(people, { parameters: ';expires=9999', has: [['Contact', CHOSEN]] }), 'long'),
    );
  });

  test('a registration that asks for what is just long enough is granted it, and one that asks for nothing the longest', async (people) => {
    await people.signOut('bob');
    await everyone(
      people.calls(
        registers(people, { headers: ['Expires: 60'], has: [['Contact', 'expires=60$']] }),
        'just',
      ),
    );
    await people.signOut('bob');
    // Ten minutes, and here no more than five.
    await everyone(people.calls(registers(people, { has: [['Contact', CHOSEN]] }), 'nothing'));
  });

  test('a registration ends by Expires 0, and all of them by a star', async (people, server) => {
    await people.signOut('bob');
    const bindings = async () =>
      (await server.query("SELECT count(*) AS count FROM bindings WHERE aor = 'bob'"))[0].count;
    const port = server.ports.one();
    const first = () => registers(people, { parameters: ';expires=120', has: [['Contact', 'expires=120']] });
    await everyone(people.calls(first(), 'first', { port }));
    await everyone(people.calls(first(), 'second'));
    assert.equal(await bindings(), 2);
    await everyone(people.calls(registers(people, { headers: ['Expires: 0'] }), 'out', { port }));
    assert.equal(await bindings(), 1);
    const all = { contact: ['Contact: *'], headers: ['Expires: 0'], lacks: [['Contact', 'sip:']] };
    await everyone(people.calls(registers(people, all), 'all'));
    assert.equal(await bindings(), 0);
  });
});

overUdpAndTcp({}, (test, transport) => {
  /** What telephones are granted, one after the other, that leave it to the server for how long they are registered. */
  const granted = async (people, server, count) => {
    const all = [];
    for (let i = 0; i < count; i += 1) {
      await people.signOut('bob');
      const phone = await openSipClient(server, transport);
      const { status, text } = await phone.register('bob', { headers: { Contact: phone.contact('bob') } });
      assert.equal(status, 200, text);
      all.push(Number(/^Contact:.*;expires=(\d+)/im.exec(text)[1]));
      await phone.close();
    }
    return all;
  };

  test('a telephone that asks for no time is granted ten minutes or a little less', async (people, server) => {
    const [seconds] = await granted(people, server, 1);
    assert.ok(seconds >= 540 && seconds <= 600, `${seconds} s`);
  });

  test('what the server chooses itself is spread: who came together does not return together', async (people, server) => {
    const all = await granted(people, server, 20);
    assert.ok(new Set(all).size > 1, `all were granted ${all[0]} s`);
  });
});

overUdpAndTcp({ set: ['limits.nat_ping_seconds=1'] }, (test, transport) => {
  test('a device is known by its instance and reg-id, whatever its URI', async (people, server) => {
    await people.signOut('bob');
    const outbound = (reg, answer) =>
      registers(people, {
        parameters: `;reg-id=${reg};${INSTANCE};expires=120`,
        headers: ['Supported: path, outbound'],
        has: [['Require', 'outbound']],
        ...answer,
      });
    await everyone(people.calls(outbound(1), 'first'));
    await everyone(people.calls(outbound(1), 'again'));
    const rows = () => server.query("SELECT * FROM bindings WHERE aor = 'bob'");
    assert.equal((await rows()).length, 1, 'the second REGISTER took the place of the first');
    await everyone(people.calls(outbound(2), 'second-flow'));
    assert.equal((await rows()).length, 2);
    if (transport === 'tcp')
      await everyone(people.calls(outbound(1, { has: [['Flow-Timer', '[0-9]+']] }), 'timer'));
  });

  test('outbound through a first hop that does not have it is a 439', async (people) => {
    const refused = registers(people, {
      parameters: `;reg-id=1;${INSTANCE}`,
      headers: ['Supported: path, outbound', 'Path: <sip:edge.example;lr>'],
      status: 439,
    });
    await everyone(people.calls(refused));
  });

  test('a call goes over the other flow of a device when one answers 430', async (people) => {
    const flow = (reg) => ({
      parameters: `;reg-id=${reg};${INSTANCE}`,
      headers: { Supported: 'path, outbound' },
      name: `flow-${reg}`,
    });
    const lost = people.dialog('bob').receive('INVITE').respond(430).receive('ACK');
    const other = await people.answers('bob', takes(people).hungUp(), flow(1));
    // The newest flow comes first.
    const newest = await people.answers('bob', lost, flow(2));
    await everyone(people.calls(calls(people, 'bob')), newest, other);
  });

  test('a Path is told to who knows it, and calls go along it', async (people) => {
    const path = '<sip:edge@[local_ip]:[local_port];transport=[transport];lr>';
    const told = registers(people, {
      headers: ['Supported: path', `Path: ${path}`, 'Expires: 120'],
      has: [['Path', '<sip:edge@.*;lr>']],
    });
    await people.signOut('bob');
    await everyone(people.calls(told));
    await people.signOut('bob');
    const bob = takes(people, { invite: { has: [['Route', 'sip:edge@.*;lr']] } }).hungUp();
    const callee = await people.answers('bob', bob, {
      headers: (port) => ({ Supported: 'path', Path: `<sip:edge@127.0.0.1:${port};lr>` }),
    });
    await everyone(people.calls(calls(people, 'bob')), callee);
  });

  test('a Path is not told to who does not know it', async (people) => {
    const registered = registers(people, {
      headers: ['Path: <sip:edge.example;lr>', 'Expires: 120'],
      lacks: [['Path', 'edge']],
    });
    await everyone(people.calls(registered));
  });

  test('a device that asks for GRUUs is given them, and is reached by each', async (people, server) => {
    const bob = takes(people).hungUp();
    const other = await people.answers('bob', people.dialog('bob').receive('INVITE'), { name: 'not-called' });
    const headers = { Supported: 'gruu' };
    for (const param of ['pub-gruu', 'temp-gruu']) {
      const called = await people.answers('bob', bob, { parameters: `;${INSTANCE}`, headers, name: param });
      const client = await openSipClient(server, 'udp');
      const { text } = await client.request('REGISTER', 'bob', { headers });
      const gruu = new RegExp(`;${param}="([^"]*)"`).exec(text)?.[1];
      assert.match(gruu, /;gr/, text);
      await everyone(people.calls(calls(people, gruu)), called);
    }
    assert.ok(other.isRunning(), 'the other device was not called');
    await other.stop();
  });

  test('who watches its own registrations is told of them', async (people) => {
    await people.signOut('bob');
    const watcher = people
      .dialog('bob')
      .begin('SUBSCRIBE', 'bob', {
        headers: ['Event: reg', 'Accept: application/reginfo+xml', 'Expires: 600'],
      })
      .expect(200, { dialog: true, has: [['Expires', '600']] })
      .receive('NOTIFY', {
        has: [
          ['Event', 'reg'],
          ['body', '<registration[^>]*state="(init|terminated)"'],
        ],
      })
      .respond(200)
      .mark('watches')
      .receive('NOTIFY', { has: [['body', '<contact[^>]*state="active"']] })
      .respond(200);
    const played = people.calls(watcher, 'watcher');
    await played.reached('watches');
    // Its connection stays until the end of the test.
    const phone = people.calls(
      registers(people, { headers: ['Expires: 120'] })
        .mark('registered')
        .pause(25_000),
      'phone',
    );
    await phone.reached('registered');
    await everyone(played);
  });
});

overUdpAndTcp({ set: ['limits.nat_ping_seconds=1'] }, (test, transport) => {
  // Over TCP and TLS the kernel looks after connections.
  if (transport === 'tcp') return;
  test('a telephone behind a NAT is asked whether it is there, and gets no calls when it is not', async (people, server) => {
    const asked = people.dialog('bob').receive('OPTIONS').respond(200);
    const behindNat = { host: '192.0.2.7' };
    await everyone(await people.answers('bob', asked, behindNat));
    await people.signOut('bob');
    await people.answers('bob', people.dialog('bob').receive('OPTIONS').pause(25_000), behindNat);
    // Twice 8 s without an answer.
    await until(
      'the telephone to be given up',
      async () => (await server.metric('ringback_sip_total', '"contacts_silent"')) === 1,
      { within: 30_000 },
    );
    await everyone(people.calls(isRefused(people, 'bob', 480)));
  });
});
