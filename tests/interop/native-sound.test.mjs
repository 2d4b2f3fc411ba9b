// `ringback call` and `ringback room join` with a microphone and a speaker: heard and hearing, and what is told when the machine
// has no sound, when it goes away, and when a name is wrong. It needs a build with the feature `sound`.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { run } from './harness/child.mjs';
import { scenario } from './harness/evidence.mjs';
import { NativeCall } from './harness/native-call.mjs';
import { NativeMember } from './harness/native-room.mjs';
import { makeRoom } from './harness/room.mjs';
import { BINARY, startServer } from './harness/server.mjs';
import { WITHOUT_SOUND, startSoundCard } from './harness/sound-card.mjs';
import { TONES } from './harness/tones.mjs';

let server;
before(async () => {
  const { output } = await run('help', BINARY, ['call', '--help']);
  assert.match(output, /--microphone/, 'the binary has sound; build it with --features sound');
  server = await startServer();
});

scenario('a telephone hears the microphone, and the speaker plays what the telephone says', async () => {
  const card = await startSoundCard(TONES.first);
  const phone = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  const call = new NativeCall(server, 'alice', { callee: 'bob', machine: card.env });
  await phone.established();
  await call.tells(/^live sound by the microphone `\S.*` and the speaker `\S.*`$/m);
  const [atPhone, atSpeaker] = await Promise.all([phone.listen(), card.listen()]);
  atPhone.assertOnly(TONES.first);
  atSpeaker.assertOnly(TONES.second);
  call.interrupt();
  await call.ended();
});

scenario('the microphone returns from the echo by WebRTC', async () => {
  const card = await startSoundCard(TONES.third);
  const call = new NativeCall(server, 'alice', { callee: 'echo', transport: 'ws', machine: card.env });
  await call.tells(/^the other side is heard$/m);
  (await card.listen()).assertOnly(TONES.third);
  call.interrupt();
  await call.ended();
});

scenario('a file is played to the other side, and the speaker plays what comes back', async () => {
  const card = await startSoundCard(TONES.first);
  const call = new NativeCall(server, 'alice', { callee: 'echo', tone: TONES.second, machine: card.env });
  await call.tells(/^live sound by the speaker `\S.*`$/m);
  (await card.listen()).assertOnly(TONES.second);
  call.interrupt();
  await call.ended();
});

scenario('a member of a room speaks and hears', async () => {
  const browser = await startChromium(TONES.first);
  const ada = await makeRoom(browser, server, 'Ada', { camera: false });
  const card = await startSoundCard(TONES.second);
  const grace = new NativeMember(server, 'Grace', { room: ada.room, machine: card.env });
  await grace.tells(/^\* connected with Ada$/m);
  await ada.reaches('Grace');
  await grace.tells(/^\* live sound by the microphone `\S.*` and the speaker `\S.*`$/m);
  (await ada.listen('Grace')).assertOnly(TONES.second);
  (await card.listen()).assertOnly(TONES.first);
  await grace.leave();
});

scenario('a call goes on when the sound of the machine goes away', async () => {
  const card = await startSoundCard(TONES.first);
  const phone = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  const call = new NativeCall(server, 'alice', { callee: 'bob', machine: card.env });
  await phone.established();
  (await phone.listen()).assertOnly(TONES.first);
  await card.unplug();
  await call.tells(/^ringback: the microphone `\S.*` is gone: .+; others hear silence$/m);
  await call.tells(/^ringback: the speaker `\S.*` is gone: .+; what others say is not played$/m);
  (await phone.listen()).assertNone();
  await phone.hangUp();
  await call.ended();
  assert.match(call.output, /^the other side has hung up after/m);
});

scenario('a call without any sound of the machine is made all the same', async () => {
  const call = new NativeCall(server, 'alice', {
    ...{ callee: 'echo', machine: WITHOUT_SOUND },
    more: ['--for', '2'],
  });
  await call.tells(
    /^ringback: (this machine has no microphone|the microphone .+ cannot be used): .+; others hear silence$/m,
  );
  await call.tells(
    /^ringback: (this machine has no speaker|the speaker .+ cannot be used): .+; what others say is not played$/m,
  );
  await call.ended();
  assert.match(call.output, /^hung up after 2\.\d s$/m);
  assert.doesNotMatch(call.output, /ALSA lib/);
});

scenario('a device is chosen by its name, and a wrong name is told with those that there are', async () => {
  const card = await startSoundCard(TONES.first);
  const wrong = new NativeCall(server, 'alice', {
    ...{ callee: 'echo', machine: card.env },
    more: ['--speaker', 'gramophone'],
  });
  await wrong.ended(2);
  assert.match(wrong.output, /^ringback: there is no speaker `gramophone`; there are: .*`default`/m);

  const call = new NativeCall(server, 'alice', {
    ...{ callee: 'echo', machine: card.env },
    more: ['--speaker', 'default', '--microphone', 'default'],
  });
  await call.tells(/^the other side is heard$/m);
  (await card.listen()).assertOnly(TONES.first);
  call.interrupt();
  await call.ended();
});

scenario('without sound is without sound', async () => {
  const card = await startSoundCard(TONES.first);
  const call = new NativeCall(server, 'alice', {
    ...{ callee: 'echo', machine: card.env },
    more: ['--no-sound', '--for', '1'],
  });
  await call.ended();
  assert.doesNotMatch(call.output, /live sound/);
});
