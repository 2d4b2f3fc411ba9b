import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { MESSAGE_LIMIT, Peer } from '../src/learn/peer.svelte';

/** A peer connection that is played. */
class Connection extends EventTarget {
  static last: Connection;
  signalingState = 'stable';
  iceGatheringState = 'new';
  iceConnectionState = 'new';
  connectionState = 'new';
  sctp: { state: string; transport: Partial<RTCDtlsTransport> & EventTarget } | null = null;
  onsignalingstatechange: (() => void) | null = null;
  onicecandidate: ((event: object) => void) | null = null;
  readonly channel = {
    readyState: 'connecting',
    label: 'chat',
    sent: [] as string[],
    send(text: string) {
      this.sent.push(text);
    },
    onopen: null as (() => void) | null,
    onmessage: null as ((event: object) => void) | null,
  };
  constructor() {
    super();
    Connection.last = this;
  }
  createDataChannel = () => this.channel;
  getStats = () => Promise.resolve(new Map());
  getSenders = () => [];
  close = () => undefined;
}

let peer: Peer;
let told: string[];
beforeEach(() => {
  vi.stubGlobal('RTCPeerConnection', Connection);
  told = [];
  peer = new Peer('Ada', (_, what) => told.push(what));
  peer.open({});
  peer.makeChannel();
});
afterEach(() => {
  peer.close();
  vi.unstubAllGlobals();
});

/** Changes the played connection, and says so. */
function becomes(change: Partial<Connection>): void {
  Object.assign(Connection.last, change);
  Connection.last.onsignalingstatechange?.();
}

describe('one side', () => {
  it('tells each state once, and what has not moved never', () => {
    becomes({ signalingState: 'have-local-offer' });
    becomes({ iceGatheringState: 'gathering' });
    becomes({});
    expect(told).toEqual(['Data channel: connecting', 'Signaling: have-local-offer', 'Gathering: gathering']);
  });

  it('does not fall back to a state that the open channel disproves', () => {
    const transport = Object.assign(new EventTarget(), { state: 'connecting' as const });
    becomes({ sctp: { state: 'connecting', transport } });
    expect([peer.states.sctp, peer.states.dtls]).toEqual(['connecting', 'connecting']);
    Connection.last.channel.readyState = 'open';
    becomes({ connectionState: 'connected' });
    expect([peer.states.sctp, peer.states.dtls]).toEqual(['connected', 'connected']);
    // What has failed has failed, whatever else is said.
    Object.assign(transport, { state: 'failed' });
    becomes({ sctp: { state: 'closed', transport } });
    expect([peer.states.sctp, peer.states.dtls]).toEqual(['closed', 'failed']);
  });

  it('sends when the channel is open, and nothing empty', () => {
    const { channel } = Connection.last;
    peer.say('too soon');
    channel.readyState = 'open';
    channel.onopen?.();
    peer.say('   ');
    peer.say('x'.repeat(MESSAGE_LIMIT + 50));
    expect(channel.sent.map(({ length }) => length)).toEqual([MESSAGE_LIMIT]);
    expect(peer.lines).toHaveLength(1);
  });

  it('keeps what comes within bounds', () => {
    const { channel } = Connection.last;
    channel.onmessage?.({ data: 'y'.repeat(100_000) });
    channel.onmessage?.({ data: new ArrayBuffer(7) });
    expect(peer.lines.map(({ text }) => text.length)).toEqual([MESSAGE_LIMIT, '(7 bytes)'.length]);
    for (let count = 0; count < 150; count += 1) channel.onmessage?.({ data: String(count) });
    expect(peer.lines).toHaveLength(100);
    expect(peer.lines.at(-1)?.text).toBe('149');
  });

  it('waits for the last candidate no longer than it is told', async () => {
    vi.useFakeTimers();
    const late = peer.gatherAll(5000);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await late).toBe(false);
    const whole = peer.gatherAll(5000);
    Connection.last.iceGatheringState = 'complete';
    Connection.last.dispatchEvent(new Event('icegatheringstatechange'));
    expect(await whole).toBe(true);
    vi.useRealTimers();
  });
});
