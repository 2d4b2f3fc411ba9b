/** Who signs in, and where: everything a user agent needs to register. */
export interface Account {
  readonly name: string;
  readonly domain: string;
  readonly password: string;
  /** The WebSocket of this page's own server ([RFC 7118](https://www.rfc-editor.org/rfc/rfc7118)). */
  readonly url: string;
  /** Names this device in its registrations, RFC 5626 §4.1. */
  readonly instance: string;
}

/** The parts of `window.location` that say where the server is. */
export interface Place {
  readonly protocol: string;
  readonly host: string;
  readonly hostname: string;
}

export type AccountProblem = 'name-missing' | 'name-unusable' | 'password-missing';

/** A name as typed: `alice`, `alice@example.com` or `sip:alice@example.com`. */
export function parseName(typed: string, place: Place): { name: string; domain: string } | AccountProblem {
  const address = typed.trim().replace(/^sip:/i, '');
  const at = address.lastIndexOf('@');
  const name = at < 0 ? address : address.slice(0, at);
  const domain = at < 0 ? bracketed(place.hostname) : address.slice(at + 1);
  if (name === '') return 'name-missing';
  if (!NAME.test(name) || !DOMAIN.test(domain)) return 'name-unusable';
  return { name, domain };
}

/** The account of a filled-in form, or what is wrong with the form. */
export function accountFrom(
  typedName: string,
  password: string,
  place: Place,
  instance: string,
): Account | AccountProblem {
  const parsed = parseName(typedName, place);
  if (typeof parsed === 'string') return parsed;
  if (password === '') return 'password-missing';
  return { ...parsed, password, url: socketUrl(place), instance };
}

/** Where the page's own server takes SIP over WebSocket. */
export function socketUrl(place: Place): string {
  return `${place.protocol === 'https:' ? 'wss' : 'ws'}://${place.host}/ws`;
}

/** The address of record, RFC 3261 §6. */
export function addressOfRecord(account: Pick<Account, 'name' | 'domain'>): string {
  return `sip:${escapeUser(account.name)}@${account.domain}`;
}

/** A user part as RFC 3261 §25.1 allows it in a URI. */
function escapeUser(user: string): string {
  return encodeURIComponent(user).replace(/%(26|3D|2B|24|2C|3B|3F|2F)/g, (escaped) =>
    decodeURIComponent(escaped),
  );
}

/** `location.hostname` has the brackets of an IPv6 address in browsers, but not in every test environment. */
function bracketed(hostname: string): string {
  return hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname;
}

// No spaces, quotes, brackets or control characters: none of them is part of a user name that can be dialled.
const NAME = /^[^\s"<>@\\[\]\p{Cc}]+$/u;
const DOMAIN = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)$/i;
