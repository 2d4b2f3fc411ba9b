import { close } from '../lib/microphone';
import { Broadcast } from './broadcast';
import { choice, deviceWords, openTrack } from './devices';
import type { Choice } from './devices';
import { Files } from './files';
import type { Transfer } from './files';
import { Peer } from './peer';
import type { Path } from './path';
import type {
  IceServers,
  Joined,
  Knock,
  Member,
  Notice,
  RoomState,
  StreamEntry,
  StreamKey,
} from './protocol';
import { Signalling } from './signalling';

/** What somebody says who wants to come in. */
export interface Wish {
  readonly name: string;
  /** Empty for a new room with a name of the server's making. */
  readonly room: string;
  readonly isNew: boolean;
  readonly pin?: string;
  readonly knock?: boolean;
  readonly user?: string;
  readonly password?: string;
}

export interface ChatLine {
  readonly key: number;
  readonly from: string;
  readonly isOurs: boolean;
  readonly text: string;
}

/** Somebody else in the room, as the page shows one. */
export interface Person extends Member {
  readonly path: Path;
  readonly stream: MediaStream | null;
  readonly screen: MediaStream | null;
  readonly microphone: boolean;
  readonly camera: boolean;
}

/** What is streamed into the room from outside, as the page shows it. */
export interface Shown extends StreamEntry {
  readonly stream: MediaStream | null;
  readonly path: Path;
}

export type Stage =
  | { readonly at: 'entry' | 'entering' | 'waiting' | 'inside' }
  | { readonly at: 'over'; readonly says: string };

/** What the other side of a peer connection says of its media. */
interface Media {
  readonly microphone: boolean;
  readonly camera: boolean;
  readonly screen: string | null;
}

interface Connected {
  readonly peer: Peer;
  readonly files: Files;
  media: Media;
}

/** What of the browser a room needs. */
export interface Surroundings {
  readonly url: string;
  readonly devices: MediaDevices | undefined;
  /** Where the token is, so that a page that was reloaded comes back. */
  readonly session: Storage | undefined;
}

/** A room that we are in, or want to be in; what of it changes is state of the page. */
export class Room {
  stage = $state.raw<Stage>({ at: 'entry' });
  /** Why we are not in, or what has failed. */
  trouble = $state.raw<{ readonly code: string; readonly says: string } | null>(null);
  room = $state.raw('');
  name = $state.raw('');
  isHost = $state.raw(false);
  rules = $state.raw<RoomState>({ locked: false, knock: false, pin: false });
  people = $state.raw<readonly Person[]>([]);
  knocks = $state.raw<readonly Knock[]>([]);
  /** What is streamed into the room; null while nothing is. */
  broadcast = $state.raw<Shown | null>(null);
  /** What the host has asked for, to hand it out. */
  streamKey = $state.raw<StreamKey | null>(null);
  lines = $state.raw<readonly ChatLine[]>([]);
  transfers = $state.raw<readonly Transfer[]>([]);
  unread = $state.raw(0);
  /** When the lost connection to the server is tried again; null while there is one. */
  retryAt = $state.raw<number | null>(null);
  microphone = $state.raw<MediaStreamTrack | null>(null);
  camera = $state.raw<MediaStreamTrack | null>(null);
  screen = $state.raw<MediaStream | null>(null);
  isMuted = $state.raw(false);
  devices = $state.raw<Choice>({ microphones: [], cameras: [] });
  microphoneId = $state.raw('');
  cameraId = $state.raw('');

  readonly #surroundings: Surroundings;
  /** Carries the microphone and the camera, whichever there are: others know us by its id. */
  readonly own = new MediaStream();
  readonly #signalling: Signalling;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- `#show` makes what the page sees of it
  readonly #connected = new Map<number, Connected>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- `#show` makes what the page sees of it
  #members = new Map<number, Member>();
  #broadcast: Broadcast | null = null;
  #wish: Wish | null = null;
  #token: string | null = null;
  #you = 0;
  #ice: IceServers = { ice_servers: [] };
  #iceUntil = Infinity;
  #lastLine = 0;
  /** How many there have been: what goes over one has its number. */
  #connections = 0;
  readonly #looking: ReturnType<typeof setInterval>;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
    this.#signalling = new Signalling(surroundings.url, {
      opened: () => this.#enter(),
      closed: (retryAt) => {
        if (this.stage.at === 'inside') this.retryAt = retryAt;
        else this.trouble = { code: 'unreachable', says: 'The server cannot be reached; it is tried again.' };
      },
      notice: (notice) => this.#heard(notice),
    });
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    void this.#findDevices();
    surroundings.devices?.addEventListener('devicechange', () => void this.#findDevices());
  }

  /** Comes in, or asks to. */
  enter(wish: Wish): void {
    this.#wish = wish;
    this.name = wish.name.trim();
    this.trouble = null;
    this.stage = { at: 'entering' };
    if (this.#signalling.isOpen) this.#enter();
    else this.#signalling.connect();
  }

  /** Tries at once to reach the server. */
  retry(): void {
    this.#signalling.connect();
  }

  leave(): void {
    this.#signalling.send({ type: 'leave' });
    this.#over('You have left the room.');
  }

  end(): void {
    this.#signalling.send({ type: 'end' });
  }

  rename(name: string): void {
    if (this.#signalling.send({ type: 'rename', name })) this.name = name.trim();
  }

  set(rules: { locked?: boolean; knock?: boolean; pin?: string }): void {
    this.#signalling.send({ type: 'set', ...rules });
  }

  answerKnock(knock: number, type: 'admit' | 'refuse'): void {
    this.#signalling.send({ type, knock });
  }

  askStreamKey(): void {
    this.#signalling.send({ type: 'stream_key' });
  }

  endStream(): void {
    this.#signalling.send({ type: 'end_stream' });
  }

  remove(member: number): void {
    this.#signalling.send({ type: 'remove', member });
  }

  say(text: string): void {
    const line = text.trim().slice(0, MOST_CHAT);
    if (line === '') return;
    this.#tellPeers({ text: line });
    this.#addLine(this.name, true, line);
  }

  /** Offers files to everybody else. */
  offer(files: Iterable<File>): void {
    for (const file of files) for (const { files: of } of this.#connected.values()) of.offer(file);
  }

  /** Does with a transfer what the person wants. */
  transfer(transfer: Transfer, wish: 'accept' | 'refuse' | 'stop'): void {
    const files = this.#connected.get(Number(transfer.key.split('-')[0]))?.files;
    files?.[wish](transfer);
  }

  async setMicrophone(isOn: boolean): Promise<void> {
    if (this.microphone === null) {
      if (isOn) await this.#open('audio', this.microphoneId);
      this.isMuted = !isOn;
    } else {
      this.microphone.enabled = isOn;
      this.isMuted = !isOn;
    }
    this.#tellMedia();
  }

  async setCamera(isOn: boolean): Promise<void> {
    if (isOn) await this.#open('video', this.cameraId);
    else await this.#replace('video', null);
    this.#tellMedia();
  }

  async choose(kind: 'audio' | 'video', deviceId: string): Promise<void> {
    if (kind === 'audio') this.microphoneId = deviceId;
    else this.cameraId = deviceId;
    if ((kind === 'audio' ? this.microphone : this.camera) !== null) await this.#open(kind, deviceId);
  }

  async setScreen(isOn: boolean): Promise<void> {
    const before = this.screen;
    if (before !== null) {
      this.screen = null;
      for (const { peer } of this.#connected.values()) peer.removeStream(before);
      close(before);
    } else if (isOn) {
      try {
        const stream = await this.#surroundings.devices?.getDisplayMedia({ video: true, audio: false });
        const track = stream?.getVideoTracks()[0];
        if (stream === undefined || track === undefined) return;
        track.onended = () => void this.setScreen(false);
        this.screen = stream;
        for (const { peer } of this.#connected.values()) await peer.setTrack('video', track, stream);
      } catch (error) {
        this.#complain('screen', error);
      }
    }
    this.#tellMedia();
  }

  /** The page goes away. */
  stop(): void {
    clearInterval(this.#looking);
    this.#signalling.stop();
    this.#closePeers();
  }

  #enter(): void {
    const wish = this.#wish;
    if (wish === null || this.stage.at === 'over') return;
    const { name, pin, knock, user, password } = wish;
    const secret = { ...(pin === undefined || pin === '' ? {} : { pin }) };
    const room = this.room === '' ? wish.room : this.room;
    if (this.#token !== null) {
      const isFresh = this.stage.at !== 'inside';
      this.#signalling.send({ type: 'join', room, name: this.name, resume: this.#token, fresh: isFresh });
    } else if (wish.isNew) {
      const account = user === undefined || user === '' ? {} : { user, password: password ?? '' };
      const named = room === '' ? {} : { room };
      this.#signalling.send({ type: 'create', name, ...named, ...secret, ...account, knock: knock ?? false });
    } else {
      const kept = this.#keptToken(room);
      this.#token = kept;
      const resume = kept === null ? {} : { resume: kept, fresh: true };
      this.#signalling.send({ type: 'join', room, name, ...secret, ...resume });
    }
  }

  #heard(notice: Notice): void {
    switch (notice.type) {
      case 'joined':
        return this.#joined(notice);
      case 'waiting':
        this.stage = { at: 'waiting' };
        return;
      case 'error':
        return this.#refused(notice.code, notice.says);
      case 'ended':
        this.#forgetToken();
        return this.#over(notice.says);
      case 'knock':
        this.knocks = [...this.knocks.filter(({ id }) => id !== notice.knock.id), notice.knock];
        return;
      case 'knock_over':
        this.knocks = this.knocks.filter(({ id }) => id !== notice.knock);
        return;
      case 'member_joined':
        // Who is new makes the offer.
        this.#members.set(notice.member.id, notice.member);
        this.#connect(notice.member.id, false);
        break;
      case 'member_left':
        this.#forget(notice.member);
        break;
      case 'member_away':
        this.#change(notice.member, { away: true });
        break;
      case 'member_back':
        this.#change(notice.member, { away: false });
        this.#connected.get(notice.member)?.peer.recover();
        break;
      case 'member_renamed':
        this.#change(notice.member, { name: notice.name });
        if (notice.member === this.#you) this.name = notice.name;
        break;
      case 'host':
        for (const id of this.#members.keys()) this.#change(id, { host: id === notice.member });
        break;
      case 'room':
        this.rules = notice;
        return;
      case 'signal':
        void this.#connected.get(notice.from)?.peer.take(notice);
        return;
      case 'ice_servers':
        return this.#takeIce(notice);
      case 'stream':
        return this.#streamIs(notice.stream);
      case 'stream_over':
        if (notice.stream === this.#broadcast?.id) this.#streamIs(undefined);
        return;
      case 'stream_description':
        if (notice.stream === this.#broadcast?.id) void this.#broadcast.take(notice.description);
        return;
      case 'stream_key':
        this.streamKey = notice;
        return;
      case 'pong':
        return;
    }
    this.#show();
  }

  #joined(joined: Joined): void {
    const isBack = joined.resumed && joined.you === this.#you;
    if (!isBack) this.#closePeers();
    this.#you = joined.you;
    this.room = joined.room;
    this.rules = joined;
    this.knocks = joined.knocks;
    this.retryAt = null;
    this.trouble = null;
    this.#token = joined.resume;
    this.#keepToken(joined.room, joined.resume);
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- `#show` makes what the page sees of it
    this.#members = new Map(joined.members.map((member) => [member.id, member]));
    this.#takeIce(joined);
    for (const id of this.#connected.keys()) if (!this.#members.has(id)) this.#forget(id);
    for (const id of this.#members.keys()) {
      if (id === this.#you) continue;
      const known = this.#connected.get(id);
      if (known !== undefined) known.peer.recover();
      // The one with the greater id offers: who is new, or has come while we were away.
      else this.#connect(id, !isBack || this.#you > id);
    }
    this.#streamIs(joined.stream);
    this.stage = { at: 'inside' };
    this.#show();
  }

  #refused(code: string, says: string): void {
    if (code === 'resume_unknown') {
      this.#forgetToken();
      this.#closePeers();
      this.#members.clear();
      this.stage = { at: 'entering' };
      if (this.#wish !== null)
        this.#wish = { ...this.#wish, isNew: false, room: this.room || this.#wish.room };
      return this.#enter();
    }
    if (code === 'watch_too_often') return this.#broadcast?.askAgain();
    // It is over, which is told as well.
    if (code === 'no_stream') return;
    this.trouble = { code, says };
    if (this.stage.at === 'entering' || this.stage.at === 'waiting') {
      this.stage = { at: 'entry' };
      this.#signalling.stop();
    } else if (code === 'no_such_room') this.#over(says);
  }

  #over(says: string): void {
    this.#signalling.stop();
    this.#closePeers();
    this.#forgetToken();
    for (const track of this.own.getTracks()) track.stop();
    if (this.screen !== null) close(this.screen);
    [this.microphone, this.camera, this.screen, this.retryAt] = [null, null, null, null];
    this.people = [];
    this.stage = { at: 'over', says };
  }

  #connect(id: number, offers: boolean): void {
    if (id === this.#you || this.#connected.has(id)) return;
    const peer = new Peer({ polite: this.#you > id, offers }, this.own, this.#ice.ice_servers, {
      signal: (signal) => this.#signalling.send({ type: 'signal', to: id, ...signal }),
      changed: () => this.#show(),
      chat: (data) => this.#chat(id, data),
      chatOpened: () => this.#tellMedia(),
      failed: (error) => this.#notAgreed(id, error),
    });
    this.#connections += 1;
    const prefix = `${String(id)}-${String(this.#connections)}`;
    const files = new Files(peer.file, this.#you < id, prefix, (transfer) => this.#transferIs(transfer));
    this.#connected.set(id, { peer, files, media: { microphone: true, camera: true, screen: null } });
    for (const track of this.own.getTracks())
      void peer.setTrack(track.kind as 'audio' | 'video', track, this.own);
    const screen = this.screen?.getVideoTracks()[0];
    if (this.screen !== null && screen !== undefined) void peer.setTrack('video', screen, this.screen);
  }

  #forget(id: number): void {
    this.#members.delete(id);
    this.#disconnect(id);
  }

  #closePeers(): void {
    this.#streamIs(undefined);
    for (const id of [...this.#connected.keys()]) this.#disconnect(id);
  }

  #disconnect(id: number): void {
    const connected = this.#connected.get(id);
    connected?.peer.close();
    connected?.files.close();
    this.#connected.delete(id);
  }

  /** There is this to watch, or nothing. */
  #streamIs(entry: StreamEntry | undefined): void {
    if (entry !== undefined && entry.id === this.#broadcast?.id) return this.#broadcast.recover();
    this.#broadcast?.close();
    this.#broadcast = null;
    if (entry !== undefined) {
      this.#broadcast = new Broadcast(entry, this.#ice.ice_servers, {
        watch: (stream) => this.#signalling.send({ type: 'watch', stream }),
        answer: (stream, description) =>
          this.#signalling.send({ type: 'stream_description', stream, description }),
        changed: () => this.#showBroadcast(),
      });
    }
    this.#showBroadcast();
  }

  #showBroadcast(): void {
    const { id, name, stream, path } = this.#broadcast ?? {};
    const isThere = id !== undefined && name !== undefined && path !== undefined;
    this.broadcast = isThere ? { id, name, stream: stream ?? null, path } : null;
  }

  #change(id: number, change: Partial<Member>): void {
    const member = this.#members.get(id);
    if (member !== undefined) this.#members.set(id, { ...member, ...change });
  }

  /** Makes the page see what there is. */
  #show(): void {
    this.isHost = this.#members.get(this.#you)?.host ?? false;
    if (!this.isHost) this.streamKey = null;
    this.people = [...this.#members.values()]
      .filter(({ id }) => id !== this.#you)
      .map((member) => {
        const connected = this.#connected.get(member.id);
        const media = connected?.media ?? { microphone: false, camera: false, screen: null };
        const streams = [...(connected?.peer.streams.values() ?? [])];
        const screen = streams.find(({ id }) => id === media.screen) ?? null;
        const stream = streams.find((stream) => stream !== screen) ?? null;
        const path: Path = connected?.peer.path ?? { kind: 'connecting' };
        return { ...member, path, screen, stream, microphone: media.microphone, camera: media.camera };
      });
  }

  #look(): void {
    for (const { peer } of this.#connected.values()) void peer.look();
    void this.#broadcast?.look();
    if (Date.now() < this.#iceUntil) return;
    if (this.#signalling.send({ type: 'ice_servers' })) this.#iceUntil = Date.now() + 30_000;
  }

  #takeIce(ice: IceServers): void {
    this.#ice = ice;
    const seconds = ice.ice_expires_in;
    // Before they expire, so that who comes late finds them good.
    this.#iceUntil = seconds === undefined ? Infinity : Date.now() + seconds * 800;
    for (const { peer } of this.#connected.values()) peer.setIceServers(ice.ice_servers);
    this.#broadcast?.setIceServers(ice.ice_servers);
  }

  #chat(id: number, data: unknown): void {
    if (typeof data !== 'string' || data.length > MOST_MESSAGE) return;
    let message: { text?: unknown; media?: Partial<Media> | null } | null;
    try {
      message = JSON.parse(data) as typeof message;
    } catch {
      return;
    }
    const connected = this.#connected.get(id);
    if (typeof message !== 'object' || message === null || connected === undefined) return;
    if (typeof message.text === 'string' && message.text !== '') {
      // Control characters other than the end of a line are not shown.
      const text = message.text.slice(0, MOST_CHAT).replace(/(?!\n)\p{Cc}/gu, '');
      this.#addLine(this.#members.get(id)?.name ?? '', false, text);
    }
    const { media } = message;
    if (typeof media === 'object' && media !== null) {
      const screen = typeof media.screen === 'string' ? media.screen : null;
      connected.media = { microphone: media.microphone === true, camera: media.camera === true, screen };
      this.#show();
    }
  }

  #addLine(from: string, isOurs: boolean, text: string): void {
    this.#lastLine += 1;
    this.lines = [...this.lines, { key: this.#lastLine, from, isOurs, text }].slice(-MOST_LINES);
    if (!isOurs) this.unread += 1;
  }

  #transferIs(transfer: Transfer): void {
    const others = this.transfers.filter(({ key }) => key !== transfer.key);
    const before = this.transfers.findIndex(({ key }) => key === transfer.key);
    if (before === -1 && !transfer.isOurs) this.unread += 1;
    this.transfers =
      before === -1 ? [...others, transfer].slice(-MOST_LINES) : this.transfers.with(before, transfer);
  }

  #tellPeers(message: unknown): void {
    const text = JSON.stringify(message);
    for (const { peer } of this.#connected.values())
      if (peer.chat.readyState === 'open') peer.chat.send(text);
  }

  #tellMedia(): void {
    const microphone = this.microphone !== null && !this.isMuted;
    this.#tellPeers({ media: { microphone, camera: this.camera !== null, screen: this.screen?.id ?? null } });
  }

  async #open(kind: 'audio' | 'video', deviceId: string): Promise<void> {
    try {
      const track = await openTrack(this.#surroundings.devices, kind, deviceId);
      if (this.stage.at === 'over') return track.stop();
      track.onended = () => void this.#replace(kind, null).then(() => this.#tellMedia());
      if (kind === 'audio') track.enabled = !this.isMuted;
      await this.#replace(kind, track);
      // What else is wrong is still so.
      if (this.trouble?.code === 'device') this.trouble = null;
      void this.#findDevices();
    } catch (error) {
      this.#complain(kind, error);
    }
  }

  async #replace(kind: 'audio' | 'video', track: MediaStreamTrack | null): Promise<void> {
    const before = kind === 'audio' ? this.microphone : this.camera;
    if (before !== null) {
      this.own.removeTrack(before);
      before.stop();
    }
    if (track !== null) this.own.addTrack(track);
    if (kind === 'audio') this.microphone = track;
    else this.camera = track;
    for (const { peer } of this.#connected.values()) await peer.setTrack(kind, track, this.own);
  }

  #notAgreed(id: number, error: unknown): void {
    const name = this.#members.get(id)?.name ?? 'somebody';
    const why = error instanceof Error ? error.message : String(error);
    const says = `The browsers of you and ${name} could not agree on what to send (${why}). Leave and come in again.`;
    this.trouble = { code: 'negotiation', says };
  }

  #complain(kind: 'audio' | 'video' | 'screen', error: unknown): void {
    const says = deviceWords(kind, error);
    if (says !== null) this.trouble = { code: 'device', says };
  }

  async #findDevices(): Promise<void> {
    this.devices = await choice(this.#surroundings.devices);
  }

  #keptToken(room: string): string | null {
    return this.#surroundings.session?.getItem(`ringback.room.${room}`) ?? null;
  }

  #keepToken(room: string, token: string): void {
    this.#surroundings.session?.setItem(`ringback.room.${room}`, token);
  }

  #forgetToken(): void {
    this.#token = null;
    this.#surroundings.session?.removeItem(`ringback.room.${this.room}`);
    if (this.#wish !== null) this.#surroundings.session?.removeItem(`ringback.room.${this.#wish.room}`);
  }
}

const LOOK_EVERY_MS = 2000;
const MOST_CHAT = 4000;
const MOST_MESSAGE = 16_384;
/** Lines and transfers that stay on the page. */
const MOST_LINES = 500;
