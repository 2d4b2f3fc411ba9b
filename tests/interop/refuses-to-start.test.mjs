// What cannot start says so in one sentence that names the key and the mend.
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';

import { run } from './harness/child.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { BINARY, startServer } from './harness/server.mjs';

/** Runs `ringback` with arguments and asserts that it ends with `code` and one sentence, which it returns. */
async function sentenceOf(code, ...args) {
  const end = await run('refused', BINARY, args, { env: { ...process.env, RINGBACK_LOG: 'error' } });
  assert.deepEqual([end.code, end.signal], [code, null], end.output);
  const said = end.output.split('\n').filter((line) => line.startsWith('ringback: '));
  assert.equal(said.length, 1, `one sentence: ${end.output}`);
  assert.doesNotMatch(end.output, /^ready$/m);
  return said[0];
}

function configFile(text, mode = 0o600) {
  const path = evidencePath('ringback.toml');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

scenario('a second server on the same ports', async () => {
  const server = await startServer();
  const sentence = await sentenceOf(1, ...server.arguments({ dataDir: evidencePath('data') }));
  assert.match(sentence, /sip_udp|127\.0\.0\.1:\d+/);
});

scenario('a key that does not exist', async () => {
  const sentence = await sentenceOf(2, 'serve', '-c', configFile('[listen]\nsip_upd = "127.0.0.1:1"\n'));
  assert.match(sentence, /sip_upd.*sip_udp/);
});

scenario('a value that cannot be read', async () => {
  const sentence = await sentenceOf(2, 'serve', '-c', configFile('[listen]\nhttp = "somewhere"\n'));
  assert.match(sentence, /somewhere/);
});

scenario('a key on the command line that does not exist', async () => {
  assert.match(await sentenceOf(2, 'serve', '--set', 'limits.rings=2'), /limits\.rings/);
});

scenario('a file with passwords that others can read', async () => {
  const text = '[[user]]\nname = "alice"\npassword = "alice-secret"\n';
  const sentence = await sentenceOf(2, 'serve', '-c', configFile(text, 0o644));
  assert.match(sentence, /chmod|0600|600|readable/);
  assert.doesNotMatch(sentence, /alice-secret/, 'and tells nobody the password');
});

scenario('`check` refuses the same, and starts nothing', async () => {
  assert.match(await sentenceOf(2, 'check', '-c', configFile('colour = "blue"\n')), /colour/);
});
