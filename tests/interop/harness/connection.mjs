// A connection of bare bytes, over TCP or TLS: what came over it, and whether the server has ended it.
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { atEnd } from './lifetime.mjs';
import { bounded, until } from './waiting.mjs';

/**
 * Connects to a listener of `server`.
 *
 * @param {import('./server.mjs').Server} server
 * @param {'http' | 'https' | 'sip_tcp' | 'sip_tls'} listener
 * @param {object} [options]
 * @param {boolean} [options.tls] whether to speak TLS; without it a TLS listener waits for its handshake
 * @param {string} [options.to] the address to connect to
 * @param {string} [options.from] the address of this machine to connect from
 */
export async function openConnection(server, listener, { tls = false, to = server.address, from } = {}) {
  const address = { host: to, port: server.listen[listener], localAddress: from };
  // The local certificate of a server that lives for a minute is not what is tested.
  const socket = tls ? connectTls({ ...address, rejectUnauthorized: false }) : connectTcp(address);
  const connection = new Connection(socket);
  atEnd(`the connection to ${listener}`, () => connection.close());
  await bounded(
    `a connection to ${listener}`,
    new Promise((resolve, reject) =>
      socket.once(tls ? 'secureConnect' : 'connect', resolve).once('error', reject),
    ),
  );
  return connection;
}

export class Connection {
  /** What has come and was not taken. */
  received = Buffer.alloc(0);
  isClosed = false;
  /** Resolves when the connection has ended, whoever ended it. */
  closed;
  #socket;
  #handle = () => {};

  constructor(socket) {
    this.#socket = socket;
    // A server that closes with something unread in its socket resets the connection: that is an end as well.
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.#handle();
    });
    this.closed = new Promise((resolve) => socket.once('close', resolve)).then(() => {
      this.isClosed = true;
      this.#handle();
    });
  }

  get address() {
    return this.#socket.localAddress;
  }

  get port() {
    return this.#socket.localPort;
  }

  /** Has `handle` called whenever something has come, and at the end. */
  onReceived(handle) {
    this.#handle = handle;
    handle();
  }

  send(bytes) {
    this.#socket.write(bytes);
  }

  /** Waits until the server has ended the connection. */
  ended(within) {
    return bounded('the server to end the connection', this.closed, within);
  }

  /** Sends `bytes` again and again until the server has ended the connection. */
  async endedUnder(bytes, every = 100) {
    let next = 0;
    await until(
      'the server to end the connection',
      () => {
        if (!this.isClosed) this.send(typeof bytes === 'function' ? bytes(next++) : bytes);
        return this.isClosed;
      },
      { every },
    );
  }

  close() {
    this.#socket.destroy();
  }
}
