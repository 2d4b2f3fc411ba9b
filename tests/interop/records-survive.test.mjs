// A call whose end was confirmed has its record on the disk: a killed server loses none.
import assert from 'node:assert/strict';

import { scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient, write } from './harness/sip-client.mjs';

const CALLS = 20;

scenario('kill -9 as soon as a BYE was answered loses no record', async () => {
  const server = await startServer({ set: [`limits.calls=${CALLS}`] });
  const client = await openSipClient(server);
  const dialogs = [];
  for (let i = 0; i < CALLS; i++) dialogs.push(await callEcho(server, client));
  const answers = dialogs.map((dialog) => hangUp(server, client, dialog));
  await Promise.all(answers.slice(0, CALLS / 2));
  await server.kill();
  const settled = await Promise.allSettled(answers);
  const ended = dialogs.filter((_, i) => settled[i].value?.status === 200).map(({ callId }) => callId);
  assert.ok(ended.length >= CALLS / 2, `${ended.length} calls were answered before the kill`);
  await server.start();
  const kept = await server.query('SELECT call_id FROM cdr_legs');
  const lost = ended.filter((callId) => !kept.some((row) => row.call_id === callId));
  assert.deepEqual(lost, [], `lost of ${ended.length} calls whose end was confirmed`);
});

async function callEcho(server, client) {
  const callId = `record-${Math.random()}`;
  const response = await client.request('INVITE', 'alice', {
    to: 'echo',
    callId,
    headers: { Contact: client.contact('alice'), 'Content-Type': 'application/sdp' },
    body: [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      'm=audio 9 RTP/AVP 0',
      '',
    ].join('\r\n'),
  });
  assert.equal(response.status, 200, response.text);
  const dialog = { callId, from: response.headers.get('from'), to: response.headers.get('to') };
  client.send(write(...inDialog(server, client, dialog, 'ACK', 2)));
  return dialog;
}

function hangUp(server, client, dialog) {
  const [line, headers] = inDialog(server, client, dialog, 'BYE', 3);
  return client.answer(write(line, headers), headers.Via);
}

function inDialog(server, client, { callId, from, to }, method, cseq) {
  const headers = {
    Via: client.via(),
    'Max-Forwards': 70,
    From: from,
    To: to,
    'Call-ID': callId,
    CSeq: `${cseq} ${method}`,
    'Content-Length': 0,
  };
  return [`${method} sip:echo@${server.address}:${server.listen.sip_udp} SIP/2.0`, headers];
}
