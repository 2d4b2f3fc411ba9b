// Ports that no other test and no default of Ringback uses.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

import { atEnd } from './lifetime.mjs';

/** How many ports a block has. */
const BLOCK = 400;
/** Below the ports that Linux hands out by itself (32768 and up), away from Ringback's defaults (5060, 8443, 20000-). */
const FIRST = 11_000;
const LAST = 19_000;

/**
 * A block of ports until the end of the scenario, or of the file outside of one. Its first port is held on 127.0.0.1 as the
 * sign for other tests that run at the same time.
 */
export async function reservePorts() {
  for (let base = FIRST; base + BLOCK <= LAST; base += BLOCK) {
    const guard = await listen(base);
    // A phone may have outlived the test that started it.
    if (guard !== undefined && portsInUse().some((port) => port > base && port < base + BLOCK)) {
      guard.close();
    } else if (guard !== undefined) {
      atEnd('a block of ports', () => void guard.close());
      return new Ports(base + 1, base + BLOCK - 1);
    }
  }
  throw new Error(`every block of ports from ${FIRST} to ${LAST} is taken`);
}

class Ports {
  #next;
  #last;

  constructor(next, last) {
    this.#next = next;
    this.#last = last;
  }

  /** The next port that is free for UDP and TCP as far as this block goes. */
  one() {
    return this.range(1).first;
  }

  /** The next `count` ports in a row, the first one even, as RTP and RTCP want it. */
  range(count) {
    const first = count > 1 && this.#next % 2 === 1 ? this.#next + 1 : this.#next;
    const last = first + count - 1;
    if (last > this.#last) throw new Error('a test needs more ports than a block has');
    this.#next = last + 1;
    return { first, last };
  }
}

/** The local ports of every socket of this network that waits for something. */
export function portsInUse() {
  const isOpen = { udp: () => true, udp6: () => true, tcp: isListening, tcp6: isListening };
  return Object.entries(isOpen).flatMap(([name, counts]) => {
    const [, ...rows] = readFileSync(`/proc/net/${name}`, 'utf8').trim().split('\n');
    const sockets = rows.map((row) => row.trim().split(/\s+/));
    return sockets.filter(counts).map(([, local]) => parseInt(local.split(':')[1], 16));
  });
}

/** Whether a row of /proc/net/tcp is in the state LISTEN. */
const isListening = ([, , , state]) => state === '0A';

function listen(port) {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}
