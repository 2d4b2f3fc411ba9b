// Which certificate TLS listeners show, exchanged without a restart, and clients that must show one of their own.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:tls';

import { makeAuthority } from './harness/authority.mjs';
import { openConnection } from './harness/connection.mjs';
import { evidencePath, scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { optionsOver } from './harness/sip-client.mjs';
import { bounded, until } from './harness/waiting.mjs';

scenario('the name that a client asks for chooses the certificate', async () => {
  const authority = await makeAuthority('names');
  const [one, two, wild] = await Promise.all([
    authority.issue('one', ['one.example.com']),
    authority.issue('two', ['two.example.com']),
    authority.issue('wild', ['*.example.net']),
  ]);
  const server = await startServer({ set: [...shows(one), `tls.sni=[${entry(two)}, ${entry(wild)}]`] });
  for (const listener of ['https', 'sip_tls']) {
    for (const [asked, shown] of [
      ['one.example.com', 'one.example.com'],
      ['two.example.com', 'two.example.com'],
      ['phone.example.net', '*.example.net'],
      ['elsewhere.example.org', 'one.example.com'],
    ]) {
      assert.equal(await shownTo(server, listener, asked), shown, `${listener}, asked for ${asked}`);
    }
  }
});

scenario('a certificate that is renewed is shown without a restart', async () => {
  const authority = await makeAuthority('renewal');
  const [before, after] = await Promise.all([
    authority.issue('before', ['before.example.com']),
    authority.issue('after', ['after.example.com']),
  ]);
  const inUse = { certificate: evidencePath('in-use.pem'), key: evidencePath('in-use.key') };
  install(before, inUse);
  const server = await startServer({ set: shows(inUse) });
  assert.equal(await shownTo(server, 'sip_tls', 'any.example.com'), 'before.example.com');
  const old = await openConnection(server, 'sip_tls', { tls: true });

  writeFileSync(inUse.certificate, 'a copy that was cut off');
  process.kill(server.pid, 'SIGHUP');
  await until('the log to say so', () => /certificates of before stay in use/.test(server.log));
  assert.equal(await shownTo(server, 'sip_tls', 'any.example.com'), 'before.example.com');

  install(after, inUse);
  process.kill(server.pid, 'SIGHUP');
  await until('the log to say so', () => /certificates were read again/.test(server.log));
  for (const listener of ['https', 'sip_tls']) {
    assert.equal(await shownTo(server, listener, 'any.example.com'), 'after.example.com', listener);
  }
  old.send(optionsOver('TLS'));
  await until('the old connection to be answered', () => /^SIP\/2\.0 200/.test(old.received.toString()));
});

scenario('with tls.client_ca SIP over TLS takes only who has a certificate of it', async () => {
  const [ours, others] = await Promise.all([makeAuthority('ours'), makeAuthority('others')]);
  const [shown, phone, stranger] = await Promise.all([
    ours.issue('server', ['sip.example.com']),
    ours.issue('phone', ['phone.example.com']),
    others.issue('stranger', ['phone.example.com']),
  ]);
  const server = await startServer({ set: [...shows(shown), `tls.client_ca="${ours.certificate}"`] });
  assert.match(await optionsBy(server, phone), /^SIP\/2\.0 200/);
  await assert.rejects(optionsBy(server, stranger));
  await assert.rejects(optionsBy(server, undefined));
  // No browser is asked for one.
  assert.equal(await shownTo(server, 'https', 'sip.example.com'), 'sip.example.com');
});

const shows = ({ certificate, key }) => [`tls.certificate="${certificate}"`, `tls.key="${key}"`];
const entry = ({ certificate, key }) => `{ certificate = "${certificate}", key = "${key}" }`;

function install(from, to) {
  copyFileSync(from.certificate, to.certificate);
  copyFileSync(from.key, to.key);
  chmodSync(to.key, 0o600);
}

/** The name in the certificate that a client is shown who asks for `servername`. */
function shownTo(server, listener, servername) {
  const socket = connect({ ...addressOf(server, listener), servername, rejectUnauthorized: false });
  const shown = new Promise((resolve, reject) => {
    socket.once('secureConnect', () =>
      resolve(socket.getPeerCertificate().subjectaltname.replace(/^DNS:/, '')),
    );
    socket.once('error', reject);
  });
  return bounded(`the certificate for ${servername}`, shown).finally(() => socket.destroy());
}

/** What OPTIONS over TLS is answered to a client that shows a certificate, or none. */
function optionsBy(server, identity) {
  const { certificate, key } = identity ?? {};
  const own = identity === undefined ? {} : { cert: readFileSync(certificate), key: readFileSync(key) };
  const socket = connect({ ...addressOf(server, 'sip_tls'), ...own, rejectUnauthorized: false });
  const answered = new Promise((resolve, reject) => {
    socket.once('secureConnect', () => socket.write(optionsOver('TLS')));
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
  return bounded('an answer or an end', answered).finally(() => socket.destroy());
}

const addressOf = (server, listener) => ({ host: server.address, port: server.listen[listener] });
