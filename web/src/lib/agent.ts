/**
 * What the phone asks of a SIP user agent and what it is told by one.
 *
 * `jssip.ts` fulfils it with JsSIP; tests and the demo page fulfil it with a scripted agent. Nothing of JsSIP
 * is known on this side of the line.
 */
import type { Account } from './account';
import type { QualityReport } from './quality';

export type AgentFactory = (account: Account, events: AgentEvents) => Agent;

/** One SIP user agent: a connection, a registration and the sessions over it. */
export interface Agent {
  start(): void;
  /** Ends every session, unregisters and closes the connection. */
  stop(): void;
  register(): void;
  /** Who a dialled name, number or SIP URI is; null when it cannot be made into a request URI. */
  resolve(target: string): Peer | null;
  /** Starts a session. Throws what the browser throws when it cannot make a peer connection. */
  invite(
    target: string,
    microphone: MediaStream,
    servers: readonly RTCIceServer[],
    events: SessionEvents,
  ): Session;
  /** Ends the wait for the next attempt to connect. */
  connectNow(): void;
  /** Gives up a connection that looks open and does not answer. */
  dropConnection(): void;
}

export interface AgentEvents {
  opening(): void;
  opened(): void;
  /** The connection is down; the next attempt is at `retryAt` (milliseconds of the epoch). */
  closed(retryAt: number): void;
  registered(): void;
  registrationFailed(failure: Failure): void;
  /** A call comes in; `attach` takes the listener for its further events. */
  incoming(session: IncomingSession): void;
}

/** One SIP dialog with its media. */
export interface Session {
  readonly peer: Peer;
  terminate(): void;
  /** Ends an answered session for want of media, and says so to the server. */
  abandon(): void;
  /** False when another offer is under way; nothing has happened then. */
  hold(): boolean;
  resume(): boolean;
  /**
   * Takes these STUN and TURN servers and offers other ICE credentials, with which media finds its way anew. False when
   * another offer is under way; nothing has happened then. `done` is called when the answer has been taken.
   */
  restartIce(servers: readonly RTCIceServer[], done: () => void): boolean;
  mute(): void;
  unmute(): void;
  sendDigit(digit: string, by: DigitTransport): void;
  /**
   * Tells the server how an established session sounds, unless an offer is under way. Whatever becomes of the report, the
   * session goes on.
   */
  sendReport(report: QualityReport): void;
}

export interface IncomingSession extends Session {
  attach(events: SessionEvents): void;
  answer(microphone: MediaStream, servers: readonly RTCIceServer[]): void;
  reject(status: number): void;
}

export interface SessionEvents {
  peerConnection(connection: RTCPeerConnection): void;
  /** A provisional response; `earlyMedia` when it carries a session description. */
  progress(earlyMedia: boolean): void;
  accepted(): void;
  /** ICE has failed. The session goes on: there may be another way, or it is to be ended. */
  iceFailed(): void;
  /** The session is over, whether it was ever established or not. */
  ended(failure: Failure): void;
  held(by: Originator): void;
  resumed(by: Originator): void;
}

export type Originator = 'local' | 'remote' | 'system';

/** RFC 4733 events in the RTP stream, or RFC 6086 INFO requests. */
export type DigitTransport = 'RFC2833' | 'INFO';

/** Who is at the far side. Both come from the network: show them as text, never as markup. */
export interface Peer {
  readonly name: string;
  readonly address: string;
}

/** Why a session or a registration ended, as the user agent tells it. */
export interface Failure {
  readonly originator: Originator;
  /** JsSIP's word for it. */
  readonly cause: string;
  /** The status of the final response, or the one a Reason header quotes (RFC 3326). */
  readonly status: number | null;
  /** What the far side wrote: the text of a Warning or Reason header, else the reason phrase. */
  readonly text: string | null;
  readonly retryAfter: number | null;
}
