import { parseCandidate } from './candidate';
import type { Candidate } from './candidate';
import { NOTHING, look } from './pairs';
import type { Look } from './pairs';
import type { Kind } from './timeline.svelte';
import { stateNews } from './words';

/** The machines of one side, by the words of the browser; empty before there is one. */
export interface States {
  readonly signaling: string;
  readonly gathering: string;
  readonly ice: string;
  readonly dtls: string;
  readonly sctp: string;
  readonly channel: string;
  readonly connection: string;
}

export interface ChatLine {
  readonly key: number;
  readonly isOwn: boolean;
  readonly text: string;
}

export const MESSAGE_LIMIT = 2000;
/** Lines of chat that are kept. */
const LINES = 100;
/** Candidates that are shown; a machine with more has its others in its description. */
const CANDIDATES = 64;
const LOOK_EVERY_MS = 500;
const NO_STATES: States = {
  ...{ signaling: '', gathering: '', ice: '', dtls: '', sctp: '', channel: '', connection: '' },
};

/** One side of the handshake: a peer connection whose every change is told, and nothing that decides for it. */
export class Peer {
  states = $state.raw<States>(NO_STATES);
  candidates = $state.raw<readonly Candidate[]>([]);
  look = $state.raw<Look>(NOTHING);
  lines = $state.raw<readonly ChatLine[]>([]);
  /** The hash of the certificate that the other side has shown, as `sha-256 AB:CD…`, where the browser lets us compute it. */
  shown = $state.raw<string | undefined>(undefined);
  /** What comes from the other side, to be played. */
  stream = $state.raw<MediaStream | null>(null);
  readonly name: string;
  /** A candidate that was gathered, and null after the last. */
  oncandidate: ((candidate: RTCIceCandidate | null) => void) | null = null;
  readonly #tell: (kind: Kind, what: string) => void;
  #connection: RTCPeerConnection | null = null;
  #channel: RTCDataChannel | null = null;
  #watched: RTCSctpTransport | null = null;
  #poll: ReturnType<typeof setInterval> | undefined;
  #isLooking = false;
  #chosen = '';
  #count = 0;

  constructor(name: string, tell: (kind: Kind, what: string) => void) {
    this.name = name;
    this.#tell = tell;
  }

  get connection(): RTCPeerConnection {
    if (this.#connection === null) throw new Error('the connection is not made yet');
    return this.#connection;
  }

  get isOpen(): boolean {
    return this.states.channel === 'open';
  }

  /** Makes the connection; nothing is sent anywhere by it. */
  open(configuration: RTCConfiguration): void {
    const connection = new RTCPeerConnection(configuration);
    this.#connection = connection;
    connection.onsignalingstatechange =
      connection.onicegatheringstatechange =
      connection.oniceconnectionstatechange =
      connection.onconnectionstatechange =
        () => this.#changed();
    connection.onicecandidate = ({ candidate }) => this.#gathered(candidate);
    connection.onicecandidateerror = ({ url, errorCode, errorText }) =>
      this.#tell('trouble', `${url} has not helped: ${String(errorCode)} ${errorText}`.trim());
    connection.ondatachannel = ({ channel }) => {
      this.#tell('state', `Data channel “${channel.label}” announced by the other side`);
      this.#takeChannel(channel);
    };
    connection.ontrack = ({ track, streams }) => {
      this.#tell('state', `A track comes from the other side: ${track.kind}`);
      this.stream = streams[0] ?? this.stream ?? new MediaStream([track]);
    };
    this.#poll = setInterval(() => void this.refresh(), LOOK_EVERY_MS);
    this.#changed();
  }

  makeChannel(): void {
    this.#takeChannel(this.connection.createDataChannel('chat'));
  }

  /** Waits for the last candidate, at most `limitMs`; whether it has come. */
  gatherAll(limitMs: number): Promise<boolean> {
    const { connection } = this;
    if (connection.iceGatheringState === 'complete') return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isWhole: boolean): void => {
        clearTimeout(timer);
        connection.removeEventListener('icegatheringstatechange', changed);
        resolve(isWhole);
      };
      const timer = setTimeout(() => end(false), limitMs);
      const changed = (): void => {
        if (connection.iceGatheringState === 'complete') end(true);
      };
      connection.addEventListener('icegatheringstatechange', changed);
    });
  }

  /** Sends a line over the data channel. */
  say(text: string): void {
    const line = text.trim().slice(0, MESSAGE_LIMIT);
    if (line === '' || this.#channel?.readyState !== 'open') return;
    this.#channel.send(line);
    this.#addLine(true, line);
    this.#tell('message', `Sends “${shortened(line)}”`);
  }

  /** Asks the browser for its statistics. */
  async refresh(): Promise<void> {
    const connection = this.#connection;
    if (connection === null || this.#isLooking || connection.signalingState === 'closed') return;
    this.#isLooking = true;
    try {
      this.look = look((await connection.getStats()) as unknown as Map<string, unknown>);
    } finally {
      this.#isLooking = false;
    }
    const chosen = this.look.pairs.find(({ isChosen }) => isChosen);
    if (chosen === undefined || chosen.id === this.#chosen) return;
    this.#chosen = chosen.id;
    const { local, remote } = chosen;
    this.#tell(
      'pair',
      `Pair chosen: ${local.endpoint} (${local.kind}) to ${remote.endpoint} (${remote.kind}), ${local.protocol}`,
    );
  }

  close(): void {
    clearInterval(this.#poll);
    this.oncandidate = null;
    const connection = this.#connection;
    if (connection === null) return;
    connection.getSenders().forEach(({ track }) => track?.stop());
    connection.close();
    this.#connection = null;
  }

  #gathered(candidate: RTCIceCandidate | null): void {
    const text = candidate?.candidate ?? '';
    // The last one is null, or empty in older browsers.
    if (candidate === null || text === '') {
      this.oncandidate?.(null);
      return;
    }
    const parsed = parseCandidate(text);
    if (parsed !== null && this.candidates.length < CANDIDATES) {
      this.candidates = [...this.candidates, parsed];
      this.#tell(
        'candidate',
        `Candidate found: ${parsed.kind}, ${parsed.protocol} ${parsed.address} port ${String(parsed.port)}`,
      );
    }
    this.oncandidate?.(candidate);
  }

  #takeChannel(channel: RTCDataChannel): void {
    this.#channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.onopen = channel.onclosing = channel.onclose = () => this.#changed();
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      const text =
        typeof data === 'string'
          ? data.slice(0, MESSAGE_LIMIT)
          : `(${String((data as ArrayBuffer).byteLength)} bytes)`;
      this.#addLine(false, text);
      this.#tell('message', `Receives “${shortened(text)}”`);
    };
    this.#changed();
  }

  #addLine(isOwn: boolean, text: string): void {
    this.lines = [...this.lines, { key: this.#count++, isOwn, text }].slice(-LINES);
    void this.refresh();
  }

  /** Browsers tell of certificates late or not at all; the hash of one can be computed on secure pages. */
  async #seeCertificate(transport: RTCDtlsTransport): Promise<void> {
    // Firefox has no such method.
    const { getRemoteCertificates } = transport as Partial<RTCDtlsTransport>;
    const certificate = getRemoteCertificates?.call(transport)[0];
    const { subtle } = crypto as { subtle?: SubtleCrypto };
    if (certificate === undefined || subtle === undefined) return;
    const hash = new Uint8Array(await subtle.digest('SHA-256', certificate));
    const bytes = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0').toUpperCase());
    this.shown = `sha-256 ${bytes.join(':')}`;
  }

  /** Tells which of the machines have moved. */
  #changed(): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { sctp } = connection;
    if (sctp !== null && sctp !== this.#watched) {
      this.#watched = sctp;
      sctp.onstatechange = sctp.transport.onstatechange = () => this.#changed();
      sctp.transport.addEventListener('statechange', () => {
        if (sctp.transport.state === 'connected') void this.#seeCertificate(sctp.transport);
      });
    }
    const before = this.states;
    const channel = this.#channel?.readyState ?? '';
    // When an answer is set while SCTP comes up, Chromium may fall back to the state that it had at the beginning of that,
    // and stay there. An open channel says better how its association stands, as a connection does for its DTLS.
    const isAhead = (state: string | undefined, isUp: boolean): boolean =>
      isUp && (state === 'new' || state === 'connecting');
    const isDtlsUp = isAhead(sctp?.transport.state, connection.connectionState === 'connected');
    const isSctpUp = isAhead(sctp?.state, channel === 'open');
    const after: States = {
      signaling: connection.signalingState,
      gathering: connection.iceGatheringState,
      ice: connection.iceConnectionState,
      dtls: isDtlsUp ? 'connected' : (sctp?.transport.state ?? ''),
      sctp: isSctpUp ? 'connected' : (sctp?.state ?? ''),
      channel,
      connection: connection.connectionState,
    };
    this.states = after;
    for (const machine of Object.keys(after) as (keyof States)[]) {
      if (after[machine] === before[machine] || after[machine] === '') continue;
      // The first state of each is no news.
      if (before[machine] === '' && ['new', 'stable'].includes(after[machine])) continue;
      this.#tell(after[machine] === 'failed' ? 'trouble' : 'state', stateNews(machine, after[machine]));
    }
    void this.refresh();
  }
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
