// One Ringback with its own data, ports and users.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { get } from 'node:http';
import { isIPv6 } from 'node:net';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { reservePorts } from './ports.mjs';
import { until } from './waiting.mjs';

/** The binary that is tested. */
export const BINARY =
  process.env.RINGBACK_BINARY ?? resolve(import.meta.dirname, '../../../target/debug/ringback');

/** What the log holds for a failing test. */
const LOG_LEVEL = process.env.RINGBACK_TEST_LOG ?? 'debug';
const RTP_PORTS = 100;
/** Ports for allocations of TURN. */
const RELAY_PORTS = 20;
const execute = promisify(execFile);

/** An address as it stands in a URI, and before a port. */
export const hostOf = (address) => (isIPv6(address) ? `[${address}]` : address);

/** Starts a server and waits until it is ready. */
export async function startServer(options = {}) {
  const server = new Server(options, await reservePorts());
  atEnd('the server', () => server.stop());
  await server.start();
  return server;
}

/** The configuration of a server in a folder of its own; nothing runs until `start`. */
export class Server {
  /** The ports of this server's block that it does not use itself: for phones. */
  ports;
  /** The port of each listener. */
  listen;
  /** The address to reach it at. */
  address;
  #folder;
  #child;
  #options;

  /**
   * @param {object} [options]
   * @param {string[]} [options.users] names; the password of `alice` is `alice-secret`. None: the demo users
   * @param {Record<string, string>} [options.groups] the pickup group of each user that has one
   * @param {string} [options.address] where it is reached
   * @param {string | string[]} [options.bind] what every listener binds, such as the wildcard `0.0.0.0`
   * @param {Record<string, string>} [options.binds] what single listeners bind instead, as `{ webrtc: '::1' }`
   * @param {string[]} [options.set] more keys, as `limits.ring_seconds=2`
   * @param {string[]} [options.config] more lines at the end of its configuration
   * @param {Record<string, string>} [options.env]
   * @param {string[]} [options.under] a command that runs it, as strace does
   * @param {number} [options.rtpPorts] how many ports plain legs have, two for each
   */
  constructor(
    {
      users = ['alice', 'bob'],
      groups = {},
      address = '127.0.0.1',
      bind = address,
      binds = {},
      set = [],
      config = [],
      env = {},
      under = [],
      rtpPorts = RTP_PORTS,
    },
    ports,
  ) {
    this.#options = { users, groups, bind, binds, set, config, env, under };
    this.address = address;
    this.ports = ports;
    this.listen = {
      http: ports.one(),
      https: ports.one(),
      sip_udp: ports.one(),
      sip_tcp: ports.one(),
      sip_tls: ports.one(),
      webrtc: ports.one(),
      turn: ports.one(),
      turn_tls: ports.one(),
    };
    this.rtpPorts = ports.range(rtpPorts);
    this.relayPorts = ports.range(RELAY_PORTS);
    this.#folder = mkdtempSync(join(tmpdir(), 'ringback-interop-'));
    atExit(() => rmSync(this.#folder, { recursive: true, force: true }));
    writeFileSync(this.configFile, this.#config(), { mode: 0o600 });
  }

  /** Starts it and waits until it takes calls. */
  async start({ within = 20_000 } = {}) {
    const { under, env } = this.#options;
    const [command, ...args] = [...under, BINARY, ...this.arguments()];
    this.#child = new Child('server', command, args, { env: { ...process.env, ...env } });
    await until(
      'the line `ready` of the server',
      () => {
        if (!this.#child.isRunning) throw new Error(`the server ended at its start: ${this.#child.output}`);
        return /^ready$/m.test(this.#child.stdout);
      },
      { within, seen: () => this.#child.output.slice(-400) },
    );
    assert.equal(await this.readiness(), 200, '/readyz after the line `ready`');
  }

  /** The status of `GET /readyz`. */
  async readiness() {
    return (await httpGet(`${this.httpUrl}readyz`)).status;
  }

  /** The arguments of its command line. */
  arguments({ dataDir = this.dataDir } = {}) {
    return [
      'serve',
      '-c',
      this.configFile,
      '--data-dir',
      dataDir,
      // Not in the file, so that a test may have a section `[turn]` there.
      ...['--set', `turn.relay_ports="${this.relayPorts.first}-${this.relayPorts.last}"`],
      ...this.#options.set.flatMap((key) => ['--set', key]),
    ];
  }

  /** SIGTERM, and once more if calls go on: it must end by itself, and well. */
  async stop() {
    if (this.#child?.isRunning) {
      this.#child.kill('SIGTERM');
      const end = await this.#child.ended(3_000).catch(() => this.#child.stop('SIGTERM'));
      assert.deepEqual([end.code, end.signal], [0, null], 'how the server ended');
    }
    assert.doesNotMatch(this.log, /panicked|mistake in Ringback/, 'the log of the server');
    for (const user of this.#options.users) {
      assert.ok(!this.log.includes(this.password(user)), `the log holds the password of ${user}`);
    }
  }

  /** SIGTERM, and nothing more: the server ends when its last call has. */
  drain() {
    this.#child.kill('SIGTERM');
  }

  /** How the server ended: `{ code, signal }`. */
  ended() {
    return this.#child.ended();
  }

  /** SIGKILL: what the world does to a process. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#child.ended();
  }

  get pid() {
    return this.#child.pid;
  }

  /** What it wrote on standard output. */
  get announcement() {
    return this.#child.stdout;
  }

  /** Everything it wrote, log and announcement. */
  get log() {
    return this.#child?.output ?? '';
  }

  get configFile() {
    return join(this.#folder, 'ringback.toml');
  }

  get dataDir() {
    return join(this.#folder, 'data');
  }

  /** It as telephones see it that reach it at another one of its addresses. */
  at(address) {
    return {
      ...{ address, listen: this.listen, ports: this.ports },
      password: (user) => this.password(user),
      aor: (user) => `sip:${user}@${hostOf(address)}`,
    };
  }

  get httpUrl() {
    return `http://${hostOf(this.address)}:${this.listen.http}/`;
  }

  get httpsUrl() {
    return `https://${hostOf(this.address)}:${this.listen.https}/`;
  }

  get wsUrl() {
    return `ws://${hostOf(this.address)}:${this.listen.http}/ws`;
  }

  password(user) {
    return `${user}-secret`;
  }

  /** The address of record of a user. */
  aor(user) {
    return `sip:${user}@${hostOf(this.address)}`;
  }

  /** Carries out `ringback user …` while it runs. */
  async user(...args) {
    const where = ['-c', this.configFile, '--data-dir', this.dataDir];
    await execute(BINARY, ['user', ...args, ...where], { timeout: 10_000 });
  }

  /** The rows that a query of the store gives. */
  async query(sql) {
    const { stdout } = await execute('sqlite3', ['-readonly', '-json', this.database, sql], {
      timeout: 10_000,
    });
    return stdout.trim() === '' ? [] : JSON.parse(stdout);
  }

  get database() {
    return join(this.dataDir, 'ringback.db');
  }

  /** The value of a metric, summed over its labels that contain `labels`; an error when there is no such metric. */
  async metric(name, labels = '') {
    const { text } = await httpGet(`${this.httpUrl}metrics`);
    const family = name.trim().replace(/_total$/, '');
    if (!text.includes(`# TYPE ${family} `)) throw new Error(`/metrics has no ${family}`);
    const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  #config() {
    const { users, groups, bind, binds, config } = this.#options;
    const at = (key, port) =>
      JSON.stringify([binds[key] ?? bind].flat().map((address) => `${hostOf(address)}:${port}`));
    const lines = ['[listen]'];
    for (const [key, port] of Object.entries(this.listen)) lines.push(`${key} = ${at(key, port)}`);
    lines.push('[media]', `rtp_ports = "${this.rtpPorts.first}-${this.rtpPorts.last}"`);
    lines.push('[log]', `level = "${LOG_LEVEL}"`);
    for (const name of users) {
      lines.push('[[user]]', `name = "${name}"`, `password = "${this.password(name)}"`);
      if (groups[name] !== undefined) lines.push(`group = "${groups[name]}"`);
    }
    return `${[...lines, ...config].join('\n')}\n`;
  }
}

/** Over a connection that does not outlive it: some tests count them. */
function httpGet(url) {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => (text += part));
      response.once('end', () => resolve({ status: response.statusCode, text }));
      response.once('error', reject);
    }).once('error', reject);
  });
}
