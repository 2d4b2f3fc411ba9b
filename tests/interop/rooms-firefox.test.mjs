// Rooms in which Firefox and Chromium meet, whoever was there before.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { enterWithFirefox, startFirefox } from './harness/firefox.mjs';
import { joinRoom, makeRoom } from './harness/room.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

const FILE_BYTES = 400_000;
const options = { camera: false };

let server;
let chromium;
let firefox;
before(async () => {
  server = await startServer();
  [chromium, firefox] = await Promise.all([startChromium(TONES.first), startFirefox(TONES.second)]);
});

scenario('Firefox comes to Chromium: they hear each other, chat, and send files', async () => {
  const ada = await makeRoom(chromium, server, 'Ada', options);
  const fox = await enterWithFirefox(firefox, server, 'Fox', ada.room);
  await assertTalk(ada, fox);

  const bytes = randomBytes(FILE_BYTES);
  await ada.offer('to-firefox.bin', bytes);
  assert.ok((await fox.take('to-firefox.bin', FILE_BYTES)).equals(bytes), 'the file arrives as it was sent');
  const path = evidencePath('to-chromium.bin');
  writeFileSync(path, bytes);
  await fox.offer(path);
  assert.ok((await ada.take()).bytes.equals(bytes), 'so does the one to Chromium');
});

// Two offers that meet are what these two do not get over: a Chromium keeps the ids of header extensions that it has offered.
scenario(
  'Chromium comes to Firefox before its microphone is open: they hear each other by one offer, and chat',
  async () => {
    const fox = await enterWithFirefox(firefox, server, 'Fox');
    const ada = await joinRoom(chromium, server, 'Ada', fox.room, {
      before: [[lateMicrophone, 300]],
      ...options,
    });
    await assertTalk(ada, fox);
    const offers = ['sent', 'received'].flatMap((way) => ada.messages(way).filter(isOffer));
    assert.equal(offers.length, 1, 'a microphone takes the place that the first offer has for it');
  },
);

/** Runs in the page before its own scripts. */
function lateMicrophone(ms) {
  const devices = navigator.mediaDevices;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return open(constraints);
  };
}

const isOffer = ({ type, description }) => type === 'signal' && description?.type === 'offer';

async function assertTalk(ada, fox) {
  await Promise.all([ada.reaches('Fox'), fox.reaches('Ada')]);
  const [atAda, atFox] = await Promise.all([ada.listen('Fox'), fox.listen('Ada')]);
  atAda.assertOnly(TONES.second);
  atFox.assertOnly(TONES.first);
  await ada.say('Hello, Fox');
  await fox.reads('Hello, Fox');
  await fox.say('Hello, Ada');
  await ada.reads('Hello, Ada');
}
