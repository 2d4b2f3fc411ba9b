// Chromium with a tone for a microphone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { atEnd, atExit } from './lifetime.mjs';
import { tone, writeWav } from './tones.mjs';

/** The browser. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const RATE = 48_000;
/** The file is played over and over; its length is that of many gaps. */
const SECONDS = 24;

/**
 * Starts a browser whose microphone hears `frequency`. The tone belongs to the whole browser: two people in a call need
 * two. `executable` is another program that is started as the browser. One that is `wary` lends no page its microphone, and
 * has a name that tells nothing (mDNS) in place of its address.
 */
export async function startChromium(frequency, { executable = CHROMIUM, wary = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-chromium-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const microphone = join(folder, 'microphone.wav');
  writeWav(microphone, tone(frequency, { rate: RATE, seconds: SECONDS }), RATE);
  const browser = await chromium.launch({
    executablePath: executable,
    headless: false,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      ...(wary ? [] : ['--use-fake-ui-for-media-stream']),
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${microphone}`,
      '--autoplay-policy=no-user-gesture-required',
      '--ignore-certificate-errors',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      '--disable-sync',
    ],
  });
  atEnd('the browser', () => browser.close());
  return browser;
}
