// What is served over HTTP, to whom it is not, and what the log and the counters say of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import { request } from './harness/http.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

let server;
before(async () => {
  server = await startServer({ set: ['domain=["Example.com", "phone.example.com"]'] });
});

const withHost = (of, host, path = '/') => request(of, path, { headers: { Host: host } });

for (const listener of ['http', 'https']) {
  scenario(`pages over ${listener} come with headers that keep others out`, async () => {
    const index = await request(server, '/', { listener });
    assert.equal(index.status, 200);
    const asset = /(?:src|href)="\.?(\/assets\/[^"]+\.js)"/.exec(index.text)?.[1];
    assert.ok(asset, index.text);
    for (const path of ['/', asset]) {
      const { status, headers } = await request(server, path, { listener });
      assert.equal(status, 200, path);
      const policy = new Map(
        headers
          .get('content-security-policy')
          .split(';')
          .map((directive) => directive.trim().split(/ +/))
          .map(([name, ...sources]) => [name, sources]),
      );
      assert.deepEqual(policy.get('default-src'), ["'self'"]);
      assert.deepEqual(policy.get('object-src'), ["'none'"]);
      assert.deepEqual(policy.get('base-uri'), ["'none'"]);
      assert.deepEqual(policy.get('frame-ancestors'), ["'none'"]);
      assert.equal(policy.has('script-src') || policy.has('style-src'), false, 'default-src holds for them');
      assert.doesNotMatch(headers.get('content-security-policy'), /unsafe|\*|https?:/);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.match(headers.get('permissions-policy'), /microphone=\(self\)/);
      assert.equal(headers.has('access-control-allow-origin'), false);
    }
    assert.doesNotMatch(
      index.text,
      /<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|style="/,
      'nothing is inline',
    );
  });
}

scenario('what is not there, and what is not asked for by GET, is refused in words', async () => {
  const missing = await request(server, '/admin');
  assert.deepEqual([missing.status, missing.text], [404, 'there is no such page\n']);
  assert.equal(missing.headers.get('x-content-type-options'), 'nosniff');
  const posted = await request(server, '/', { method: 'POST', headers: { 'Content-Length': '0' } });
  assert.equal(posted.status, 405);
  assert.match(posted.text, /GET and HEAD/);
});

for (const host of [
  'localhost',
  'LOCALHOST:1',
  '127.0.0.1',
  '192.0.2.7:8443',
  '[2001:db8::1]:8443',
  'example.com',
  'PHONE.example.com:8443',
]) {
  scenario(`the host ${host} is ours`, async () => {
    assert.equal((await withHost(server, host)).status, 200);
  });
}

scenario('any other host gets 421, and the log names the key', async () => {
  const fresh = await startServer({ set: ['domain="example.com"'] });
  const others = [
    'evil.example',
    'example.com.evil.example',
    'sub.example.com',
    'localhost.evil.example',
    '',
  ];
  for (const host of others) {
    const { status, text } = await withHost(fresh, host);
    assert.equal(status, 421, host);
    assert.match(text, /`domain`/);
  }
  for (const path of ['/ws', '/metrics', '/healthz', '/nowhere']) {
    assert.equal((await withHost(fresh, 'evil.example', path)).status, 421, path);
  }
  assert.equal(await fresh.metric('ringback_http_refused_total', '"unknown_host"'), others.length + 4);
  assert.match(fresh.log, /WARN [^\n]*unknown host[^\n]*`domain`[^\n]* host=evil\.example/);
});

scenario('a thousand refusals are a few short lines, and all are counted', async () => {
  const fresh = await startServer();
  const long = 'x'.repeat(5_000);
  const times = 1_000;
  const begun = Date.now();
  for (let left = times; left > 0; left -= 50) {
    await Promise.all(Array.from({ length: 50 }, () => withHost(fresh, `\x85${long}.example`)));
  }
  const seconds = Math.ceil((Date.now() - begun) / 1000) + 1;
  const lines = fresh.log.split('\n').filter((line) => line.includes('unknown host'));
  assert.ok(lines.length >= 1 && lines.length <= seconds, `${lines.length} lines in ${seconds} s`);
  for (const line of lines) {
    assert.match(line, / host=\S+x…/, 'the name is cut');
    assert.ok(line.length < 700, `a line of ${line.length} characters`);
  }
  assert.equal(await fresh.metric('ringback_http_refused_total', '"unknown_host"'), times);
  const suppressed = await fresh.metric('ringback_log_suppressed_total');
  assert.ok(suppressed >= times - lines.length, `${suppressed} lines were left out`);
});

scenario('/healthz warns, and turns 503 while the store takes no writes', async () => {
  const fresh = await startServer();
  const health = () => request(fresh, '/healthz');
  const well = await health();
  assert.equal(well.status, 200);
  assert.match(well.text, /^ok\nwarning: /);
  assert.match(well.text, /warning: the certificate is a local one, .*`tls\.certificate`/);

  const lock = await lockDatabase(fresh.database);
  const client = await openSipClient(fresh);
  const refused = await client.register('alice', { within: 20_000 });
  assert.ok(refused.status >= 500, refused.text);
  await until('/healthz to say so', async () => (await health()).status === 503);
  assert.match((await health()).text, /store takes no writes/);
  assert.equal(await fresh.readiness(), 200, 'calls are taken all the same');

  await lock.release();
  const taken = await client.register('alice', { within: 20_000 });
  assert.equal(taken.status, 200, taken.text);
  await until('/healthz to be well again', async () => (await health()).status === 200);
  const counted = fresh.log.split('\n').filter((line) => line.includes('a transaction of the store failed'));
  assert.equal(counted.length, 1, 'one line for one trouble');
});

/** Holds the lock for writing, as a disk that does not answer would. */
async function lockDatabase(path) {
  const child = spawn('sqlite3', [path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const release = async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
  };
  atEnd('the lock of the database', release);
  child.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n");
  const [said] = await once(child.stdout, 'data');
  assert.equal(said.toString(), 'locked\n');
  return { release };
}
