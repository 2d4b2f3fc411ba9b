/** The text of the first Warning value, RFC 3261 §20.43: `305 ringback "no shared codec: …"`. */
export function warningText(header: string | undefined): string | null {
  const text = header?.match(/^\s*\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"/)?.[1];
  return text === undefined ? null : unescape(text);
}

/** What a Reason header says of the SIP response behind a BYE or CANCEL, RFC 3326 §2. */
export interface Reason {
  readonly status: number | null;
  readonly text: string | null;
}

/** Reads all values of a Reason header; the status comes from the protocol `SIP` only. */
export function parseReason(values: readonly string[]): Reason {
  let status: number | null = null;
  let text: string | null = null;
  for (const value of values) {
    const cause = value.match(/;\s*cause\s*=\s*(\d{1,3})\b/i)?.[1];
    if (/^\s*SIP\s*;/i.test(value) && cause !== undefined) status = Number(cause);
    const quoted = value.match(/;\s*text\s*=\s*"((?:[^"\\]|\\.)*)"/i)?.[1];
    if (quoted !== undefined && quoted !== '') text ??= unescape(quoted);
  }
  return { status, text };
}

/** The seconds of a Retry-After header, RFC 3261 §20.33. */
export function retryAfter(header: string | undefined): number | null {
  const seconds = header?.match(/^\s*(\d{1,6})\b/)?.[1];
  return seconds === undefined ? null : Number(seconds);
}

function unescape(quoted: string): string {
  return quoted.replace(/\\(.)/g, '$1');
}
