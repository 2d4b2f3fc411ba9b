// RTP streams of G.711 from one socket: 50 packets a second each, spread evenly over the 20 ms.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const FRAME = 20;
const PAYLOAD = 160;

export class Talker {
  #socket;
  #streams = [];
  #timer;
  sent = 0;
  received = 0;

  static async open() {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Talker(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', () => {
      this.received += 1;
    });
  }

  get port() {
    return this.#socket.address().port;
  }

  /** Starts another stream. */
  talkTo(port) {
    const packet = Buffer.alloc(12 + PAYLOAD, 0xff);
    packet.writeUInt16BE(0x8000, 0);
    packet.writeUInt32BE(this.#streams.length + 1, 8);
    // Golden-ratio phases stay even whatever the number of streams.
    const phase = ((this.#streams.length * 0.618034) % 1) * FRAME;
    this.#streams.push({ port, packet, sequence: 0, due: performance.now() + phase });
    this.#timer ??= setInterval(() => this.#tick(), 1);
  }

  stop() {
    clearInterval(this.#timer);
  }

  close() {
    this.stop();
    this.#socket.close();
  }

  #tick() {
    const now = performance.now();
    for (const stream of this.#streams) {
      if (stream.due > now) continue;
      // A generator that was held up does not catch up in a burst: no phone would.
      stream.due = Math.max(stream.due + FRAME, now);
      stream.packet.writeUInt16BE(stream.sequence & 0xffff, 2);
      stream.packet.writeUInt32BE((stream.sequence * PAYLOAD) >>> 0, 4);
      stream.sequence += 1;
      this.sent += 1;
      // The kernel copies before `send` returns only if nothing is queued; a copy keeps each packet as it was.
      this.#socket.send(Buffer.from(stream.packet), stream.port, '127.0.0.1');
    }
  }
}
