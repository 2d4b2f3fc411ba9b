import { openMedia } from './media';
import type { Media } from './media';
import { Peer } from './peer.svelte';
import { NO_SERVER, configurationOf } from './servers';
import type { ServerForm } from './servers';
import { STEPS } from './steps';
import { Timeline } from './timeline.svelte';
import { failedWords } from './words';

/** How long the way from the candidates to an open channel may take. */
const OPEN_WITHIN_MS = 30_000;
/** Between two steps that are run through, so that they can be followed. */
const PAUSE_MS = 700;

/** The handshake of two peers in one page, a step at a time. What the one tells the other, the page hands over. */
export class Walk {
  readonly timeline = new Timeline();
  ada = $state.raw(this.#peer('Ada'));
  grace = $state.raw(this.#peer('Grace'));
  offer = $state<string | null>(null);
  answer = $state<string | null>(null);
  /** How many of the steps are done. */
  done = $state(0);
  isBusy = $state(false);
  isRunning = $state(false);
  trouble = $state<string | null>(null);
  /** For the next handshake. */
  media = $state<Media>('messages');
  servers = $state<ServerForm>(NO_SERVER);
  /** Candidates that wait for being handed over, by who has found them. */
  readonly #waiting = new WeakMap<Peer, RTCIceCandidate[]>();

  get isAtEnd(): boolean {
    return this.done === STEPS.length;
  }

  /** Does the next step; whether it went well. */
  async next(): Promise<boolean> {
    const step = STEPS[this.done];
    if (step === undefined || this.isBusy) return false;
    const { ada } = this;
    this.isBusy = true;
    this.trouble = null;
    this.timeline.add(step.who, 'step', step.title);
    try {
      await step.act(this);
      // Somebody has started over while it was done.
      if (this.ada !== ada) return false;
      this.done += 1;
      return true;
    } catch (error) {
      if (this.ada !== ada) return false;
      this.trouble = error instanceof Error ? error.message : String(error);
      this.timeline.add(step.who, 'trouble', this.trouble);
      return false;
    } finally {
      if (this.ada === ada) this.isBusy = false;
    }
  }

  /** Does all that are left, with a pause after each. */
  async run(pauseMs = PAUSE_MS): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    const { ada } = this;
    while (this.isRunning && !this.isAtEnd && (await this.next())) {
      if (!this.isAtEnd) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (this.ada !== ada) return;
    }
    if (this.ada === ada) this.isRunning = false;
  }

  /** Stops running through after the step that is under way. */
  pause(): void {
    this.isRunning = false;
  }

  /** Back to the beginning. */
  restart(): void {
    this.close();
    this.timeline.clear();
    this.ada = this.#peer('Ada');
    this.grace = this.#peer('Grace');
    this.offer = this.answer = this.trouble = null;
    this.done = 0;
    this.isBusy = this.isRunning = false;
  }

  close(): void {
    this.ada.close();
    this.grace.close();
  }

  /** Makes both connections, with what they send. */
  async open(): Promise<void> {
    const configuration = configurationOf(this.servers);
    if (typeof configuration === 'string') throw new Error(configuration);
    const { ada, grace, media } = this;
    const sides = [
      [ada, 160],
      [grace, 300],
    ] as const;
    // One camera is enough for both.
    const { stream, troubles } = await openMedia(media, 160);
    for (const says of troubles) this.timeline.add('', 'trouble', says);
    if (this.ada !== ada) return stream?.getTracks().forEach((track) => track.stop());
    for (const [peer, hue] of sides) {
      peer.open(configuration);
      const found: RTCIceCandidate[] = [];
      this.#waiting.set(peer, found);
      peer.oncandidate = (candidate) => void (candidate !== null && found.push(candidate));
      const own = media === 'picture' && peer === grace ? (await openMedia(media, hue)).stream : stream;
      own?.getTracks().forEach((track) => peer.connection.addTrack(track, own));
      // The lines of sound are there to be read, though nothing is heard.
      if (media === 'picture' && peer === ada) peer.connection.addTransceiver('audio');
    }
    ada.makeChannel();
  }

  /** Hands over what has been found, and from then on each candidate as it comes: trickle ICE. */
  async handOver(from: Peer, to: Peer): Promise<void> {
    const found = this.#waiting.get(from) ?? [];
    from.oncandidate = (candidate) => {
      if (candidate !== null)
        to.connection.addIceCandidate(candidate).catch((error: unknown) => {
          this.timeline.add(to.name, 'trouble', `A candidate is not taken: ${String(error)}`);
        });
    };
    for (const candidate of found.splice(0)) await to.connection.addIceCandidate(candidate);
  }

  /** Waits for the data channel; fails with the reason as far as it is known. */
  opened(): Promise<void> {
    const { ada, grace, servers } = this;
    const end = performance.now() + OPEN_WITHIN_MS;
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        const isOpen = ada.isOpen && grace.isOpen;
        const isOver = this.ada !== ada || isOpen;
        const isLost = ada.states.connection === 'failed' || performance.now() > end;
        if (!isOver && !isLost) return;
        clearInterval(timer);
        if (isOver) resolve();
        else reject(new Error(failedWords(servers.url.trim() !== '')));
      }, 20);
    });
  }

  #peer(name: string): Peer {
    return new Peer(name, (kind, what) => this.timeline.add(name, kind, what));
  }
}
