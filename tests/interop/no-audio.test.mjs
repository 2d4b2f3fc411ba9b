// A call without sound says whose, and why: in its record, in the log, and in the metrics.
import assert from 'node:assert/strict';

import { recordOf } from './harness/cdr.mjs';
import { audio } from './harness/sipp-dialog.mjs';
import { takes, talks } from './harness/sipp-calls.mjs';
import { overUdpAndTcp } from './harness/sipp-people.mjs';

/** sipp says where it takes audio, and sends none. */
const isSilent =
  (people, answer, call = {}) =>
  async (server) =>
    recordOf(server, () =>
      people.meet(talks(people).pause(2_500).bye(), { bob: takes(people, { ...answer, ...call }).hungUp() }),
    );

overUdpAndTcp({}, (test) => {
  test('two telephones that send nothing', async (people, server) => {
    const cdr = await isSilent(people)(server);
    assert.deepEqual([cdr.status, cdr.legs.length], [200, 2], JSON.stringify(cdr));
    for (const [leg, name] of [
      [cdr.legs[0], 'alice'],
      [cdr.legs[1], 'bob'],
    ]) {
      assert.equal(leg.silent_because, 'nothing_came', JSON.stringify(leg));
      assert.match(leg.verdict, new RegExp(`^${name}'s phone sent no packet: nothing ever came to the port`));
      assert.deepEqual([leg.mos_received, leg.received_after], [null, null]);
      assert.ok(server.log.includes(leg.verdict), 'the log has the sentence too');
    }
    const counted = await server.metric('ringback_legs_silent_total', '"nothing_came"');
    assert.ok(counted >= 2, `${counted} legs without sound`);
  });

  test('a telephone that answers with a hold', async (people, server) => {
    const cdr = await isSilent(people, { body: audio({ direction: 'sendonly' }) })(server);
    const [alice, bob] = cdr.legs;
    assert.equal(alice.silent_because, 'never_receives', JSON.stringify(alice));
    assert.match(
      alice.verdict,
      /^nothing was sent to bob's phone: its description says that it does not receive/,
    );
    assert.equal(bob.silent_because, 'nothing_came', JSON.stringify(bob));
  });
});
