// TURN over DTLS: coturn's client and OpenSSL's against our server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { before } from 'node:test';
import { promisify } from 'node:util';

import { makeAuthority } from './harness/authority.mjs';
import { Child, run } from './harness/child.mjs';
import { evidencePath, scenario, sideBySide } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { startServer } from './harness/server.mjs';
import { until } from './harness/waiting.mjs';

const MESSAGES = 20;
const CLIENTS = 2;
/** As `HELLOS` of `net/turn_dtls/greetings.rs` has it. */
const HELLOS_A_SECOND = 50;
const execute = promisify(execFile);

let server;
before(async () => {
  server = await startServer();
});

/** Runs coturn's client as alice over DTLS: -S without -t. */
function client(name, { of = server, password = of.password('alice'), more = ['-y'] } = {}) {
  const load = ['-S', '-c', '-n', `${MESSAGES}`, '-m', `${CLIENTS}`, '-u', 'alice', '-w', password];
  return run(name, 'turnutils_uclient', [...load, ...more, '-p', `${of.listen.turn_tls}`, of.address]);
}

/** How many messages the clients sent, and how many came back. */
function passed(output) {
  const last = [...output.matchAll(/tot_send_msgs=(\d+), tot_recv_msgs=(\d+)/g)].at(-1);
  return last === undefined ? undefined : last.slice(1).map(Number);
}

/** OpenSSL's client, connected. What is written to its standard input is sent, a datagram a line. */
async function openssl(name, { of = server, more = [] } = {}) {
  const where = ['-connect', `${of.address}:${of.listen.turn_tls}`];
  // -nocommands: no line means anything to itself.
  const args = ['s_client', '-dtls1_2', '-nocommands', ...where, ...more];
  const child = new Child(name, 'openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  atEnd('OpenSSL', () => child.isRunning && child.stop());
  await until('the handshake', () => /Cipher is|Verify return code/.test(child.stdout) || !child.isRunning, {
    seen: () => child.output.slice(-400),
  });
  return child;
}

/** The certificate that OpenSSL's client was shown. */
const shownTo = ({ stdout }) =>
  new X509Certificate(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/.exec(stdout)[0]);

const dropped = (reason, of = server) => of.metric('ringback_turn_dtls_drops_total', `reason="${reason}"`);
const ended = (reason, of) => of.metric('ringback_connections_ended_total', `reason="${reason}"`);

const WAYS = { channels: ['-y'], 'Send indications': ['-y', '-s'], 'large messages': ['-y', '-l', '1200'] };
sideBySide(
  Object.keys(WAYS),
  (way) => {
    scenario(`clients over DTLS reach each other by their allocations, with ${way}`, async () => {
      const { code, output } = await client(`clients-${way}`, { more: WAYS[way] });
      assert.deepEqual(passed(output), [MESSAGES * CLIENTS, MESSAGES * CLIENTS], output.slice(-600));
      assert.equal(code, 0);
    });
  },
  2,
);

scenario('an association ends with its client, and takes no place any more', async () => {
  const other = await startServer();
  const child = await openssl('that-ends', { of: other });
  // With the one that asks.
  await until('the association', async () => (await other.metric('ringback_connections ')) === 2);
  child.stdin.end();
  // Sooner than one on which nothing is said.
  const one = async () => (await other.metric('ringback_connections ')) === 1;
  await until('no association', one, { within: 5_000 });
});

scenario('a wrong password allocates nothing', async () => {
  const { output } = await client('wrong-password', { password: 'wrong' });
  assert.match(output, /Cannot complete Allocation/);
  assert.equal(passed(output), undefined, 'nothing is sent');
});

scenario('OpenSSL verifies the local certificate by its authority', async () => {
  const authority = join(server.dataDir, 'ringback-ca.pem');
  const more = ['-CAfile', authority, '-verify_return_error', '-verify_ip', server.address];
  const { stdout } = await openssl('verified', { more });
  assert.match(stdout, /Verify return code: 0 \(ok\)/);
  assert.match(stdout, /Protocol *: DTLSv1\.2/);
});

scenario('what is no STUN is dropped and counted, inside an association and outside of one', async () => {
  const notTurn = () => server.metric('ringback_turn_drops_total', 'reason="not_turn"');
  const already = await notTurn();
  const child = await openssl('no-stun');
  // In the range of no protocol that RFC 7983 knows.
  child.stdin.write('\u0005 is no STUN\n');
  await until('it to be dropped', async () => (await notTurn()) > already);
  assert.ok(child.isRunning, 'the association stands');

  const socket = createSocket('udp4');
  atEnd('the socket', () => new Promise((resolve) => socket.close(resolve)));
  const record = Buffer.from([23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0]);
  for (const [datagram, reason] of [
    [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'not_dtls'],
    [record, 'no_association'],
    [hello({ random: 1 }).subarray(0, 40), 'no_association'],
    [hello({ random: 1, cookie: Buffer.alloc(32) }), 'wrong_cookie'],
  ]) {
    const before = await dropped(reason);
    socket.send(datagram, server.listen.turn_tls, server.address);
    await until(`one more ${reason}`, async () => (await dropped(reason)) > before);
  }
});

scenario(
  'a flood of hellos from one source is answered so often, by less than it costs, and keeps nobody out',
  async () => {
    const socket = createSocket('udp4');
    atEnd('the socket', () => new Promise((resolve) => socket.close(resolve)));
    let answers = 0;
    const connections = await server.metric('ringback_connections ');
    socket.on('message', (answer) => {
      answers += 1;
      assert.ok(answer.length < hello({ random: 0 }).length, 'nothing amplifies');
    });
    const count = 2_000;
    const begun = Date.now();
    for (let random = 0; random < count; random += 1) {
      await new Promise((sent) =>
        socket.send(hello({ random }), server.listen.turn_tls, server.address, sent),
      );
    }
    await until('the flood to be counted', async () => (await dropped('hello_budget')) > count / 2);
    const most = HELLOS_A_SECOND * (2 + (Date.now() - begun) / 1000);
    assert.ok(answers > 0 && answers <= most, `${answers} answers`);
    const after = await server.metric('ringback_connections ');
    assert.ok(after < connections + 10, `${after}: nothing is kept of who has no cookie`);
    const { output } = await client('after-the-flood');
    assert.deepEqual(passed(output), [MESSAGES * CLIENTS, MESSAGES * CLIENTS], output.slice(-600));
  },
);

scenario('an association on which nothing is said ends, and its client is told', async () => {
  const impatient = await startServer({ set: ['limits.first_request_seconds=1'] });
  const child = await openssl('silent', { of: impatient });
  await until('its end', async () => (await ended('first_request_late', impatient)) === 1);
  // OpenSSL's client ends by close_notify.
  await child.ended(5_000);
});

scenario('one without an allocation ends when nobody has signed in', async () => {
  const impatient = await startServer({ set: ['limits.sign_in_seconds=1'] });
  const child = await openssl('guest', { of: impatient });
  await until('its end', async () => (await ended('not_signed_in', impatient)) === 1);
  await child.ended(5_000);
});

scenario('a client that has lost its association begins another from the same port', async () => {
  const [port, other] = [server.ports.one(), await startServer()];
  const more = ['-bind', `127.0.0.1:${port}`];
  const lost = await openssl('lost', { of: other, more });
  lost.kill('SIGKILL');
  await lost.ended();
  const again = await openssl('again', { of: other, more });
  await until('the end of the one before', async () => (await ended('replaced', other)) === 1);
  const notTurn = () => other.metric('ringback_turn_drops_total', 'reason="not_turn"');
  again.stdin.write('\u0005 is no STUN\n');
  await until('it to be heard', async () => (await notTurn().catch(() => 0)) === 1);
});

scenario('a server that ends tells its clients', async () => {
  const other = await startServer();
  const child = await openssl('drained', { of: other });
  await other.stop();
  await child.ended(5_000);
});

scenario('a certificate that is replaced is shown to new associations, and old ones go on', async () => {
  const authority = await makeAuthority('renewal');
  const [one, two] = await Promise.all([
    authority.issue('one', ['one.example.com']),
    authority.issue('two', ['two.example.com']),
  ]);
  const inUse = { certificate: evidencePath('in-use.pem'), key: evidencePath('in-use.key') };
  install(one, inUse);
  const other = await startServer({ set: shows(inUse) });
  const old = await openssl('before', { of: other });
  assert.match(shownTo(old).subjectAltName, /one\.example\.com/);
  install(two, inUse);
  process.kill(other.pid, 'SIGHUP');
  await until('the log to say so', () => /certificates were read again/.test(other.log));
  assert.match(shownTo(await openssl('after', { of: other })).subjectAltName, /two\.example\.com/);
  const { output } = await client('renewed', { of: other });
  assert.deepEqual(passed(output), [MESSAGES * CLIENTS, MESSAGES * CLIENTS], output.slice(-600));
  const notTurn = () => other.metric('ringback_turn_drops_total', 'reason="not_turn"');
  assert.equal(await notTurn(), 0);
  old.stdin.write('\u0005 is no STUN\n');
  await until('the old one to be heard', async () => (await notTurn()) > 0);
});

scenario('with a certificate of RSA one of our own is shown, and the log says so', async () => {
  const rsa = { certificate: evidencePath('rsa.pem'), key: evidencePath('rsa.key') };
  const self = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=rsa.example.com',
  ];
  await execute('openssl', [...self, '-keyout', rsa.key, '-out', rsa.certificate], { timeout: 20_000 });
  chmodSync(rsa.key, 0o600);
  const other = await startServer({ set: shows(rsa) });
  assert.match(other.log, /TURN over DTLS: the certificate of `tls.certificate` cannot be shown/);
  const shown = shownTo(await openssl('own', { of: other }));
  assert.equal(shown.publicKey.asymmetricKeyType, 'ec');
  const { output } = await client('beside-rsa', { of: other });
  assert.deepEqual(passed(output), [MESSAGES * CLIENTS, MESSAGES * CLIENTS], output.slice(-600));
});

const shows = ({ certificate, key }) => [`tls.certificate="${certificate}"`, `tls.key="${key}"`];

function install(from, to) {
  copyFileSync(from.certificate, to.certificate);
  copyFileSync(from.key, to.key);
  chmodSync(to.key, 0o600);
}

/** A ClientHello of DTLS 1.2 with one cipher suite; one with a cookie is the second of its client. */
function hello({ random, cookie = Buffer.alloc(0) }) {
  const nonce = Buffer.alloc(32);
  nonce.writeUInt32BE(random);
  const body = Buffer.concat([
    Buffer.from([0xfe, 0xfd]),
    nonce,
    Buffer.from([0, cookie.length]),
    cookie,
    Buffer.from([0, 2, 0xc0, 0x2b, 1, 0]),
  ]);
  const number = cookie.length === 0 ? 0 : 1;
  const record = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 12 + body.length];
  const message = [1, 0, 0, body.length, 0, number, 0, 0, 0, 0, 0, body.length];
  return Buffer.concat([Buffer.from([...record, ...message]), body]);
}
