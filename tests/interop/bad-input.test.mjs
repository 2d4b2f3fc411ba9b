// What no phone should send: it is answered as the RFC says or dropped, and the server goes on.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient, write } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

let server;
before(async () => {
  server = await startServer();
});

/** The headers of a sound OPTIONS, to be spoilt. */
function sound(client, method = 'OPTIONS') {
  return {
    Via: client.via(),
    'Max-Forwards': 70,
    From: '<sip:alice@127.0.0.1>;tag=1',
    To: '<sip:127.0.0.1>',
    'Call-ID': `bad-input-${Math.random()}`,
    CSeq: `1 ${method}`,
    'Content-Length': 0,
  };
}

const without = (headers, name) =>
  Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));

for (const [name, status, reason, spoil] of [
  ['nothing wrong', 200, /^OK$/, (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', headers]],
  ['no Call-ID', 400, /Call-ID/, (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', without(headers, 'Call-ID')]],
  ['no CSeq', 400, /CSeq/, (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', without(headers, 'CSeq')]],
  [
    'another method in CSeq',
    400,
    /CSeq method/,
    (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', { ...headers, CSeq: '1 INVITE' }],
  ],
  [
    'a CSeq beyond 32 bits',
    400,
    /CSeq/,
    (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', { ...headers, CSeq: '4294967296 OPTIONS' }],
  ],
  [
    'a Content-Length beyond the datagram',
    400,
    /body/i,
    (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', { ...headers, 'Content-Length': 999 }],
  ],
  ['another version', 505, /version/i, (headers) => ['OPTIONS sip:127.0.0.1 SIP/7.0', headers]],
  ['an unknown scheme', 416, /URI/, (headers) => ['OPTIONS soap:127.0.0.1 SIP/2.0', headers]],
  [
    'an unknown method',
    405,
    /Method/,
    (headers) => ['DANCE sip:127.0.0.1 SIP/2.0', { ...headers, CSeq: '1 DANCE' }],
  ],
  [
    'an extension nobody has',
    420,
    /Extension/,
    (headers) => ['OPTIONS sip:127.0.0.1 SIP/2.0', { ...headers, Require: 'levitation' }],
  ],
]) {
  scenario(`${name}: ${status}`, async () => {
    const client = await openSipClient(server);
    const headers = sound(client);
    const response = await client.answer(write(...spoil(headers)), headers.Via);
    assert.equal(response.status, status, response.text);
    assert.match(response.reason, reason, 'the answer says why');
  });
}

scenario('what is not SIP is counted, and the server goes on', async () => {
  const fresh = await startServer();
  const client = await openSipClient(fresh);
  const junk = ['hello', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', '\xff'.repeat(1400)];
  // Line feeds keep a flow alive (RFC 5626 §3.5.1), and so do nothing and zeros, which some phones send.
  for (const text of ['', '\r\n\r\n', '\0\0\0\0', ...junk]) client.send(Buffer.from(text, 'latin1'));
  const headers = sound(client);
  const response = await client.answer(write('OPTIONS sip:127.0.0.1 SIP/2.0', headers), headers.Via);
  assert.equal(response.status, 200);
  const counted = () => fresh.metric('ringback_sip_total', 'messages_unparsed');
  await until('each to be counted', async () => (await counted()) === junk.length);
});

scenario('a stream whose messages cannot be told apart is closed', async () => {
  const client = await openSipClient(server, 'tcp');
  const closed = client.closed();
  client.send(write('OPTIONS sip:127.0.0.1 SIP/2.0', { ...sound(client), 'Content-Length': 'many' }));
  await closed;
});

for (const [name, body] of [
  ['is no SDP', 'this is not a session description\r\n'],
  ['has no codec that anybody here has', sdp('m=audio 40000 RTP/AVP 97', 'a=rtpmap:97 FUTURE/8000')],
  ['has no audio', sdp('m=image 40000 udptl t38')],
]) {
  scenario(`an offer that ${name}: 488`, async () => {
    const client = await openSipClient(server);
    const response = await client.request('INVITE', 'alice', {
      to: 'echo',
      headers: { Contact: client.contact('alice'), 'Content-Type': 'application/sdp' },
      body,
    });
    assert.equal(response.status, 488, response.text);
  });
}

scenario('a wrong password and an unknown user look the same', async () => {
  const client = await openSipClient(server);
  const register = (user) => client.request('REGISTER', user, { password: 'mistaken' });
  const [known, unknown] = [await register('alice'), await register('nobody')];
  assert.equal(known.status, 401);
  assert.deepEqual([...known.headers.keys()], [...unknown.headers.keys()]);
  assert.deepEqual([known.status, known.reason], [unknown.status, unknown.reason]);
});

function sdp(...media) {
  return ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...media, ''].join('\r\n');
}
