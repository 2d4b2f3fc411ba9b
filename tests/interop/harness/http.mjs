// HTTP requests as bytes, for headers that no HTTP client would send, and for pipes that stay open.
import { openConnection } from './connection.mjs';
import { hostOf } from './server.mjs';
import { until } from './waiting.mjs';

/**
 * Sends a request and reads the response.
 *
 * @param {import('./server.mjs').Server} server
 * @param {string} path
 * @param {object} [options]
 * @param {string} [options.method]
 * @param {Record<string, string>} [options.headers] more, or other ones than `Host` and `Connection: close`
 * @param {'http' | 'https'} [options.listener]
 */
export async function request(server, path, { method = 'GET', headers = {}, listener = 'http' } = {}) {
  const connection = await openConnection(server, listener, { tls: listener === 'https' });
  connection.send(writeRequest(server, path, { method, headers: { Connection: 'close', ...headers } }));
  const response = await readResponse(connection);
  connection.close();
  return response;
}

/** The bytes of a request. */
export function writeRequest(server, path, { method = 'GET', headers = {} } = {}) {
  const all = { Host: `${hostOf(server.address)}:${server.listen.http}`, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'), 'latin1');
}

/** Reads one response: `{ status, headers, text }`. What follows it stays in the connection. */
export async function readResponse(connection, method = 'GET') {
  const response = await until(
    'an HTTP response',
    () => {
      const response = parse(connection.received, method);
      if (response === undefined && connection.isClosed) throw new Error('the server ended the connection');
      return response;
    },
    { every: 5, seen: () => connection.received.toString('latin1').slice(0, 400) },
  );
  connection.received = connection.received.subarray(response.length);
  return response;
}

function parse(bytes, method) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const status = Number(statusLine.split(' ')[1]);
  const hasBody = method !== 'HEAD' && status !== 101 && status !== 304;
  const length = end + 4 + (hasBody ? Number(headers.get('content-length') ?? 0) : 0);
  if (bytes.length < length) return undefined;
  return { status, headers, text: bytes.subarray(end + 4, length).toString(), length };
}
