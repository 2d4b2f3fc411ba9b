import type { Agent, Failure, IncomingSession, Originator, Peer, Session, SessionEvents } from './agent';
import { type Cause, causeOfEnd } from './cause';
import { Detour, type DetourState } from './detour';
import { COUNT_MS, Hearing, type Silence, soundIn } from './hearing';
import type { IceServers } from './ice-servers';
import { type MicrophoneProblem, NoMicrophone, type OpenMicrophone, close } from './microphone';
import { type Heard, type QualityReport, REPORT_MS, heardIn } from './quality';
import { type MediaPath, callStats } from './stats';

/** What there is to show of a call. Each change makes a new one. */
export interface CallView {
  readonly state: CallState;
  readonly direction: 'incoming' | 'outgoing';
  readonly peer: Peer;
  /** The far side's own sound before the answer: announcements, its ring-back tone. */
  readonly earlyMedia: boolean;
  /** Accepted by the user and not yet established. */
  readonly answering: boolean;
  readonly answeredAt: number | null;
  readonly muted: boolean;
  readonly heldHere: boolean;
  readonly heldThere: boolean;
  /** What `heldHere` is to become, once an offer that is under way is over. */
  readonly toBeHeld: boolean | null;
  readonly media: MediaState;
  /** The way of the media, once there is one. */
  readonly path: MediaPath | null;
  /** What is to be told of the way round for media that does not pass directly. */
  readonly detour: DetourState | null;
  /** What keeps a call that goes on from being heard. */
  readonly problem: MicrophoneProblem | 'microphone-lost' | null;
  /** Which side has sent nothing for a while. */
  readonly silence: Silence | null;
  readonly microphone: MediaStream | null;
  readonly remote: MediaStream | null;
  readonly end: CallEnd | null;
}

export type CallState = 'calling' | 'ringing' | 'incoming' | 'active' | 'held' | 'ended';

/** The ICE connection, seen from the ear. */
export type MediaState = 'none' | 'connecting' | 'flowing' | 'interrupted';

export interface CallEnd {
  readonly cause: Cause;
  /** The far side's own words. */
  readonly text: string | null;
  readonly status: number | null;
  readonly at: number;
}

/** What a call needs of the phone around it. */
export interface CallSurroundings {
  readonly openMicrophone: OpenMicrophone;
  readonly iceServers: Pick<IceServers, 'forNewCall' | 'ask' | 'areNeeded'>;
  /** Whether requests can be sent. */
  isConnected(): boolean;
  changed(view: CallView): void;
}

/** One call of this phone, from the dialling or the first ring to its end. */
export class Call implements SessionEvents {
  #view: CallView;
  #session: Session | null = null;
  #incoming: IncomingSession | null = null;
  #connection: RTCPeerConnection | null = null;
  /** The user has ended it, and not JsSIP on its own. */
  #givenUp = false;
  #counting: ReturnType<typeof setInterval> | undefined;
  #retrying: ReturnType<typeof setTimeout> | undefined;
  readonly #detour: Detour;
  readonly #hearing = new Hearing();
  /** What was counted last of the far side's sound. */
  #heard: Heard | null = null;
  #counts = 0;
  readonly #surroundings: CallSurroundings;

  private constructor(direction: CallView['direction'], peer: Peer, surroundings: CallSurroundings) {
    this.#surroundings = surroundings;
    this.#view = { ...blank(direction, peer), state: direction === 'incoming' ? 'incoming' : 'calling' };
    this.#detour = new Detour({
      iceServers: surroundings.iceServers,
      isConnected: () => surroundings.isConnected(),
      changed: (detour) => this.#set({ detour }),
      nothingLeft: () => this.#session?.abandon(),
    });
  }

  /** Calls `target`; the INVITE follows when the microphone is open. */
  static place(agent: Agent, target: string, peer: Peer, surroundings: CallSurroundings): Call {
    const call = new Call('outgoing', peer, surroundings);
    void call.#invite(agent, target);
    return call;
  }

  static receive(session: IncomingSession, surroundings: CallSurroundings): Call {
    const call = new Call('incoming', session.peer, surroundings);
    call.#session = call.#incoming = session;
    session.attach(call);
    return call;
  }

  get view(): CallView {
    return this.#view;
  }

  get isOver(): boolean {
    return this.#view.end !== null;
  }

  /** Answers an incoming call. Without a microphone it goes on ringing, so that the user can mend that. */
  async accept(): Promise<void> {
    const session = this.#incoming;
    if (session === null || this.#view.state !== 'incoming' || this.#view.answering) return;
    this.#set({ answering: true, problem: null });
    const microphone = await this.#microphone((problem) => this.#set({ answering: false, problem }));
    if (microphone !== null) session.answer(microphone, this.#surroundings.iceServers.forNewCall);
  }

  reject(): void {
    if (this.#view.state !== 'incoming') return;
    this.#givenUp = true;
    this.#incoming?.reject(BUSY_HERE);
  }

  hangUp(): void {
    if (this.isOver) return;
    this.#givenUp = true;
    if (this.#session === null) return this.#end('cancelled', null);
    // What was counted up to two seconds ago: nobody waits for a count when hanging up.
    this.#report('session');
    this.#session.terminate();
  }

  setMuted(muted: boolean): void {
    if (this.isOver || muted === this.#view.muted) return;
    if (muted) this.#session?.mute();
    else this.#session?.unmute();
    this.#set({ muted });
  }

  /** Holds, or takes the hold back: at once, or as soon as an offer that is under way is over. */
  setHeld(held: boolean): void {
    if (this.#session === null || !this.#isEstablished()) return;
    clearTimeout(this.#retrying);
    const isDone = held === this.#view.heldHere || this.#offerHold(this.#session, held);
    const toBeHeld = isDone ? null : held;
    if (toBeHeld !== this.#view.toBeHeld) this.#set({ toBeHeld });
    if (!isDone) this.#retrying = setTimeout(() => this.setHeld(held), OFFER_AGAIN_MS);
  }

  /** Sends a digit as an RTP event where the far side takes those, else in an INFO request. */
  press(digit: string): void {
    if (this.#session === null || !this.#isEstablished()) return;
    const inBand = this.#connection?.getSenders().some((sender) => sender.dtmf?.canInsertDTMF) ?? false;
    // A request that cannot be sent would make JsSIP end the call.
    if (inBand) this.#session.sendDigit(digit, 'RFC2833');
    else if (this.#surroundings.isConnected()) this.#session.sendDigit(digit, 'INFO');
  }

  peerConnection(connection: RTCPeerConnection): void {
    this.#connection = connection;
    connection.addEventListener('track', (event) => {
      if (event.track.kind !== 'audio') return;
      this.#set({ remote: event.streams[0] ?? new MediaStream([event.track]) });
    });
    connection.addEventListener('iceconnectionstatechange', () => {
      const media = MEDIA_BY_ICE[connection.iceConnectionState];
      // What never flowed is not interrupted.
      if (media === undefined || (media === 'interrupted' && this.#view.media !== 'flowing')) return;
      this.#set({ media });
      if (media !== 'flowing') return;
      this.#detour.flows();
      void this.#findPath(connection);
    });
  }

  progress(earlyMedia: boolean): void {
    if (this.#view.direction === 'incoming') return;
    this.#set({ state: 'ringing', earlyMedia: earlyMedia || this.#view.earlyMedia });
  }

  accepted(): void {
    this.#set({ state: 'active', answering: false, answeredAt: Date.now() });
    this.#counting = setInterval(() => void this.#count(), COUNT_MS);
    if (this.#session !== null) this.#detour.answered(this.#session, this.#view.media === 'flowing');
  }

  iceFailed(): void {
    if (!this.isOver) this.#detour.iceFailed();
  }

  held(by: Originator): void {
    this.#setHold(by, true);
  }

  resumed(by: Originator): void {
    this.#setHold(by, false);
  }

  ended(failure: Failure): void {
    const incoming = this.#view.direction === 'incoming';
    const cause = causeOfEnd(failure, incoming, this.#view.answeredAt !== null);
    const unasked = failure.originator === 'local' && (cause === 'cancelled' || cause === 'rejected');
    this.#end(unasked && !this.#givenUp ? this.#whyGivenUp() : cause, failure.text, failure.status);
  }

  /** JsSIP cancels or rejects a call of its own accord, and does not say why, when one of these befalls it. */
  #whyGivenUp(): Cause {
    return this.#surroundings.isConnected() ? 'no-reply' : 'connection-lost';
  }

  async #invite(agent: Agent, target: string): Promise<void> {
    const microphone = await this.#microphone((problem) => this.#end(problem, null));
    if (microphone === null) return;
    try {
      this.#session = agent.invite(target, microphone, this.#surroundings.iceServers.forNewCall, this);
    } catch (error) {
      this.#end('media-failed', error instanceof Error ? error.message : null);
    }
  }

  /** The open microphone; null when there is none, or when the call was over before the user had allowed it. */
  async #microphone(without: (problem: MicrophoneProblem) => void): Promise<MediaStream | null> {
    let microphone: MediaStream;
    try {
      microphone = await this.#surroundings.openMicrophone();
    } catch (error) {
      if (!this.isOver) without(error instanceof NoMicrophone ? error.problem : 'microphone-failed');
      return null;
    }
    if (this.isOver) {
      close(microphone);
      return null;
    }
    for (const track of microphone.getTracks()) {
      track.addEventListener('ended', () => this.#set({ problem: 'microphone-lost' }));
    }
    this.#set({ microphone });
    return microphone;
  }

  async #count(): Promise<void> {
    if (this.#connection === null) return;
    const { audio, path } = await callStats(this.#connection);
    this.#takesPath(path);
    this.#heard = heardIn(audio);
    this.#counts += 1;
    if (this.#counts % (REPORT_MS / COUNT_MS) === 0) this.#report('interval');
    // The ICE state tells of the time before the first sound better than a count does.
    if (this.#view.state !== 'active' || this.#view.media !== 'flowing') {
      this.#hearing.reset();
      if (this.#view.silence !== null) this.#set({ silence: null });
      return;
    }
    const count = soundIn(audio);
    // A muted microphone has no energy, and its user knows.
    const silence = this.#hearing.count(this.#view.muted ? { ...count, microphoneEnergy: null } : count);
    if (silence !== this.#view.silence) this.#set({ silence });
  }

  async #findPath(connection: RTCPeerConnection): Promise<void> {
    this.#takesPath((await callStats(connection)).path);
  }

  /** ICE may move to a better pair at any time, so that the last one is what later calls go by. */
  #takesPath(path: MediaPath | undefined): void {
    if (path === undefined || path === this.#view.path || this.isOver) return;
    this.#set({ path });
    this.#surroundings.iceServers.areNeeded(path !== 'direct');
  }

  /** Tells the server how the call has sounded so far. */
  #report(kind: QualityReport['kind']): void {
    const { answeredAt } = this.#view;
    if (this.#session === null || this.#heard === null || answeredAt === null) return;
    if (!this.#isEstablished() || !this.#surroundings.isConnected()) return;
    this.#session.sendReport({ kind, from: answeredAt, until: Date.now(), heard: this.#heard });
  }

  #isEstablished(): boolean {
    return this.#view.state === 'active' || this.#view.state === 'held';
  }

  /** Without a connection the offer could not be sent, and JsSIP would end the call over that. */
  #offerHold(session: Session, held: boolean): boolean {
    if (!this.#surroundings.isConnected()) return false;
    return held ? session.hold() : session.resume();
  }

  #setHold(by: Originator, held: boolean): void {
    const heldHere = by === 'local' ? held : this.#view.heldHere;
    const heldThere = by === 'remote' ? held : this.#view.heldThere;
    this.#set({ heldHere, heldThere, state: heldHere || heldThere ? 'held' : 'active' });
  }

  #end(cause: Cause, text: string | null, status: number | null = null): void {
    if (this.isOver) return;
    clearInterval(this.#counting);
    clearTimeout(this.#retrying);
    this.#detour.end();
    const { microphone } = this.#view;
    this.#set({
      state: 'ended',
      answering: false,
      toBeHeld: null,
      media: 'none',
      problem: null,
      silence: null,
      microphone: null,
      remote: null,
      end: { cause, text, status, at: Date.now() },
    });
    if (microphone !== null) close(microphone);
  }

  #set(change: Partial<CallView>): void {
    // The ICE state, a track or a late hold answer may still come after the end.
    if (this.isOver) return;
    this.#view = { ...this.#view, ...change };
    this.#surroundings.changed(this.#view);
  }
}

/** The view of a call that never left this phone. */
export function unplaced(typed: string, cause: Cause): CallView {
  return {
    ...blank('outgoing', { name: typed, address: typed }),
    end: { cause, text: null, status: null, at: Date.now() },
  };
}

function blank(direction: CallView['direction'], peer: Peer): CallView {
  return {
    state: 'ended',
    direction,
    peer,
    earlyMedia: false,
    answering: false,
    answeredAt: null,
    muted: false,
    heldHere: false,
    heldThere: false,
    toBeHeld: null,
    media: 'none',
    path: null,
    detour: null,
    problem: null,
    silence: null,
    microphone: null,
    remote: null,
    end: null,
  };
}

/** 486 and not 603: the callee's other devices and voicemail may still take the call (RFC 3261 §21.6.2). */
const BUSY_HERE = 486;

/** JsSIP does not say when an offer is over; a person does not notice this much. */
const OFFER_AGAIN_MS = 100;

const MEDIA_BY_ICE: Partial<Record<RTCIceConnectionState, MediaState>> = {
  checking: 'connecting',
  connected: 'flowing',
  completed: 'flowing',
  disconnected: 'interrupted',
};
