// Rooms: people find each other by a link and talk directly.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { readResponse, writeRequest } from './harness/http.mjs';
import { openConnection } from './harness/connection.mjs';
import { startRelay } from './harness/relay.mjs';
import { joinRoom, keepConnections, makeRoom, openRoomPage } from './harness/room.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const MARKUP = '<img src=x onerror="document.title=1">';

/** What ICE sends over a way that it keeps in reserve, at most, in some seconds; sound alone is more in three. */
const CHECKS_BYTES = 8_000;

let server;
let browsers;
before(async () => {
  server = await startServer();
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

scenario('two hear and see each other directly, and are told so', async () => {
  const options = { before: [keepConnections] };
  const ada = await makeRoom(browsers[0], server, 'Ada', options);
  assert.match(ada.room, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
  assert.equal(new URL(ada.page.url()).pathname, `/r/${ada.room}`);
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, options);
  const words = await Promise.all([ada.reaches('Grace'), grace.reaches('Ada')]);
  assert.deepEqual(words, ['Direct', 'Direct']);
  // What is shown is what the browsers say of the pair that they use.
  for (const person of [ada, grace]) {
    const [connection, ...others] = await person.connections();
    assert.deepEqual(others, []);
    assert.ok(['host', 'prflx'].includes(connection.local) && ['host', 'prflx'].includes(connection.remote));
  }
  // They have asked TURN for a way and may keep it; what they say and show does not take it.
  const relayed = () => server.metric('ringback_turn_total', 'event="bytes_to_peers"');
  const before = await relayed();
  const [atAda, atGrace] = await Promise.all([ada.listen('Grace'), grace.listen('Ada')]);
  atAda.assertOnly(TONES.second);
  atGrace.assertOnly(TONES.first);
  await Promise.all([ada.sees('Grace'), grace.sees('Ada')]);
  const passed = (await relayed()) - before;
  assert.ok(passed < CHECKS_BYTES, `${passed} bytes have passed TURN`);
  await grace.part('mute').click();
  await ada.tile('Grace').getByText('muted').waitFor({ state: 'attached' });
  (await ada.listen('Grace')).assertNone();
  await grace.part('mute').click();
  (await ada.listen('Grace')).assertOnly(TONES.second);
  await grace.part('camera').click();
  await ada.tile('Grace').locator('video').waitFor({ state: 'detached' });
  await grace.part('camera').click();
  await ada.sees('Grace');
  await grace.part('leave').click();
  await ada.tile('Grace').waitFor({ state: 'detached' });
  assert.equal(await grace.part('over').textContent(), 'You have left the room.');
});

scenario('three in a mesh chat, send a file and show a screen', async () => {
  const silent = { camera: false };
  const ada = await makeRoom(browsers[0], server, 'Ada', silent);
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, silent);
  const eve = await joinRoom(browsers[0], server, 'Eve', ada.room, { before: [screenOfCanvas], ...silent });
  for (const [person, others] of [
    [ada, ['Grace', 'Eve']],
    [grace, ['Ada', 'Eve']],
    [eve, ['Ada', 'Grace']],
  ]) {
    for (const other of others) await person.reaches(other);
  }
  await ada.say('Hello, all');
  await Promise.all([grace.reads('Hello, all'), eve.reads('Hello, all')]);

  const bytes = randomBytes(1_500_000);
  await grace.offer('plan.bin', bytes);
  for (const person of [ada, eve]) {
    const { name, bytes: come } = await person.take();
    assert.equal(name, 'plan.bin');
    assert.ok(come.equals(bytes), 'the file arrives as it was sent');
  }
  await until(
    'Grace to hear that both have it',
    async () => (await grace.page.locator('[data-testid=transfer][data-state=whole]').count()) === 2,
  );

  await eve.part('screen').click();
  await Promise.all([ada.seesScreen(), grace.seesScreen()]);
  await eve.part('screen').click();
  await ada.page.locator('[data-kind=screen]').waitFor({ state: 'detached' });
});

scenario('who comes late sees the screen that is shown, and the camera beside it', async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { before: [screenOfCanvas], camera: false });
  await ada.part('screen').click();
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, { camera: false });
  await grace.seesScreen();
  await ada.part('camera').click();
  await grace.sees('Ada');
  await grace.seesScreen();
  await ada.part('screen').click();
  await grace.page.locator('[data-kind=screen]').waitFor({ state: 'detached' });
  await grace.sees('Ada');
});

scenario('a file above the limit is not sent, and somebody says why', async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { camera: false });
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, { camera: false });
  await ada.reaches('Grace');
  await ada.open('chat');
  // Playwright reads no more than 50 MB into a page, so the page makes it itself.
  await ada.part('file-input').evaluate((input) => {
    const transfer = new DataTransfer();
    transfer.items.add(
      new File([new Blob(Array.from({ length: 101 }, () => new Uint8Array(1 << 20)))], 'film.mkv'),
    );
    input.files = transfer.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
  const says = ada.part('file-says');
  await says.waitFor();
  assert.equal(await says.textContent(), 'Files of at most 100 MiB can be sent in a room.');
  assert.equal(await grace.part('transfer').count(), 0);
});

scenario('a lost connection to the server and its restart are survived', async () => {
  const own = await startServer();
  const relay = await startRelay({ address: '127.0.0.1', port: own.listen.http });
  const options = { camera: false, before: [keepConnections] };
  const ada = await makeRoom(browsers[0], own, 'Ada', options);
  const through = { ...options, url: `http://127.0.0.1:${relay.port}/` };
  const grace = await joinRoom(browsers[1], own, 'Grace', ada.room, through);
  await Promise.all([ada.reaches('Grace'), grace.reaches('Ada')]);
  const before = (await ada.connections())[0].fragment;

  relay.cut();
  await until(
    'Grace to be back',
    async () => (await own.metric('ringback_rooms_events', '"members_back"')) === 1,
  );
  (await ada.listen('Grace')).assertOnly(TONES.second);

  await own.kill();
  await ada.part('line-trouble').waitFor();
  // Nothing of the talk passes the server, so it goes on without.
  (await ada.listen('Grace')).assertOnly(TONES.second);
  await grace.say('Are you still there?');
  await ada.reads('Are you still there?');
  await own.start();
  await until(
    'both to be back in the room',
    async () => (await own.metric('ringback_rooms_events', '"members_back"')) === 2,
  );
  await ada.part('line-trouble').waitFor({ state: 'detached' });
  (await grace.listen('Ada')).assertOnly(TONES.first);
  assert.equal(
    (await ada.connections())[0].fragment,
    before,
    'the peer connection is the one of the beginning',
  );
  // The room is the same, and others find it.
  const eve = await joinRoom(browsers[0], own, 'Eve', ada.room, options);
  await Promise.all([eve.reaches('Ada'), eve.reaches('Grace'), ada.reaches('Eve')]);
});

scenario('a page that is reloaded comes back into its room as the host', async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { camera: false });
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, { camera: false });
  await grace.reaches('Ada');
  await ada.page.reload();
  await ada.enter({ camera: false });
  await ada.inside();
  await Promise.all([ada.reaches('Grace'), grace.reaches('Ada')]);
  await ada.open('people');
  await ada.part('lock').waitFor();
});

scenario('names, chat lines and file names with markup are text', async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { as: MARKUP, camera: false });
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, { camera: false });
  await Promise.all([grace.reaches(MARKUP), ada.reaches('Grace')]);
  await ada.say(MARKUP);
  await grace.reads(MARKUP);
  await ada.offer('<b>bold</b>.txt', Buffer.from('x'));
  const name = grace.part('file-name');
  await name.waitFor();
  // A file name holds no slash.
  assert.equal(await name.textContent(), '<b>bold<b>.txt');
  for (const { page } of [ada, grace]) {
    assert.equal(await page.locator('main img, aside img, main b, aside b').count(), 0);
    assert.notEqual(await page.title(), '1');
  }
});

scenario('a PIN is asked for, a wrong one is refused, and guesses are few', async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { asksPin: true, pin: '271828', camera: false });
  const grace = await openRoomPage(browsers[1], server, 'Grace', { room: ada.room });
  await grace.enter({ camera: false });
  assert.equal(await grace.trouble(), 'This room has a PIN; ask its host for it.');
  await grace.part('pin').fill('000000');
  await grace.part('enter').click();
  await grace.part('error').getByText('That is not the PIN of this room.').waitFor();
  await grace.part('pin').fill('271828');
  await grace.part('enter').click();
  await grace.inside();
  await grace.reaches('Ada');
});

scenario('who knocks waits for the host, and a locked room takes nobody', async () => {
  const ada = await makeRoom(browsers[0], server, 'Ada', { knock: true, camera: false });
  const grace = await openRoomPage(browsers[1], server, 'Grace', { room: ada.room });
  await grace.enter({ camera: false });
  await grace.state('waiting');
  await ada.part('knock').waitFor();
  assert.equal(await ada.part('knock-name').textContent(), 'Grace');
  await ada.part('refuse').click();
  assert.equal(await grace.trouble(), 'The host did not let you in.');
  await grace.part('enter').click();
  await ada.part('admit').click();
  await grace.inside();
  await grace.reaches('Ada');

  await ada.open('people');
  await ada.part('lock').check();
  await grace.page.getByText('Locked', { exact: true }).waitFor();
  const eve = await openRoomPage(browsers[1], server, 'Eve', { room: ada.room });
  await eve.enter({ camera: false });
  assert.equal(await eve.trouble(), 'The room is locked; ask its host to open it.');

  await ada.part('end').click();
  await grace.state('over');
  assert.equal(await grace.part('over').textContent(), 'The host has ended the room.');
});

scenario('a room that is full says so', async () => {
  const small = await startServer({ set: ['rooms.members=2'] });
  const ada = await makeRoom(browsers[0], small, 'Ada', { camera: false });
  await joinRoom(browsers[1], small, 'Grace', ada.room, { camera: false });
  const eve = await openRoomPage(browsers[1], small, 'Eve', { room: ada.room });
  await eve.enter({ camera: false });
  assert.equal(await eve.trouble(), 'The room is full; try again when somebody has left.');
});

scenario('who makes a room signs in where strangers may not', async () => {
  const strict = await startServer({ set: ['rooms.anonymous=false'] });
  const ada = await openRoomPage(browsers[0], strict, 'Ada');
  await ada.enter({ camera: false });
  assert.equal(await ada.trouble(), 'Sign in with an account of this server to make a room.');
  await ada.part('user').fill('alice');
  await ada.part('password').fill('wrong');
  await ada.part('enter').click();
  await ada.part('error').getByText('The name or the password is wrong.').waitFor();
  await ada.part('password').fill(strict.password('alice'));
  await ada.part('enter').click();
  await ada.inside();
});

scenario('only pages of this server get in, and who is no browser', async () => {
  const status = async (headers) => {
    const connection = await openConnection(server, 'http', {});
    const sent = {
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Protocol': 'ringback.rooms.1',
      ...headers,
    };
    connection.send(writeRequest(server, '/rooms/ws', { headers: sent }));
    return (await readResponse(connection)).status;
  };
  assert.equal(await status({}), 101);
  assert.equal(await status({ Origin: `http://127.0.0.1:${server.listen.http}` }), 101);
  assert.equal(await status({ Origin: 'https://evil.example' }), 403);
  assert.equal(await status({ Origin: 'null' }), 403);
  assert.equal(await status({ 'Sec-WebSocket-Protocol': 'sip' }), 400);
  assert.equal(await server.metric('ringback_http_refused_total', '"foreign_origin"'), 2);
});

/** A screen that moves, for a browser that has none. */
const screenOfCanvas = [
  () => {
    navigator.mediaDevices.getDisplayMedia = async () => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [640, 360];
      const context = canvas.getContext('2d');
      setInterval(() => {
        context.fillStyle = `hsl(${(Date.now() / 10) % 360} 60% 50%)`;
        context.fillRect(0, 0, 640, 360);
      }, 50);
      return canvas.captureStream(20);
    };
  },
];
