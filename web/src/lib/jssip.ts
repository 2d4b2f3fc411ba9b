/**
 * The SIP user agent of the phone: JsSIP behind the interface of `agent.ts`.
 *
 * Assumes one transport, the WebSocket of the page's own server, and that the digest realm is whatever the
 * challenge names. Leaves out what JsSIP could do besides: MESSAGE, SUBSCRIBE, transfer, video.
 */
import JsSIP from 'jssip';
import type { RTCSession } from 'jssip/lib/RTCSession';
import type { IncomingRequest, IncomingResponse } from 'jssip/lib/SIPMessage';
import type { UA } from 'jssip/lib/UA';

import { type Account, addressOfRecord } from './account';
import type {
  Agent,
  AgentEvents,
  DigitTransport,
  Failure,
  IncomingSession,
  Originator,
  Peer,
  SessionEvents,
} from './agent';
import { boundedGathering } from './gathering';
import { parseReason, retryAfter, warningText } from './headers';
import { type QualityReport, REPORT_CONTENT_TYPE, writeReport } from './quality';
import { JSSIP_INTERVAL_S, PacedSocket } from './socket';

/** Makes the user agent of `account`; throws when JsSIP finds the account unusable. */
export function jssipAgent(account: Account, events: AgentEvents): Agent {
  return new JsSipAgent(account, events);
}

class JsSipAgent implements Agent {
  readonly #ua: UA;
  readonly #socket: PacedSocket;
  readonly #domain: string;
  readonly #callIds = new WeakMap<RTCSession, string>();

  constructor(account: Account, events: AgentEvents) {
    this.#domain = account.domain;
    this.#socket = new PacedSocket(account.url, events);
    this.#ua = new JsSIP.UA({
      sockets: this.#socket,
      uri: addressOfRecord(account),
      authorization_user: account.name,
      password: account.password,
      instance_id: account.instance,
      register_expires: 600,
      no_answer_timeout: 60,
      connection_recovery_min_interval: JSSIP_INTERVAL_S,
      connection_recovery_max_interval: JSSIP_INTERVAL_S,
    });
    this.#ua.on('connected', () => events.opened());
    this.#ua.on('registered', () => events.registered());
    this.#ua.on('registrationFailed', ({ response, cause }) => {
      events.registrationFailed(failureOf('remote', response, cause ?? 'SIP Failure Code'));
    });
    // JsSIP declares its enumerations and does not define them: at run time they are strings.
    this.#ua.on('newRTCSession', ({ originator, session, request }: NewSession) => {
      this.#callIds.set(session, request.call_id);
      if (originator === 'remote') events.incoming(new JsSipSession(session, request.call_id));
    });
  }

  start(): void {
    this.#ua.start();
  }

  stop(): void {
    this.#ua.stop();
  }

  register(): void {
    this.#ua.register();
  }

  connectNow(): void {
    this.#socket.connectNow();
  }

  dropConnection(): void {
    this.#socket.drop();
  }

  resolve(target: string): Peer | null {
    const uri = normalize(target, this.#domain);
    return uri === undefined ? null : { name: decodeUser(uri.user), address: uri.toString() };
  }

  invite(
    target: string,
    microphone: MediaStream,
    servers: readonly RTCIceServer[],
    events: SessionEvents,
  ): JsSipSession {
    const session = this.#ua.call(normalize(target, this.#domain)?.toString() ?? target, {
      mediaStream: microphone,
      mediaConstraints: { audio: true, video: false },
      pcConfig: configuration(servers),
      eventHandlers: handlers(events),
    });
    return new JsSipSession(session, this.#callIds.get(session) ?? '');
  }
}

class JsSipSession implements IncomingSession {
  readonly peer: Peer;
  readonly #session: RTCSession;
  readonly #callId: string;
  #isOffering = false;

  constructor(session: RTCSession, callId: string) {
    this.#session = session;
    this.#callId = callId;
    const { display_name, uri } = session.remote_identity;
    // `display_name` is undefined at run time when the From header has none.
    const name = (display_name as string | undefined)?.trim() ?? '';
    this.peer = { name: name === '' ? decodeUser(uri.user) : name, address: uri.toAor() };
  }

  attach(events: SessionEvents): void {
    const { peerconnection, icecandidate, progress, accepted, ended, failed, hold, unhold } =
      handlers(events);
    this.#session.on('peerconnection', peerconnection);
    this.#session.on('icecandidate', icecandidate);
    this.#session.on('progress', progress);
    this.#session.on('accepted', accepted);
    this.#session.on('ended', ended);
    this.#session.on('failed', failed);
    this.#session.on('hold', hold);
    this.#session.on('unhold', unhold);
  }

  answer(microphone: MediaStream, servers: readonly RTCIceServer[]): void {
    this.#session.answer({
      mediaStream: microphone,
      mediaConstraints: { audio: true, video: false },
      pcConfig: configuration(servers),
    });
  }

  reject(status: number): void {
    this.#session.terminate({ status_code: status });
  }

  terminate(): void {
    this.#session.terminate();
  }

  abandon(): void {
    const { RTP_TIMEOUT } = JsSIP.C.causes;
    this.#session.terminate({ cause: RTP_TIMEOUT, status_code: 408, reason_phrase: RTP_TIMEOUT });
  }

  hold(): boolean {
    return this.#offer((done) => this.#session.hold({}, done));
  }

  resume(): boolean {
    return this.#offer((done) => this.#session.unhold({}, done));
  }

  restartIce(servers: readonly RTCIceServer[], done: () => void): boolean {
    return this.#offer((offered) => {
      this.#session.connection.setConfiguration(configuration(servers));
      return this.#session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, () => {
        offered();
        done();
      });
    });
  }

  /**
   * Makes an offer, one at a time. After a 491 JsSIP makes it again a second later, under the same number: a request in
   * between would overtake it, and JsSIP ends the session when it is refused for that.
   */
  #offer(make: (done: () => void) => boolean): boolean {
    if (this.#isOffering) return false;
    this.#isOffering = make(() => (this.#isOffering = false));
    return this.#isOffering;
  }

  mute(): void {
    this.#session.mute({ audio: true });
  }

  unmute(): void {
    this.#session.unmute({ audio: true });
  }

  sendDigit(digit: string, by: DigitTransport): void {
    this.#session.sendDTMF(digit, {
      duration: TONE_MS,
      interToneGap: TONE_GAP_MS,
      transportType: by === 'RFC2833' ? JsSIP.C.DTMF_TRANSPORT.RFC2833 : JsSIP.C.DTMF_TRANSPORT.INFO,
    });
  }

  sendReport(report: QualityReport): void {
    if (!this.#session.isEstablished() || this.#isOffering) return;
    const { local_identity, remote_identity, direction } = this.#session;
    const [local, remote] = [local_identity.uri.toAor(), remote_identity.uri.toAor()];
    // JsSIP declares its directions as an enumeration and has strings.
    const originator = (direction as string) === 'outgoing' ? local : remote;
    const body = writeReport(report, { callId: this.#callId, local, remote, originator });
    // `sendInfo` ends the session when its INFO is answered 408 or 481, or not at all. Without handlers nothing happens.
    (this.#session as unknown as RequestSender).sendRequest('INFO', {
      extraHeaders: [`Content-Type: ${REPORT_CONTENT_TYPE}`],
      body,
      eventHandlers: {},
    });
  }
}

/** What JsSIP tells of a new session; its declarations are of another event. */
interface NewSession {
  readonly originator: string;
  readonly session: RTCSession;
  readonly request: { readonly call_id: string };
}

/** The method of a session by which JsSIP sends every request within the dialog; it is not declared. */
interface RequestSender {
  sendRequest(
    method: string,
    options: { extraHeaders: string[]; body: string; eventHandlers: Record<string, never> },
  ): void;
}

/** The events of a JsSIP session, told in the words of `agent.ts`. */
function handlers(events: SessionEvents) {
  const ended = (end: {
    originator: string;
    message: IncomingRequest | IncomingResponse | null;
    cause: string;
  }): void => events.ended(failureOf(end.originator as Originator, end.message, end.cause));
  return {
    peerconnection: ({ peerconnection }: { peerconnection: RTCPeerConnection }) => {
      heedFailedIce(peerconnection, events);
      events.peerConnection(peerconnection);
    },
    icecandidate: boundedGathering(),
    // `response` is null for incoming calls, where it tells of our own 180.
    progress: (event: { response?: IncomingResponse | null }) => {
      if (event.response) events.progress(Boolean(event.response.body));
    },
    accepted: () => events.accepted(),
    ended,
    failed: ended,
    hold: ({ originator }: { originator: string }) => events.held(originator as Originator),
    unhold: ({ originator }: { originator: string }) => events.resumed(originator as Originator),
  };
}

/**
 * Tells of failed ICE, instead of having JsSIP end the session. JsSIP listens already, so that only who captures the event
 * is told before.
 */
function heedFailedIce(connection: RTCPeerConnection, events: SessionEvents): void {
  const heed = (event: Event): void => {
    if (!hasFailed(connection)) return;
    event.stopImmediatePropagation();
    events.iceFailed();
  };
  connection.addEventListener('iceconnectionstatechange', heed, { capture: true });
  connection.addEventListener('connectionstatechange', heed, { capture: true });
}

/** Chromium says `disconnected` of ICE that has failed, and tells by the state of the connection alone. */
function hasFailed({ iceConnectionState, connectionState }: RTCPeerConnection): boolean {
  return (
    iceConnectionState === 'failed' || (iceConnectionState === 'disconnected' && connectionState === 'failed')
  );
}

function failureOf(
  originator: Originator,
  message: IncomingRequest | IncomingResponse | null,
  cause: string,
): Failure {
  if (message === null) return { originator, cause, status: null, text: null, retryAfter: null };
  const reason = parseReason(message.getHeaders('Reason'));
  if (!('status_code' in message)) {
    return { originator, cause, status: reason.status, text: reason.text, retryAfter: null };
  }
  return {
    originator,
    cause,
    status: message.status_code,
    text: warningText(message.getHeader('Warning')) ?? reason.text ?? (message.reason_phrase || null),
    retryAfter: retryAfter(message.getHeader('Retry-After')),
  };
}

/** The request URI of what was dialled; `(020) 7946 00-11` loses what only the eye needs. */
function normalize(target: string, domain: string) {
  const dialled = /^(tel:)?[\d\s().+*#-]+$/i.test(target) ? target.replace(/[\s().-]/g, '') : target;
  try {
    return JsSIP.Utils.normalizeTarget(dialled, domain);
  } catch (error) {
    // A stray `%` is no escape sequence.
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function decodeUser(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}

function configuration(servers: readonly RTCIceServer[]): RTCConfiguration {
  return { iceServers: [...servers] };
}

const TONE_MS = 100;
const TONE_GAP_MS = 70;
