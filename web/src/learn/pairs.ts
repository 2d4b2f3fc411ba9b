import { endpoint, pairPriority } from './candidate';

/** Two candidates, one of each side, that are tried together ([RFC 8445 §6.1.2](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2)). */
export interface Pair {
  readonly id: string;
  readonly local: End;
  readonly remote: End;
  /** `frozen`, `waiting`, `in-progress`, `succeeded` or `failed`. */
  readonly state: string;
  readonly isNominated: boolean;
  /** Whether the transport uses it. */
  readonly isChosen: boolean;
  readonly priority: bigint;
  readonly checksSent: number;
  readonly answersReceived: number;
  readonly bytes: number;
  /** Of the last check, in milliseconds. */
  readonly roundTripMs: number | undefined;
}

export interface End {
  readonly kind: string;
  readonly protocol: string;
  /** With the port; without an address where the browser hides it. */
  readonly endpoint: string;
  readonly priority: number;
}

/** What the browser says of the transport, where it does. */
export interface Transport {
  readonly iceRole: string | undefined;
  readonly dtlsState: string | undefined;
  readonly dtlsRole: string | undefined;
  /** `DTLS 1.3`, … */
  readonly version: string | undefined;
  readonly cipher: string | undefined;
  readonly srtpCipher: string | undefined;
  /** Of the certificates that were shown, as `sha-256 AB:CD…`. */
  readonly ownFingerprint: string | undefined;
  readonly otherFingerprint: string | undefined;
}

/** What the browser says of a data channel. */
export interface Channel {
  readonly id: number | undefined;
  readonly label: string;
  readonly messagesSent: number;
  readonly messagesReceived: number;
}

/** One look at the statistics of a peer connection ([webrtc-stats](https://www.w3.org/TR/webrtc-stats/)). */
export interface Look {
  readonly pairs: readonly Pair[];
  readonly transport: Transport | undefined;
  readonly channel: Channel | undefined;
}

export const NOTHING: Look = { pairs: [], transport: undefined, channel: undefined };

type Report = Readonly<Record<string, unknown>>;

/** Reads what a peer connection says of itself; what a browser does not tell is undefined. */
export function look(stats: Iterable<[string, unknown]>): Look {
  const reports = new Map(stats) as Map<string, Report>;
  const all = [...reports.values()];
  const transport = all.find(({ type }) => type === 'transport');
  const channel = all.find(({ type }) => type === 'data-channel');
  const controls = transport?.['iceRole'] !== 'controlled';
  const chosen = transport?.['selectedCandidatePairId'];
  const pairs = all
    .filter(({ type }) => type === 'candidate-pair')
    .map((report): Pair => {
      const local = endOf(reports.get(String(report['localCandidateId'])));
      const remote = endOf(reports.get(String(report['remoteCandidateId'])));
      const roundTrip = number(report['currentRoundTripTime']);
      return {
        ...{ id: String(report['id']), local, remote, state: String(report['state']) },
        isNominated: report['nominated'] === true,
        // Firefox marks the pair itself.
        isChosen: chosen === undefined ? report['selected'] === true : report['id'] === chosen,
        priority: controls
          ? pairPriority(local.priority, remote.priority)
          : pairPriority(remote.priority, local.priority),
        checksSent: number(report['requestsSent']) ?? 0,
        answersReceived: number(report['responsesReceived']) ?? 0,
        bytes: (number(report['bytesSent']) ?? 0) + (number(report['bytesReceived']) ?? 0),
        roundTripMs: roundTrip === undefined ? undefined : 1000 * roundTrip,
      };
    })
    .sort((one, other) => Number(other.isChosen) - Number(one.isChosen) || compare(one, other));
  return {
    pairs,
    transport: transport === undefined ? undefined : transportOf(transport, reports),
    channel: channel === undefined ? undefined : channelOf(channel),
  };
}

/** The greater priority first; among equals, always in the same order. */
function compare(one: Pair, other: Pair): number {
  if (one.priority !== other.priority) return one.priority > other.priority ? -1 : 1;
  return one.id < other.id ? -1 : 1;
}

function endOf(report: Report | undefined): End {
  const address = text(report?.['address']) ?? '';
  const port = number(report?.['port']) ?? 0;
  return {
    kind: text(report?.['candidateType']) ?? '',
    protocol: text(report?.['protocol']) ?? '',
    endpoint: address === '' ? `hidden:${String(port)}` : endpoint(address, port),
    priority: number(report?.['priority']) ?? 0,
  };
}

function transportOf(report: Report, reports: Map<string, Report>): Transport {
  const fingerprint = (id: unknown): string | undefined => {
    const certificate = reports.get(String(id));
    const [algorithm, hash] = [
      text(certificate?.['fingerprintAlgorithm']),
      text(certificate?.['fingerprint']),
    ];
    return algorithm === undefined || hash === undefined ? undefined : `${algorithm} ${hash}`;
  };
  return {
    iceRole: text(report['iceRole']),
    dtlsState: text(report['dtlsState']),
    dtlsRole: text(report['dtlsRole']),
    version: versionOf(text(report['tlsVersion'])),
    cipher: text(report['dtlsCipher']),
    srtpCipher: text(report['srtpCipher']),
    ownFingerprint: fingerprint(report['localCertificateId']),
    otherFingerprint: fingerprint(report['remoteCertificateId']),
  };
}

/** DTLS counts backwards from the complement of one, and has no 1.1. */
function versionOf(bytes: string | undefined): string | undefined {
  switch (bytes?.toUpperCase()) {
    case 'FEFF':
      return 'DTLS 1.0';
    case 'FEFD':
      return 'DTLS 1.2';
    case 'FEFC':
      return 'DTLS 1.3';
    default:
      return bytes;
  }
}

function channelOf(report: Report): Channel {
  return {
    id: number(report['dataChannelIdentifier']),
    label: text(report['label']) ?? '',
    messagesSent: number(report['messagesSent']) ?? 0,
    messagesReceived: number(report['messagesReceived']) ?? 0,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
