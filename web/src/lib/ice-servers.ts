/**
 * The STUN and TURN servers of the phone's own server, with credentials for a time (`/api/v1/ice-servers`).
 *
 * Most calls need none: the server's candidates are in its descriptions, and reached directly. Behind a firewall that lets
 * no UDP through, media takes a TURN allocation over TCP or TLS. That calls need it is remembered for the page, so that
 * the next one has the servers from its beginning. Assumes that whoever registers comes back every few minutes: then
 * credentials are renewed, which are good for an hour.
 */
import type { Account } from './account';

/** Servers, and until when their credentials are good for a new call (milliseconds of the epoch). */
export interface Grant {
  readonly servers: readonly RTCIceServer[];
  readonly expiresAt: number;
}

/** Asks for the servers of an account; fails with `NoIceServers`. */
export type AskForIceServers = (account: Account) => Promise<Grant>;

/** Why there are none, in one machine word; `words.ts` has the sentence for each. */
export type IceServersProblem = 'no-turn' | 'wrong-password' | 'too-many-guesses' | 'refused' | 'no-answer';

export class NoIceServers extends Error {
  constructor(readonly problem: IceServersProblem) {
    super(problem);
  }
}

/** The servers for the calls of whoever is signed in. */
export class IceServers {
  #account: Account | null = null;
  #grant: Grant | null = null;
  /** Null before anybody has asked what is stored. */
  #needed: boolean | null = null;
  readonly #ask: AskForIceServers;
  readonly #storage: Storage | undefined;

  /** `storage` is that of the page's session; undefined when the user forbids it. */
  constructor(ask: AskForIceServers, storage: Storage | undefined) {
    this.#ask = ask;
    this.#storage = storage;
  }

  /** The account has registered, or has done so again: credentials that calls need are had, or renewed. */
  async registered(account: Account): Promise<void> {
    this.#account = account;
    if (!this.#areNeeded || this.#lasts(RENEWED_MS)) return;
    // Without them a call finds out by itself, and says why.
    await this.ask().catch(() => undefined);
  }

  signedOut(): void {
    this.#account = null;
    this.#grant = null;
  }

  /** What a new peer connection is made with: nothing, unless calls have needed more. */
  get forNewCall(): readonly RTCIceServer[] {
    return this.#areNeeded && this.#lasts(0) ? (this.#grant?.servers ?? []) : [];
  }

  /** Servers with new credentials; fails with `NoIceServers`. */
  async ask(): Promise<readonly RTCIceServer[]> {
    const account = this.#account;
    if (account === null) throw new NoIceServers('no-answer');
    const grant = await this.#ask(account);
    if (account === this.#account) this.#grant = grant;
    return grant.servers;
  }

  /** What a call's media has shown: whether it takes a TURN allocation, or goes directly. */
  areNeeded(needed: boolean): void {
    if (needed === this.#areNeeded) return;
    this.#needed = needed;
    try {
      if (needed) this.#storage?.setItem(STORAGE_KEY, 'needed');
      else this.#storage?.removeItem(STORAGE_KEY);
    } catch {
      // A full or forbidden storage: then it is remembered until the page is reloaded.
    }
  }

  get #areNeeded(): boolean {
    this.#needed ??= isStored(this.#storage);
    return this.#needed;
  }

  #lasts(milliseconds: number): boolean {
    return this.#grant !== null && this.#grant.expiresAt - Date.now() > milliseconds;
  }
}

/** Asks the server that the page has come from. */
export async function askForIceServers(account: Account): Promise<Grant> {
  const askedAt = Date.now();
  let response: Response;
  let told: unknown;
  try {
    response = await fetch(PATH, {
      headers: { Authorization: `Basic ${base64(`${account.name}:${account.password}`)}` },
      // A browser that may send credentials of its own asks its user for them when these are wrong.
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    told = response.ok ? await response.json() : null;
  } catch {
    throw new NoIceServers('no-answer');
  }
  if (!response.ok) throw new NoIceServers(BY_STATUS[response.status] ?? 'no-answer');
  if (!isAnswer(told)) throw new NoIceServers('no-answer');
  if (!told.iceServers.some(({ urls }) => urls.some((url) => /^turns?:/.test(url)))) {
    throw new NoIceServers('no-turn');
  }
  return { servers: told.iceServers, expiresAt: askedAt + told.expiresIn * 1000 };
}

interface Answer {
  readonly iceServers: readonly { urls: string[]; username?: string; credential?: string }[];
  /** In seconds. */
  readonly expiresIn: number;
}

function isAnswer(told: unknown): told is Answer {
  const { iceServers, expiresIn } = (told ?? {}) as Partial<Record<keyof Answer, unknown>>;
  return typeof expiresIn === 'number' && Array.isArray(iceServers) && iceServers.every(isIceServer);
}

function isIceServer(told: unknown): boolean {
  const { urls } = (told ?? {}) as { urls?: unknown };
  return Array.isArray(urls) && urls.every((url) => typeof url === 'string' && /^(stun|turn)s?:/.test(url));
}

/** Base64 of a text in UTF-8, as [RFC 7617 §2.1](https://www.rfc-editor.org/rfc/rfc7617#section-2.1) lets a name be. */
function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** The getter itself may throw when the user forbids storage. */
function isStored(storage: Storage | undefined): boolean {
  try {
    return storage?.getItem(STORAGE_KEY) === 'needed';
  } catch {
    return false;
  }
}

const BY_STATUS: Readonly<Record<number, IceServersProblem>> = {
  401: 'wrong-password',
  403: 'refused',
  // A server of a version that has none.
  404: 'no-turn',
  429: 'too-many-guesses',
};

const PATH = '/api/v1/ice-servers';
const STORAGE_KEY = 'ringback.ice-servers';
const ANSWER_LIMIT_MS = 5_000;
/** What is left of credentials when they are renewed: longer than from one registration to the next. */
const RENEWED_MS = 30 * 60_000;
