import type { Stats } from './stats';

/** Which side of an answered call sends nothing. */
export type Silence = 'far' | 'own';

/** What is counted of the sound at one moment; null where the browser does not count it. */
export interface SoundCount {
  readonly packetsReceived: number | null;
  /** The energy of the microphone since the start, which grows as long as there is any noise at all. */
  readonly microphoneEnergy: number | null;
}

/**
 * Notices that one side sends nothing, from counts taken every `COUNT_MS`.
 *
 * One-way sound with no reason given is what users of browser phones complain about most. A silent room still
 * has energy, so that a microphone which counts none is switched off or muted outside the browser.
 */
export class Hearing {
  #last: SoundCount | null = null;
  #farSince = 0;
  #ownSince = 0;

  count(now: SoundCount): Silence | null {
    const last = this.#last;
    this.#last = now;
    if (last === null) return null;
    this.#farSince = stands(last.packetsReceived, now.packetsReceived) ? this.#farSince + 1 : 0;
    this.#ownSince = stands(last.microphoneEnergy, now.microphoneEnergy) ? this.#ownSince + 1 : 0;
    if (this.#farSince >= PATIENCE) return 'far';
    return this.#ownSince >= PATIENCE ? 'own' : null;
  }

  /** After mute and hold, when nothing was meant to be heard. */
  reset(): void {
    this.#last = null;
    this.#farSince = this.#ownSince = 0;
  }
}

/** Reads the counts of a peer connection. */
export function soundIn(stats: readonly Stats[]): SoundCount {
  let packetsReceived: number | null = null;
  let microphoneEnergy: number | null = null;
  for (const one of stats) {
    if (one.type === 'inbound-rtp') packetsReceived = one.packetsReceived ?? null;
    if (one.type === 'media-source') microphoneEnergy = one.totalAudioEnergy ?? null;
  }
  return { packetsReceived, microphoneEnergy };
}

function stands(last: number | null, now: number | null): boolean {
  return last !== null && now === last;
}

export const COUNT_MS = 2000;
/** Three counts, six seconds: longer than the pauses of a phone that sends nothing while its user is silent. */
const PATIENCE = 3;
