// The first minute: a server without any user prints what to open; the page, a demo user, and `echo` talks back.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { openSignIn } from './harness/phone.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';

scenario('a demo user signs in over WSS and hears the echo', async () => {
  const server = await startServer({ users: [] });
  const { announcement } = server;
  const url = /https:\/\/\S+/.exec(announcement)?.[0];
  assert.equal(url, server.httpsUrl, announcement);
  assert.match(announcement, /echo/);

  const file = join(server.dataDir, 'demo-users');
  assert.ok(announcement.includes(file), 'the announcement says where the passwords are');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const passwords = Object.fromEntries(
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  );
  assert.deepEqual(Object.keys(passwords).sort(), ['alice', 'bob']);

  const browser = await startChromium(TONES.first);
  const phone = await openSignIn(browser, url, 'alice');
  await phone.signIn('alice', passwords.alice);
  await phone.registration('registered');
  await phone.part('echo').click();
  await phone.call('active');
  (await phone.listen()).assertOnly(TONES.first);
  await phone.hangUp();
  await phone.ended('hung-up');
});

scenario('the next start keeps users and passwords', async () => {
  const server = await startServer({ users: [] });
  const file = join(server.dataDir, 'demo-users');
  const before = readFileSync(file, 'utf8');
  await server.stop();
  await server.start();
  assert.equal(readFileSync(file, 'utf8'), before);
});
