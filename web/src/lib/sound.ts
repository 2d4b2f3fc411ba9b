import type { CallView } from './call';
import { isOrdinary } from './cause';
import { type Tone, TONES, type ToneName, TonePlayer, keyTone } from './tones';

/** The tone that belongs to a state of the call; null for silence. */
export function toneOf(call: CallView | null): ToneName | null {
  switch (call?.state) {
    case 'incoming':
      return call.answering ? null : 'ring';
    case 'ringing':
      return call.earlyMedia ? null : 'ringback';
    case 'ended': {
      const cause = call.end?.cause ?? 'hung-up';
      if (cause === 'busy' || cause === 'declined') return 'busy';
      return isOrdinary(cause) ? null : 'congestion';
    }
    default:
      return null;
  }
}

/**
 * The sound of the page beside the call's own: tones and level meters.
 *
 * Browsers let a page sound only after a click or key: `unlock` is for the handler of one. The sign-in is always
 * one, since the password is never kept.
 */
export class Sound {
  #context: AudioContext | null = null;
  #player: TonePlayer | null = null;
  #keys: TonePlayer | null = null;
  #playing: ToneName | null = null;

  get context(): AudioContext | null {
    return this.#context;
  }

  unlock(): void {
    if (this.#context === null && 'AudioContext' in globalThis) {
      this.#context = new AudioContext();
      this.#player = new TonePlayer(this.#context);
      this.#keys = new TonePlayer(this.#context);
    }
    // Refused until the user has touched the page: silent until then, and not an error.
    if (this.#context?.state === 'suspended') this.#context.resume().catch(() => undefined);
  }

  /** Plays the tone of the call's state, from the moment the state begins. */
  follow(call: CallView | null): void {
    const name = toneOf(call);
    if (name === this.#playing) return;
    this.#playing = name;
    if (name === null) this.#player?.stop();
    else this.#player?.play(TONES[name]);
  }

  key(digit: string): void {
    const tone: Tone = keyTone(digit);
    this.#keys?.play(tone);
  }
}
