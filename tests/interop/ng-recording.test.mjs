// Debian's kamailio has a call recorded, and an announcement and keys played to it, by our engine in rtpengine's place.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { assertHearEachOther } from './harness/conversation.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { startEngine, startProxy } from './harness/ng.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { reservePorts } from './harness/ports.mjs';
import { TONES, readWav, tone, writeWav } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';
import { startWire } from './harness/wire.mjs';

await enterOwnNetwork(import.meta.filename);

const ANNOUNCEMENT_SECONDS = 6;

scenario('a page and a SIP phone are recorded, and hear what the script has played', async () => {
  const folder = evidencePath('data');
  mkdirSync(join(folder, 'sounds'), { recursive: true, mode: 0o700 });
  const announcement = tone(TONES.third, { rate: 8_000, seconds: ANNOUNCEMENT_SECONDS });
  writeWav(join(folder, 'sounds', 'welcome.wav'), announcement, 8_000);
  const set = [
    `data_dir=${JSON.stringify(folder)}`,
    'recording.tracks="separate"',
    'ng.delete_delay_seconds=1',
  ];
  const more = set.flatMap((key) => ['--set', key]);
  const engine = await startEngine(await reservePorts(), { address: OWN_ADDRESS, more });
  const proxy = await startProxy(await reservePorts(), engine);
  const browser = await startChromium(TONES.first);
  const page = await openPlainPage(browser, await servePlainPage('jssip'), proxy, 'alice');
  const phone = await startBaresip(proxy, 'recorded', { tone: TONES.second });
  const wire = await startWire();
  const ear = { listen: (window) => wire.listen(phone, window) };

  await page.dial('recorded');
  await phone.incoming();
  await phone.accept();
  await page.call('active');
  await phone.established();
  await assertHearEachOther([page, TONES.first], [ear, TONES.second]);
  const [call] = await engine.calls();
  const { recordings } = await engine.ask('query', { 'call-id': call });
  assert.equal(recordings?.length, 1, 'the engine says what is recorded');

  // The one who presses it hears the announcement, and the other one goes on to hear her.
  await page.press('9');
  const [heard, passed] = await Promise.all([page.listen({ settle: 500 }), ear.listen({ settle: 500 })]);
  heard.assertOnly(TONES.third);
  passed.assertOnly(TONES.first);
  await page.press('5');
  await phone.event('CALL_DTMF_START', ({ param }) => param === '5');
  await phone.event('CALL_DTMF_END');
  await engine.ask('stop media', { 'call-id': call, flags: ['all'] });
  await assertHearEachOther([page, TONES.first], [ear, TONES.second]);

  await page.hangUp();
  await phone.closed();
  await engine.isEmpty();
  const path = join(folder, 'recordings', recordings[0]);
  await until('the end of the recording', () => engine.output.includes('a recording has ended'));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const [left, right] = readWav(path);
  left.assertOnly(TONES.first);
  right.assertOnly(TONES.second);
  assert.match(readFileSync(path.replace(/wav$/, 'txt'), 'utf8'), /^call-id: .+\nmetadata: order-7\n$/);
});
