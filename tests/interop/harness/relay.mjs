// What stands between a client and the server: a network that is lost for a moment, or a proxy that says who its clients
// are.
import { connect, createServer } from 'node:net';

import { atEnd } from './lifetime.mjs';

/**
 * Relays TCP from a port of its own on loopback to `port` of `address`.
 *
 * @param {object} options
 * @param {string} options.address
 * @param {number} options.port
 * @param {string} [options.from] the address that it connects from
 * @param {(near: import('node:net').Socket) => Buffer} [options.preface] what it writes in front of a client's bytes
 */
export async function startRelay({ address, port, from, preface }) {
  const open = new Set();
  const server = createServer((near) => {
    const far = connect({ host: address, port, localAddress: from });
    if (preface !== undefined) far.write(preface(near));
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  atEnd('the relay', () => {
    cut();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    port: server.address().port,
    /** Ends every connection at both ends, without a goodbye; new ones are taken at once. */
    cut,
  };
}
