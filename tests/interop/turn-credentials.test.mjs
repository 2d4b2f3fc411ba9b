// Credentials of TURN for a time: where they are had, what they are good for, and what is none.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { run } from './harness/child.mjs';
import { scenario } from './harness/evidence.mjs';
import { request } from './harness/http.mjs';
import { startServer } from './harness/server.mjs';

const PATH = '/api/v1/ice-servers';
const MESSAGES = 5;

const basic = (user, password) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

/** Asks as alice, with more headers or others. */
const asAlice = (server, headers = {}, more = {}) =>
  request(server, PATH, { headers: { ...basic('alice', server.password('alice')), ...headers }, ...more });

/** Runs coturn's client with a name and a password; whether what its two peers said came to each other. */
async function relays(server, name, password, evidence) {
  const load = ['-c', '-y', '-n', `${MESSAGES}`, '-m', '2', '-u', name, '-w', password];
  const { output } = await run(evidence, 'turnutils_uclient', [
    ...load,
    ...['-p', `${server.listen.turn}`, '127.0.0.1'],
  ]);
  if (/Cannot complete Allocation/.test(output)) return false;
  assert.match(output, new RegExp(`tot_recv_msgs=${2 * MESSAGES}`));
  return true;
}

/** A name and a password as any service makes them that knows the secret. */
function made(secret, user, expiry) {
  const name = `${expiry}:${user}`;
  return [name, createHmac('sha1', secret).update(name).digest('base64')];
}

const now = () => Math.floor(Date.now() / 1000);

scenario('who is signed in gets a configuration for a peer connection, and relays with it', async () => {
  const server = await startServer();
  const { status, headers, text } = await asAlice(server);
  assert.deepEqual(
    [status, headers.get('cache-control'), headers.get('content-type')],
    [200, 'no-store', 'application/json'],
  );
  const { iceServers, expiresIn } = JSON.parse(text);
  const { turn, https } = server.listen;
  assert.deepEqual(
    iceServers.map(({ urls }) => urls),
    [
      [`stun:127.0.0.1:${turn}`],
      [
        `turn:127.0.0.1:${turn}?transport=udp`,
        `turn:127.0.0.1:${turn}?transport=tcp`,
        `turns:127.0.0.1:${https}?transport=tcp`,
      ],
    ],
  );
  const { username, credential } = iceServers[1];
  assert.equal(expiresIn, 3600);
  assert.match(username, /^\d+:alice$/);
  assert.ok(Math.abs(Number(username.split(':')[0]) - now() - 3600) < 60);
  assert.ok(await relays(server, username, credential, 'issued'));
  assert.ok(!(await relays(server, username.replace('alice', 'bob'), credential, 'another-user')));
  assert.ok(!server.log.includes(credential), 'the log has no credentials');
});

scenario('over HTTPS it is the same, and over neither it is refused', async () => {
  const server = await startServer();
  assert.equal((await asAlice(server, {}, { listener: 'https' })).status, 200);
  const far = await startServer({ set: ['listen.trusted_proxies=["127.0.0.1"]'] });
  const { status, text } = await asAlice(far, { 'X-Forwarded-For': '192.0.2.7' });
  assert.equal(status, 403);
  assert.match(text, /HTTPS/);
});

scenario('who is not signed in gets none, and a guesser no word', async () => {
  const server = await startServer();
  const none = await request(server, PATH);
  assert.equal(none.status, 401);
  assert.match(none.headers.get('www-authenticate'), /^Basic /);
  const foreign = await asAlice(server, { Origin: 'https://evil.example' });
  assert.equal(foreign.status, 403);
  assert.ok(!foreign.text.includes('credential'));
  for (let guess = 0; guess < 5; guess += 1) {
    const { status, text } = await request(server, PATH, { headers: basic('alice', `guess-${guess}`) });
    assert.deepEqual([status, text.includes('credential')], [401, false]);
  }
  const right = await asAlice(server);
  assert.deepEqual([right.status, right.headers.get('retry-after')], [429, '60']);
  assert.equal(await server.metric('ringback_http_refused_total', '"wrong_password"'), 5);
});

scenario('another service that knows the secret makes them as well, for a day at most', async () => {
  const secret = 'a secret that two servers know';
  const tries = {
    'a-minute': [...made(secret, 'alice', now() + 60), true],
    expired: [...made(secret, 'alice', now() - 1), false],
    'for-two-days': [...made(secret, 'alice', now() + 2 * 86_400), false],
    forged: [...made('another secret', 'alice', now() + 60), false],
    nobody: [...made(secret, 'nobody', now() + 60), false],
  };
  for (const [evidence, [name, password, isGood]] of Object.entries(tries)) {
    // Each its own: after so many wrong ones of a client, the next has no answer.
    const server = await startServer({ config: ['[turn]', `secret = "${secret}"`] });
    assert.equal(await relays(server, name, password, evidence), isGood, evidence);
    assert.ok(!server.log.includes(secret));
  }
});

scenario('what there is under /api is described', async () => {
  const server = await startServer();
  const { status, text } = await request(server, '/api/v1/openapi.json');
  assert.equal(status, 200);
  const { openapi, paths } = JSON.parse(text);
  assert.match(openapi, /^3\./);
  for (const [template, { parameters = [] }] of Object.entries(paths)) {
    const path = parameters.reduce(
      (path, { name, schema }) => path.replace(`{${name}}`, schema.enum?.[0] ?? 'some'),
      template,
    );
    assert.doesNotMatch(path, /[{}]/);
    assert.notEqual((await request(server, path)).status, 404, path);
  }
});
