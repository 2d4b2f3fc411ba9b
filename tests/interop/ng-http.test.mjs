// What `ringback ng` tells over HTTP.
import assert from 'node:assert/strict';

import { scenario } from './harness/evidence.mjs';
import { request } from './harness/http.mjs';
import { startEngine } from './harness/ng.mjs';
import { reservePorts } from './harness/ports.mjs';
import { until } from './harness/waiting.mjs';

const OFFER = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 40000 RTP/AVP 0',
  '',
].join('\r\n');

scenario('an engine that stands alone tells its figures, and that it drains', async () => {
  const ports = await reservePorts();
  const at = ports.one();
  const engine = await startEngine(ports, { more: ['--http', `127.0.0.1:${at}`] });
  assert.match(engine.announcement, new RegExp(`metrics {3}http://127\\.0\\.0\\.1:${at}/metrics`));
  const server = { address: '127.0.0.1', listen: { http: at } };
  const get = (path, options) => request(server, path, options);

  assert.equal((await get('/healthz')).text, 'ok\n');
  assert.equal((await get('/readyz')).status, 200);
  const answer = await engine.ask('offer', { 'call-id': 'told', 'from-tag': 'a', sdp: OFFER });
  assert.equal(answer.result, 'ok', JSON.stringify(answer));
  const calls = async () => /^ringback_ng_calls (\d+)$/m.exec((await get('/metrics')).text)?.[1];
  await until('the call in the figures', async () => (await calls()) === '1');

  assert.equal((await get('/')).status, 404);
  assert.equal((await get('/metrics', { method: 'POST' })).status, 405);
  assert.equal((await get('/metrics', { headers: { Host: 'evil.example' } })).status, 421);

  // The call holds it up.
  process.kill(engine.pid, 'SIGTERM');
  await until('it to drain', async () => (await get('/readyz')).text === 'draining\n');
  await engine.ask('delete', { 'call-id': 'told', 'from-tag': 'a', 'delete delay': 0 });
});
