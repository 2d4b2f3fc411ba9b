// A SIP server of a few lines that Ringback connects to, over any transport, IPv4 or IPv6: it answers every request by 200
// and keeps what came and who brought it.
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

import { atEnd } from './lifetime.mjs';
import { openSipClientAt, inUri } from './sip-client.mjs';
import { bounded, until } from './waiting.mjs';
import { frameOf, TEXT } from './web-socket.mjs';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Starts one.
 *
 * @param {object} options
 * @param {'udp' | 'tcp' | 'tls' | 'ws' | 'wss'} options.transport
 * @param {number} options.port
 * @param {string} [options.address] where it listens
 * @param {string} [options.host] what its URI calls it
 * @param {{ certificate: string, key: string }} [options.identity] for TLS
 * @param {string} [options.clientCa] the authority that the certificate of who connects must be of
 * @param {'TLSv1.2' | 'TLSv1.3'} [options.version] the one version of TLS that it speaks
 */
export async function startFarEnd(options) {
  const farEnd = new FarEnd(options);
  atEnd('the far end', () => farEnd.stop());
  await farEnd.start();
  return farEnd;
}

class FarEnd {
  /** What came: `{ text, subject }`, where `subject` is the common name in the certificate of who sent it. */
  requests = [];
  /** The names that TLS clients asked for. */
  names = [];
  #options;
  #server;
  #sockets = new Set();

  constructor({ address = '127.0.0.1', ...options }) {
    this.#options = { address, host: inUri(address), ...options };
  }

  /** What stands in a Path that leads here. */
  get uri() {
    const { host, port, transport } = this.#options;
    return `<sip:${host}:${port}${transport === 'udp' ? '' : `;transport=${transport}`};lr>`;
  }

  async start() {
    const { address, port, transport } = this.#options;
    if (transport === 'udp') {
      this.#server = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      this.#server.on('message', (bytes, from) => {
        this.#received(bytes.toString(), (answer) => this.#server.send(answer, from.port, from.address));
      });
      return new Promise((resolve) => this.#server.bind(port, address, resolve));
    }
    const isSecure = transport === 'tls' || transport === 'wss';
    this.#server = isSecure ? createTlsServer(this.#tls()) : createTcpServer();
    this.#server.on('tlsClientError', () => {});
    this.#server.on(isSecure ? 'secureConnection' : 'connection', (socket) => this.#serve(socket));
    await new Promise((resolve, reject) => this.#server.once('error', reject).listen(port, address, resolve));
  }

  /** Closes every connection, so that the next request needs a new one. */
  async hangUp() {
    const closed = [...this.#sockets].map((socket) => new Promise((end) => socket.once('close', end)));
    for (const socket of this.#sockets) socket.end();
    await bounded('the connections to close', Promise.all(closed));
  }

  stop() {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  #tls() {
    const { identity, clientCa, version } = this.#options;
    const versions = version === undefined ? {} : { minVersion: version, maxVersion: version };
    const asked = { requestCert: true, rejectUnauthorized: true };
    const ofClients = clientCa === undefined ? {} : { ca: readFileSync(clientCa), ...asked };
    return {
      cert: readFileSync(identity.certificate),
      key: readFileSync(identity.key),
      SNICallback: (name, done) => {
        this.names.push(name);
        done(null);
      },
      ...versions,
      ...ofClients,
    };
  }

  #serve(socket) {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const subject = socket.getPeerCertificate?.()?.subject?.CN;
    const isWebSocket = this.#options.transport.startsWith('ws');
    let received = Buffer.alloc(0);
    let isOpen = !isWebSocket;
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (!isOpen) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.write(switched(received.subarray(0, end).toString()));
        received = received.subarray(end + 4);
        isOpen = true;
      }
      const take = isWebSocket ? takeFrame : takeMessage;
      for (let taken = take(received); taken !== undefined; taken = take(received)) {
        received = received.subarray(taken.length);
        const write = (answer) =>
          socket.write(isWebSocket ? frameOf(TEXT, answer, { masked: false }) : answer);
        this.#received(taken.text, write, subject);
      }
    });
  }

  #received(text, write, subject) {
    if (!/^[A-Z]+ sips?:/.test(text)) return;
    this.requests.push({ text, subject });
    const copied = text
      .split('\r\n')
      .filter((line) => /^(via|from|to|call-id|cseq|record-route):/i.test(line));
    const lines = copied.map((line) =>
      /^to:/i.test(line) && !line.includes(';tag=') ? `${line};tag=far` : line,
    );
    write(Buffer.from(['SIP/2.0 200 OK', ...lines, 'Content-Length: 0', '', ''].join('\r\n')));
  }
}

/** Registers `user` from where `farEnd` is, behind it, over a connection to `port` of the server that is gone when this returns. */
export async function registerBehind(farEnd, server, user, { host = '127.0.0.1', port } = {}) {
  const client = await openSipClientAt(server, host, port ?? server.listen.sip_tcp);
  const headers = {
    Contact: `<sip:${user}@192.0.2.77:5060>`,
    Expires: 600,
    Path: farEnd.uri,
    Supported: 'path',
  };
  const answer = await client.request('REGISTER', user, { headers });
  if (answer.status !== 200) throw new Error(answer.text);
  client.close();
  const line = `no contact is left aor="${user}"`;
  await until('the server to see the end of the connection', () => server.log.includes(line));
}

function switched(head) {
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1];
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    'Sec-WebSocket-Protocol: sip',
    '',
    '',
  ].join('\r\n');
}

/** A message at the beginning of a stream. */
function takeMessage(received) {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const body = Number(/^content-length: *(\d+)/im.exec(received.subarray(0, end))?.[1] ?? 0);
  const length = end + 4 + body;
  return received.length < length ? undefined : { length, text: received.subarray(0, length).toString() };
}

/** A frame of a client, which is masked. */
function takeFrame(received) {
  if (received.length < 6) return undefined;
  let size = received[1] & 0x7f;
  let at = 2;
  if (size === 126) {
    if (received.length < 8) return undefined;
    size = received.readUInt16BE(2);
    at = 4;
  }
  const length = at + 4 + size;
  if (received.length < length) return undefined;
  const mask = received.subarray(at, at + 4);
  const payload = Buffer.from(received.subarray(at + 4, length)).map((byte, index) => byte ^ mask[index % 4]);
  return { length, text: payload.toString() };
}
