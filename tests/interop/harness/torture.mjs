// One message as published, by each way into a server: what comes back.
import { isUtf8 } from 'node:buffer';
import { createSocket } from 'node:dgram';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { openConnection } from './connection.mjs';
import { atEnd } from './lifetime.mjs';
import { optionsOver } from './sip-client.mjs';
import { bounded } from './waiting.mjs';
import { BINARY, TEXT, openWebSocket } from './web-socket.mjs';

const VECTORS = join(import.meta.dirname, '../../vectors');

/** The messages of `rfc4475` or `rfc5118`, by name. */
export function messages(folder) {
  const files = readdirSync(join(VECTORS, folder)).filter((name) => name.endsWith('.dat'));
  return new Map(files.map((name) => [name.replace('.dat', ''), readFileSync(join(VECTORS, folder, name))]));
}

/** The ways, by name: each opens a wire, `{ send, onBytes, closed, close }`. */
export const WAYS = {
  UDP: async (server) => {
    const socket = createSocket('udp4');
    atEnd('the UDP socket', () => socket.close());
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return {
      send: (bytes) => socket.send(bytes, server.listen.sip_udp, server.address),
      onBytes: (handle) => socket.on('message', handle),
      closed: new Promise(() => {}),
    };
  },
  TCP: (server) => stream(server, 'sip_tcp'),
  TLS: (server) => stream(server, 'sip_tls'),
  WSS: async (server) => {
    const socket = await openWebSocket(server, { secure: true });
    return {
      // RFC 7118 §5: text where it is UTF-8, else binary.
      send: (bytes) => socket.sendFrame(isUtf8(bytes) ? TEXT : BINARY, bytes),
      onBytes: (handle) => socket.onMessage((text) => handle(Buffer.from(text))),
      closed: socket.closed,
    };
  },
};

async function stream(server, listener) {
  const connection = await openConnection(server, listener, { tls: listener === 'sip_tls' });
  return {
    send: (bytes) => connection.send(bytes),
    onBytes: (handle) =>
      connection.onReceived(() => {
        const bytes = connection.received;
        connection.received = Buffer.alloc(0);
        handle(bytes);
      }),
    closed: connection.closed,
  };
}

/**
 * Sends a message and after it an OPTIONS, and gives the statuses that came before the answer to the OPTIONS, as in `400`
 * or `401 407`; `nothing` when there were none; with `closed` at the end when the connection was ended instead. With
 * `alone` there is no OPTIONS: what is waited for is the end.
 */
export async function answerTo(server, way, message, { alone = false } = {}) {
  const wire = await WAYS[way](server);
  const options = optionsOver(way);
  const id = /Call-ID: (\S+)/.exec(options.toString())[1];
  let text = '';
  const answered = new Promise((resolve) => {
    wire.onBytes((bytes) => {
      text += bytes.toString('latin1');
      if (text.includes(id)) resolve('answered');
    });
  });
  const closed = wire.closed.then(() => 'closed');
  wire.send(message);
  if (!alone) wire.send(options);
  const end = await bounded(`an end over ${way}`, Promise.race([answered, closed]), 10_000);
  const statuses = [...text.matchAll(/^SIP\/2\.0 (\d{3}) /gm)].map((match) => match[1]);
  if (end === 'answered')
    statuses.length = [...text.slice(0, text.indexOf(id)).matchAll(/^SIP\/2\.0 /gm)].length - 1;
  return [...(statuses.length > 0 ? statuses : ['nothing']), ...(end === 'closed' ? [end] : [])].join(' ');
}
