import { pathOf } from './path';
import type { Path } from './path';

/** What the room is told of the stream that it watches. */
export interface BroadcastEvents {
  /** The server is to make an offer. */
  watch(stream: number): void;
  answer(stream: number, description: RTCSessionDescriptionInit): void;
  changed(): void;
}

/**
 * What somebody streams into the room from outside, over a peer connection with the server: it makes the offers, and we only
 * receive. It is asked for anew when it fails.
 */
export class Broadcast {
  readonly id: number;
  readonly name: string;
  stream: MediaStream | null = null;
  path: Path = { kind: 'connecting' };
  readonly #events: BroadcastEvents;
  #iceServers: RTCIceServer[];
  #connection: RTCPeerConnection | null = null;
  #again: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;

  constructor(
    { id, name }: { readonly id: number; readonly name: string },
    iceServers: RTCIceServer[],
    events: BroadcastEvents,
  ) {
    this.id = id;
    this.name = name;
    this.#iceServers = iceServers;
    this.#events = events;
    events.watch(id);
  }

  setIceServers(iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
  }

  /** The connection to the server was lost, and with it perhaps an offer. */
  recover(): void {
    if (this.#connection?.connectionState !== 'connected') this.#events.watch(this.id);
  }

  /** The connection has failed, or the server has not taken the request for one. */
  askAgain(): void {
    if (this.#again !== null || this.#isClosed) return;
    this.#again = setTimeout(() => {
      this.#again = null;
      if (!this.#isClosed) this.recover();
    }, AGAIN_AFTER_MS);
  }

  /** Takes the offer of the server; each is for a connection of its own. */
  async take(offer: RTCSessionDescriptionInit): Promise<void> {
    if (this.#isClosed) return;
    this.#connection?.close();
    const connection = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: 'max-bundle' });
    this.#connection = connection;
    connection.ontrack = ({ streams: [stream] }) => {
      if (stream !== undefined && this.#connection === connection) this.stream = stream;
      this.#events.changed();
    };
    connection.onconnectionstatechange = () => {
      if (this.#connection !== connection) return;
      if (connection.connectionState === 'failed') this.askAgain();
      void this.look();
    };
    try {
      await connection.setRemoteDescription(offer);
      await connection.setLocalDescription();
    } catch {
      // The browser has none of its codecs, or was closed meanwhile: the tile stays without a picture.
      return connection.close();
    }
    const description = connection.localDescription;
    if (description !== null) {
      this.#events.answer(this.id, { type: description.type, sdp: description.sdp });
    }
  }

  /** Asks the browser which path is in use. */
  async look(): Promise<void> {
    const connection = this.#connection;
    if (connection?.connectionState === 'connected') {
      const stats = (await connection.getStats()) as unknown as Map<string, unknown>;
      this.path = pathOf(stats) ?? this.path;
    } else {
      const isLost = ['failed', 'disconnected'].includes(connection?.connectionState ?? '');
      this.path = { kind: isLost ? 'lost' : 'connecting' };
    }
    this.#events.changed();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#again !== null) clearTimeout(this.#again);
    this.#connection?.close();
  }
}

/** The server takes no more than one request in five seconds for long. */
const AGAIN_AFTER_MS = 5000;
