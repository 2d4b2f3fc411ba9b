// Streams into a room over HTTP (WHIP) and out of it (WHEP): one publishes, everybody in the room and outside watches.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { joinRoom, makeRoom } from './harness/room.mjs';
import { startServer } from './harness/server.mjs';
import { assertRefused, openStreamPage, post } from './harness/streams.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const QUIET = { camera: false, microphone: false };

let server;
let browsers;
before(async () => {
  server = await startServer();
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

scenario('a stream is seen and heard by members, late ones too, and outside, until it ends', async () => {
  const ada = await makeRoom(browsers[1], server, 'Ada', QUIET);
  const grace = await joinRoom(browsers[1], server, 'Grace', ada.room, QUIET);
  const keys = await ada.streamKeys();
  assert.equal(keys.whip, `${server.httpUrl}api/v1/rooms/${ada.room}/whip`);

  const camera = await openStreamPage(browsers[0], server, 'camera');
  const created = await camera.publish(`${keys.whip}?name=Main+stage`, keys.publish);
  assert.equal(created.status, 201, created.text);
  assert.equal(created.headers['content-type'], 'application/sdp');
  assert.match(created.headers.location, new RegExp(`^/api/v1/rooms/${ada.room}/whip/[a-z0-9]{26,}$`));
  assert.match(created.headers.etag, /^"[a-z0-9]+"$/);
  assert.match(created.headers.link, /<turn:[^>]*>; rel="ice-server"; username="[^"]+"; credential="[^"]+"/);
  await camera.connected();

  for (const person of [ada, grace]) {
    await person.seesStream('Main stage');
    (await person.listenToStream()).assertOnly(TONES.first);
  }
  const eve = await joinRoom(browsers[1], server, 'Eve', ada.room, QUIET);
  await eve.seesStream('Main stage');
  (await eve.listenToStream()).assertOnly(TONES.first);

  const wall = await openStreamPage(browsers[1], server, 'wall');
  const watched = await wall.watch(keys.whep);
  assert.equal(watched.status, 201, watched.text);
  await wall.sees();
  (await wall.listen()).assertOnly(TONES.first);
  assert.equal(await server.metric('ringback_room_streams'), 1);
  await until('all four to be counted', async () => (await server.metric('ringback_room_viewers')) === 4);

  // One who leaves is taken off, and so is one outside; the others go on.
  await eve.part('leave').click();
  assert.equal((await wall.ask('DELETE')).status, 200);
  await until('two to be left', async () => (await server.metric('ringback_room_viewers')) === 2);
  await grace.seesStream('Main stage');

  assert.equal((await camera.ask('DELETE')).status, 200);
  for (const person of [ada, grace]) {
    await person.page.locator('[data-kind=stream]').waitFor({ state: 'detached' });
  }
  assert.equal((await camera.ask('DELETE')).status, 404, 'it is over');
  await until('nothing to be streamed', async () => (await server.metric('ringback_room_streams')) === 0);
});

scenario('H.264 passes as it is, to somebody who lost the connection to the server as well', async () => {
  const ada = await makeRoom(browsers[1], server, 'Ada', QUIET);
  const { whip, whep, publish } = await ada.streamKeys();
  const camera = await openStreamPage(browsers[0], server, 'camera');
  const created = await camera.publish(whip, publish, { codec: 'video/H264' });
  assert.match(created.text, /^a=rtpmap:\d+ H264\/90000/m);
  await camera.connected();
  await ada.seesStream('Stream');
  const wall = await openStreamPage(browsers[1], server, 'wall');
  assert.equal((await wall.watch(whep)).status, 201);
  await wall.sees();
  await ada.page.reload();
  await ada.enter(QUIET);
  await ada.inside();
  await ada.seesStream('Stream');
  assert.equal((await camera.ask('DELETE')).status, 200);
});

scenario('what is not possible is refused with a sentence', async () => {
  const ada = await makeRoom(browsers[1], server, 'Ada', QUIET);
  const { whip, whep, publish, view } = await ada.streamKeys();
  assertRefused(await post(whip.replace(ada.room, 'nowhere'), { key: publish }), 404, /no such room/);
  const none = await post(whip);
  assertRefused(none, 401, /Bearer/);
  assert.match(none.headers.get('www-authenticate'), /^Bearer/);
  assertRefused(await post(whip, { key: view }), 401, /not the key/);
  assertRefused(await post(whip, { key: 'x' }), 401, /not the key/);
  assertRefused(await post(whep), 409, /Nothing is streamed/);
  assertRefused(await post(whip, { key: publish, type: 'text/plain' }), 415, /application\/sdp/);
  assertRefused(await post(whip, { key: publish, body: 'v=0' }), 422, /does not fit/);
  assertRefused(await post(whip, { key: publish, body: 'x'.repeat(50_000) }), 413, /49152 bytes/);
  const foreign = { Origin: 'https://evil.example' };
  assertRefused(await post(whip, { key: publish, headers: foreign }), 403, /another origin/);
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const response = await fetch(whip, { method });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'POST, OPTIONS');
  }
  const options = await fetch(whip, { method: 'OPTIONS' });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get('accept-post'), 'application/sdp');

  const camera = await openStreamPage(browsers[0], server, 'camera');
  const created = await camera.publish(whip, publish);
  assert.equal(created.status, 201, created.text);
  await camera.connected();
  const second = await openStreamPage(browsers[0], server, 'second');
  const refused = await second.publish(whip, publish);
  assertRefused(refused, 409, /stream in this room already/);
  assert.match(refused.headers['retry-after'], /^\d+$/);

  // Candidates that come later are taken, and a restart of ICE is not.
  const type = { 'Content-Type': 'application/trickle-ice-sdpfrag' };
  const patch = (headers, body) => camera.ask('PATCH', { headers: { ...type, ...headers }, body });
  const fragment = (ufrag) =>
    `a=ice-ufrag:${ufrag}\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\n`;
  const etag = created.headers.etag;
  assert.equal((await patch({ 'If-Match': etag }, fragment(created.fragment))).status, 204);
  assertRefused(await patch({}, fragment(created.fragment)), 428, /If-Match/);
  assertRefused(
    await patch({ 'If-Match': '"other"' }, fragment(created.fragment)),
    412,
    /another ICE session/,
  );
  assertRefused(await patch({ 'If-Match': '*' }, fragment('fresh')), 422, /not restarted/);
  assert.equal(await camera.state(), 'connected');

  // A locked room is watched with its key only, and the host ends the stream.
  await ada.open('people');
  await ada.part('lock').check();
  const wall = await openStreamPage(browsers[1], server, 'wall');
  assertRefused(await wall.watch(whep), 401, /Bearer/);
  const again = await openStreamPage(browsers[1], server, 'again');
  assert.equal((await again.watch(whep, view)).status, 201);
  await again.sees();
  await ada.part('end-stream').click();
  await until('the publisher to hear the end', async () => (await camera.state()) !== 'connected');
  await until('the viewer to hear the end', async () => (await again.state()) !== 'connected');
});

scenario('who guesses keys is not listened to for a while, and one who is gone ends the stream', async () => {
  const own = await startServer();
  const ada = await makeRoom(browsers[1], own, 'Ada', QUIET);
  const { whip, publish } = await ada.streamKeys();
  const camera = await openStreamPage(browsers[0], own, 'camera');
  assert.equal((await camera.publish(whip, publish)).status, 201);
  await camera.connected();
  await ada.seesStream('Stream');
  const wrong = 'a'.repeat(26);
  for (let i = 0; i < 5; i += 1) assertRefused(await post(whip, { key: wrong }), 401, /not the key/);
  assertRefused(await post(whip, { key: publish }), 429, /wait a minute/);
  // Closed without a word: the checks of ICE stop, and that is noticed.
  await camera.close();
  await ada.page.locator('[data-kind=stream]').waitFor({ state: 'detached', timeout: 45_000 });
});
