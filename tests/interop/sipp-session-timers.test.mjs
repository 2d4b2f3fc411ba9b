// Session timers (RFC 4028) of calls between telephones that sipp plays, over UDP and over TCP: granted, refreshed by us,
// and not refreshed by the caller. Half a minute is the shortest session, and two of these wait for the end of one.
import { audio } from './harness/sipp-dialog.mjs';
import { takes, talks } from './harness/sipp-calls.mjs';
import { overUdpAndTcp } from './harness/sipp-people.mjs';

const asksFor = (seconds) => ({
  headers: ['Supported: timer', `Session-Expires: ${seconds};refresher=uac`],
  has: [['Session-Expires', `${seconds};refresher=uac`]],
});

overUdpAndTcp({}, (test) => {
  test('an UPDATE without an offer refreshes the session of its leg alone', async (people) => {
    const { headers, has } = asksFor(90);
    const alice = talks(people, { headers, has: [...has, ['Require', 'timer']] })
      .send('UPDATE', { headers })
      .expect(200, { has })
      .bye();
    const bob = takes(people, { rings: false, invite: { lacks: [['Session-Expires', '[0-9]']] } }).hungUp();
    await people.meet(alice, { bob });
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
    await people.meet(talks(people).hungUp(), { bob });
  });

  test('a call whose caller stops refreshing ends, on both sides', async (people) => {
    await people.meet(talks(people, asksFor(30)).hungUp(), { bob: takes(people).hungUp() });
  });
});
