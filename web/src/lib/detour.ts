import type { Session } from './agent';
import { type IceServers, type IceServersProblem, NoIceServers } from './ice-servers';

/** What there is to tell of the way round: it is being tried, it did not lead anywhere, or why there is none. */
export type DetourState = 'trying' | 'failed' | IceServersProblem;

/** What a detour needs of its call. */
export interface DetourSurroundings {
  readonly iceServers: Pick<IceServers, 'ask'>;
  /** Whether requests can be sent. */
  isConnected(): boolean;
  changed(state: DetourState | null): void;
  /** ICE has failed, and there is no other way. */
  nothingLeft(): void;
}

/**
 * The other way for the media of a call that has not connected directly: by TURN, after an ICE restart (RFC 8445 §2.4).
 *
 * A firewall that lets no UDP through is noticed by what does not come. It is tried once for a call, so that a network
 * without any way ends a call instead of keeping it in the making.
 */
export class Detour {
  /** `over` from the answer to the offer on: a failure after that is one of the other way. `barred`: there is none. */
  #state: 'idle' | 'asking' | 'offering' | 'offered' | 'over' | 'barred' = 'idle';
  #session: Session | null = null;
  #iceHasFailed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #surroundings: DetourSurroundings;

  constructor(surroundings: DetourSurroundings) {
    this.#surroundings = surroundings;
  }

  /** The call has been answered: from here on it may be offered anew. */
  answered(session: Session, isFlowing: boolean): void {
    this.#session = session;
    if (isFlowing) return;
    if (this.#iceHasFailed) void this.#take(session);
    else this.#timer = setTimeout(() => void this.#take(session), PATIENCE_MS);
  }

  /** Media flows, whichever way. */
  flows(): void {
    clearTimeout(this.#timer);
    this.#iceHasFailed = false;
    if (this.#state === 'idle') return;
    // What came directly after all leaves the detour to a failure later on.
    if (this.#state !== 'over') this.#state = this.#state === 'offered' ? 'over' : 'idle';
    this.#surroundings.changed(null);
  }

  /** ICE has failed. A call that has not been answered cannot be offered anew, and waits for that. */
  iceFailed(): void {
    this.#iceHasFailed = true;
    if (this.#state === 'over') this.#surroundings.changed('failed');
    if (this.#state === 'over' || this.#state === 'barred') this.#surroundings.nothingLeft();
    else if (this.#state === 'idle' && this.#session !== null) void this.#take(this.#session);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#state = 'over';
  }

  async #take(session: Session): Promise<void> {
    clearTimeout(this.#timer);
    this.#state = 'asking';
    // A network that is gone altogether: the server is asked when it is back.
    if (!this.#surroundings.isConnected()) {
      this.#timer = setTimeout(() => void this.#take(session), AGAIN_MS);
      return;
    }
    this.#surroundings.changed('trying');
    let servers: readonly RTCIceServer[];
    try {
      servers = await this.#surroundings.iceServers.ask();
    } catch (error) {
      if (this.#isStill('asking')) this.#fails(error instanceof NoIceServers ? error.problem : 'no-answer');
      return;
    }
    if (!this.#isStill('asking')) return;
    this.#state = 'offering';
    this.#offer(session, servers);
  }

  /** Offers it, as soon as an offer that is under way is over. Without a connection JsSIP would end the call over it. */
  #offer(session: Session, servers: readonly RTCIceServer[]): void {
    if (!this.#isStill('offering')) return;
    let isOffered: boolean;
    try {
      isOffered =
        this.#surroundings.isConnected() && session.restartIce(servers, () => (this.#state = 'over'));
    } catch {
      // The browser takes no such servers.
      this.#fails('no-answer');
      return;
    }
    if (isOffered) this.#state = 'offered';
    else this.#timer = setTimeout(() => this.#offer(session, servers), AGAIN_MS);
  }

  #fails(problem: IceServersProblem): void {
    this.#state = 'barred';
    this.#surroundings.changed(problem);
    if (this.#iceHasFailed) this.#surroundings.nothingLeft();
  }

  /** What it was may have become something else while it waited, which is more than the compiler sees. */
  #isStill(state: string): boolean {
    return this.#state === state;
  }
}

/** How long a call that has been answered may take to connect directly: where UDP passes, it is a tenth of a second. */
export const PATIENCE_MS = 4000;
/** Nothing tells when an offer is over or the server back; a person does not notice this much. */
const AGAIN_MS = 100;
