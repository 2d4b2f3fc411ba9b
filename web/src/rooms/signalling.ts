import { SUB_PROTOCOL, readNotice } from './protocol';
import type { Notice, Request } from './protocol';

/** What the room is told of its connection to the server. */
export interface SignallingEvents {
  opened(): void;
  /** The connection is down; the next attempt is at `retryAt` (milliseconds of the epoch). */
  closed(retryAt: number): void;
  notice(notice: Notice): void;
}

/** The connection to the server: it comes back by itself until it is told to stop. */
export class Signalling {
  readonly #url: string;
  readonly #events: SignallingEvents;
  readonly #open: (url: string) => WebSocket;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #watch: ReturnType<typeof setInterval> | null = null;
  #heardAt = 0;
  #failures = 0;

  constructor(
    url: string,
    events: SignallingEvents,
    open = (url: string) => new WebSocket(url, SUB_PROTOCOL),
  ) {
    this.#url = url;
    this.#events = events;
    this.#open = open;
  }

  /** Connects, at once. */
  connect(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#socket !== null) return;
    const socket = this.#open(this.#url);
    this.#socket = socket;
    this.#heardAt = Date.now();
    socket.onopen = () => this.#events.opened();
    socket.onmessage = ({ data }) => {
      this.#heardAt = Date.now();
      this.#failures = 0;
      const notice = readNotice(data);
      if (notice !== undefined) this.#events.notice(notice);
    };
    socket.onclose = () => this.#lost();
    this.#watch = setInterval(() => this.#look(), PING_EVERY_MS);
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  /** Sends it, unless the connection is down: what has to be said again is said when the room is joined again. */
  send(request: Request): boolean {
    if (!this.isOpen) return false;
    this.#socket?.send(JSON.stringify(request));
    return true;
  }

  /** Ends it for good. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#discard();
  }

  /** A connection that says nothing, not even to a ping, is lost although nobody has told us. */
  #look(): void {
    if (Date.now() - this.#heardAt > SILENT_MS) this.#lost();
    else this.send({ type: 'ping' });
  }

  #lost(): void {
    this.#discard();
    const wait =
      this.#failures === 0
        ? 0
        : Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#failures - 1)) + Math.random() * 1000;
    this.#failures += 1;
    this.#events.closed(Date.now() + wait);
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #discard(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}

const OPEN = 1;
const PING_EVERY_MS = 10_000;
const SILENT_MS = 25_000;
const FIRST_MS = 500;
const LONGEST_MS = 5000;
