// Debian's kamailio as an edge proxy of a Ringback: phones reach it over UDP, and it reaches Ringback over `transport`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { KAMAILIO } from './kamailio.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { until } from './waiting.mjs';

const CONFIG = join(import.meta.dirname, '../kamailio/edge.cfg');
const ADDRESS = '127.0.0.1';

/**
 * Starts one in front of `server`.
 *
 * @param {import('./server.mjs').Server} server
 * @param {object} options
 * @param {'tcp' | 'tls' | 'ws'} options.transport how Ringback reaches it, by the Path
 * @param {string} [options.host] what the Path calls it, with its port
 * @param {{ certificate: string, key: string }} [options.identity] for TLS
 * @param {string} [options.clientCa] the authority that the certificate of who connects over TLS must be of
 */
export async function startEdge(server, options) {
  const edge = new Edge(server, options);
  atEnd('the edge proxy', () => edge.stop());
  await edge.start();
  return edge;
}

class Edge {
  /** What phones take for their server. */
  address = ADDRESS;
  listen;
  ports;
  port;
  #server;
  #options;
  #child;

  constructor(server, { port = server.ports.one(), tlsPort = server.ports.one(), ...options }) {
    this.#server = server;
    this.#options = { tlsPort, ...options };
    this.port = port;
    this.listen = { sip_udp: port };
    this.ports = server.ports;
  }

  password(user) {
    return this.#server.password(user);
  }

  async start() {
    const { transport, identity, clientCa, tlsPort } = this.#options;
    const folder = mkdtempSync(join(tmpdir(), 'ringback-edge-'));
    atExit(() => rmSync(folder, { recursive: true, force: true }));
    const at = `${ADDRESS}:${this.port}`;
    const host = this.#options.host ?? `${ADDRESS}:${transport === 'tls' ? tlsPort : this.port}`;
    // It reaches Ringback over TCP where Ringback is to reach it by WebSocket: it has no WebSocket client.
    const there = transport === 'tls' ? ['sip_tls', 'tls'] : ['sip_tcp', 'tcp'];
    const registrar = `sip:${this.#server.address}:${this.#server.listen[there[0]]};transport=${there[1]}`;
    const tls =
      identity === undefined
        ? []
        : [
            ...['-l', `tls:${ADDRESS}:${tlsPort}`, '-A', 'WITH_TLS'],
            ...['-A', `CERTIFICATE="${identity.certificate}"`, '-A', `KEY="${identity.key}"`],
            ...(clientCa === undefined ? [] : ['-A', `CLIENT_CA="${clientCa}"`]),
          ];
    this.#child = new Child('edge', KAMAILIO, [
      ...['-f', CONFIG, '-DD', '-E'],
      ...['-l', `udp:${at}`, '-l', `tcp:${at}`, ...tls],
      ...['-A', `REGISTRAR="${registrar}"`, '-A', `OWN_URI="sip:edge@${host};transport=${transport}"`],
      ...['-A', `OWN_HOST=${host}`],
      ...['-Y', folder, '-w', folder, '-m', '64', '-M', '8'],
    ]);
    await until(
      'the edge proxy to listen',
      () => {
        if (!this.#child.isRunning) throw new Error(`kamailio ended at its start: ${this.#child.output}`);
        return listens(this.port);
      },
      { seen: () => this.#child.output.slice(-400) },
    );
  }

  stop() {
    return this.#child.stop('SIGTERM', 10_000);
  }
}

function listens(port) {
  const rows = execFileSync('ss', ['-Hltn', `sport = :${port}`]).toString();
  return rows.trim() !== '';
}
