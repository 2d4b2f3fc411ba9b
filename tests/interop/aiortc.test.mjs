// aiortc as a member of a room, with a browser and with `ringback chat`, and as the media of a call.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { AiortcPhone, joinWithAiortc } from './harness/aiortc.mjs';
import { recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { openChat } from './harness/native-room.mjs';
import { makeRoom } from './harness/room.mjs';
import { startScriptedPhone } from './harness/scripted-phone.mjs';
import { startServer } from './harness/server.mjs';
import { LISTEN_MS, SETTLE_MS, TONES } from './harness/tones.mjs';

let server;
before(async () => {
  server = await startServer();
});

function fileOf(name, bytes) {
  const path = evidencePath(name);
  writeFileSync(path, bytes);
  return path;
}

scenario('in a room with a browser: sound, chat and files both ways', async () => {
  const ada = await makeRoom(await startChromium(TONES.first), server, 'Ada', { camera: false });
  const snake = await joinWithAiortc(server, 'Snake', { room: ada.room, tone: TONES.second });
  await Promise.all([ada.reaches('Snake'), snake.tells({ event: 'connected', member: 1 })]);
  (await ada.listen('Snake')).assertOnly(TONES.second);
  await ada.say('Hello, Snake');
  await snake.tells({ event: 'said', member: 1, text: 'Hello, Snake' });
  snake.asks({ say: 'Hello, Ada' });
  await ada.reads('Hello, Ada');
  const there = randomBytes(700_000);
  await ada.offer('there.bin', there);
  await snake.takes('there.bin', there);
  const back = randomBytes(700_000);
  snake.asks({ send: fileOf('back.bin', back) });
  const { bytes } = await ada.take();
  assert.ok(bytes.equals(back), 'the file arrives as it was sent');
  await snake.tells({ event: 'sent', member: 1, bytes: back.length });
  (await snake.leave()).assertOnly(TONES.first);
  await ada.tile('Snake').waitFor({ state: 'detached' });
});

scenario('in a room with `ringback chat`: chat and files both ways', async () => {
  const grace = await openChat(server, 'Grace');
  const snake = await joinWithAiortc(server, 'Snake', { room: grace.room, tone: TONES.second });
  await Promise.all([grace.reaches('Snake'), snake.tells({ event: 'connected', member: 1 })]);
  grace.say('Hello, Snake');
  await snake.tells({ event: 'said', member: 1, text: 'Hello, Snake' });
  snake.asks({ say: 'Hello, Grace' });
  await grace.reads('Snake', 'Hello, Grace');
  const there = randomBytes(700_000);
  grace.offer('there.bin', there);
  await snake.takes('own-there.bin', there);
  const back = randomBytes(700_000);
  const path = fileOf('back.bin', back);
  snake.asks({ send: path });
  assert.ok((await grace.take(path.split('/').at(-1))).equals(back), 'the file arrives as it was sent');
  await snake.tells({ event: 'sent', member: 1, bytes: back.length });
  grace.say('/quit');
  assert.equal(await grace.terminal.ended(), 0);
});

scenario('a call to `echo` is heard', async () => {
  const phone = await startScriptedPhone(new AiortcPhone(server, 'alice', { tone: TONES.first }));
  const cdr = await recordOf(server, async () => {
    await phone.dial('echo');
    await phone.connected();
    // So much has to be heard, at its own pace.
    await sleep(2 * SETTLE_MS + LISTEN_MS);
    await phone.hangUp();
  });
  assert.equal(cdr.legs[0].media_profile, 'WebRTC', JSON.stringify(cdr));
  (await phone.leave()).assertOnly(TONES.first);
});
