// SIP over UDP with one peer, in the shape of the WebSocket client.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A socket on loopback that talks to `port`. */
export async function open(port) {
  // The peer answers in bursts, and this process may have to wait for a processor.
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return new Datagrams(socket, port);
}

class Datagrams {
  #socket;
  #remote;
  #texts = [];
  #waiting;
  /** Called with each message instead of keeping it for `receive`. */
  onMessage;

  constructor(socket, remote) {
    this.#socket = socket;
    this.#remote = remote;
    socket.on('message', (bytes) => {
      const text = bytes.toString();
      if (this.onMessage) return this.onMessage(text);
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting) waiting(text);
      else this.#texts.push(text);
    });
  }

  get port() {
    return this.#socket.address().port;
  }

  send(text) {
    this.#socket.send(text, this.#remote, '127.0.0.1');
  }

  receive() {
    const text = this.#texts.shift();
    if (text !== undefined) return Promise.resolve(text);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  close() {
    this.#socket.close();
  }
}
