// Pages of other people's libraries that stay signed in, each with its own way to register again.
import assert from 'node:assert/strict';

import { assertAnswered, recordOf } from './harness/cdr.mjs';
import { scenario } from './harness/evidence.mjs';
import { enterOwnNetwork } from './harness/netns.mjs';
import { pageAndPhones } from './harness/page-and-phones.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);

const house = pageAndPhones(['jssip', 'sipjs']);

const header = (message, name) => new RegExp(`^${name}: *(.*?)\r?$`, 'im').exec(message)?.[1];
const parameter = (value, name) => new RegExp(`\\b${name}="?([^",]*)"?`).exec(value ?? '')?.[1];
const registers = (page) => page.messages('sent').filter((message) => message.startsWith('REGISTER '));

for (const library of ['jssip', 'sipjs']) {
  scenario(`a page of ${library} registers again as it does, and is called`, async () => {
    const alice = await house.openAliceByDefault(library, { expires: 10 });
    assert.match(header(alice.answersTo('REGISTER')[1], 'Contact'), /;expires=10\b/, 'not shortened');
    await until('the next registration', () => alice.answersTo('REGISTER').length >= 4, { within: 30_000 });
    const [challenge, first, again, second] = alice.answersTo('REGISTER');
    assert.deepEqual(
      [challenge, first, again, second].map((answer) => answer.split(' ')[1]),
      ['401', '200', '401', '200'],
    );
    const [, signed, repeated, fresh] = registers(alice).map((request) => header(request, 'Authorization'));
    if (library === 'sipjs') {
      // It sends what it has sent before, its nonce and its nonce count.
      assert.equal(parameter(repeated, 'nonce'), parameter(signed, 'nonce'));
      assert.equal(parameter(repeated, 'nc'), '00000001');
      assert.match(header(again, 'WWW-Authenticate'), /stale=true/i);
    } else {
      assert.equal(repeated, undefined, 'it asks for a challenge of its own');
    }
    assert.notEqual(parameter(fresh, 'nonce'), parameter(signed, 'nonce'));
    await alice.told('registration', 'registered');

    const bob = await house.startBob();
    const cdr = await recordOf(house.server, async () => {
      await house.talkToPage(bob, alice);
      await house.bothHear(alice, bob);
      await bob.hangUp();
      await alice.call('ended');
    });
    assertAnswered(cdr, { caller: 'bob', callee: 'alice', endedBy: 'caller' });
  });
}
