/** An ICE candidate event of JsSIP: `ready` ends the gathering of the description under way. */
export interface Gathered {
  ready(): void;
}

/**
 * Bounds the gathering of ICE candidates, for which JsSIP waits without limit.
 *
 * Without STUN servers the candidates of every interface come within milliseconds; one slow interface (a VPN, a
 * sleeping adapter) must not hold the call. Each description has its own `ready`.
 */
export function boundedGathering(limitMs: number = GATHERING_LIMIT_MS): (gathered: Gathered) => void {
  const seen = new WeakSet<() => void>();
  return ({ ready }) => {
    if (seen.has(ready)) return;
    seen.add(ready);
    setTimeout(ready, limitMs);
  };
}

/** Counted from the first candidate. */
export const GATHERING_LIMIT_MS = 500;
