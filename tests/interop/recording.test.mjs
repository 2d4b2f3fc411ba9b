// Recordings of calls, music on hold, and a file that is dialled.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { recordOf } from './harness/cdr.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { evidencePath, scenario, sideBySide } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { startOldPhone } from './harness/old-phone.mjs';
import { openPhone } from './harness/phone.mjs';
import { reservePorts } from './harness/ports.mjs';
import { Server } from './harness/server.mjs';
import { Sound, TONES, readWav, tone, writeWav } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { readCapture, startWire } from './harness/wire.mjs';

await enterOwnNetwork(import.meta.filename);

const FILE_SECONDS = 4;

let music;
let browser;
let wire;
before(async () => {
  music = evidencePath('music.wav');
  writeWav(music, tone(TONES.third, { rate: 16_000, seconds: 30 }), 16_000);
  browser = await startChromium(TONES.first);
  wire = await startWire();
});

/** A server that records every call, with a file that can be dialled. */
async function startRecorder(...set) {
  const server = new Server(
    { address: OWN_ADDRESS, set: ['recording.calls=all', ...set] },
    await reservePorts(),
  );
  const sounds = join(server.dataDir, 'sounds');
  mkdirSync(sounds, { recursive: true, mode: 0o700 });
  writeWav(join(sounds, 'open.wav'), tone(TONES.third, { rate: 8_000, seconds: FILE_SECONDS }), 8_000);
  atEnd('the server', () => server.stop());
  await server.start();
  return server;
}

/** What tcpdump reads of the datagrams of a capture that a filter leaves. */
const dump = (path, type, filter) =>
  execFileSync('tcpdump', ['-n', '-v', '-r', path, '-T', type, filter], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** A second byte of RTCP (RFC 5761), at a port beside those of RTP. */
const RTCP = '(udp[9] & 0x7f) >= 64 and (udp[9] & 0x7f) <= 95 and (udp[0:2] & 1) = 1';

/** How many reports are in a capture that is being written. */
const reports = (path) => dump(path, 'rtcp', RTCP).match(/: +(sr|rr) /g)?.length ?? 0;

const folderOf = (server) => join(server.dataDir, 'recordings');

/** The channels of a file that the browser can play. */
async function readByBrowser(path) {
  const page = await browser.newPage();
  const file = readFileSync(path).toString('base64');
  const channels = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (byte) => byte.codePointAt(0));
    const audio = await new OfflineAudioContext(1, 1, 16_000).decodeAudioData(bytes.buffer);
    return Array.from({ length: audio.numberOfChannels }, (_, channel) =>
      Array.from(audio.getChannelData(channel)),
    );
  }, file);
  await page.close();
  return channels.map((samples) => new Sound(Float32Array.from(samples), 16_000, 'the recording'));
}

scenario('each party has a channel of its own, and who is held hears music', async () => {
  const server = await startRecorder('recording.tracks=separate', `media.hold_music=${music}`);
  const alice = await openPhone(browser, server, 'alice', { url: server.httpsUrl });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second });
  const earOfBob = { listen: () => wire.listen(bob) };
  const bothHear = () => assertHearEachOther([alice, TONES.first], [earOfBob, TONES.second]);
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await bob.incoming();
    await bob.accept();
    await alice.call('active');
    await bob.established();
    await bothHear();
    await alice.hold();
    (await earOfBob.listen()).assertOnly(TONES.third);
    await alice.resume();
    await bob.hold();
    await alice.call('held');
    (await alice.listen()).assertOnly(TONES.third);
    await bob.resume();
    await alice.call('active');
    await bothHear();
    await alice.hangUp();
    await bob.closed();
  });
  const path = join(folderOf(server), cdr.recordings);
  assert.equal(cdr.recordings, `${cdr.call}-1.wav`);
  assert.deepEqual([statSync(path).mode & 0o777, statSync(folderOf(server)).mode & 0o777], [0o600, 0o700]);
  await until('the end of the recording', () => server.log.includes('a recording has ended'));
  const [left, right] = readWav(path);
  const talked = (cdr.ended - cdr.answered) / 1000;
  assert.ok(Math.abs(left.seconds - talked) < 2, `${left.seconds} s of ${talked} s`);
  left.assertOnly(TONES.first);
  right.assertOnly(TONES.second);
});

scenario('the packets of both, as a capture', async () => {
  const server = await startRecorder('recording.format=pcap', 'recording.mask_dtmf=false');
  const alice = await startBaresip(server, 'alice', { tone: TONES.first });
  const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
  const cdr = await recordOf(server, async () => {
    await alice.dial('bob');
    await Promise.all([alice.established(), bob.established()]);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    const [name] = readdirSync(folderOf(server));
    await until('a report of a telephone', () => reports(join(folderOf(server), name)) > 0);
    await alice.hangUp();
    await bob.closed();
  });
  assert.equal(cdr.recordings, `${cdr.call}-1.pcap`);
  await until('the end of the recording', () => server.log.includes('a recording has ended'));
  const path = join(folderOf(server), cdr.recordings);
  const talked = (cdr.ended - cdr.answered) / 1000;
  for (const [phone, tone] of [
    [alice, TONES.first],
    [bob, TONES.second],
  ]) {
    const said = readCapture(path, phone);
    said.assertOnly(tone);
    assert.ok(Math.abs(said.seconds - talked) < 2, `${said.seconds} s of ${talked} s`);
  }
  // Another reader finds an RTP packet of G.711 in each datagram that is no RTCP.
  const lines = dump(path, 'rtp', `not (${RTCP})`);
  const datagrams = lines.match(/proto UDP/g)?.length ?? 0;
  const packets = lines.match(/: udp\/rtp 160 c[08] /g)?.length ?? 0;
  assert.ok(datagrams > 50 * talked && packets === datagrams, `${packets} of ${datagrams}: ${lines}`);
  assert.doesNotMatch(lines, /bad cksum|truncated/);
});

sideBySide(['wav', 'ogg'], (format) => {
  scenario(`both in one channel of a ${format} file, of a server that is killed`, async () => {
    const server = await startRecorder(`recording.format=${format}`);
    const alice = await startBaresip(server, 'alice', { tone: TONES.first });
    const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
    await alice.dial('play-open');
    await alice.established();
    (await wire.listen(alice, { settle: 200 })).assertOnly(TONES.third);
    await alice.closed();
    await alice.dial('bob');
    await Promise.all([alice.established(), bob.established()]);
    await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
    const files = readdirSync(folderOf(server));
    assert.equal(files.length, 1, 'what is dialled to be heard is not recorded');
    await server.kill();
    const path = join(folderOf(server), files[0]);
    const [sound, ...others] = format === 'wav' ? readWav(path) : await readByBrowser(path);
    assert.equal(others.length, 0);
    assert.ok(sound.seconds > 2, `${sound.seconds} s`);
    sound.assertHas(TONES.first);
    sound.assertHas(TONES.second);
  });
});

sideBySide(['true', 'false'], (masks) => {
  scenario(`a key in the audio of a telephone, recording.mask_dtmf=${masks}`, async () => {
    const server = await startRecorder('recording.tracks=separate', `recording.mask_dtmf=${masks}`);
    const alice = await startOldPhone(server, 'alice');
    const bob = await startBaresip(server, 'bob', { tone: TONES.second, answers: true });
    await alice.dial('bob');
    await bob.established();
    for (let times = 1; times <= 3; times += 1) {
      alice.pressTone('5', 400);
      await bob.event('CALL_DTMF_START', ({ param }) => param === '5');
      await bob.event('CALL_DTMF_END');
    }
    await bob.hangUp();
    await until('the end of the recording', () => server.log.includes('a recording has ended'));
    const [name] = readdirSync(folderOf(server));
    const [left] = readWav(join(folderOf(server), name));
    if (masks === 'true') assert.throws(() => left.assertKey('5'), /should hear the key 5/);
    else left.assertKey('5');
  });
});
