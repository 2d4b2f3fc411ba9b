/** How two browsers reach each other, as the browser says of the pair of candidates that it uses. */
export type Path =
  | { readonly kind: 'connecting' | 'lost' }
  | { readonly kind: 'direct' | 'stun' }
  /** `by` is how we reach our TURN server; undefined when it is the other side that is relayed. */
  | { readonly kind: 'relay'; readonly by?: string };

interface Candidate {
  readonly candidateType?: string;
  readonly relayProtocol?: string;
  readonly address?: string | null;
  readonly url?: string;
}

/** The path in use, or undefined while no pair is chosen. */
export function pathOf(stats: Iterable<[string, unknown]>): Path | undefined {
  const reports = new Map(stats) as Map<string, Record<string, unknown>>;
  const transport = [...reports.values()].find(({ type }) => type === 'transport');
  const pair = reports.get(String(transport?.['selectedCandidatePairId'])) ?? nominated(reports);
  if (pair === undefined) return undefined;
  const local = reports.get(String(pair['localCandidateId'])) as Candidate | undefined;
  const remote = reports.get(String(pair['remoteCandidateId'])) as Candidate | undefined;
  if (local === undefined || remote === undefined) return undefined;
  if (local.candidateType === 'relay') {
    return local.relayProtocol === undefined ? { kind: 'relay' } : { kind: 'relay', by: local.relayProtocol };
  }
  if (remote.candidateType === 'relay') return { kind: 'relay' };
  return isTranslated(local) || isTranslated(remote) ? { kind: 'stun' } : { kind: 'direct' };
}

/** Where no transport says which pair it has selected, as in older Firefoxes. */
function nominated(reports: Map<string, Record<string, unknown>>): Record<string, unknown> | undefined {
  const pairs = [...reports.values()].filter(({ type }) => type === 'candidate-pair');
  return pairs.find(
    (pair) => pair['selected'] === true || (pair['nominated'] === true && pair['state'] === 'succeeded'),
  );
}

/**
 * Whether an address is one that a NAT has made. A peer-reflexive one may also be a host whose name was not resolved (mDNS):
 * then the browser hides it, or it is private, or of IPv6, which is hardly ever translated.
 */
function isTranslated({ candidateType, address }: Candidate): boolean {
  if (candidateType === 'srflx') return true;
  return candidateType === 'prflx' && isIpv4(address) && !isPrivate(address);
}

/** An address that is hidden is `null`, empty, a name, or words such as `(redacted)`. */
function isIpv4(address: string | null | undefined): address is string {
  return /^\d+\.\d+\.\d+\.\d+$/.test(address ?? '');
}

function isPrivate(address: string): boolean {
  return /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address);
}
