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
}

/** What a peer connection has counted of its audio. */
export async function audioStats(connection: RTCPeerConnection): Promise<Stats[]> {
  const report: ReadonlyMap<string, Stats> = await connection.getStats();
  return [...report.values()].filter((stats) => stats.kind === 'audio');
}
