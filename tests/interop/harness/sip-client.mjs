// A SIP client of a few lines: for messages that no real phone would send, and for many registrations in a row.
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { atEnd } from './lifetime.mjs';
import { hostOf } from './server.mjs';
import { WITHIN_MS, bounded } from './waiting.mjs';

/** Opens a client of `server` over `transport`, `udp` or `tcp`; over UDP from `port`, or any, and over TCP from `address`. */
export async function openSipClient(server, transport = 'udp', { port = 0, address } = {}) {
  const wire =
    transport === 'udp' ? await openUdp(server, port) : await openTcp(server, { localAddress: address });
  atEnd(`the SIP client over ${transport}`, wire.close);
  return new SipClient(server, transport.toUpperCase(), wire);
}

/** A client of `server` over TCP, or TLS, to the listener at `host` and `port`, which need not be IPv4. */
export async function openSipClientAt(server, host, port, { tls = false } = {}) {
  const wire = await openTcp(server, { host, port }, { tls });
  atEnd('the SIP client', wire.close);
  return new SipClient(server, tls ? 'TLS' : 'TCP', wire);
}

/** A client of `server` over a connection that is open, such as one of `web-socket.mjs`. */
export function sipClientOver(server, transport, wire) {
  return new SipClient(server, transport.toUpperCase(), wire);
}

class SipClient {
  #server;
  #transport;
  #wire;
  #waiting = new Map();
  #other;
  #requests;
  /** Of every dialog that begins at this client. */
  #tag = token();

  constructor(server, transport, wire) {
    this.#server = server;
    this.#transport = transport;
    this.#wire = wire;
    wire.onMessage((text) => {
      if (this.#requests !== undefined && !text.startsWith('SIP/2.0 ')) return this.#requests.push(text);
      const response = parse(text);
      const waiting = this.#waiting.get(response.headers.get('via'));
      if (waiting === undefined) this.#other?.write(text);
      else if (response.status >= 200) waiting(response);
    });
  }

  /** The contact of this client for `user`. */
  contact(user) {
    return `<sip:${user}@${hostOf(this.#wire.address)}:${this.#wire.port}>`;
  }

  /** The port that it sends from. */
  get port() {
    return this.#wire.port;
  }

  /** The requests that come from here on, as they are; nobody answers them. */
  hearRequests() {
    this.#requests = [];
    return this.#requests;
  }

  /** Bytes as they are, without waiting for anything. */
  send(bytes) {
    this.#wire.send(bytes);
  }

  /** Sends bytes to another port of the server's machine, over UDP. */
  sendTo(port, bytes) {
    this.#wire.sendTo(port, bytes);
  }

  /** Answers a request that has come, as `hearRequests` gives it. */
  respond(request, status, headers = {}) {
    const header = (name) => new RegExp(`^${name}: *(.*)$`, 'im').exec(request)[1].trim();
    const via = request.match(/^Via: *.*$/gim).map((line) => line.replace(/^Via: */i, '').trim());
    const lines = {
      Via: via.join(', '),
      From: header('From'),
      To: `${header('To')};tag=${this.#tag}`,
      'Call-ID': header('Call-ID'),
      CSeq: header('CSeq'),
      ...headers,
      'Content-Length': 0,
    };
    this.send(write(`SIP/2.0 ${status} As Told`, lines));
  }

  /** The final response to bytes whose Via is `via`. */
  answer(bytes, via, within = WITHIN_MS) {
    const response = new Promise((resolve) => this.#waiting.set(via, resolve));
    this.send(bytes);
    return bounded(`a response to ${via}`, response, within).finally(() => this.#waiting.delete(via));
  }

  /** Sends a request of `user` and answers its challenge. */
  async request(method, user, options = {}) {
    const {
      to = user,
      headers = {},
      body = '',
      callId = token(),
      params = '',
      password = this.#server.password(user),
      within,
    } = options;
    const fromTag = token();
    const host = hostOf(this.#server.address);
    const target = method === 'REGISTER' ? `sip:${host}` : `sip:${to}@${host}${params}`;
    const send = (cseq, more) => {
      const via = this.via();
      const lines = {
        Via: via,
        'Max-Forwards': 70,
        From: `<sip:${user}@${host}>;tag=${fromTag}`,
        To: `<sip:${to}@${host}>`,
        'Call-ID': callId,
        CSeq: `${cseq} ${method}`,
        ...headers,
        ...more,
        'Content-Length': Buffer.byteLength(body),
      };
      return this.answer(write(`${method} ${target} SIP/2.0`, lines, body), via, within);
    };
    const first = await send(1, {});
    const challenge = first.headers.get('www-authenticate') ?? first.headers.get('proxy-authenticate');
    if (challenge === undefined) return first;
    const name = first.status === 401 ? 'Authorization' : 'Proxy-Authorization';
    const credentials = answerChallenge(challenge, { method, target, user, password });
    return send(2, { [name]: credentials });
  }

  /** Registers the contact of `user` here. */
  register(user, { contact = this.contact(user), ...options } = {}) {
    return this.request('REGISTER', user, { headers: { Contact: contact, Expires: 3600 }, ...options });
  }

  /** Asks where `user` is registered. */
  fetchBindings(user) {
    return this.request('REGISTER', user);
  }

  /** Ends it, so that another one can have its port. */
  close() {
    return this.#wire.close();
  }

  /** Shares the connection with `socket`: what comes and answers nothing that was asked here goes there, and back. */
  shareWith(socket) {
    this.#other = socket;
    socket.on('data', (bytes) => this.#wire.send(bytes));
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#wire.close());
  }

  /** Reads nothing more; over TCP. */
  stopReading() {
    this.#wire.stopReading();
  }

  /** Waits until the server closes the connection. */
  closed() {
    return bounded('the server to close the connection', this.#wire.closed);
  }

  /** A Via of its own for one transaction. */
  via() {
    return `SIP/2.0/${this.#transport} ${hostOf(this.#wire.address)}:${this.#wire.port};branch=z9hG4bK${token()}`;
  }
}

/** An OPTIONS to the server itself, which anybody gets an answer to. `length` pads it to that many bytes. */
export function optionsOver(transport, { length = 0 } = {}) {
  const id = token();
  const build = (padding) =>
    write('OPTIONS sip:127.0.0.1 SIP/2.0', {
      Via: `SIP/2.0/${transport} x.invalid;branch=z9hG4bK${id}`,
      'Max-Forwards': 70,
      From: '<sip:alice@127.0.0.1>;tag=1',
      To: '<sip:127.0.0.1>',
      'Call-ID': id,
      CSeq: '1 OPTIONS',
      Subject: padding,
      'Content-Length': 0,
    });
  return build('x'.repeat(Math.max(0, length - build('').length)));
}

/** The bytes of a message. */
export function write(startLine, headers, body = '') {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([startLine, ...lines, '', body].join('\r\n'));
}

function parse(text) {
  const [head] = text.split('\r\n\r\n', 1);
  const [startLine, ...lines] = head.split('\r\n');
  const headers = new Map();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
  }
  // The Via comes back with more parameters than it went with.
  const via = /^[^,]*?branch=[^;,]*/.exec(headers.get('via') ?? '');
  if (via !== null) headers.set('via', via[0]);
  return {
    status: Number(startLine.split(' ')[1]),
    reason: startLine.split(' ').slice(2).join(' '),
    headers,
    text,
  };
}

/** RFC 2617 §3.2.2 with MD5 and qop=auth. */
export function answerChallenge(challenge, { method, target, user, password }) {
  const parameter = (name) => new RegExp(`${name}="?([^",]*)"?`).exec(challenge)?.[1];
  const realm = parameter('realm');
  const nonce = parameter('nonce');
  const cnonce = token();
  const a1 = md5(`${user}:${realm}:${password}`);
  const response = md5([a1, nonce, '00000001', cnonce, 'auth', md5(`${method}:${target}`)].join(':'));
  return (
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${target}", response="${response}", ` +
    `algorithm=MD5, cnonce="${cnonce}", qop=auth, nc=00000001`
  );
}

/** An address as it stands in a URI or a Via. */
export const inUri = (address) => (address.includes(':') ? `[${address}]` : address);

const md5 = (text) => createHash('md5').update(text).digest('hex');
const token = () => randomBytes(8).toString('hex');

async function openUdp(server, from) {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  await new Promise((resolve, reject) => socket.once('error', reject).bind(from, server.address, resolve));
  socket.removeAllListeners('error');
  const { address, port } = socket.address();
  return {
    address,
    port,
    send: (bytes) => socket.send(bytes, server.listen.sip_udp, server.address),
    sendTo: (to, bytes) => socket.send(bytes, to, server.address),
    onMessage: (handle) => socket.on('message', (bytes) => handle(bytes.toString())),
    close() {
      const closed = new Promise((resolve) => socket.once('close', resolve));
      try {
        socket.close();
      } catch {
        return Promise.resolve();
      }
      return closed;
    },
  };
}

async function openTcp(server, at = {}, { tls = false } = {}) {
  const to = { host: server.address, port: server.listen.sip_tcp, ...at };
  // The local certificate of a server that lives for a minute is not what is tested.
  const socket = tls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to);
  await bounded(
    'a TCP connection',
    new Promise((resolve, reject) =>
      socket.once(tls ? 'secureConnect' : 'connect', resolve).once('error', reject),
    ),
  );
  socket.on('error', () => socket.destroy());
  const { localPort: port } = socket;
  const address = inUri(socket.localAddress);
  let handle = () => {};
  let buffered = '';
  socket.on('data', (bytes) => {
    buffered += bytes;
    // Responses to the tests have no bodies but for a few; Content-Length tells.
    for (;;) {
      const end = buffered.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/^content-length: *(\d+)/im.exec(buffered.slice(0, end))?.[1] ?? 0);
      if (buffered.length < end + 4 + length) return;
      handle(buffered.slice(0, end + 4 + length));
      buffered = buffered.slice(end + 4 + length);
    }
  });
  return {
    address,
    port,
    closed: new Promise((resolve) => socket.once('close', resolve)),
    send: (bytes) => socket.write(bytes),
    stopReading: () => socket.pause(),
    onMessage: (next) => (handle = next),
    close: () => socket.destroy(),
  };
}
