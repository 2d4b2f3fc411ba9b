import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PacedSocket } from '../src/lib/socket';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A WebSocket that opens and closes when the test says so. */
class Wire {
  readyState = 0;
  binaryType = '';
  readonly sent: string[] = [];
  onopen: (() => void) | null = null;
  onclose: ((event: { wasClean: boolean; code: number; reason: string }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  isClosed = false;

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  breaks(): void {
    this.readyState = 3;
    this.onclose?.({ wasClean: false, code: 1006, reason: '' });
  }

  send(message: string): void {
    this.sent.push(message);
  }

  close(): void {
    this.isClosed = true;
  }
}

function newSocket(random = 1) {
  const wires: Wire[] = [];
  const told: string[] = [];
  const socket = new PacedSocket(
    'wss://[::1]:8443/ws',
    {
      opening: () => told.push('opening'),
      closed: (retryAt) => told.push(`closed, again in ${retryAt - Date.now()}`),
    },
    () => {
      const wire = new Wire();
      wires.push(wire);
      return wire as unknown as WebSocket;
    },
    () => random,
  );
  socket.onconnect = () => told.push('connected');
  socket.ondisconnect = (error) => told.push(`disconnected ${error}`);
  const wire = (): Wire => {
    const last = wires.at(-1);
    if (last === undefined) throw new Error('no socket was opened');
    return last;
  };
  return { socket, wires, wire, told };
}

describe('the socket under JsSIP', () => {
  it('names itself as JsSIP needs it', () => {
    const { socket } = newSocket();
    expect(socket).toMatchObject({
      url: 'wss://[::1]:8443/ws',
      via_transport: 'WSS',
      sip_uri: 'sip:[::1]:8443;transport=ws',
    });
  });

  it('connects at once, sends when open and hands on what comes', () => {
    const { socket, wire, told } = newSocket();
    const data: unknown[] = [];
    socket.ondata = (message) => data.push(message);
    socket.connect();
    expect(socket.send('too early')).toBe(false);
    wire().opens();
    expect(socket.send('REGISTER')).toBe(true);
    wire().onmessage?.({ data: 'SIP/2.0 200 OK' });
    expect(wire().sent).toEqual(['REGISTER']);
    expect(data).toEqual(['SIP/2.0 200 OK']);
    expect(told).toEqual(['opening', 'connected']);
  });

  it('waits longer after each failure, whatever JsSIP asks, up to 30 s', () => {
    const { socket, wires, wire, told } = newSocket();
    const waits: number[] = [];
    socket.connect();
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      const before = Date.now();
      wire().breaks();
      vi.advanceTimersByTime(1000);
      socket.connect();
      while (wires.length === attempt) vi.advanceTimersByTime(100);
      waits.push(Date.now() - before);
    }
    expect(waits).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(told.slice(0, 4)).toEqual(['opening', 'closed, again in 2000', 'disconnected true', 'opening']);
  });

  it('never tells of an attempt sooner than JsSIP makes it', () => {
    const { socket, wire, told } = newSocket(0);
    socket.connect();
    wire().breaks();
    expect(told).toContain('closed, again in 1000');
  });

  it.each([
    ['a steady connection starts from the shortest wait again', 10_000, 2000],
    ['a server that accepts and closes at once counts as failing', 9_999, 8000],
  ])('%s', (_, openFor, wait) => {
    const { socket, wire, told } = newSocket();
    socket.connect();
    wire().breaks();
    socket.connect();
    socket.connectNow();
    wire().breaks();
    socket.connect();
    socket.connectNow();
    wire().opens();
    vi.advanceTimersByTime(openFor);
    wire().breaks();
    expect(told.filter((line) => line.startsWith('closed'))).toEqual([
      'closed, again in 2000',
      'closed, again in 4000',
      `closed, again in ${wait}`,
    ]);
  });

  it('tries at once on request, before and after JsSIP has asked', () => {
    const { socket, wires, wire } = newSocket();
    socket.connect();
    wire().breaks();
    socket.connectNow();
    expect(wires).toHaveLength(1);
    socket.connect();
    expect(wires).toHaveLength(2);
    socket.connectNow();
    expect(wires).toHaveLength(2);
    wire().breaks();
    socket.connect();
    expect(wires).toHaveLength(2);
    socket.connectNow();
    expect(wires).toHaveLength(3);
  });

  it('gives up a host that swallows packets after 10 s', () => {
    const { socket, wire, told } = newSocket();
    socket.connect();
    vi.advanceTimersByTime(10_000);
    expect(told).toContain('disconnected true');
    expect(wire().isClosed).toBe(true);
  });

  it('reports a dropped connection as lost', () => {
    const { socket, wire, told } = newSocket();
    socket.connect();
    wire().opens();
    socket.drop();
    expect(wire().isClosed).toBe(true);
    expect(told.at(-1)).toBe('disconnected true');
  });

  it('is silent once disconnected, and starts afresh', () => {
    const { socket, wires, wire, told } = newSocket();
    socket.connect();
    wire().breaks();
    socket.connect();
    socket.disconnect();
    told.length = 0;
    vi.advanceTimersByTime(60_000);
    expect(told).toEqual([]);
    socket.connect();
    expect(wires).toHaveLength(2);
  });
});
