/** The messages of `ringback.rooms.1`, as docs/reference/rooms.md has them. */

export const SUB_PROTOCOL = 'ringback.rooms.1';

export interface Member {
  readonly id: number;
  readonly name: string;
  readonly host: boolean;
  readonly away: boolean;
}

export interface Knock {
  readonly id: number;
  readonly name: string;
}

/** What is streamed into the room from outside. */
export interface StreamEntry {
  readonly id: number;
  readonly name: string;
}

/** What lets somebody publish into the room, and watch from outside: tokens, and paths of the server. */
export interface StreamKey {
  readonly publish: string;
  readonly view: string;
  readonly whip: string;
  readonly whep: string;
}

export interface RoomState {
  readonly locked: boolean;
  readonly knock: boolean;
  readonly pin: boolean;
}

export interface IceServers {
  readonly ice_servers: RTCIceServer[];
  readonly ice_expires_in?: number;
}

export interface Joined extends RoomState, IceServers {
  readonly type: 'joined';
  readonly room: string;
  readonly you: number;
  readonly members: Member[];
  readonly resumed: boolean;
  readonly resume: string;
  readonly resume_within: number;
  readonly expires_in: number;
  readonly stream?: StreamEntry;
  readonly knocks: Knock[];
}

/** What goes between two members by way of the server. */
export interface Signal {
  readonly description?: RTCSessionDescriptionInit;
  readonly candidate?: RTCIceCandidateInit;
}

export interface ErrorNotice {
  readonly type: 'error';
  readonly code: string;
  readonly says: string;
  readonly about?: string;
  readonly retry_after?: number;
}

export interface Ended {
  readonly type: 'ended';
  readonly reason: string;
  readonly says: string;
}

export type Notice =
  | Joined
  | Ended
  | ErrorNotice
  | { readonly type: 'waiting'; readonly room: string }
  | { readonly type: 'knock'; readonly knock: Knock }
  | { readonly type: 'knock_over'; readonly knock: number }
  | { readonly type: 'member_joined'; readonly member: Member }
  | { readonly type: 'member_left'; readonly member: number; readonly reason: string }
  | { readonly type: 'member_away'; readonly member: number }
  | { readonly type: 'member_back'; readonly member: number }
  | { readonly type: 'member_renamed'; readonly member: number; readonly name: string }
  | { readonly type: 'host'; readonly member: number }
  | ({ readonly type: 'room' } & RoomState)
  | ({ readonly type: 'signal'; readonly from: number } & Signal)
  | ({ readonly type: 'ice_servers' } & IceServers)
  | { readonly type: 'stream'; readonly stream: StreamEntry }
  | { readonly type: 'stream_over'; readonly stream: number; readonly reason: string }
  | StreamDescription
  | ({ readonly type: 'stream_key' } & StreamKey)
  | { readonly type: 'pong' };

interface StreamDescription {
  readonly type: 'stream_description';
  readonly stream: number;
  readonly description: RTCSessionDescriptionInit;
}

export type Request =
  | ({ readonly type: 'create' } & Entry & {
        readonly knock?: boolean;
        readonly user?: string;
        readonly password?: string;
      })
  | ({ readonly type: 'join'; readonly resume?: string; readonly fresh?: boolean } & Entry)
  | ({ readonly type: 'signal'; readonly to: number } & Signal)
  | { readonly type: 'rename'; readonly name: string }
  | { readonly type: 'ice_servers' | 'leave' | 'ping' | 'end' | 'stream_key' | 'end_stream' }
  | { readonly type: 'watch'; readonly stream: number }
  | StreamDescription
  | { readonly type: 'admit' | 'refuse'; readonly knock: number }
  | { readonly type: 'set'; readonly locked?: boolean; readonly knock?: boolean; readonly pin?: string }
  | { readonly type: 'remove'; readonly member: number };

interface Entry {
  readonly name: string;
  readonly room?: string;
  readonly pin?: string;
}

/** What the server says, or undefined for what is none of its messages. It is our own server: members are not checked. */
export function readNotice(data: unknown): Notice | undefined {
  if (typeof data !== 'string') return undefined;
  try {
    const message: unknown = JSON.parse(data);
    const isNotice = typeof message === 'object' && message !== null && 'type' in message;
    return isNotice ? (message as Notice) : undefined;
  } catch {
    return undefined;
  }
}

/** A name of a room as the server takes it. */
export const ROOM_NAME = /^[a-z0-9][a-z0-9-]{1,62}[a-z0-9]$/;
