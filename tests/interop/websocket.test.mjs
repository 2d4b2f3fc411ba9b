// SIP over WebSocket as RFC 7118 and the clients of the field have it, frame by frame.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient, optionsOver, sipClientOver } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';
import { BINARY, CONTINUATION, TEXT, frameOf, openWebSocket, shakeHands } from './harness/web-socket.mjs';

const MESSAGE_BYTES = 4096;

let server;
before(async () => {
  server = await startServer({ set: [`limits.message_bytes=${MESSAGE_BYTES}`] });
});

/** A request that anybody gets an answer to. */
const options = (more) => optionsOver('WS', more);
const callIdOf = (bytes) => /Call-ID: (\S+)/.exec(bytes.toString())[1];

function assertAnswer(frame, request, opcode = TEXT) {
  assert.match(frame.text, /^SIP\/2\.0 200 /);
  assert.equal(callIdOf(frame.text), callIdOf(request));
  assert.equal(frame.opcode, opcode, 'the kind of frame');
}

scenario('the sub-protocol `sip` is accepted and echoed, and no extension is', async () => {
  for (const offered of ['sip', 'SIP', 'chat, sip']) {
    const { response, accept } = await shakeHands(server, {
      headers: { 'Sec-WebSocket-Protocol': offered },
    });
    assert.equal(response.status, 101, response.text);
    assert.equal(response.headers.get('sec-websocket-protocol'), 'sip');
    assert.equal(response.headers.get('sec-websocket-accept'), accept);
    assert.equal(response.headers.has('sec-websocket-extensions'), false);
  }
});

for (const [name, headers, status, words] of [
  ['no sub-protocol', { 'Sec-WebSocket-Protocol': undefined }, 400, /sub-protocol `sip`/],
  ['another sub-protocol', { 'Sec-WebSocket-Protocol': 'sips, chat' }, 400, /sub-protocol `sip`/],
  ['no upgrade', { Upgrade: undefined }, 426, /SIP over WebSocket/],
  ['another version', { 'Sec-WebSocket-Version': '8' }, 426, /version 13/],
  ['no key', { 'Sec-WebSocket-Key': undefined }, 400, /Sec-WebSocket-Key/],
]) {
  scenario(`${name}: ${status}, in words`, async () => {
    const { response } = await shakeHands(server, { headers });
    assert.equal(response.status, status);
    assert.match(response.text, words);
    if (status === 426 && /version/.test(response.text))
      assert.equal(response.headers.get('sec-websocket-version'), '13');
  });
}

scenario('text and binary frames are answered in kind', async () => {
  for (const opcode of [TEXT, BINARY]) {
    const socket = await openWebSocket(server);
    for (let i = 0; i < 2; i += 1) {
      const request = options();
      socket.sendFrame(opcode, request);
      assertAnswer(await socket.nextFrame(), request, opcode);
    }
  }
});

scenario('a frame is one message', async () => {
  const socket = await openWebSocket(server);
  const [first, second, third] = [options(), options(), options()];
  // Two frames in one segment are two messages.
  socket.sendBytes(Buffer.concat([frameOf(TEXT, first), frameOf(TEXT, second)]));
  assertAnswer(await socket.nextFrame(), first);
  assertAnswer(await socket.nextFrame(), second);
  // What stands behind a message in its frame is no message.
  socket.send(Buffer.concat([third, options()]));
  assertAnswer(await socket.nextFrame(), third);
  const last = options();
  socket.send(last);
  assertAnswer(await socket.nextFrame(), last);
});

scenario('a message in fragments is one message, and halves in frames of their own are none', async () => {
  const socket = await openWebSocket(server);
  const [first, second, third] = [options(), options(), options()];
  const [head, tail] = [first.subarray(0, 60), first.subarray(60)];
  socket.sendFrame(TEXT, head, { fin: false });
  socket.sendFrame(CONTINUATION, tail);
  assertAnswer(await socket.nextFrame(), first);
  socket.send(second.subarray(0, 60));
  socket.send(second.subarray(60));
  socket.send(third);
  for (;;) {
    // The first half may be told what is wrong with it.
    const frame = await socket.nextFrame();
    if (callIdOf(frame.text) === callIdOf(third)) {
      assertAnswer(frame, third);
      break;
    }
    assert.match(frame.text, /^SIP\/2\.0 4/);
  }
});

scenario('frames of line breaks are keep-alives', async () => {
  const socket = await openWebSocket(server);
  socket.send('\r\n');
  socket.send('\r\n\r\n');
  assert.deepEqual(await socket.nextFrame(), { opcode: TEXT, text: '\r\n' }, 'the answer to a double one');
  socket.sendFrame(BINARY, '\r\n\r\n');
  assert.deepEqual(await socket.nextFrame(), { opcode: BINARY, text: '\r\n' });
  const request = options();
  socket.send(request);
  assertAnswer(await socket.nextFrame(), request);
});

scenario('a client that answers no ping is given up, and its contact is gone', async () => {
  const fresh = await startServer({ set: ['limits.ping_seconds=1'] });
  const [dead, alive] = [await openWebSocket(fresh, { answersPings: false }), await openWebSocket(fresh)];
  for (const [socket, user] of [
    [dead, 'alice'],
    [alive, 'bob'],
  ]) {
    const { status, text } = await sipClientOver(fresh, 'ws', socket).register(user);
    assert.equal(status, 200, text);
  }
  await dead.ended();
  assert.equal(dead.pings, 2);
  assert.equal(await fresh.metric('ringback_connections_ended_total', '"no_pong"'), 1);
  const caller = await openSipClient(fresh);
  const call = await caller.request('INVITE', 'bob', {
    to: 'alice',
    headers: { Contact: caller.contact('bob') },
  });
  assert.equal(call.status, 480, `at once, in place of ringing: ${call.text}`);
  assert.match(fresh.log, /no contact is left aor="alice"/);
  // Who answers them stays: it has had more pings than the other by now, or gets them.
  await until('a fourth ping', () => alive.pings >= 4 || alive.isClosed);
  assert.equal(alive.isClosed, false);
});

scenario('a message above the limit closes the connection with 1009', async () => {
  const socket = await openWebSocket(server);
  const largest = options({ length: MESSAGE_BYTES });
  assert.equal(largest.length, MESSAGE_BYTES);
  socket.send(largest);
  assertAnswer(await socket.nextFrame(), largest);

  const count = () => server.metric('ringback_connections_ended_total', '"too_large"');
  const before = await count();
  socket.send(options({ length: MESSAGE_BYTES + 2 }));
  assert.equal(await socket.ended(), 1009);
  const inFragments = await openWebSocket(server);
  const half = Buffer.alloc(MESSAGE_BYTES / 2 + 1, 'x');
  inFragments.sendFrame(TEXT, half, { fin: false });
  inFragments.sendFrame(CONTINUATION, half);
  assert.equal(await inFragments.ended(), 1009);
  assert.equal(await count(), before + 2);
});

scenario('frames against the rules close the connection with 1002', async () => {
  const count = () => server.metric('ringback_connections_ended_total', '"websocket_error"');
  const before = await count();
  const unmasked = await openWebSocket(server);
  unmasked.sendFrame(TEXT, options(), { masked: false });
  assert.equal(await unmasked.ended(), 1002);
  const unknown = await openWebSocket(server);
  unknown.sendFrame(0x3, options());
  assert.equal(await unknown.ended(), 1002);
  assert.equal(await count(), before + 2);
});

scenario('only pages of `listen.origins` get in, and who is no browser', async () => {
  const ours = 'https://phone.example.com';
  const strict = await startServer({ set: [`listen.origins=["${ours}"]`] });
  const status = async (of, origin) =>
    (await shakeHands(of, { headers: { Origin: origin } })).response.status;
  assert.equal(await status(strict, ours), 101);
  assert.equal(await status(strict, undefined), 101, 'who sends no Origin is no browser');
  for (const other of ['https://evil.example', `${ours}.evil.example`, 'http://phone.example.com', 'null']) {
    assert.equal(await status(strict, other), 403, other);
  }
  assert.equal(await strict.metric('ringback_http_refused_total', '"unknown_origin"'), 4);
  assert.match(strict.log, /listen\.origins.*https:\/\/evil\.example/, 'the log names the key');
  assert.equal(await status(server, 'https://evil.example'), 101, 'without the key every page gets in');
});

scenario('who asks nothing is closed, whatever else it sends', async () => {
  const hasty = await startServer({ set: ['limits.first_request_seconds=1'] });
  const asks = await openWebSocket(hasty);
  asks.send(options());
  await asks.nextFrame();
  const silent = await openWebSocket(hasty);
  assert.equal(await silent.ended(), 1008);
  assert.match(silent.closeReason, /first_request_seconds/);
  const beats = await openWebSocket(hasty);
  await beats.endedUnder(frameOf(TEXT, '\r\n\r\n'));
  assert.equal(beats.closeCode, 1008);
  assert.equal(await hasty.metric('ringback_connections_ended_total', '"first_request_late"'), 2);
  assert.equal(asks.isClosed, false, 'who has asked stays');
});

scenario('the rest of a message comes in time, in one frame or in many', async () => {
  const hasty = await startServer({ set: ['limits.message_seconds=1'] });
  const frame = frameOf(TEXT, options({ length: 4000 }));
  const trickling = await openWebSocket(hasty);
  await trickling.endedUnder((next) => frame.subarray(next, next + 1));
  assert.equal(trickling.closeCode, 1008);
  const fragmented = await openWebSocket(hasty);
  await fragmented.endedUnder((next) => frameOf(next === 0 ? TEXT : CONTINUATION, 'x', { fin: false }));
  assert.equal(fragmented.closeCode, 1008);
  assert.equal(await hasty.metric('ringback_connections_ended_total', '"message_late"'), 2);
});

scenario('a connection on which nobody signs in is closed, however much it asks', async () => {
  const strict = await startServer({ set: ['limits.sign_in_seconds=2'] });
  const user = await openWebSocket(strict);
  const client = sipClientOver(strict, 'ws', user);
  assert.equal((await client.register('alice')).status, 200);
  const guest = await openWebSocket(strict);
  await guest.endedUnder(() => frameOf(TEXT, options()));
  assert.equal(guest.closeCode, 1008);
  assert.match(guest.closeReason, /sign_in_seconds/);
  assert.equal(await strict.metric('ringback_connections_ended_total', '"not_signed_in"'), 1);
  assert.equal((await client.fetchBindings('alice')).status, 200, 'the user stays');
});
