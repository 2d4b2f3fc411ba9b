import { pathOf } from './path';
import type { Path } from './path';
import type { Signal } from './protocol';

type Kind = 'audio' | 'video';

/** What the room is told of one of its peer connections. */
export interface PeerEvents {
  signal(signal: Signal): void;
  changed(): void;
  chat(data: unknown): void;
  chatOpened(): void;
  /** What was signalled could not be taken in: the connection is as it was. */
  failed(error: unknown): void;
}

/** Whose side of the negotiation we are on. */
export interface Role {
  /** Gives way when both offer at once: who has the greater id. */
  readonly polite: boolean;
  /** Makes the first offer: who is new. */
  readonly offers: boolean;
}

/**
 * The connection to one other member, by the perfect negotiation of
 * [WebRTC §10.7](https://www.w3.org/TR/webrtc/#perfect-negotiation-example).
 *
 * The first offer and its answer already agree on sound and pictures both ways, whether there is a microphone or a camera
 * yet or not: what comes later takes its place without another offer. That is sooner, and two offers seldom meet: a Chromium
 * that gives way to an offer of Firefox fails, since it never lets go of the ids of header extensions that it has offered.
 */
export class Peer {
  readonly connection: RTCPeerConnection;
  readonly chat: RTCDataChannel;
  readonly file: RTCDataChannel;
  /** What comes from the other side, by the id of the stream. */
  readonly streams = new Map<string, MediaStream>();
  path: Path = { kind: 'connecting' };
  readonly #events: PeerEvents;
  readonly #role: Role;
  /** What carries the microphone and the camera. */
  readonly #own: MediaStream;
  /** What we send of each stream, by `placeOf`. */
  readonly #senders = new Map<string, RTCRtpSender>();
  /** What was signalled is taken in one thing after the other. */
  #work: Promise<void> = Promise.resolve();
  #isMakingOffer = false;
  #isIgnoringOffer = false;
  /** Who does not offer first holds back until it has answered. */
  #mayOffer: boolean;
  #isClosed = false;

  constructor(role: Role, own: MediaStream, iceServers: RTCIceServer[], events: PeerEvents) {
    this.#role = role;
    this.#own = own;
    this.#events = events;
    this.#mayOffer = role.offers;
    const connection = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.connection = connection;
    this.chat = connection.createDataChannel('chat', { negotiated: true, id: 0 });
    this.file = connection.createDataChannel('file', { negotiated: true, id: 1 });
    this.file.binaryType = 'arraybuffer';
    this.chat.onmessage = ({ data }) => events.chat(data);
    this.chat.onopen = () => events.chatOpened();
    connection.onnegotiationneeded = () => void this.#offer();
    connection.onicecandidate = ({ candidate }) => events.signal({ candidate: candidateInit(candidate) });
    connection.onconnectionstatechange = () => this.#stateChanged();
    connection.ontrack = ({ track, streams }) => this.#trackCame(track, streams[0]);
    if (!role.offers) return;
    for (const kind of KINDS)
      this.#senders.set(placeOf(kind, own), connection.addTransceiver(kind, { streams: [own] }).sender);
  }

  /** Sends a track to the other side, or something else in its place; null sends nothing. */
  async setTrack(kind: Kind, track: MediaStreamTrack | null, stream: MediaStream): Promise<void> {
    const sender = this.#senders.get(placeOf(kind, stream));
    if (sender !== undefined) await sender.replaceTrack(track);
    else if (track !== null) this.#senders.set(placeOf(kind, stream), this.#add(track, stream));
  }

  /** `addTrack` takes any place of the kind that was not sent in, that of the camera as well: what is not our own has its own. */
  #add(track: MediaStreamTrack, stream: MediaStream): RTCRtpSender {
    if (stream === this.#own) return this.connection.addTrack(track, stream);
    return this.connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] }).sender;
  }

  /** Takes back everything of a stream. */
  removeStream(stream: MediaStream): void {
    for (const kind of KINDS) {
      const sender = this.#senders.get(placeOf(kind, stream));
      if (sender !== undefined) this.connection.removeTrack(sender);
      this.#senders.delete(placeOf(kind, stream));
    }
  }

  /** Takes in what the other side has signalled. */
  take(signal: Signal): Promise<void> {
    this.#work = this.#work.then(() => this.#take(signal)).catch((error: unknown) => this.#failed(error));
    return this.#work;
  }

  /** Either side has lost its connection to the server, and with it perhaps what was signalled. */
  recover(): void {
    const { signalingState, localDescription, connectionState } = this.connection;
    if (signalingState === 'have-local-offer' && localDescription !== null) {
      this.#events.signal({ description: plain(localDescription) });
    }
    if (connectionState !== 'connected') this.connection.restartIce();
  }

  setIceServers(iceServers: RTCIceServer[]): void {
    this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers });
  }

  /** Asks the browser which path is in use. */
  async look(): Promise<void> {
    const { connectionState } = this.connection;
    if (connectionState === 'failed' || connectionState === 'disconnected') this.path = { kind: 'lost' };
    else if (connectionState !== 'connected') this.path = { kind: 'connecting' };
    else
      this.path = pathOf((await this.connection.getStats()) as unknown as Map<string, unknown>) ?? this.path;
    this.#events.changed();
  }

  close(): void {
    this.#isClosed = true;
    this.connection.close();
  }

  async #offer(): Promise<void> {
    if (!this.#mayOffer || this.#isClosed) return;
    try {
      this.#isMakingOffer = true;
      await this.connection.setLocalDescription();
      this.#sendLocal();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isMakingOffer = false;
    }
  }

  async #take({ description, candidate }: Signal): Promise<void> {
    const { connection } = this;
    if (this.#isClosed) return;
    if (description !== undefined) {
      const isOffer = description.type === 'offer';
      // A second copy of an answer.
      if (!isOffer && connection.signalingState === 'stable') return;
      const collides = isOffer && (this.#isMakingOffer || connection.signalingState !== 'stable');
      this.#isIgnoringOffer = !this.#role.polite && collides;
      if (this.#isIgnoringOffer) return;
      await connection.setRemoteDescription(description);
      if (!isOffer) return;
      if (!this.#mayOffer) this.#adopt();
      this.#mayOffer = true;
      await connection.setLocalDescription();
      this.#sendLocal();
    } else if (candidate !== undefined) {
      try {
        await connection.addIceCandidate(candidate);
      } catch (error) {
        // Of an offer that was not taken, or of one that was lost with a connection.
        if (!this.#isIgnoringOffer && connection.remoteDescription !== null) throw error;
      }
    }
  }

  /** Answers the first offer with our own stream, where it has a place for what we do not send yet. */
  #adopt(): void {
    for (const kind of KINDS) {
      if (this.#senders.has(placeOf(kind, this.#own))) continue;
      const isOffered = ({ mid, receiver }: RTCRtpTransceiver) =>
        mid !== null && receiver.track.kind === kind;
      const offered = this.connection.getTransceivers().find(isOffered);
      // A browser that cannot say which stream it is offers it when there is a track.
      if (offered === undefined || !('setStreams' in offered.sender)) continue;
      offered.sender.setStreams(this.#own);
      offered.direction = 'sendrecv';
      this.#senders.set(placeOf(kind, this.#own), offered.sender);
    }
  }

  #sendLocal(): void {
    const description = this.connection.localDescription;
    if (description !== null) this.#events.signal({ description: plain(description) });
  }

  #stateChanged(): void {
    if (this.connection.connectionState === 'failed') this.connection.restartIce();
    void this.look();
  }

  #trackCame(track: MediaStreamTrack, stream: MediaStream | undefined): void {
    if (stream === undefined) return;
    this.streams.set(stream.id, stream);
    const changed = (): void => {
      if (stream.getTracks().length === 0) this.streams.delete(stream.id);
      this.#events.changed();
    };
    stream.onremovetrack = changed;
    track.onmute = track.onunmute = changed;
    changed();
  }

  #failed(error: unknown): void {
    if (!this.#isClosed) this.#events.failed(error);
  }
}

const KINDS = ['audio', 'video'] as const satisfies Kind[];

function placeOf(kind: Kind, stream: MediaStream): string {
  return `${kind} ${stream.id}`;
}

function plain({ type, sdp }: RTCSessionDescription): RTCSessionDescriptionInit {
  return { type, sdp };
}

/** Without a candidate: there are no more. */
function candidateInit(candidate: RTCIceCandidate | null): RTCIceCandidateInit {
  if (candidate === null) return { candidate: '' };
  const init: RTCIceCandidateInit = { candidate: candidate.candidate };
  if (candidate.sdpMid !== null) init.sdpMid = candidate.sdpMid;
  if (candidate.sdpMLineIndex !== null) init.sdpMLineIndex = candidate.sdpMLineIndex;
  if (candidate.usernameFragment !== null) init.usernameFragment = candidate.usernameFragment;
  return init;
}
