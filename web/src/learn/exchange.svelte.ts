import { openMedia } from './media';
import type { Media } from './media';
import { parseCandidate } from './candidate';
import type { Candidate } from './candidate';
import { faultOf, unwrap, wrap } from './paste';
import type { Pasted } from './paste';
import { Peer } from './peer.svelte';
import { attribute, candidatesIn } from './sdp';
import { NO_SERVER, configurationOf } from './servers';
import type { ServerForm } from './servers';
import { Timeline } from './timeline.svelte';
import { faultWords, refusedWords } from './words';

/** A server that does not answer holds up the last candidate; the text is made without it then. */
const GATHER_WITHIN_MS = 5000;

/** Where somebody is in the exchange by copy and paste. */
export type Stage = 'start' | 'gathering' | 'offered' | 'asked' | 'answered' | 'taken';

/** One side of a handshake that two people make by copy and paste, with nothing between them but the text. */
export class Exchange {
  readonly timeline = new Timeline();
  peer = $state.raw(this.#peer());
  /** `asked`: the offer of the other side is due. */
  stage = $state<Stage>('start');
  offer = $state<string | null>(null);
  answer = $state<string | null>(null);
  /** What is to be handed to the other side. */
  text = $state('');
  trouble = $state<string | null>(null);
  isBusy = $state(false);
  media = $state<Media>('messages');
  servers = $state<ServerForm>(NO_SERVER);

  /** Whether this side has made the offer. */
  get isOfferer(): boolean {
    return this.stage === 'offered' || this.stage === 'taken';
  }

  /** What is due to be pasted, if anything is. */
  get wanted(): 'offer' | 'answer' | null {
    if (this.stage === 'offered') return 'answer';
    return this.stage === 'asked' ? 'offer' : null;
  }

  /** The candidates that the other side's description has brought. */
  get othersCandidates(): Candidate[] {
    const sdp = this.isOfferer ? this.answer : this.offer;
    return candidatesIn(sdp ?? '').flatMap((text) => parseCandidate(text) ?? []);
  }

  /** Makes the offer, with all its candidates. */
  async makeOffer(): Promise<void> {
    await this.#carefully(async (peer) => {
      this.stage = 'gathering';
      if (!(await this.#open(peer))) {
        this.stage = 'start';
        return;
      }
      peer.makeChannel();
      if (this.media === 'picture') peer.connection.addTransceiver('audio');
      await peer.connection.setLocalDescription();
      const sdp = await this.#gathered(peer);
      if (sdp === null) return;
      this.offer = sdp;
      this.text = await wrap({ type: 'offer', sdp });
      this.stage = 'offered';
      this.timeline.add('', 'step', 'The offer is ready to be handed over');
    });
  }

  /** Asks for the offer of the other side. */
  awaitOffer(): void {
    this.stage = 'asked';
  }

  /** Takes what was pasted; a sentence in `trouble` if it is not what is due. */
  async take(pasted: string): Promise<void> {
    const { wanted } = this;
    if (wanted === null) return;
    await this.#carefully(async (peer) => {
      const read = await unwrap(pasted);
      if (this.peer !== peer) return;
      const fault = typeof read === 'string' ? read : faultOf(read, wanted, this.offer);
      if (fault !== null || typeof read === 'string') {
        this.trouble = faultWords(fault ?? 'nonsense', wanted);
        return;
      }
      if (wanted === 'answer') await this.#takeAnswer(peer, read);
      else await this.#answer(peer, read);
    });
  }

  restart(): void {
    this.close();
    this.timeline.clear();
    this.peer = this.#peer();
    this.stage = 'start';
    this.offer = this.answer = this.trouble = null;
    this.text = '';
    this.isBusy = false;
  }

  close(): void {
    this.peer.close();
  }

  async #takeAnswer(peer: Peer, { sdp }: Pasted): Promise<void> {
    this.timeline.add('', 'step', 'The answer is pasted');
    try {
      await peer.connection.setRemoteDescription({ type: 'answer', sdp });
    } catch (error) {
      this.trouble = refusedWords('answer', error);
      return;
    }
    this.answer = sdp;
    this.stage = 'taken';
  }

  async #answer(peer: Peer, { sdp }: Pasted): Promise<void> {
    this.timeline.add('', 'step', 'The offer is pasted');
    if (!(await this.#open(peer))) return;
    try {
      await peer.connection.setRemoteDescription({ type: 'offer', sdp });
      await peer.connection.setLocalDescription();
    } catch (error) {
      // The connection is good for nothing more; the next attempt has its own.
      peer.close();
      if (this.peer !== peer) return;
      this.peer = this.#peer();
      this.isBusy = false;
      this.trouble = refusedWords('offer', error);
      return;
    }
    this.offer = sdp;
    this.stage = 'gathering';
    const own = await this.#gathered(peer);
    if (own === null) return;
    this.answer = own;
    const to = attribute(sdp, 'ice-ufrag');
    this.text = await wrap({ type: 'answer', sdp: own, ...(to === undefined ? {} : { to }) });
    this.stage = 'answered';
    this.timeline.add('', 'step', 'The answer is ready to be handed over');
  }

  /** Opens the connection and what it sends; false, with a sentence, where the settings are wrong. */
  async #open(peer: Peer): Promise<boolean> {
    const configuration = configurationOf(this.servers);
    if (typeof configuration === 'string') {
      this.trouble = configuration;
      return false;
    }
    const { stream, troubles } = await openMedia(this.media, 200);
    if (this.peer !== peer) {
      stream?.getTracks().forEach((track) => track.stop());
      return false;
    }
    peer.open(configuration);
    for (const says of troubles) this.timeline.add('', 'trouble', says);
    this.trouble = troubles[0] ?? null;
    stream?.getTracks().forEach((track) => peer.connection.addTrack(track, stream));
    return true;
  }

  /** The own description with its candidates; null if somebody has started over meanwhile. */
  async #gathered(peer: Peer): Promise<string | null> {
    const isWhole = await peer.gatherAll(GATHER_WITHIN_MS);
    if (this.peer !== peer) return null;
    if (!isWhole) this.timeline.add('', 'trouble', 'Gathering takes too long and is left at that');
    return peer.connection.localDescription?.sdp ?? null;
  }

  /** One thing at a time, and no error is lost. */
  async #carefully(act: (peer: Peer) => Promise<void>): Promise<void> {
    if (this.isBusy) return;
    const { peer } = this;
    this.isBusy = true;
    this.trouble = null;
    try {
      await act(peer);
    } catch (error) {
      if (this.peer !== peer) return;
      // As a URL that only the browser finds wrong. What was half made is good for nothing more.
      this.restart();
      this.trouble = error instanceof Error ? error.message : String(error);
    } finally {
      if (this.peer === peer) this.isBusy = false;
    }
  }

  #peer(): Peer {
    return new Peer('This browser', (kind, what) => this.timeline.add('', kind, what));
  }
}
