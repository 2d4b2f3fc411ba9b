// A name server of a few lines over UDP: A and SRV records of its own, and nothing else.
import { createSocket } from 'node:dgram';

import { atEnd } from './lifetime.mjs';

const TYPES = { A: 1, SRV: 33 };

/**
 * Starts one on `port`.
 *
 * @param {number} port
 * @param {Record<string, string[] | { priority: number, weight: number, port: number, target: string }[]>} records by
 *   type and name, as in `SRV _sip._tcp.edge.example`
 */
export async function startDns(port, records) {
  const socket = createSocket('udp4');
  const asked = [];
  socket.on('message', (query, remote) => {
    const { name, type, end } = question(query);
    const kind = Object.keys(TYPES).find((known) => TYPES[known] === type) ?? String(type);
    asked.push(`${kind} ${name}`);
    const found = records[`${kind} ${name}`] ?? [];
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8580, 2);
    header.writeUInt16BE(found.length, 6);
    header.fill(0, 8, 12);
    const answers = found.map((record) => {
      const data = kind === 'A' ? Buffer.from(record.split('.').map(Number)) : service(record);
      const head = Buffer.alloc(12);
      head.writeUInt16BE(0xc00c, 0);
      head.writeUInt16BE(type, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt32BE(60, 6);
      head.writeUInt16BE(data.length, 10);
      return Buffer.concat([head, data]);
    });
    socket.send(Buffer.concat([header, query.subarray(12, end), ...answers]), remote.port, remote.address);
  });
  await new Promise((resolve, reject) => socket.once('error', reject).bind(port, '127.0.0.1', resolve));
  atEnd('the name server', () => new Promise((resolve) => socket.close(resolve)));
  return { asked };
}

function question(query) {
  const labels = [];
  let at = 12;
  while (query[at] !== 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    at += 1 + query[at];
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function service({ priority, weight, port, target }) {
  const numbers = Buffer.alloc(6);
  [priority, weight, port].forEach((number, place) => numbers.writeUInt16BE(number, 2 * place));
  const labels = target.split('.').map((label) => Buffer.from(String.fromCharCode(label.length) + label));
  return Buffer.concat([numbers, ...labels, Buffer.from([0])]);
}
