// A page in a browser: its console in the evidence, its errors kept, its remote sound recorded.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';

import { evidencePath } from './evidence.mjs';
import { atEnd } from './lifetime.mjs';
import { undisturbed } from './standstill.mjs';
import { LISTEN_MS, PATIENCE_MS, SETTLE_MS, Sound, fromPcm16 } from './tones.mjs';
import { WITHIN_MS, bounded } from './waiting.mjs';

/**
 * Opens `url` in a context of its own, which is another person's browser to the page. A page that is `selfContained` may
 * load from its own origin, and open WebSockets to it, and to nowhere else. What is to run `before` its own scripts is pairs
 * of a function and its argument. `sockets` is what passed over each WebSocket.
 */
export async function openPage(browser, url, name, { selfContained = false, before = [] } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  await context.addInitScript(withoutProcessing);
  for (const [script, argument] of before) await context.addInitScript(script, argument);
  const page = await context.newPage();
  page.setDefaultTimeout(WITHIN_MS);
  const log = evidencePath(`${name}-page.log`);
  const errors = [];
  page.on('console', (message) => appendFileSync(log, `[${message.type()}] ${message.text()}\n`));
  page.on('pageerror', (error) => {
    errors.push(error);
    appendFileSync(log, `[uncaught] ${error.stack}\n`);
  });
  page.on('requestfailed', (request) => appendFileSync(log, `[request failed] ${request.url()}\n`));
  const asked = new Set();
  page.on('request', (request) => request.url().startsWith('data:') || asked.add(originOf(request.url())));
  const sockets = [];
  page.on('websocket', (socket) => {
    asked.add(originOf(socket.url()));
    const passed = { sent: [], received: [] };
    sockets.push(passed);
    socket.on('framesent', ({ payload }) => passed.sent.push(String(payload)));
    socket.on('framereceived', ({ payload }) => passed.received.push(String(payload)));
  });
  const close = async () => {
    await context.close();
    assert.deepEqual(errors, [], `uncaught errors in the page of ${name}`);
    if (selfContained) assert.deepEqual([...asked], [originOf(url)], `whom the page of ${name} has asked`);
  };
  atEnd(`the page of ${name}`, close);
  await page.goto(url);
  return { page, close, sockets };
}

/** The origin of a URL; that of the page that has the same server for a WebSocket. */
function originOf(url) {
  return new URL(url.replace(/^ws/, 'http')).origin;
}

/**
 * What the page plays through the media element `selector` from now on, after a settling.
 *
 * The samples are read from the track behind the element: what WebRTC decoded and the element plays.
 */
export function listen(
  page,
  selector,
  from,
  { settle = SETTLE_MS, listen = LISTEN_MS, patience = PATIENCE_MS } = {},
) {
  return undisturbed(async () => {
    const recording = page.evaluate(record, { selector, settle, listen, patience });
    const within = settle + listen + patience + 30_000;
    const { pcm, rate } = await bounded(`the sound of ${from}`, recording, within);
    return new Sound(fromPcm16(Buffer.from(pcm, 'base64')), rate, from);
  });
}

/**
 * Runs in the page before its own scripts: a microphone without echo cancellation, noise suppression and gain control,
 * whatever the page asks for. They are the browser's own, they adapt to what they hear, and on a busy machine they take
 * a tone for noise.
 */
function withoutProcessing() {
  const devices = navigator.mediaDevices;
  if (devices === undefined) return;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (constraints) => {
    const asked = constraints.audio === true ? {} : constraints.audio;
    const audio = { ...asked, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return open({ ...constraints, audio });
  };
}

/** Runs in the page. */
async function record({ selector, settle, listen, patience }) {
  const element = document.querySelector(selector);
  if (element === null) throw new Error(`no ${selector} in the page`);
  let deadline = performance.now() + settle + listen + patience;
  const left = () => deadline - performance.now();
  // A browser takes the track away while the far side is not to be heard; a resumed one comes in a moment. A track may also be
  // there before the microphone behind it: it is muted until something has come.
  const track = () => element.srcObject?.getAudioTracks()[0];
  while (track()?.muted ?? true) {
    if (left() <= 0) return { pcm: '', rate: 48_000 };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const begun = performance.now();
  // A copy, so that ending the recording leaves the page's own track alone.
  const copy = track().clone();
  const reader = new MediaStreamTrackProcessor({ track: copy }).readable.getReader();
  const chunks = [];
  deadline = begun + settle + listen + patience;
  let rate = 48_000;
  let heard = 0;
  while (heard < listen) {
    // A track without packets delivers nothing: then nothing is what was heard.
    const late = new Promise((resolve) => setTimeout(resolve, Math.max(0, left()), undefined));
    const next = await Promise.race([reader.read(), late]);
    if (next === undefined || next.done) break;
    const audio = next.value;
    // Where sound comes, the rest of it comes, however busy the machine is.
    deadline = Math.max(deadline, performance.now() + patience);
    if (performance.now() - begun >= settle) {
      rate = audio.sampleRate;
      const samples = new Float32Array(audio.numberOfFrames);
      audio.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      chunks.push(samples);
      heard += (1000 * samples.length) / rate;
    }
    audio.close();
  }
  await reader.cancel();
  copy.stop();
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const pcm = new Int16Array(total);
  let at = 0;
  for (const chunk of chunks)
    for (const sample of chunk) pcm[at++] = Math.max(-1, Math.min(1, sample)) * 32_767;
  let binary = '';
  const bytes = new Uint8Array(pcm.buffer);
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { pcm: btoa(binary), rate };
}
