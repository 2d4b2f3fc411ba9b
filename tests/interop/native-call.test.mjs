// `ringback call`: a call to `echo` and to telephones over each transport and with each kind of media, files in and out, and
// the calls that do not come about.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { scenario, sideBySide } from './harness/evidence.mjs';
import { NativeCall } from './harness/native-call.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

let server;
before(async () => {
  server = await startServer({ users: ['alice', 'bob', 'carol', 'dave'] });
});

const FOR_A_WHILE = ['--for', '5'];

for (const [transport, media] of [
  ['udp', 'plain'],
  ['tcp', 'sdes'],
  ['tls', 'sdes'],
  ['ws', 'webrtc'],
  ['wss', 'webrtc'],
  ['udp', 'webrtc'],
]) {
  scenario(`echo over ${transport} with ${media} is heard in the recording`, async () => {
    const more = [...FOR_A_WHILE, '--media', media, '--register'];
    const call = new NativeCall(server, 'alice', { callee: 'echo', transport, tone: TONES.first, more });
    await call.ended();
    assert.match(call.output, /^signed in as sip:alice@/m);
    assert.match(call.output, /^hung up after 5\.\d s$/m);
    call.heard().assertOnly(TONES.first);
  });
}

scenario('a recording is written as Ogg', async () => {
  const call = new NativeCall(server, 'alice', {
    ...{ callee: 'echo', tone: TONES.first, format: 'ogg' },
    more: ['--for', '2'],
  });
  await call.ended();
  const file = readFileSync(call.recordingPath);
  assert.equal(file.subarray(0, 4).toString('latin1'), 'OggS');
  assert.ok(file.length > 2_000, `${file.length} bytes`);
});

sideBySide(['plain', 'sdes'], (media) => {
  scenario(`a telephone and the command talk, ${media}`, async () => {
    const callee = media === 'plain' ? 'bob' : 'carol';
    const phone = await startBaresip(server, callee, {
      ...{ tone: TONES.second, answers: true },
      ...(media === 'sdes' ? { encryption: 'srtp', transport: 'tls' } : {}),
    });
    const more = ['--media', media];
    const call = new NativeCall(server, 'alice', { callee, tone: TONES.first, more });
    await phone.established();
    (await phone.listen()).assertOnly(TONES.first);
    call.interrupt();
    await call.ended();
    call.heard().assertOnly(TONES.second);
  });
});

scenario('a telephone calls the command, and hangs up', async () => {
  const call = new NativeCall(server, 'dave', { tone: TONES.first });
  await call.tells(/^waiting for a call$/m);
  const phone = await startBaresip(server, 'bob', { tone: TONES.second });
  await phone.dial('dave');
  await phone.established();
  (await phone.listen()).assertOnly(TONES.first);
  await phone.hangUp();
  await call.ended();
  assert.match(call.output, /^called by sip:bob@/m);
  assert.match(call.output, /^the other side has hung up after/m);
  call.heard().assertOnly(TONES.second);
});

scenario('two commands talk by WebRTC and by telephone, and keys arrive', async () => {
  const callee = new NativeCall(server, 'dave', { transport: 'ws', tone: TONES.second });
  await callee.tells(/^waiting for a call$/m);
  const caller = new NativeCall(server, 'alice', {
    ...{ callee: 'dave', tone: TONES.first },
    more: ['--for', '6', '--dtmf', '19#'],
  });
  await caller.ended();
  await callee.ended();
  const pressed = [...callee.output.matchAll(/^the other side has pressed (.)$/gm)].map(([, key]) => key);
  assert.deepEqual(pressed, ['1', '9', '#'], callee.output);
  caller.heard().assertOnly(TONES.second);
});

scenario('the call ends when the file was played, and at Ctrl-C', async () => {
  const call = new NativeCall(server, 'alice', { callee: 'echo' });
  await call.tells(/^the other side is heard$/m);
  call.interrupt();
  await call.ended();
  assert.match(call.output, /^hung up after/m);
  assert.match(call.output, /^recorded \d+\.\d s in /m);
});

scenario('a wrong password is told, with code 1', async () => {
  for (const more of [[], ['--register']]) {
    const call = new NativeCall(server, 'carol', { callee: 'echo', password: 'wrong', more });
    await call.ended(1);
    assert.match(call.output, /the password or the name is not taken; look at --user/);
    assert.ok(!call.output.includes('wrong'), 'the password is not shown');
  }
});

scenario('a callee who is busy, and one that is not known, are told with code 3', async () => {
  const phone = await startBaresip(server, 'bob');
  const call = new NativeCall(server, 'alice', { callee: 'bob' });
  await phone.incoming();
  await call.tells(/^it rings$/m);
  await phone.hangUp();
  await call.ended(3);
  assert.match(call.output, /sip:bob@\S+ is busy \(486 Busy Here\); call again later/);

  const unknown = new NativeCall(server, 'alice', { callee: 'nobody' });
  await unknown.ended(3);
  assert.match(unknown.output, /sip:nobody@\S+ is nobody that the server knows \(404/);
});

scenario('a server that is not there is told, with code 1', async () => {
  const nowhere = { ...server, address: server.address, listen: { sip_tcp: server.ports.one() } };
  const gone = { ...nowhere, password: (user) => server.password(user), dataDir: server.dataDir };
  const call = new NativeCall(gone, 'alice', { callee: 'echo', transport: 'tcp' });
  await call.ended(1);
  assert.match(call.output, /cannot be reached.*is --via right\?/);
});
