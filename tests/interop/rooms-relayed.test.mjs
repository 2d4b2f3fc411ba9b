// Rooms whose members may reach each other by our TURN alone, in each of the ways to it.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { run } from './harness/child.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { joinRoom, makeRoom, onlyBy } from './harness/room.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const silent = { camera: false };

let server;
let browsers;
before(async () => {
  server = await startServer();
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

/** The URL as it is told, and the words of the page. */
const WAYS = {
  UDP: ['^turn:.*transport=udp$', 'udp'],
  TCP: ['^turn:.*transport=tcp$', 'tcp'],
  'TLS on the port of HTTPS': ['^turns:.*transport=tcp$', 'tls'],
};
for (const [way, [pattern, by]] of Object.entries(WAYS)) {
  scenario(`two hear each other by TURN over ${way}, and are told so`, async () => {
    const options = { before: [[onlyBy, pattern]], ...silent };
    const ada = await makeRoom(browsers[0], server, 'Ada', options);
    const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, options);
    const words = await Promise.all([ada.reaches('Grace', ['relay']), grace.reaches('Ada', ['relay'])]);
    for (const said of words) assert.match(said, new RegExp(by, 'i'));
    const [atAda, atGrace] = await Promise.all([ada.listen('Grace'), grace.listen('Ada')]);
    atAda.assertOnly(TONES.second);
    atGrace.assertOnly(TONES.first);
    assert.ok((await server.metric('ringback_turn_allocations')) >= 2);
    await ada.part('leave').click();
    await grace.part('leave').click();
  });
}

scenario("a member's credentials are good for ten minutes, and end with the room", async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { before: [[onlyBy, '^turn:']], ...silent });
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, silent);
  await ada.tile('Grace').waitFor();
  const { username, credential } = await ada.page.evaluate(() => window.told.find((it) => it.credential));
  assert.match(username, new RegExp(`^\\d+:room/${ada.room}/\\d+$`));
  const left = Number(username.split(':')[0]) - Date.now() / 1000;
  assert.ok(left > 500 && left <= 601, `${left} s`);
  const relays = async (evidence) => {
    const load = ['-c', '-y', '-n', '5', '-m', '2', '-u', username, '-w', credential];
    const { output } = await run(evidence, 'turnutils_uclient', [
      ...load,
      '-p',
      `${server.listen.turn}`,
      '127.0.0.1',
    ]);
    return /tot_recv_msgs=10/.test(output);
  };
  assert.ok(await relays('in-the-room'));
  await ada.open('people');
  await ada.part('end').click();
  await grace.state('over');
  await until('its allocations to end', async () => (await server.metric('ringback_turn_allocations')) === 0);
  assert.ok(!(await relays('after-the-room')));
});
