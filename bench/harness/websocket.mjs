// A WebSocket client (RFC 6455) of a few lines: it opens, sends short texts, answers pings, and keeps nothing.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/** Opens `/ws` with the sub-protocol of RFC 7118. */
export async function open({ port, secure }) {
  const address = { port, host: '127.0.0.1' };
  // The local certificate of a server that lives for a minute is not what is tested.
  const socket = secure ? connectTls({ ...address, rejectUnauthorized: false }) : connectTcp(address);
  await once(socket, secure ? 'secureConnect' : 'connect');
  socket.setNoDelay(true);
  const connection = new Connection(socket);
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
      'Sec-WebSocket-Protocol: sip\r\n\r\n',
  );
  await connection.opened;
  return connection;
}

class Connection {
  #socket;
  #buffer = Buffer.alloc(0);
  #isOpen = false;
  #texts = [];
  #waiting;
  /** Why it ended, once it has. */
  ended;

  constructor(socket) {
    this.#socket = socket;
    this.opened = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    socket.on('data', (chunk) => this.#received(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  send(text) {
    this.#frame(TEXT, Buffer.from(text));
  }

  /** The next text that the server sends. */
  receive() {
    const text = this.#texts.shift();
    if (text !== undefined) return Promise.resolve(text);
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  close() {
    this.#socket.destroy();
  }

  #fail(error) {
    this.ended ??= error;
    this.#waiting?.reject(this.ended);
    this.#waiting = undefined;
  }

  #deliver(value) {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve(value);
    else this.#texts.push(value);
  }

  #received(chunk) {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    if (!this.#isOpen) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.#buffer.subarray(0, end).toString();
      this.#buffer = this.#buffer.subarray(end + 4);
      if (!head.startsWith('HTTP/1.1 101')) return this.#fail(new Error(head));
      this.#isOpen = true;
      this.#deliver(undefined);
    }
    while (this.#takeFrame());
    // A slice would keep the whole chunk alive.
    if (this.#buffer.length === 0) this.#buffer = Buffer.alloc(0);
  }

  #takeFrame() {
    const buffer = this.#buffer;
    if (buffer.length < 2) return false;
    let length = buffer[1] & 0x7f;
    let start = 2;
    if (length === 126) {
      if (buffer.length < 4) return false;
      length = buffer.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      return this.#fail(new Error('a frame of more than 64 kB'));
    }
    if (buffer.length < start + length) return false;
    const payload = buffer.subarray(start, start + length);
    this.#buffer = buffer.subarray(start + length);
    switch (buffer[0] & 0xf) {
      case TEXT:
        this.#deliver(payload.toString());
        break;
      case PING:
        this.#frame(PONG, payload);
        break;
      case CLOSE:
        this.#fail(new Error('the server closed the WebSocket'));
    }
    return true;
  }

  #frame(opcode, payload) {
    const mask = randomBytes(4);
    const head = payload.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | payload.length]) : Buffer.alloc(4);
    if (payload.length >= 126) {
      head[0] = 0x80 | opcode;
      head[1] = 0x80 | 126;
      head.writeUInt16BE(payload.length, 2);
    }
    const masked = Buffer.from(payload);
    for (let i = 0; i < masked.length; i += 1) masked[i] ^= mask[i & 3];
    this.#socket.write(Buffer.concat([head, mask, masked]));
  }
}
