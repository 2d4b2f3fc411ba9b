// A WebSocket client (RFC 6455) by hand: frames of any kind, and silence where a real client would answer.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';

import { openConnection } from './connection.mjs';
import { readResponse, writeRequest } from './http.mjs';
import { bounded, until } from './waiting.mjs';

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Sends the opening handshake of a browser.
 *
 * @param {import('./server.mjs').Server} server
 * @param {object} [options]
 * @param {Record<string, string | undefined>} [options.headers] other ones than a browser sends; `undefined` leaves one out
 * @param {boolean} [options.secure]
 * @param {string} [options.to] the address to connect to
 */
export async function shakeHands(server, { headers = {}, secure = false, to } = {}) {
  const connection = await openConnection(server, secure ? 'https' : 'http', { tls: secure, to });
  const key = randomBytes(16).toString('base64');
  const sent = {
    Upgrade: 'websocket',
    Connection: 'keep-alive, Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
    'Sec-WebSocket-Protocol': 'sip',
    ...headers,
  };
  for (const name of Object.keys(sent)) if (sent[name] === undefined) delete sent[name];
  connection.send(writeRequest(server, '/ws', { headers: sent }));
  const response = await readResponse(connection);
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  return { connection, response, accept };
}

/** Opens a WebSocket; it answers pings unless `answersPings` is false. */
export async function openWebSocket(server, { answersPings = true, ...options } = {}) {
  const { connection, response, accept } = await shakeHands(server, options);
  assert.equal(response.status, 101, response.text);
  assert.equal(response.headers.get('sec-websocket-accept'), accept);
  return new WebSocketClient(connection, answersPings);
}

/** Also what a SIP client (`sip-client.mjs`) can send and receive by. */
export class WebSocketClient {
  /** The frames that came and were not taken, without pings. */
  frames = [];
  pings = 0;
  /** The status code of the server's close frame. */
  closeCode;
  closeReason;
  #connection;
  #answersPings;
  #handle;

  constructor(connection, answersPings) {
    this.#connection = connection;
    this.#answersPings = answersPings;
    connection.onReceived(() => {
      for (let frame = this.#take(); frame !== undefined; frame = this.#take()) this.#received(frame);
    });
  }

  get address() {
    return this.#connection.address;
  }

  get port() {
    return this.#connection.port;
  }

  get closed() {
    return this.#connection.closed;
  }

  get isClosed() {
    return this.#connection.isClosed;
  }

  /** A message in a text frame. */
  send(bytes) {
    this.sendFrame(TEXT, bytes);
  }

  sendFrame(opcode, payload, options) {
    this.sendBytes(frameOf(opcode, payload, options));
  }

  sendBytes(bytes) {
    this.#connection.send(bytes);
  }

  /** The next frame that is no ping: `{ opcode, text }`. */
  async nextFrame() {
    await until('a WebSocket frame', () => this.frames.length > 0 || this.isClosed, { every: 5 });
    assert.ok(this.frames.length > 0, 'a frame came before the end');
    return this.frames.shift();
  }

  /** Hands SIP messages to `handle` from now on, in place of keeping their frames. */
  onMessage(handle) {
    this.#handle = handle;
  }

  /** Waits until the server has ended the connection; the answer is the code it gave. */
  async ended(within) {
    await bounded('the server to end the WebSocket', this.closed, within);
    return this.closeCode;
  }

  endedUnder(frame, every) {
    return this.#connection.endedUnder(frame, every);
  }

  close() {
    this.#connection.close();
  }

  #received({ opcode, payload }) {
    if (opcode === PING) {
      this.pings += 1;
      if (this.#answersPings) this.sendFrame(PONG, payload);
    } else if (opcode === CLOSE) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : undefined;
      this.closeReason = payload.subarray(2).toString();
    } else if (opcode !== PONG) {
      const text = payload.toString();
      if (this.#handle !== undefined && text.includes('SIP/2.0')) this.#handle(text);
      else this.frames.push({ opcode, text });
    }
  }

  /** Takes a frame of the server, which has no mask. */
  #take() {
    const { received } = this.#connection;
    if (received.length < 2) return undefined;
    let length = received[1] & 0x7f;
    let at = 2;
    if (length === 126) {
      if (received.length < 4) return undefined;
      length = received.readUInt16BE(2);
      at = 4;
    }
    if (received.length < at + length) return undefined;
    this.#connection.received = received.subarray(at + length);
    return { opcode: received[0] & 0x0f, payload: received.subarray(at, at + length) };
  }
}

/** The bytes of a frame of a client. */
export function frameOf(opcode, payload, { fin = true, masked = true } = {}) {
  const bytes = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | opcode];
  const mask = masked ? 0x80 : 0;
  if (bytes.length < 126) head.push(mask | bytes.length);
  else if (bytes.length < 65_536) head.push(mask | 126, bytes.length >> 8, bytes.length & 0xff);
  else throw new Error('no test sends a frame of this length');
  if (!masked) return Buffer.concat([Buffer.from(head), bytes]);
  const key = randomBytes(4);
  return Buffer.concat([Buffer.from(head), key, bytes.map((byte, at) => byte ^ key[at % 4])]);
}
