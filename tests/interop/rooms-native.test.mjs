// `ringback chat` and `ringback room join` in rooms with browsers: chat, files, sound, a server that goes away, TURN.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { NativeMember, openChat } from './harness/native-room.mjs';
import { joinRoom, makeRoom, onlyBy } from './harness/room.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

const MARKUP = '<img src=x onerror="document.title=1">';
const silent = { camera: false };

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startChromium(TONES.first);
});

scenario('a browser and two terminals chat, and files go each way', async () => {
  const ada = await makeRoom(browser, server, 'Ada', silent);
  const grace = await openChat(server, 'Grace', { room: ada.room });
  const eve = await openChat(server, 'Eve', { room: ada.room });
  await Promise.all([ada.reaches('Grace'), ada.reaches('Eve'), grace.reaches('Ada'), grace.reaches('Eve')]);
  await Promise.all([eve.reaches('Ada'), eve.reaches('Grace')]);

  await ada.say(MARKUP);
  await Promise.all([grace.reads('Ada', MARKUP), eve.reads('Ada', MARKUP)]);
  grace.say('//is <b>this</b> text?');
  await Promise.all([ada.reads('/is <b>this</b> text?'), eve.reads('Grace', '/is <b>this</b> text?')]);
  grace.say('/peers');
  await grace.terminal.shows(/^\* \d+ Ada, connected$/m);
  await grace.terminal.shows(/^\* \d+ Eve, connected$/m);

  const fromAda = randomBytes(1_500_000);
  await ada.offer('plan.bin', fromAda);
  for (const person of [grace, eve]) {
    assert.ok((await person.take('plan.bin')).equals(fromAda), 'the file arrives as it was sent');
  }
  const fromGrace = randomBytes(4_000_000);
  grace.offer('answer.bin', fromGrace);
  const atEve = await eve.take('own-answer.bin');
  assert.ok(atEve.equals(fromGrace), 'the file arrives as it was sent');
  const atAda = await ada.take();
  assert.ok(atAda.bytes.equals(fromGrace), 'the file arrives as it was sent');
  await grace.terminal.shows(/^\* Eve has own-answer\.bin \(4000000 bytes\)$/m);
  // A bar that grows, of who sends and of who takes.
  for (const { terminal } of [grace, eve]) {
    const parts = [...terminal.written.matchAll(/answer\.bin \S+ \S+ \[#*-*\] +(\d+) %/g)].map(([, part]) =>
      Number(part),
    );
    assert.ok(parts.length > 5 && new Set(parts).size > 3, `${parts}`);
  }

  eve.say('/quit');
  assert.equal(await eve.terminal.ended(), 0);
  await grace.terminal.shows(/^\* Eve has left$/m);
  await ada.tile('Eve').waitFor({ state: 'detached' });
});

scenario('a terminal makes a room, and its talk outlives the server', async () => {
  const own = await startServer();
  const grace = await openChat(own, 'Grace');
  assert.match(grace.room, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
  const ada = await joinRoom(browser, own, 'Ada', grace.room, silent);
  await Promise.all([ada.reaches('Grace'), grace.reaches('Ada')]);
  await own.kill();
  await grace.terminal.shows(/^\* the server is away; those who are here stay connected$/m);
  grace.say('Are you still there?');
  await ada.reads('Are you still there?');
  await ada.say('I am.');
  await grace.reads('Ada', 'I am.');
  await own.start();
  await grace.terminal.shows(/^\* back in \S+ as Grace$/m);
  await ada.part('line-trouble').waitFor({ state: 'detached' });
  const eve = await openChat(own, 'Eve', { room: grace.room });
  await Promise.all([eve.reaches('Grace'), eve.reaches('Ada'), grace.reaches('Eve')]);
});

scenario('a member that plays and records is heard, and hears', async () => {
  const ada = await makeRoom(browser, server, 'Ada', silent);
  const music = new NativeMember(server, 'Music', { room: ada.room, tone: TONES.second });
  await music.tells(/^\* connected with Ada$/m);
  await ada.reaches('Music');
  (await ada.listen('Music')).assertOnly(TONES.second);
  (await music.leaveAndHear(1)).assertOnly(TONES.first);
  await ada.tile('Music').waitFor({ state: 'detached' });
});

scenario('a browser that TURN alone reaches is reached', async () => {
  const ada = await makeRoom(browser, server, 'Ada', { before: [[onlyBy, '^turn:']], ...silent });
  const music = new NativeMember(server, 'Music', { room: ada.room, tone: TONES.second });
  await music.tells(/^\* connected with Ada$/m);
  await ada.reaches('Music', ['relay']);
  (await ada.listen('Music')).assertOnly(TONES.second);
  assert.ok((await server.metric('ringback_turn_allocations')) >= 2);
  (await music.leaveAndHear(1)).assertOnly(TONES.first);
});

scenario('a file above the limit is not offered, and a room that is not there is told', async () => {
  const grace = await openChat(server, 'Grace');
  const ada = await joinRoom(browser, server, 'Ada', grace.room, silent);
  await Promise.all([ada.reaches('Grace'), grace.reaches('Ada')]);
  grace.say('/send /dev/null');
  await grace.terminal.shows(/^\* \/dev\/null is no file$/m);
  grace.offer('large.bin', Buffer.alloc(100 * 2 ** 20 + 1));
  await grace.terminal.shows(/^\* the file has 104857601 bytes, more than 104857600/m);
  assert.equal(await ada.part('transfer').count(), 0);
  const gone = new NativeMember(server, 'Eve', { room: 'nowhere', tone: TONES.second });
  await gone.tells(/no_such_room|There is no such room|no room/i);
});
