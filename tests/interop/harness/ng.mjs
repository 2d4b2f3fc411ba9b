// `ringback ng`, the media engine of a SIP proxy of somebody else's, and such a proxy: Debian's kamailio with its module
// for rtpengine.
import { createSocket } from 'node:dgram';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { startKamailio } from './kamailio.mjs';
import { atEnd } from './lifetime.mjs';
import { BINARY } from './server.mjs';
import { bounded, until } from './waiting.mjs';

const CONFIG = join(import.meta.dirname, '../kamailio/ng.cfg');
const RTP_PORTS = 120;

/** Starts an engine that has `address` for its media, on ports of its own. */
export async function startEngine(ports, { address = '127.0.0.1', more = [] } = {}) {
  const engine = new Engine(ports, address, more);
  atEnd('the engine', () => engine.stop());
  await engine.start();
  return engine;
}

class Engine {
  /** Where it takes commands. */
  port;
  #child;
  #arguments;
  #asked = 0;

  constructor(ports, address, more) {
    this.port = ports.one();
    const rtp = ports.range(RTP_PORTS);
    this.#arguments = [
      ...['ng', '--listen', `127.0.0.1:${this.port}`, '--interface', `main/${address}`],
      ...['--webrtc', `${address}:${ports.one()}`, '--rtp-ports', `${rtp.first}-${rtp.last}`],
      ...more,
    ];
  }

  async start() {
    this.#child = new Child('engine', BINARY, this.#arguments);
    await until(
      'the line `ready` of the engine',
      () => {
        if (!this.#child.isRunning) throw new Error(`the engine ended at its start: ${this.#child.output}`);
        return /^ready$/m.test(this.#child.stdout);
      },
      { seen: () => this.#child.output.slice(-400) },
    );
  }

  stop() {
    return this.#child.stop('SIGTERM');
  }

  get pid() {
    return this.#child.pid;
  }

  /** What it wrote, its log included. */
  get output() {
    return this.#child.output;
  }

  /** What it wrote on standard output. */
  get announcement() {
    return this.#child.stdout;
  }

  /** Asks it, in JSON, and gives its answer. */
  async ask(command, more = {}) {
    const socket = createSocket('udp4');
    try {
      this.#asked += 1;
      const cookie = `${process.pid}_${this.#asked}`;
      const answer = new Promise((resolve, reject) => {
        socket.once('message', (message) => resolve(String(message)));
        socket.once('error', reject);
      });
      socket.send(`${cookie} ${JSON.stringify({ command, ...more })}`, this.port, '127.0.0.1');
      return JSON.parse(
        (await bounded(`the engine's answer to ${command}`, answer)).slice(cookie.length + 1),
      );
    } finally {
      socket.close();
    }
  }

  /** The Call-IDs of the calls that it has. */
  calls = async () => (await this.ask('list')).calls;

  /** Waits until it has no calls. */
  async isEmpty() {
    let calls;
    await until('the engine to have no calls', async () => (calls = await this.calls()).length === 0, {
      seen: () => calls,
    });
  }
}

/** A kamailio whose media the engine carries, as pages and telephones see it. */
export async function startProxy(ports, engine) {
  const defined = { ENGINE: `udp:127.0.0.1:${engine.port}` };
  const kamailio = await startKamailio(ports, { config: CONFIG, defined });
  const { port } = kamailio;
  return {
    ports,
    address: '127.0.0.1',
    listen: { sip_udp: port, sip_tcp: port },
    wsUrl: kamailio.url('ws'),
    aor: (user) => `sip:${user}@127.0.0.1:${port}`,
    password: (user) => kamailio.password(user),
  };
}
