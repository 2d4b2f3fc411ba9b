// SIP messages, as much of them as a load generator needs.

/** A request or response as text. */
export function write(startLine, headers, body = '') {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  return [startLine, ...lines, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

/**
 * Reads what Ringback writes: no folding, no compact forms. A load generator that parsed every header would be busier than
 * the server, so a header is looked for when it is asked for.
 *
 * @returns {{startLine: string, body: string, method?: string, status?: number, values: (name: string) => string[], value: (name: string) => string}}
 */
export function read(text) {
  const head = text.slice(0, text.indexOf('\r\n\r\n') + 2);
  const startLine = head.slice(0, head.indexOf('\r\n'));
  const [first, second] = startLine.split(' ', 2);
  const values = (name) => [...head.matchAll(pattern(name))].map(([, value]) => value);
  return {
    startLine,
    body: text.slice(head.length + 2),
    ...(first === 'SIP/2.0' ? { status: Number(second) } : { method: first }),
    values,
    value: (name) => values(name)[0] ?? '',
  };
}

const patterns = new Map();

function pattern(name) {
  if (!patterns.has(name)) patterns.set(name, new RegExp(`^${name}: *(.*)\r$`, 'gim'));
  return patterns.get(name);
}
