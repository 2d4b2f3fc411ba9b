// Firefox in the page of rooms, driven by WebDriver BiDi.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

import { evidencePath } from './evidence.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { CONNECTED_WITHIN } from './room.mjs';
import { undisturbed } from './standstill.mjs';
import { LISTEN_MS, SETTLE_MS, Sound, fromPcm16 } from './tones.mjs';
import { WITHIN_MS, bounded, until } from './waiting.mjs';

/** The browser. */
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** Starts a Firefox whose microphone hears `frequency`, steadily: the microphone is its own. */
export async function startFirefox(frequency) {
  const downloads = mkdtempSync(join(tmpdir(), 'ringback-firefox-'));
  atExit(() => rmSync(downloads, { recursive: true, force: true }));
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    acceptInsecureCerts: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.navigator.audio.fake_frequency': frequency,
      'media.autoplay.default': 0,
      'browser.download.folderList': 2,
      'browser.download.dir': downloads,
      'browser.download.alwaysOpenPanel': false,
    },
  });
  atEnd('Firefox', () => browser.close());
  return { browser, downloads };
}

/** Opens the page of rooms for `name`, and comes in: into `room`, or into one that is made. */
export async function enterWithFirefox({ browser, downloads }, server, name, room = '') {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(WITHIN_MS);
  const log = evidencePath(`${name}-page.log`);
  const errors = [];
  page.on('console', (message) => appendFileSync(log, `[${message.type()}] ${message.text()}\n`));
  page.on('pageerror', (error) => {
    errors.push(error);
    appendFileSync(log, `[uncaught] ${error.stack}\n`);
  });
  atEnd(`the page of ${name}`, async () => {
    await context.close();
    assert.deepEqual(errors, [], `uncaught errors in the page of ${name}`);
  });
  await page.goto(`${server.httpUrl}r/${room}`);
  const person = new FirefoxRoomPage(page, name, downloads);
  await person.enter();
  return person;
}

/** As `RoomPage` of `room.mjs`. */
class FirefoxRoomPage {
  room = '';
  #page;
  #name;
  #downloads;

  constructor(page, name, downloads) {
    this.#page = page;
    this.#name = name;
    this.#downloads = downloads;
  }

  async enter() {
    await this.#part('name').fill(this.#name);
    await this.#page.$eval(test('with-camera'), (box) => box.checked && box.click());
    await this.#part('enter').click();
    await this.#page.waitForSelector(`${test('room')}[data-state=inside]`);
    this.room = await this.#page.$eval(test('room'), (room) => room.dataset.room);
  }

  /** Waits until somebody is reached in this way. */
  async reaches(name, kind = 'direct') {
    let seen;
    await until(
      `${this.#name} to reach ${name}`,
      async () => {
        seen = await this.#page.$$eval(test('tile'), (tiles) =>
          tiles.map((tile) => {
            const part = (id) => tile.querySelector(`[data-testid=${id}]`);
            return [part('member-name').textContent, part('path')?.dataset.path];
          }),
        );
        return seen.some(([who, path]) => who === name && path === kind);
      },
      { within: CONNECTED_WITHIN, seen: () => seen },
    );
  }

  async say(text) {
    await this.#openChat();
    await this.#part('chat-input').fill(text);
    await this.#part('send').click();
  }

  /** Waits for a line of chat. */
  async reads(text) {
    await this.#openChat();
    let seen;
    await until(
      `${this.#name} to read ${text}`,
      async () => {
        seen = await this.#page.$$eval(test('line-text'), (lines) => lines.map((line) => line.textContent));
        return seen.includes(text);
      },
      { seen: () => seen },
    );
  }

  /** Offers a file that is on this machine. */
  async offer(path) {
    await this.#openChat();
    const input = await this.#page.waitForSelector(test('file-input'));
    await input.uploadFile(path);
  }

  /** Takes the file that is offered and saves it; its bytes once there are as many. */
  async take(name, size) {
    await this.#openChat();
    await this.#part('accept').click();
    await this.#part('save').setTimeout(CONNECTED_WITHIN).click();
    const saved = () => statSync(join(this.#downloads, name), { throwIfNoEntry: false })?.size;
    await until('the file to be saved', () => saved() === size, { seen: saved });
    return readFileSync(join(this.#downloads, name));
  }

  /** What is heard of the only other one, by a recording of the browser. */
  listen(name) {
    return undisturbed(async () => {
      const times = { settle: SETTLE_MS, listen: LISTEN_MS, patience: CONNECTED_WITHIN };
      const recording = this.#page.evaluate(record, `${test('tile')}[data-kind=person] audio`, times);
      const within = SETTLE_MS + LISTEN_MS + CONNECTED_WITHIN + 30_000;
      const { pcm, rate } = await bounded(`the sound of ${name}`, recording, within);
      return new Sound(fromPcm16(Buffer.from(pcm, 'base64')), rate, `${name} at ${this.#name}`);
    });
  }

  #part(id) {
    return this.#page.locator(test(id));
  }

  async #openChat() {
    const tab = test('tab-chat');
    await this.#page.waitForSelector(tab);
    await this.#page.$eval(tab, (it) => it.getAttribute('aria-expanded') === 'true' || it.click());
  }
}

const test = (id) => `[data-testid=${id}]`;

/** Runs in the page. Without a device for sound Firefox has no running AudioContext, but it records and decodes. */
async function record(selector, { settle, listen, patience }) {
  const element = document.querySelector(selector);
  if (element === null) throw new Error(`no ${selector} in the page`);
  // The track is there before the microphone behind it; it is muted until something has come.
  const track = () => element.srcObject?.getAudioTracks()[0];
  const deadline = performance.now() + patience;
  while (track()?.muted ?? true) {
    if (performance.now() > deadline) throw new Error(track() ? 'no sound came' : 'no track of sound came');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // A copy, so that ending the recording leaves the page's own track alone.
  const copy = new MediaStream([track().clone()]);
  const recorder = new MediaRecorder(copy);
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.onstart = () => setTimeout(() => recorder.stop(), settle + listen);
  recorder.start();
  await stopped;
  copy.getTracks().forEach((track) => track.stop());
  const rate = 48_000;
  const decoder = new OfflineAudioContext(1, 1, rate);
  const heard = await decoder.decodeAudioData(await new Blob(parts).arrayBuffer());
  const samples = heard.getChannelData(0).slice((settle * rate) / 1000);
  const bytes = new Uint8Array(
    Int16Array.from(samples, (it) => Math.max(-1, Math.min(1, it)) * 32_767).buffer,
  );
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192)
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return { pcm: btoa(binary), rate };
}
