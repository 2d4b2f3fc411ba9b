// What stands between a client and the server and can be cut: a network that is lost for a moment.
import { connect, createServer } from 'node:net';

import { atEnd } from './lifetime.mjs';

/** Relays TCP from a port of its own on loopback to `port` of `address`. */
export async function startRelay({ address, port }) {
  const open = new Set();
  const server = createServer((near) => {
    const far = connect({ host: address, port });
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
