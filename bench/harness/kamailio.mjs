// One Kamailio of the system, on loopback, with what the kernel says about its processes.
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from './process.mjs';

/** The Kamailio that is measured. */
export const KAMAILIO = process.env.KAMAILIO_BINARY ?? '/usr/sbin/kamailio';
const CONFIGURATION = readFileSync(join(import.meta.dirname, 'kamailio.cfg'), 'utf8');
const running = new Set();
process.on('exit', () => {
  for (const kamailio of running) kamailio.end();
});

/** Starts Kamailio and waits until it answers. */
export async function startKamailio() {
  const kamailio = new Kamailio(await freePort(), await freePort());
  await kamailio.ready();
  return kamailio;
}

class Kamailio {
  #folder = mkdtempSync(join(tmpdir(), 'kamailio-'));
  #process;
  #log;

  constructor(port, tlsPort) {
    this.udpPort = port;
    this.tlsPort = tlsPort;
    const config = join(this.#folder, 'kamailio.cfg');
    const values = { KAMAILIO_PORT: port, KAMAILIO_TLS_PORT: tlsPort, KAMAILIO_FOLDER: this.#folder };
    writeFileSync(
      config,
      CONFIGURATION.replaceAll(/KAMAILIO_(PORT|TLS_PORT|FOLDER)/g, (name) => values[name]),
    );
    makeCertificate(this.#folder);
    this.#log = join(this.#folder, 'log');
    const log = openSync(this.#log, 'w');
    // -DD: in the foreground, with its workers.
    const args = ['-DD', '-E', '-f', config, '-Y', this.#folder, '-M', '64', '-P', join(this.#folder, 'pid')];
    this.#process = spawn(KAMAILIO, args, {
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    running.add(this);
  }

  get log() {
    return readFileSync(this.#log, 'utf8');
  }

  async ready() {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const ping = `OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK-ready;rport\r\nFrom: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;
    let answered = false;
    socket.once('message', () => (answered = true));
    for (const deadline = performance.now() + 20_000; !answered; await sleep(100)) {
      if (this.#process.exitCode !== null || performance.now() > deadline) {
        throw new Error(`Kamailio did not start:\n${this.log}`);
      }
      socket.send(ping, this.udpPort, '127.0.0.1');
    }
    socket.close();
    // The workers for UDP are the first that it starts.
    for (let before = -1; before !== this.pids.length; await sleep(300)) before = this.pids.length;
  }

  /** Where it is reached over `transport`. */
  url(transport) {
    const port = ['tls', 'wss'].includes(transport) ? this.tlsPort : this.udpPort;
    return `${transport}://127.0.0.1:${port}${transport.startsWith('ws') ? '/' : ''}`;
  }

  /** Its processes: the first one and its workers. */
  get pids() {
    const children = readFileSync(`/proc/${this.#process.pid}/task/${this.#process.pid}/children`, 'utf8');
    // One that has ended and was not waited for yet has no memory to look at.
    const isAlive = (pid) => !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return [this.#process.pid, ...children.trim().split(' ').map(Number)].filter(isAlive);
  }

  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await Promise.race([ended, sleep(5_000)]);
    this.end();
  }

  end() {
    try {
      // The group that it was started as the head of.
      process.kill(-this.#process.pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
    running.delete(this);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A certificate of P-256, as Ringback makes its own. */
function makeCertificate(folder) {
  const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=127.0.0.1', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
}
