import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Broadcast } from '../src/rooms/broadcast';

/** A peer connection that is played. */
class Connection {
  static made: Connection[] = [];
  connectionState = 'new';
  localDescription: RTCSessionDescriptionInit | null = null;
  ontrack: ((event: { streams: unknown[] }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  refuses = false;
  constructor() {
    Connection.made.push(this);
  }
  setRemoteDescription(): Promise<void> {
    return this.refuses ? Promise.reject(new Error('no codec')) : Promise.resolve();
  }
  setLocalDescription(): Promise<void> {
    this.localDescription = { type: 'answer', sdp: 'v=0' };
    return Promise.resolve();
  }
  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(new Map());
  }
  becomes(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  close(): void {
    this.connectionState = 'closed';
  }
}

const events = { watch: vi.fn(), answer: vi.fn(), changed: vi.fn() };
const last = (): Connection => {
  const connection = Connection.made.at(-1);
  if (connection === undefined) throw new Error('no connection');
  return connection;
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('RTCPeerConnection', Connection);
  Connection.made = [];
  vi.clearAllMocks();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('the stream into a room', () => {
  const open = (): Broadcast => new Broadcast({ id: 7, name: 'Main stage' }, [], events);

  it('is asked for, answered and shown', async () => {
    const broadcast = open();
    expect(events.watch).toHaveBeenCalledWith(7);
    await broadcast.take({ type: 'offer', sdp: 'v=0' });
    expect(events.answer).toHaveBeenCalledWith(7, { type: 'answer', sdp: 'v=0' });
    const stream = { id: 'ringback' };
    last().ontrack?.({ streams: [stream] });
    expect(broadcast.stream).toBe(stream);
  });

  it('is asked for again when it fails, once, and not when it is over', async () => {
    const broadcast = open();
    await broadcast.take({ type: 'offer', sdp: 'v=0' });
    last().becomes('failed');
    last().becomes('failed');
    await vi.advanceTimersByTimeAsync(5000);
    expect(events.watch).toHaveBeenCalledTimes(2);
    await broadcast.take({ type: 'offer', sdp: 'v=0' });
    expect(Connection.made[0]?.connectionState).toBe('closed');
    last().becomes('failed');
    broadcast.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(events.watch).toHaveBeenCalledTimes(2);
  });

  it('is asked for again when the server had no patience, unless it came meanwhile', async () => {
    const broadcast = open();
    broadcast.askAgain();
    await vi.advanceTimersByTimeAsync(5000);
    expect(events.watch).toHaveBeenCalledTimes(2);
    broadcast.askAgain();
    await broadcast.take({ type: 'offer', sdp: 'v=0' });
    last().becomes('connected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(events.watch).toHaveBeenCalledTimes(2);
  });

  it('is asked for after a lost connection only when it is not there', async () => {
    const broadcast = open();
    broadcast.recover();
    expect(events.watch).toHaveBeenCalledTimes(2);
    await broadcast.take({ type: 'offer', sdp: 'v=0' });
    last().becomes('connected');
    broadcast.recover();
    expect(events.watch).toHaveBeenCalledTimes(2);
  });

  it('that the browser cannot take is not answered', async () => {
    const broadcast = open();
    const refusing = vi.spyOn(Connection.prototype, 'setRemoteDescription');
    refusing.mockRejectedValueOnce(new Error('no codec'));
    await broadcast.take({ type: 'offer', sdp: 'v=0' });
    expect(events.answer).not.toHaveBeenCalled();
    expect(last().connectionState).toBe('closed');
  });
});
