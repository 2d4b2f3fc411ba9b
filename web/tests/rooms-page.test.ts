import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tick } from 'svelte';

import RoomPage from '../src/rooms/components/RoomPage.svelte';
import { Room } from '../src/rooms/room.svelte';

/** A server that is played. */
class Socket {
  static last: Socket | undefined;
  static opened = 0;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];
  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    Socket.last = this;
    Socket.opened += 1;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  says(notice: object): void {
    this.onmessage?.({ data: JSON.stringify(notice) });
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.readyState = 3;
  }
}

class Stream {
  getTracks(): [] {
    return [];
  }
}

const JOINED = {
  ...{ type: 'joined', room: 'team', you: 1, members: [{ id: 1, name: 'Ada', host: true, away: false }] },
  ...{
    locked: false,
    knock: false,
    pin: false,
    resumed: false,
    resume: 'token',
    resume_within: 60,
    expires_in: 100,
  },
  ...{ ice_servers: [], knocks: [] },
};

const session = (): Storage => sessionStorage;
const at = (id: string): HTMLElement => screen.getByTestId(id);
const socket = (): Socket => {
  if (Socket.last === undefined) throw new Error('no connection');
  return Socket.last;
};

let room: Room;
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Socket);
  vi.stubGlobal('MediaStream', Stream);
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  Socket.opened = 0;
  sessionStorage.clear();
  room = new Room({ url: 'wss://host/rooms/ws', devices: undefined, session: session() });
});
afterEach(() => {
  room.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function open(pathname = '/r/team') {
  render(RoomPage, { room, link: { origin: 'https://host', pathname } });
}

async function enter(name = 'Ada'): Promise<void> {
  await fireEvent.input(at('name'), { target: { value: name } });
  await fireEvent.click(at('with-microphone'));
  await fireEvent.click(at('with-camera'));
  await fireEvent.click(at('enter'));
  socket().open();
}

describe('the page of rooms', () => {
  it('makes a room, and joins one by its link', async () => {
    open('/r/');
    await enter();
    expect(socket().protocol).toBe('ringback.rooms.1');
    expect(socket().sent).toEqual([{ type: 'create', name: 'Ada', knock: false }]);
  });

  it('asks for the PIN when the room has one', async () => {
    open();
    await enter();
    expect(socket().sent).toEqual([{ type: 'join', room: 'team', name: 'Ada' }]);
    socket().says({ type: 'error', code: 'pin_needed', says: 'This room has a PIN.' });
    await tick();
    expect(at('error').textContent).toBe('This room has a PIN.');
    await fireEvent.input(at('pin'), { target: { value: '123456' } });
    await fireEvent.click(at('enter'));
    socket().open();
    expect(socket().sent.at(-1)).toEqual({ type: 'join', room: 'team', name: 'Ada', pin: '123456' });
  });

  it('comes back with its token at once, and waits between later attempts', async () => {
    open();
    await enter();
    socket().says(JOINED);
    await tick();
    expect(at('room').dataset.state).toBe('inside');
    socket().onclose?.();
    await tick();
    expect(at('line-trouble').textContent).toContain('go on hearing you');
    await vi.advanceTimersByTimeAsync(0);
    expect(Socket.opened).toBe(2);
    socket().onclose?.();
    await vi.advanceTimersByTimeAsync(400);
    expect(Socket.opened).toBe(2);
    await vi.advanceTimersByTimeAsync(1200);
    expect(Socket.opened).toBe(3);
    socket().open();
    expect(socket().sent).toEqual([
      { type: 'join', room: 'team', name: 'Ada', resume: 'token', fresh: false },
    ]);
    socket().says({ ...JOINED, resumed: true });
    await tick();
    expect(screen.queryByTestId('line-trouble')).toBeNull();
  });

  it('takes a connection for lost that says nothing', async () => {
    open();
    await enter();
    socket().says(JOINED);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket().sent.at(-1)).toEqual({ type: 'ping' });
    await vi.advanceTimersByTimeAsync(25_000);
    expect(Socket.opened).toBe(2);
  });

  it('comes back anew when the token is not known, with the PIN asked for again', async () => {
    open();
    await enter();
    socket().says(JOINED);
    socket().onclose?.();
    await vi.advanceTimersByTimeAsync(0);
    socket().open();
    socket().says({ type: 'error', code: 'resume_unknown', says: 'Too late.' });
    expect(socket().sent.at(-1)).toEqual({ type: 'join', room: 'team', name: 'Ada' });
    socket().says({ type: 'error', code: 'pin_needed', says: 'This room has a PIN.' });
    await tick();
    expect(at('pin')).toBeTruthy();
  });

  it('does not come back after the end', async () => {
    open();
    await enter();
    socket().says(JOINED);
    socket().says({ type: 'ended', reason: 'host', says: 'The host has ended the room.' });
    await tick();
    expect(at('over').textContent).toBe('The host has ended the room.');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(Socket.opened).toBe(1);
  });

  it('shows the names of those who knock as text, and lets them in', async () => {
    open();
    await enter();
    socket().says(JOINED);
    socket().says({ type: 'knock', knock: { id: 7, name: '<img src=x>' } });
    await tick();
    expect(at('knock-name').textContent).toBe('<img src=x>');
    expect(document.querySelector('img')).toBeNull();
    await fireEvent.click(at('admit'));
    expect(socket().sent.at(-1)).toEqual({ type: 'admit', knock: 7 });
  });

  it('watches what is streamed into the room, as text by its name, until that is over', async () => {
    open();
    await enter();
    socket().says({ ...JOINED, stream: { id: 3, name: '<img src=x>' } });
    await tick();
    expect(socket().sent.at(-1)).toEqual({ type: 'watch', stream: 3 });
    const tile = (): Element | null => document.querySelector('[data-kind=stream]');
    expect(tile()?.querySelector('[data-testid=member-name]')?.textContent).toBe('<img src=x>');
    expect(document.querySelector('img')).toBeNull();
    socket().says({ type: 'stream_over', stream: 2, reason: 'ended' });
    await tick();
    expect(tile()).not.toBeNull();
    socket().says({ type: 'stream_over', stream: 3, reason: 'ended' });
    await tick();
    expect(tile()).toBeNull();
  });

  it('begins a picture and a sound anew for another stream only', async () => {
    const given: unknown[] = [];
    const held = new WeakMap<HTMLMediaElement, MediaProvider | null>();
    vi.spyOn(HTMLMediaElement.prototype, 'srcObject', 'get').mockImplementation(function (
      this: HTMLMediaElement,
    ) {
      return held.get(this) ?? null;
    });
    vi.spyOn(HTMLMediaElement.prototype, 'srcObject', 'set').mockImplementation(function (
      this: HTMLMediaElement,
      stream,
    ) {
      held.set(this, stream);
      given.push(stream);
    });
    vi.spyOn(HTMLMediaElement.prototype, 'play').mockResolvedValue(undefined);
    open();
    await enter();
    socket().says(JOINED);
    await tick();
    const [first, other] = [new Stream(), new Stream()] as unknown as [MediaStream, MediaStream];
    const member = { id: 2, name: 'Grace', host: false, away: false, microphone: true, camera: true };
    const look = async (stream: MediaStream): Promise<void> => {
      const path = { kind: 'direct' } as const;
      room.broadcast = { id: 3, name: 'Main stage', stream, path };
      room.people = [{ ...member, path, stream, screen: null }];
      await tick();
    };
    await look(first);
    const four = [first, first, first, first];
    expect(given.filter((stream) => stream !== null)).toEqual(four);
    given.length = 0;
    await look(first);
    expect(given).toEqual([]);
    await look(other);
    expect(given).toEqual([other, other, other, other]);
    vi.restoreAllMocks();
  });

  it('tells its host how to stream into it', async () => {
    open();
    await enter();
    socket().says(JOINED);
    await tick();
    await fireEvent.click(at('tab-people'));
    await fireEvent.click(at('stream-key'));
    expect(socket().sent.at(-1)).toEqual({ type: 'stream_key' });
    const paths = { whip: '/api/v1/rooms/team/whip', whep: '/api/v1/rooms/team/whep' };
    socket().says({ type: 'stream_key', publish: 'p', view: 'v', ...paths });
    await tick();
    const value = (id: string): string => (at(id) as HTMLInputElement).value;
    expect(value('whip-url')).toBe(`${location.origin}/api/v1/rooms/team/whip`);
    expect([value('whip-key'), value('whep-key')]).toEqual(['p', 'v']);
  });

  it('says that a link is none', () => {
    open('/r/Not%20a%20room');
    expect(at('error').textContent).toContain('The link is not that of a room');
  });
});
