// Telephones with IPv6, among themselves and with others that have IPv4, over UDP and over TCP.
import assert from 'node:assert/strict';

import { openSipClient } from './harness/sip-client.mjs';
import { audio } from './harness/sipp-dialog.mjs';
import { everyone, overUdpAndTcp } from './harness/sipp-people.mjs';

const SDP = { body: audio() };
const [IPV4, IPV6] = ['127.0.0.1', '::1'];
/** How an address stands in a URI, as an expression. */
const URI = { [IPV4]: '127\\.0\\.0\\.1', [IPV6]: '\\[::1\\]' };
/** The SDP of ours for a telephone of that family: our own address in it, and not that of the other telephone. */
const hasAudioAt = (address) => [
  ['body', `c=IN IP${address === IPV6 ? 6 : 4} ${address.replaceAll('.', '\\.')}`],
  ['body', 'm=audio [1-9]'],
];

overUdpAndTcp({ address: IPV6, bind: [IPV4, IPV6] }, (test, transport) => {
  test('a telephone registers, and is asked something', async (people, server) => {
    await people.signOut('bob');
    const registers = people
      .dialog('bob')
      .begin('REGISTER', 'bob', { headers: ['Expires: 120'] })
      .expect(200, { has: [['Contact', `<sip:bob@${URI[IPV6]}:[0-9]+;transport=[A-Z]+>;expires=120`]] });
    await everyone(people.calls(registers));
    // Its connection is gone with it.
    await people.signOut('bob');
    const bob = people
      .dialog('bob')
      .receive('OPTIONS', { has: [['Via', `SIP/2.0/${transport.toUpperCase()} ${URI[IPV6]}:`]] })
      .respond(200, { headers: ['X-Answer: well'] });
    const callee = await people.answers('bob', bob);
    const alice = await openSipClient(server, transport);
    const { status, headers } = await alice.request('OPTIONS', 'alice', { to: 'bob' });
    assert.deepEqual([status, headers.get('x-answer')], [200, 'well']);
    await callee.succeeded();
  });

  for (const [ofAlice, ofBob] of [
    [IPV6, IPV6],
    [IPV4, IPV6],
    [IPV6, IPV4],
  ]) {
    test(`a call from ${ofAlice} to ${ofBob}, with a hold by each side`, async (people) => {
      const [callers, callees] = [people.at(ofAlice), people.at(ofBob)];
      const isHeld = (dialog, own) =>
        dialog
          .receive('INVITE', { has: [...hasAudioAt(own), ['body', 'a=sendonly']] })
          .respond(200, { body: audio({ version: 2, direction: 'recvonly' }) })
          .receive('ACK');
      const holds = (dialog, own) =>
        dialog
          .send('INVITE', { body: audio({ version: 2, direction: 'sendonly' }) })
          .expect(200, { provisional: true, has: [...hasAudioAt(own), ['body', 'a=recvonly']] })
          .acknowledge();
      const bob = callees
        .dialog('bob')
        .receive('INVITE', {
          has: [...hasAudioAt(ofBob), ['Contact', `sip:[^>]*${URI[ofBob]}:`], ['From', 'sip:alice@']],
        })
        .respond(180)
        .respond(200, SDP)
        .receive('ACK');
      const alice = callers
        .dialog('alice')
        .begin('INVITE', 'bob', SDP)
        .expect(200, {
          dialog: true,
          provisional: true,
          has: [...hasAudioAt(ofAlice), ['Contact', `sip:[^>]*${URI[ofAlice]}:`]],
        })
        .acknowledge();
      const callee = await callees.answers('bob', holds(isHeld(bob, ofBob).prompted(), ofBob).hungUp());
      const caller = callers.calls(isHeld(holds(alice, ofAlice).mark('holding'), ofAlice).bye());
      // sipp takes nothing in before it has acknowledged.
      await caller.reached('holding');
      await callee.prompt();
      await everyone(caller, callee);
    });
  }
});
