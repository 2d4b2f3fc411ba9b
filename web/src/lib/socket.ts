/** What the socket tells about its own pace. */
export interface SocketPace {
  opening(): void;
  /** The connection is down; the next attempt is at `retryAt` (milliseconds of the epoch). */
  closed(retryAt: number): void;
}

/**
 * The WebSocket under JsSIP, which paces its own reconnection.
 *
 * JsSIP keeps the time of its next attempt to itself; a page that says "trying again in 4 s" has to know it. So
 * JsSIP is set to its shortest interval and this socket, which is what JsSIP calls a
 * [Socket](https://jssip.net/documentation/3.13.x/api/socket/), waits out the rest before it opens.
 */
export class PacedSocket {
  readonly url: string;
  readonly sip_uri: string;
  via_transport: string;

  // Assigned by JsSIP's transport.
  onconnect: () => void = () => undefined;
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => undefined;
  ondata: (data: unknown) => void = () => undefined;

  readonly #pace: SocketPace;
  readonly #open: (url: string) => WebSocket;
  readonly #random: () => number;
  #webSocket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #failures = 0;
  #openedAt: number | null = null;
  #notBefore = 0;

  constructor(url: string, pace: SocketPace, open = openWebSocket, random: () => number = Math.random) {
    const { protocol, host } = new URL(url);
    this.url = url;
    this.sip_uri = `sip:${host};transport=ws`;
    this.via_transport = protocol === 'wss:' ? 'WSS' : 'WS';
    this.#pace = pace;
    this.#open = open;
    this.#random = random;
  }

  connect(): void {
    if (this.#webSocket !== null || this.#timer !== null) return;
    const wait = this.#notBefore - Date.now();
    if (wait > 0) this.#timer = setTimeout(() => this.#attempt(), wait);
    else this.#attempt();
  }

  /** Ends the wait for the next attempt, at the latest when JsSIP asks for it. */
  connectNow(): void {
    this.#notBefore = 0;
    if (this.#timer !== null && this.#webSocket === null) this.#attempt();
  }

  disconnect(): void {
    this.#stopTimer();
    this.#notBefore = 0;
    this.#failures = 0;
    this.#openedAt = null;
    this.#discard();
  }

  /** Closes a connection that does not answer and reports it as lost. */
  drop(): void {
    if (this.#webSocket !== null) this.#lost(true, 4000, 'no reply');
  }

  send(message: string): boolean {
    if (!this.isConnected()) return false;
    this.#webSocket?.send(message);
    return true;
  }

  isConnected(): boolean {
    return this.#webSocket?.readyState === OPEN;
  }

  isConnecting(): boolean {
    return this.#timer !== null || this.#webSocket?.readyState === CONNECTING;
  }

  #attempt(): void {
    this.#stopTimer();
    this.#pace.opening();
    const webSocket = this.#open(this.url);
    this.#webSocket = webSocket;
    webSocket.binaryType = 'arraybuffer';
    webSocket.onopen = () => {
      this.#stopTimer();
      this.#openedAt = Date.now();
      this.onconnect();
    };
    webSocket.onmessage = ({ data }) => this.ondata(data);
    webSocket.onclose = ({ wasClean, code, reason }) => this.#lost(!wasClean, code, reason);
    // A host that swallows packets would hold the attempt for minutes.
    this.#timer = setTimeout(() => this.#lost(true, 4000, 'no answer'), OPEN_LIMIT_MS);
  }

  #lost(error: boolean, code: number, reason: string): void {
    this.#stopTimer();
    // A server that accepts and closes at once counts as failing.
    if (this.#openedAt !== null && Date.now() - this.#openedAt >= STEADY_MS) this.#failures = 0;
    this.#openedAt = null;
    this.#failures += 1;
    this.#notBefore = Date.now() + this.#delay();
    this.#discard();
    this.#pace.closed(this.#notBefore);
    this.ondisconnect(error, code, reason);
  }

  /** Doubles up to a limit; the random half keeps the phones of a restarted server from coming all at once. */
  #delay(): number {
    const longest = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.#failures);
    return Math.max(JSSIP_INTERVAL_S * 1000, (longest / 2) * (1 + this.#random()));
  }

  #discard(): void {
    const webSocket = this.#webSocket;
    this.#webSocket = null;
    if (webSocket === null) return;
    webSocket.onopen = webSocket.onmessage = webSocket.onclose = null;
    webSocket.close();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** The interval JsSIP waits before it calls `connect` again; its shortest. */
export const JSSIP_INTERVAL_S = 1;

function openWebSocket(url: string): WebSocket {
  return new WebSocket(url, 'sip');
}

const CONNECTING = 0;
const OPEN = 1;
const OPEN_LIMIT_MS = 10_000;
const STEADY_MS = 10_000;
const LONGEST_WAIT_MS = 30_000;
