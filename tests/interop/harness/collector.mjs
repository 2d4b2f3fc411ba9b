// Debian's kamailio as a collector of HEP3, with its sipcapture module: what Homer's own collectors make of our packets.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { KAMAILIO } from './kamailio.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { portsInUse } from './ports.mjs';
import { until } from './waiting.mjs';

/** The columns that sipcapture fills, and their types in a table of db_text. */
const COLUMNS = [
  ...[
    ['date', 'int'],
    ['micro_ts', 'double'],
  ],
  ...[
    'method',
    'correlation_id',
    'reply_reason',
    'ruri',
    'ruri_user',
    'ruri_domain',
    'from_user',
    'from_domain',
  ],
  ...['from_tag', 'to_user', 'to_domain', 'to_tag', 'pid_user', 'contact_user', 'auth_user', 'callid'],
  ...[
    'callid_aleg',
    'via_1',
    'via_1_branch',
    'cseq',
    'diversion',
    'reason',
    'content_type',
    'auth',
    'user_agent',
  ],
  ...['source_ip', ['source_port', 'int'], 'destination_ip', ['destination_port', 'int'], 'contact_ip'],
  ...[
    ['contact_port', 'int'],
    'originator_ip',
    ['originator_port', 'int'],
    ['proto', 'int'],
    ['family', 'int'],
  ],
  ...['rtp_stat', ['type', 'int'], 'node', 'msg', 'custom_field1', 'custom_field2', 'custom_field3'],
].map((column) => (Array.isArray(column) ? column : [column, 'string']));
const VERSION_OF_TABLE = 4;

/** Starts one on a UDP port of `ports`. */
export async function startCollector(ports) {
  const collector = new Collector(ports.one());
  atEnd('the collector', () => collector.stop());
  await collector.start();
  return collector;
}

class Collector {
  port;
  #folder;
  #child;

  constructor(port) {
    this.port = port;
  }

  async start() {
    this.#folder = mkdtempSync(join(tmpdir(), 'ringback-collector-'));
    atExit(() => rmSync(this.#folder, { recursive: true, force: true }));
    const [tables, run] = [join(this.#folder, 'tables'), join(this.#folder, 'run')];
    for (const folder of [tables, run]) mkdirSync(folder);
    const head = COLUMNS.map(([name, type]) => `${name}(${type},null)`).join(' ');
    writeFileSync(join(tables, 'sip_capture'), `${head}\n`);
    const versions = `table_name(string) table_version(int)\nsip_capture:${VERSION_OF_TABLE}\n`;
    writeFileSync(join(tables, 'version'), versions);
    this.#child = new Child('collector', KAMAILIO, [
      ...['-f', join(import.meta.dirname, '../kamailio/collector.cfg'), '-DD', '-E'],
      ...['-l', `udp:127.0.0.1:${this.port}`, '-A', `TABLES="text://${tables}"`],
      ...['-Y', run, '-w', run, '-m', '64', '-M', '8'],
    ]);
    await until(
      'the collector to listen',
      () => {
        if (!this.#child.isRunning) throw new Error(`kamailio ended at its start: ${this.#child.output}`);
        return portsInUse().includes(this.port);
      },
      { seen: () => this.#child.output.slice(-400) },
    );
  }

  /** How many messages of that method or status it has captured. */
  count(what) {
    return this.#child.output.match(new RegExp(`captured ${what} `, 'g'))?.length ?? 0;
  }

  /** Everything that it has said. */
  get output() {
    return this.#child.output;
  }

  /** Ends it, and gives what it has captured: a row for each message, by the names of its columns, in their order. */
  async rows() {
    await this.stop();
    const [, ...lines] = readFileSync(join(this.#folder, 'tables', 'sip_capture'), 'utf8')
      .trim()
      .split('\n');
    // The newest row stands first.
    return lines
      .reverse()
      .map((line) => Object.fromEntries(fields(line).map((field, i) => [COLUMNS[i][0], field])));
  }

  stop() {
    return this.#child.stop('SIGTERM', 10_000);
  }
}

/** The fields of a row of db_text: between colons, with escapes. */
function fields(line) {
  const meant = { n: '\n', r: '\r', t: '\t', 0: '\0' };
  return line
    .match(/(?:^|:)(?:\\.|[^:\\])*/g)
    .map((field, i) => (i === 0 ? field : field.slice(1)))
    .map((field) => field.replace(/\\(.)/g, (_, escaped) => meant[escaped] ?? escaped));
}
