// Debian's kamailio: a registrar and proxy for pages and phones, with a configuration of ours and no state that stays.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { until } from './waiting.mjs';

const CONFIG = join(import.meta.dirname, '../kamailio/kamailio.cfg');
/** Debian has it where only root looks for programs. */
export const KAMAILIO = process.env.KAMAILIO ?? '/usr/sbin/kamailio';
const ADDRESS = '127.0.0.1';

/**
 * Starts one, with another configuration than usual and what that is `defined` by where it is given, that takes UDP, TCP and WebSocket on one port of `ports`, and with an `identity`, the files of a certificate
 * and its key, TLS and WebSocket over it on another.
 */
export async function startKamailio(ports, { identity, config = CONFIG, defined = {} } = {}) {
  const tls = identity && { ...identity, port: ports.one() };
  const kamailio = new Kamailio(ports.one(), tls, { config, defined });
  atEnd('kamailio', () => kamailio.stop());
  await kamailio.start();
  return kamailio;
}

class Kamailio {
  #port;
  #tls;
  #how;
  #child;

  constructor(port, tls, how) {
    this.#port = port;
    this.#tls = tls;
    this.#how = how;
  }

  async start() {
    const folder = mkdtempSync(join(tmpdir(), 'ringback-kamailio-'));
    atExit(() => rmSync(folder, { recursive: true, force: true }));
    const at = `${ADDRESS}:${this.#port}`;
    const tls =
      this.#tls === undefined
        ? []
        : [
            ...['-l', `tls:${ADDRESS}:${this.#tls.port}`, '-A', 'WITH_TLS'],
            ...['-A', `CERTIFICATE="${this.#tls.certificate}"`, '-A', `KEY="${this.#tls.key}"`],
          ];
    const { config, defined } = this.#how;
    this.#child = new Child('kamailio', KAMAILIO, [
      ...['-f', config, '-DD', '-E'],
      ...Object.entries(defined).flatMap(([name, value]) => ['-A', `${name}="${value}"`]),
      ...['-l', `udp:${at}`, '-l', `tcp:${at}`, ...tls],
      ...['-Y', folder, '-w', folder, '-m', '64', '-M', '8'],
    ]);
    await until(
      'kamailio to listen',
      () => {
        if (!this.#child.isRunning) throw new Error(`kamailio ended at its start: ${this.#child.output}`);
        return canConnect(this.#port);
      },
      { seen: () => this.#child.output.slice(-400) },
    );
  }

  /** SIGTERM: its first process ends the others. */
  stop() {
    return this.#child.stop('SIGTERM', 10_000);
  }

  /** Where it is reached over `transport`: `ws`, `udp` or `tcp`; `wss` or `tls` when it has an identity. */
  url(transport) {
    const port = ['wss', 'tls'].includes(transport) ? this.#tls.port : this.#port;
    return `${transport}://${ADDRESS}:${port}${transport.startsWith('ws') ? '/' : ''}`;
  }

  /** Its port for UDP, TCP and WebSocket. */
  get port() {
    return this.#port;
  }

  aor(user) {
    return `sip:${user}@${ADDRESS}`;
  }

  password(user) {
    return `${user}-secret`;
  }
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: ADDRESS, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
