/**
 * Reports of how a call sounds here, as [RFC 6035 §4.6](https://www.rfc-editor.org/rfc/rfc6035#section-4.6) writes
 * them.
 *
 * The server measures what passes through it; what the ear got, after the network to this page and after the jitter
 * buffer, is known here alone. Leaves out scores, which the server works out from better knowledge of the codec, and
 * addresses, which a page does not learn.
 */
import type { Stats } from './stats';

/** What came from the far side since the call began; null where the browser does not count it. */
export interface Heard {
  /** The share of packets lost on the way, from 0 to 1. */
  readonly lost: number;
  /** The share that came too late or too early for the jitter buffer, from 0 to 1. */
  readonly discarded: number | null;
  readonly jitterMs: number | null;
  readonly roundTripMs: number | null;
}

export interface QualityReport {
  /** A session report is the last one of a call. */
  readonly kind: 'interval' | 'session';
  /** Milliseconds of the epoch. */
  readonly from: number;
  readonly until: number;
  readonly heard: Heard;
}

/** The dialog that a report is about; the parties are SIP URIs. */
export interface ReportedDialog {
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  readonly originator: string;
}

/** What the stats of a call say; null before the first packet. */
export function heardIn(stats: readonly Stats[]): Heard | null {
  const inbound = stats.find(({ type }) => type === 'inbound-rtp');
  // More may have come than were sent, some of them twice.
  const lost = Math.max(0, inbound?.packetsLost ?? 0);
  const expected = (inbound?.packetsReceived ?? 0) + lost;
  if (inbound === undefined || expected === 0) return null;
  const { packetsDiscarded, jitter } = inbound;
  const roundTrip = stats.find(({ type }) => type === 'remote-inbound-rtp')?.roundTripTime;
  return {
    lost: lost / expected,
    discarded: packetsDiscarded === undefined ? null : Math.min(1, packetsDiscarded / expected),
    jitterMs: jitter === undefined ? null : jitter * 1000,
    roundTripMs: roundTrip === undefined ? null : roundTrip * 1000,
  };
}

/**
 * Writes a report. An interval covers the call from its beginning as a session does, and says so: when the far side
 * hangs up the last interval is all there is.
 */
export function writeReport(report: QualityReport, dialog: ReportedDialog): string {
  const { lost, discarded, jitterMs, roundTripMs } = report.heard;
  const delays = [
    ...(roundTripMs === null ? [] : [`RTD=${roundTripMs.toFixed(0)}`]),
    ...(jitterMs === null ? [] : [`IAJ=${jitterMs.toFixed(1)}`]),
  ];
  const lines = [
    report.kind === 'session' ? 'VQSessionReport: CallTerm' : 'VQIntervalReport',
    `CallID: ${dialog.callId}`,
    `LocalID: <${dialog.local}>`,
    `RemoteID: <${dialog.remote}>`,
    `OrigID: <${dialog.originator}>`,
    'LocalMetrics:',
    `Timestamps: START=${timestamp(report.from)} STOP=${timestamp(report.until)}`,
    `PacketLoss: NLR=${percent(lost)}${discarded === null ? '' : ` JDR=${percent(discarded)}`}`,
    ...(delays.length === 0 ? [] : [`Delay: ${delays.join(' ')}`]),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function percent(share: number): string {
  return (share * 100).toFixed(2);
}

/** To the second, in UTC. */
function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

export const REPORT_CONTENT_TYPE = 'application/vq-rtcpxr';
export const REPORT_MS = 20_000;
