// The examples of the library `ringback-peer`, with each other and with a browser.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before } from 'node:test';

import { Child, run } from './harness/child.mjs';
import { startChromium } from './harness/chromium.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { listen, openPage } from './harness/page.mjs';
import { BINARY } from './harness/server.mjs';
import { TONES, readWav, tone, writeWav } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const EXAMPLES = join(dirname(BINARY), 'examples');
const RATE = 16_000;

before(() => {
  assert.ok(existsSync(join(EXAMPLES, 'ping_pong')), `no examples in ${EXAMPLES}: cargo build --examples`);
});

function start(example, ...args) {
  const child = new Child(example, join(EXAMPLES, example), args, { stdio: ['pipe', 'pipe', 'pipe'] });
  atEnd(`the example ${example}`, () => child.stop('SIGKILL'));
  return child;
}

/** A description that an example has written. */
async function descriptionOf(child) {
  const isWhole = () => /^v=0[^]*\r?\n\r?\n/m.exec(child.stdout);
  const [text] = await until('a description', isWhole, { seen: () => child.output.slice(-400) });
  return text.trim();
}

const carry = (description, to) => to.stdin.write(`${description.trim()}\n\n`);

scenario('ping and pong', async () => {
  const { code, stdout } = await run('ping_pong', join(EXAMPLES, 'ping_pong'), []);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^pong 10 after /m);
});

scenario('a file goes from one to the other', async () => {
  const [from, to] = [evidencePath('from.bin'), evidencePath('to.bin')];
  const bytes = randomBytes(3_000_000);
  writeFileSync(from, bytes);
  const sender = start('send_file', 'send', from);
  const taker = start('send_file', 'take', to);
  carry(await descriptionOf(sender), taker);
  carry(await descriptionOf(taker), sender);
  for (const child of [sender, taker]) {
    assert.equal((await child.ended(30_000)).code, 0, child.output);
  }
  assert.ok(readFileSync(to).equals(bytes), 'the file arrives as it was sent');
});

/** The example that plays to whoever opens its page, and a browser that has opened it. */
async function answerBrowser() {
  const voice = evidencePath('voice.wav');
  writeWav(voice, tone(TONES.second, { rate: RATE, seconds: 10 }), RATE);
  const child = start('answer_browser', voice, '127.0.0.1:0');
  const [, url] = await until('the address', () => /open (http:\S+) in a browser/.exec(child.output));
  const { page } = await openPage(await startChromium(TONES.first), url, 'page', { selfContained: true });
  return { child, page };
}

scenario('a browser is answered, and hears the file', async () => {
  const { child, page } = await answerBrowser();
  await page.evaluate(() => {
    // Its element is in no document; the test listens to one that is.
    window.Audio = function () {
      return document.body.appendChild(document.createElement('audio'));
    };
  });
  await page.locator('#start').click();
  await page.locator('#state').getByText('connected').waitFor();
  (await listen(page, 'audio', 'the page of the example')).assertOnly(TONES.second);
  await page.close();
  await until('the example to see that', () => /^the page is gone$/m.test(child.output), { within: 40_000 });
});

scenario('what a browser says is recorded', async () => {
  const heard = evidencePath('heard.wav');
  const child = start('record', heard);
  const { page } = await answerBrowser();
  carry(await page.evaluate(offerMicrophone), child);
  const answer = await descriptionOf(child);
  await page.evaluate(
    (sdp) => window.connection.setRemoteDescription({ type: 'answer', sdp }),
    `${answer}\r\n`,
  );
  await until('the connection', () => page.evaluate(() => window.connection.connectionState === 'connected'));
  // So much has to be said, at its own pace.
  await page.waitForTimeout(4_000);
  await page.evaluate(() => window.connection.close());
  assert.equal((await child.ended(40_000)).code, 0, child.output);
  const [sound] = readWav(heard);
  sound.samples = sound.samples.subarray(sound.rate, 3 * sound.rate);
  sound.from = 'the example';
  sound.assertOnly(TONES.first);
});

/** Runs in a page: the offer of its microphone, with all candidates. */
async function offerMicrophone() {
  const connection = new RTCPeerConnection();
  window.connection = connection;
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  for (const track of stream.getTracks()) connection.addTrack(track, stream);
  await connection.setLocalDescription();
  while (connection.iceGatheringState !== 'complete') {
    await new Promise((resolve) => (connection.onicegatheringstatechange = resolve));
  }
  return connection.localDescription.sdp;
}
