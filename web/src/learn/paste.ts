import { attribute, hasDataChannel } from './sdp';

/**
 * A description as one line of text that people can hand on: `ringback-offer:` or `ringback-answer:`, then base64url of
 * deflated JSON. It has no spaces, survives line breaks on its way, and one that is cut off is known by it.
 */
export async function wrap({ type, sdp, to }: Pasted): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(to === undefined ? { sdp } : { sdp, to }));
  const deflated = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  let binary = '';
  for (const byte of new Uint8Array(await new Response(deflated).arrayBuffer())) {
    binary += String.fromCharCode(byte);
  }
  const coded = btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  return `ringback-${type}:${coded}`;
}

/** What somebody has pasted. */
export interface Pasted {
  readonly type: 'offer' | 'answer';
  readonly sdp: string;
  /** For an answer, the user fragment of the offer that it answers, where the text says so. */
  readonly to?: string;
}

/** Why a text is not what is due; the sentence for each is in `words.ts`. */
export type Fault =
  | 'empty'
  | 'long'
  | 'nonsense'
  | 'cut'
  | 'candidate'
  | 'own'
  | 'offer-for-answer'
  | 'answer-for-offer'
  | 'other-offer'
  | 'no-data'
  | 'no-credentials'
  | 'no-fingerprint';

/** In characters: that of an offer with everything is a tenth of it. */
export const PASTE_LIMIT = 60_000;
/** Of a description, inflated, in bytes. */
const SDP_LIMIT = 120_000;

/** Reads a pasted text: ours, the JSON of other demonstrations, or SDP as it is. */
export async function unwrap(text: string): Promise<Pasted | Fault> {
  if (text.length > PASTE_LIMIT) return 'long';
  const bare = text.trim().replace(/^["'`<]+|["'`>]+$/g, '');
  if (bare === '') return 'empty';
  const [, type, coded = ''] = /^ringback-(offer|answer):([\w\s-]*)$/i.exec(bare) ?? [];
  if (type !== undefined) return ours(type.toLowerCase() === 'offer' ? 'offer' : 'answer', coded);
  if (/^ringback-(offer|answer)/i.test(bare)) return 'cut';
  if (bare.startsWith('{')) return others(bare);
  if (/^v=0\r?\n/.test(bare)) {
    const sdp = `${bare.replaceAll(/\r?\n/g, '\r\n')}\r\n`;
    return { type: attribute(sdp, 'setup') === 'actpass' ? 'offer' : 'answer', sdp };
  }
  return /^(a=)?candidate:/.test(bare) ? 'candidate' : 'nonsense';
}

/**
 * Why a description that was read cannot be taken as the `wanted` one; null if it can. `own` is what this page has made,
 * if it has made something.
 */
export function faultOf(
  pasted: Pasted,
  wanted: 'offer' | 'answer',
  own: string | null,
): Exclude<Fault, 'empty' | 'long' | 'nonsense' | 'cut' | 'candidate'> | null {
  const ownFragment = own === null ? undefined : attribute(own, 'ice-ufrag');
  const isOwn =
    own !== null &&
    ownFragment === attribute(pasted.sdp, 'ice-ufrag') &&
    attribute(own, 'ice-pwd') === attribute(pasted.sdp, 'ice-pwd');
  if (isOwn) return 'own';
  if (pasted.type !== wanted) return wanted === 'answer' ? 'offer-for-answer' : 'answer-for-offer';
  if (pasted.to !== undefined && pasted.to !== ownFragment) return 'other-offer';
  if (!hasDataChannel(pasted.sdp)) return 'no-data';
  if (['ice-ufrag', 'ice-pwd'].some((name) => attribute(pasted.sdp, name) === undefined)) {
    return 'no-credentials';
  }
  return attribute(pasted.sdp, 'fingerprint') === undefined ? 'no-fingerprint' : null;
}

async function ours(type: 'offer' | 'answer', coded: string): Promise<Pasted | Fault> {
  try {
    const binary = atob(coded.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/'));
    const json = await inflate(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
    if (json === undefined) return 'long';
    const { sdp, to } = JSON.parse(json) as { sdp?: unknown; to?: unknown };
    if (typeof sdp !== 'string') return 'cut';
    return typeof to === 'string' ? { type, sdp, to } : { type, sdp };
  } catch {
    // Not base64, not deflated, or not to its end.
    return 'cut';
  }
}

/** Undefined when there is more of it than any description has: a few bytes inflate to many. */
async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const reader = inflated.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [text, length] = ['', 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.byteLength;
    if (length > SDP_LIMIT) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function others(json: string): Pasted | Fault {
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    return 'cut';
  }
  const { type, sdp, candidate } = read as { type?: unknown; sdp?: unknown; candidate?: unknown };
  if ((type === 'offer' || type === 'answer') && typeof sdp === 'string') return { type, sdp };
  return candidate === undefined ? 'nonsense' : 'candidate';
}
