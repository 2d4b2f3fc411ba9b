/** The members of [webrtc-stats](https://www.w3.org/TR/webrtc-stats/) that are read here. */
export interface Stats {
  readonly type: string;
  readonly kind?: string;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly packetsDiscarded?: number;
  /** In seconds. */
  readonly jitter?: number;
  /** In seconds, by the reports of the far side. */
  readonly roundTripTime?: number;
  readonly totalAudioEnergy?: number;
  readonly selectedCandidatePairId?: string;
  readonly state?: string;
  readonly nominated?: boolean;
  readonly localCandidateId?: string;
  readonly candidateType?: string;
  readonly relayProtocol?: string;
}

/** What a peer connection tells of its call. */
export interface CallStats {
  readonly audio: readonly Stats[];
  /** Undefined as long as there is none. */
  readonly path: MediaPath | undefined;
}

/** The way of the media to the server: directly, or by a TURN allocation that was made over this. */
export type MediaPath = 'direct' | 'udp' | 'tcp' | 'tls';

export async function callStats(connection: RTCPeerConnection): Promise<CallStats> {
  const report: ReadonlyMap<string, Stats> = await connection.getStats();
  return {
    audio: [...report.values()].filter((stats) => stats.kind === 'audio'),
    path: pathIn(report),
  };
}

function pathIn(report: ReadonlyMap<string, Stats>): MediaPath | undefined {
  const all = [...report.values()];
  const selected = all.find(({ type }) => type === 'transport')?.selectedCandidatePairId;
  // Not every browser tells of its transports.
  const pair =
    selected === undefined
      ? all.find(
          ({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded',
        )
      : report.get(selected);
  const local = report.get(pair?.localCandidateId ?? '');
  if (local === undefined) return undefined;
  if (local.candidateType !== 'relay') return 'direct';
  const { relayProtocol } = local;
  return relayProtocol === 'tcp' || relayProtocol === 'tls' ? relayProtocol : 'udp';
}
