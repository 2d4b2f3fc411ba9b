/** What has happened, in order. */
export interface Entry {
  readonly key: number;
  /** Since the beginning, in milliseconds. */
  readonly at: number;
  /** Which side; empty for both. */
  readonly who: string;
  readonly kind: Kind;
  readonly what: string;
}

export type Kind = 'step' | 'state' | 'candidate' | 'pair' | 'message' | 'trouble';

/** At most so many are kept: a handshake has about sixty. */
const LENGTH = 400;

export class Timeline {
  entries = $state.raw<readonly Entry[]>([]);
  /** How many of the oldest are forgotten. */
  forgotten = $state(0);
  #begun = performance.now();
  #count = 0;

  add(who: string, kind: Kind, what: string): void {
    const entry = { key: this.#count++, at: performance.now() - this.#begun, who, kind, what };
    const entries = [...this.entries, entry];
    this.forgotten += Math.max(0, entries.length - LENGTH);
    this.entries = entries.slice(-LENGTH);
  }

  clear(): void {
    this.entries = [];
    this.forgotten = 0;
    this.#begun = performance.now();
  }
}
