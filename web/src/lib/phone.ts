import type { Account } from './account';
import type { Agent, AgentEvents, AgentFactory, Failure, IncomingSession, Peer } from './agent';
import { Call, type CallSurroundings, type CallView, unplaced } from './call';
import type { IceServers } from './ice-servers';
import type { OpenMicrophone } from './microphone';

/** What there is to show of the phone. Each change makes a new one. */
export interface PhoneView {
  readonly line: Line;
  readonly call: CallView | null;
  /** The last caller who was told that this phone is busy. */
  readonly missed: Peer | null;
}

/** The connection to the server and the registration on it. */
export type Line =
  | { readonly state: 'signed-out'; readonly cause: SignInCause | null }
  | { readonly state: 'connecting' | 'registering' | 'registered'; readonly account: Account }
  | {
      readonly state: 'waiting';
      readonly account: Account;
      readonly retryAt: number;
      /** The status with which the server has refused a registration that is worth another try. */
      readonly status: number | null;
    }
  /** The server has refused the account while a call is going on; the phone signs out when that ends. */
  | { readonly state: 'refused'; readonly account: Account; readonly cause: SignInCause };

export type SignInCause = 'wrong-credentials' | 'unknown-domain' | 'unusable-account';

/**
 * One phone: signed in as one user, with one call at a time.
 *
 * It knows neither the page nor JsSIP. Commands are the plain verbs; what comes of them is in `view`, and
 * `subscribe` tells of each change. Left out: several calls at once, transfer and video.
 */
export class Phone {
  #view: PhoneView = { line: { state: 'signed-out', cause: null }, call: null, missed: null };
  #agent: Agent | null = null;
  #call: Call | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #refusals = 0;
  #generation = 0;
  readonly #listeners = new Set<(view: PhoneView) => void>();
  readonly #agentFor: AgentFactory;
  readonly #iceServers: IceServers;
  readonly #surroundings: CallSurroundings;

  constructor(agentFor: AgentFactory, openMicrophone: OpenMicrophone, iceServers: IceServers) {
    this.#agentFor = agentFor;
    this.#iceServers = iceServers;
    this.#surroundings = {
      openMicrophone,
      iceServers,
      isConnected: () => this.isConnected,
      changed: (call) => this.#callChanged(call),
    };
  }

  get view(): PhoneView {
    return this.#view;
  }

  /** Calls `listener` with each new view; returns what ends that. */
  subscribe(listener: (view: PhoneView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  signIn(account: Account): void {
    this.signOut();
    try {
      this.#agent = this.#agentFor(account, this.#agentEvents(account));
    } catch {
      // JsSIP's grammar has the last word on what can be a SIP address.
      this.#set({ line: { state: 'signed-out', cause: 'unusable-account' } });
      return;
    }
    this.#set({ line: { state: 'connecting', account } });
    this.#agent.start();
  }

  /** Hangs up, unregisters and closes the connection. */
  signOut(cause: SignInCause | null = null): void {
    const agent = this.#agent;
    this.#agent = null;
    this.#generation += 1;
    this.#stopTimer();
    this.#refusals = 0;
    this.#call?.hangUp();
    this.#call = null;
    agent?.stop();
    this.#iceServers.signedOut();
    this.#set({ line: { state: 'signed-out', cause }, call: null, missed: null });
  }

  /** Ends the wait for the server. */
  retryNow(): void {
    const { line } = this.#view;
    if (line.state !== 'waiting') return;
    if (line.status === null) this.#agent?.connectNow();
    else this.#register(line.account);
  }

  /** The network or the machine has woken up: asks at once whether the connection still stands. */
  networkChanged(): void {
    if (this.#view.line.state === 'registered') this.#agent?.register();
    else this.retryNow();
  }

  dial(target: string): void {
    const typed = target.trim();
    if (typed === '' || this.#agent === null || this.#isBusy()) return;
    const peer = this.#agent.resolve(typed);
    if (peer === null) return this.#refuseToDial(typed, 'bad-address');
    if (!this.isConnected) return this.#refuseToDial(typed, 'not-connected');
    this.#call = Call.place(this.#agent, typed, peer, this.#surroundings);
    this.#set({ call: this.#call.view, missed: null });
  }

  accept(): void {
    void this.#call?.accept();
  }

  reject(): void {
    this.#call?.reject();
  }

  hangUp(): void {
    this.#call?.hangUp();
  }

  setMuted(muted: boolean): void {
    this.#call?.setMuted(muted);
  }

  setHeld(held: boolean): void {
    this.#call?.setHeld(held);
  }

  press(digit: string): void {
    this.#call?.press(digit);
  }

  /** Clears the ended call and the note of a missed one. */
  dismiss(): void {
    if (this.#isBusy()) return;
    this.#call = null;
    this.#set({ call: null, missed: null });
  }

  get isConnected(): boolean {
    return isConnected(this.#view.line);
  }

  /** An agent that has been stopped still tells of its end: `live` keeps that from the phone. */
  #agentEvents(account: Account): AgentEvents {
    const generation = ++this.#generation;
    const live =
      <A extends unknown[]>(handle: (...args: A) => void) =>
      (...args: A): void => {
        if (generation === this.#generation) handle(...args);
      };
    return {
      opening: live(() => this.#setLine({ state: 'connecting', account })),
      opened: live(() => this.#registering(account)),
      closed: live((retryAt: number) => {
        this.#stopTimer();
        this.#setLine({ state: 'waiting', account, retryAt, status: null });
      }),
      registered: live(() => {
        this.#stopTimer();
        this.#refusals = 0;
        this.#setLine({ state: 'registered', account });
        void this.#iceServers.registered(account);
      }),
      registrationFailed: live((failure: Failure) => this.#registrationFailed(account, failure)),
      incoming: live((session: IncomingSession) => this.#incoming(session)),
    };
  }

  #registrationFailed(account: Account, failure: Failure): void {
    switch (failure.status) {
      case 401:
      case 403:
      case 407:
        return this.#refuse(account, 'wrong-credentials');
      case 404:
        return this.#refuse(account, 'unknown-domain');
    }
    if (failure.cause === 'Connection Error') return; // `closed` follows.
    if (failure.status === null) return this.#agent?.dropConnection();
    this.#refusals += 1;
    const wait = failure.retryAfter ?? Math.min(LONGEST_WAIT_S, 2 ** this.#refusals);
    this.#stopTimer();
    this.#timer = setTimeout(() => this.#register(account), wait * 1000);
    const retryAt = Date.now() + wait * 1000;
    this.#setLine({ state: 'waiting', account, retryAt, status: failure.status });
  }

  #register(account: Account): void {
    this.#registering(account);
    this.#agent?.register();
  }

  #registering(account: Account): void {
    this.#stopTimer();
    // JsSIP ignores a 200 that does not list its contact, and says nothing.
    this.#timer = setTimeout(() => this.#agent?.dropConnection(), REGISTER_LIMIT_MS);
    this.#setLine({ state: 'registering', account });
  }

  #refuse(account: Account, cause: SignInCause): void {
    this.#stopTimer();
    if (this.#isBusy()) this.#setLine({ state: 'refused', account, cause });
    else this.signOut(cause);
  }

  #incoming(session: IncomingSession): void {
    if (this.#isBusy()) {
      session.reject(BUSY_HERE);
      this.#set({ missed: session.peer });
      return;
    }
    this.#call = Call.receive(session, this.#surroundings);
    this.#set({ call: this.#call.view });
  }

  #callChanged(call: CallView): void {
    this.#set({ call });
    if (call.state === 'ended' && this.#view.line.state === 'refused') this.signOut(this.#view.line.cause);
  }

  #refuseToDial(typed: string, cause: 'bad-address' | 'not-connected'): void {
    this.#call = null;
    this.#set({ call: unplaced(typed, cause) });
  }

  #isBusy(): boolean {
    return this.#call !== null && !this.#call.isOver;
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #setLine(line: Line): void {
    // Only signing out ends a refusal.
    if (this.#view.line.state !== 'refused') this.#set({ line });
  }

  #set(change: Partial<PhoneView>): void {
    this.#view = { ...this.#view, ...change };
    for (const listener of this.#listeners) listener(this.#view);
  }
}

/** Whether requests can be sent. */
export function isConnected(line: Line): boolean {
  if (line.state === 'waiting') return line.status !== null;
  return line.state === 'registering' || line.state === 'registered' || line.state === 'refused';
}

const BUSY_HERE = 486;
const LONGEST_WAIT_S = 60;
/** Longer than the 32 s after which a request has timed out (RFC 3261 §17.1.2.2, timer F). */
const REGISTER_LIMIT_MS = 40_000;
