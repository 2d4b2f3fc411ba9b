/** An ICE candidate event of JsSIP: `ready` ends the gathering of the description under way. */
export interface Gathered {
  readonly candidate: Pick<RTCIceCandidate, 'type'>;
  ready(): void;
}

/**
 * Bounds the gathering of ICE candidates, for which JsSIP waits without limit.
 *
 * Without STUN servers the candidates of every interface come within milliseconds; one slow interface (a VPN, a
 * sleeping adapter) must not hold the call. With them, gathering lasts until the last one has not answered: the first
 * relayed candidate is all that a call behind a firewall waits for. The server needs none of them in the description (it
 * is ICE-lite, RFC 8445 §2.5): later ones are paired as well. Each description has its own `ready`.
 */
export function boundedGathering(limitMs: number = GATHERING_LIMIT_MS): (gathered: Gathered) => void {
  const seen = new WeakSet<() => void>();
  return ({ candidate, ready }) => {
    if (candidate.type === 'relay') ready();
    if (seen.has(ready)) return;
    seen.add(ready);
    setTimeout(ready, limitMs);
  };
}

/** Counted from the first candidate. */
export const GATHERING_LIMIT_MS = 500;
