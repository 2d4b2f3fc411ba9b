/** A user agent without a network, for tests and for the demo page: it does what it is told, and records. */
import type { Account } from '../lib/account';
import type {
  Agent,
  AgentEvents,
  AgentFactory,
  DigitTransport,
  Failure,
  IncomingSession,
  Peer,
  SessionEvents,
} from '../lib/agent';
import type { QualityReport } from '../lib/quality';

export class FakeAgent implements Agent {
  readonly did: string[] = [];
  readonly sessions: FakeSession[] = [];

  constructor(
    readonly account: Account,
    readonly events: AgentEvents,
  ) {}

  /** A factory that keeps the agents it has made. */
  static factory(): AgentFactory & { readonly made: FakeAgent[]; readonly last: FakeAgent } {
    const made: FakeAgent[] = [];
    const factory = (account: Account, events: AgentEvents): FakeAgent => {
      const agent = new FakeAgent(account, events);
      made.push(agent);
      return agent;
    };
    return Object.defineProperties(factory, {
      made: { value: made },
      last: { get: () => made.at(-1) },
    }) as unknown as AgentFactory & { readonly made: FakeAgent[]; readonly last: FakeAgent };
  }

  start(): void {
    this.did.push('start');
    this.events.opening();
  }

  stop(): void {
    this.did.push('stop');
  }

  register(): void {
    this.did.push('register');
  }

  connectNow(): void {
    this.did.push('connectNow');
  }

  dropConnection(): void {
    this.did.push('dropConnection');
  }

  resolve(target: string): Peer | null {
    if (target.includes('%%')) return null;
    return { name: target, address: `sip:${target}@${this.account.domain}` };
  }

  invite(
    target: string,
    _microphone: MediaStream,
    servers: readonly RTCIceServer[],
    events: SessionEvents,
  ): FakeSession {
    this.did.push(`invite ${target}`);
    const session = new FakeSession({ name: target, address: target }, events);
    session.servers = servers;
    this.sessions.push(session);
    return session;
  }

  /** A call comes in. */
  ring(peer: Peer): FakeSession {
    const session = new FakeSession(peer, null);
    this.sessions.push(session);
    this.events.incoming(session);
    return session;
  }
}

export class FakeSession implements IncomingSession {
  readonly did: string[] = [];
  readonly reports: QualityReport[] = [];
  /** Whether another offer is under way. */
  isOffering = false;
  /** Those that its peer connection was made with, or has taken since. */
  servers: readonly RTCIceServer[] = [];
  /** The answer to an ICE restart has come. */
  restarted: () => void = () => undefined;
  #events: SessionEvents | null;

  constructor(
    readonly peer: Peer,
    events: SessionEvents | null,
  ) {
    this.#events = events;
  }

  get events(): SessionEvents {
    if (this.#events === null) throw new Error('nobody listens to this session');
    return this.#events;
  }

  attach(events: SessionEvents): void {
    this.#events = events;
  }

  answer(_microphone: MediaStream, servers: readonly RTCIceServer[]): void {
    this.did.push('answer');
    this.servers = servers;
  }

  reject(status: number): void {
    this.did.push(`reject ${status}`);
    this.#events?.ended(failure({ originator: 'local', cause: 'Rejected' }));
  }

  terminate(): void {
    this.did.push('terminate');
    this.#events?.ended(failure({ originator: 'local', cause: 'Terminated' }));
  }

  abandon(): void {
    this.did.push('abandon');
    this.#events?.ended(failure({ originator: 'local', cause: 'RTP Timeout' }));
  }

  hold(): boolean {
    if (this.isOffering) return false;
    this.did.push('hold');
    this.events.held('local');
    return true;
  }

  resume(): boolean {
    if (this.isOffering) return false;
    this.did.push('resume');
    this.events.resumed('local');
    return true;
  }

  restartIce(servers: readonly RTCIceServer[], done: () => void): boolean {
    if (this.isOffering) return false;
    this.did.push('restart ICE');
    this.servers = servers;
    this.restarted = done;
    return true;
  }

  mute(): void {
    this.did.push('mute');
  }

  unmute(): void {
    this.did.push('unmute');
  }

  sendDigit(digit: string, by: DigitTransport): void {
    this.did.push(`${by} ${digit}`);
  }

  sendReport(report: QualityReport): void {
    this.did.push(`report ${report.kind}`);
    this.reports.push(report);
  }
}

export function failure(known: Partial<Failure>): Failure {
  return {
    originator: 'remote',
    cause: 'SIP Failure Code',
    status: null,
    text: null,
    retryAfter: null,
    ...known,
  };
}
