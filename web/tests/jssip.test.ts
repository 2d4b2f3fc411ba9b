/** JsSIP itself behind the phone's interface, against a server that is played by the test: SIP in, SIP out. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { AgentEvents, IncomingSession, SessionEvents } from '../src/lib/agent';
import { jssipAgent } from '../src/lib/jssip';
import { ACCOUNT, SERVERS, fakeMicrophone, settle } from './setting';

class ServerSocket {
  static last: ServerSocket;
  readonly OPEN = 1;
  readyState = 0;
  binaryType = '';
  readonly received: string[] = [];
  onopen: (() => void) | null = null;
  onclose: ((event: { wasClean: boolean; code: number; reason: string }) => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    ServerSocket.last = this;
  }

  send(message: string): void {
    this.received.push(message);
  }

  close(): void {
    this.readyState = 3;
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  breaks(): void {
    this.readyState = 3;
    this.onclose?.({ wasClean: false, code: 1006, reason: '' });
  }

  /** The last message of a method, or of a response to one. */
  last(start: string): string {
    const message = this.received.findLast((text) => text.startsWith(start));
    if (message === undefined) throw new Error(`no ${start} in ${this.received.join('\n')}`);
    return message;
  }

  answer(request: string, status: string, ...more: string[]): void {
    const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(request, name)}`);
    const to = header(request, 'To');
    const lines = [
      `SIP/2.0 ${status}`,
      ...copied,
      `To: ${to.includes(';tag') ? to : `${to};tag=server`}`,
      ...more,
    ];
    this.onmessage?.({ data: [...lines, 'Content-Length: 0', '', ''].join('\r\n') });
  }

  /** Takes a call with an answer. */
  accept(invite: string): void {
    const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(invite, name)}`);
    const to = `To: ${header(invite, 'To')};tag=server`;
    const more = [
      'Contact: <sip:server@phone.example>',
      'Content-Type: application/sdp',
      'Content-Length: 5',
    ];
    this.onmessage?.({ data: ['SIP/2.0 200 OK', ...copied, to, ...more, '', 'v=0\r\n'].join('\r\n') });
  }

  request(method: string, ...more: string[]): void {
    const lines = [
      `${method} sip:alice@phone.example SIP/2.0`,
      'Max-Forwards: 70',
      'To: <sip:alice@phone.example>',
      'Contact: <sip:server@phone.example>',
      ...more,
    ];
    this.onmessage?.({ data: [...lines, 'Content-Length: 0', '', ''].join('\r\n') });
  }
}

function header(message: string, name: string): string {
  const value = new RegExp(`^${name}: (.*)$`, 'im').exec(message)?.[1];
  if (value === undefined) throw new Error(`no ${name} in ${message}`);
  return value.trim();
}

const CHALLENGE = 'WWW-Authenticate: Digest realm="ringback", nonce="n1", qop="auth", algorithm=MD5';
const INVITE = [
  'Via: SIP/2.0/WSS server.invalid;branch=z9hG4bK1',
  'From: "B<b>ob" <sip:bob@phone.example>;tag=b1',
  'Call-ID: c1',
  'CSeq: 1 INVITE',
];

function startedAgent() {
  const events = {
    opening: vi.fn(),
    opened: vi.fn(),
    closed: vi.fn(),
    registered: vi.fn(),
    registrationFailed: vi.fn(),
    incoming: vi.fn(),
  } satisfies AgentEvents;
  const agent = jssipAgent(ACCOUNT, events);
  agent.start();
  ServerSocket.last.opens();
  return { agent, events, server: ServerSocket.last };
}

function sessionEvents() {
  return {
    peerConnection: vi.fn(),
    progress: vi.fn(),
    accepted: vi.fn(),
    iceFailed: vi.fn(),
    ended: vi.fn(),
    held: vi.fn(),
    resumed: vi.fn(),
  } satisfies SessionEvents;
}

/** As much of a peer connection as JsSIP needs to send its offer. */
class Connection extends EventTarget {
  static last: Connection;
  iceGatheringState = 'complete';
  iceConnectionState = 'new';
  connectionState = 'new';
  signalingState = 'have-local-offer';
  localDescription = { sdp: 'v=0\r\n' };
  createOffer = (constraints: unknown) => {
    this.offers.push(constraints);
    return Promise.resolve(this.localDescription);
  };
  setLocalDescription = () => Promise.resolve();
  setRemoteDescription = () => Promise.resolve();
  getSenders = () => [];
  addTrack = () => undefined;
  close = () => undefined;
  readonly offers: unknown[] = [];

  constructor(public configuration: RTCConfiguration) {
    super();
    Connection.last = this;
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  becomes(ice: string, connection: string): void {
    this.iceConnectionState = ice;
    this.dispatchEvent(new Event('iceconnectionstatechange'));
    this.connectionState = connection;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', ServerSocket);
  vi.stubGlobal('RTCPeerConnection', Connection);
  vi.stubGlobal('RTCSessionDescription', Object);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('registering', () => {
  it('offers the sub-protocol sip and registers its instance with the realm of the challenge', () => {
    const { events, server } = startedAgent();
    expect(server).toMatchObject({ url: 'wss://phone.example/ws', protocol: 'sip' });
    expect(events.opening).toHaveBeenCalledBefore(events.opened);
    const register = server.last('REGISTER sip:phone.example');
    expect(header(register, 'Contact')).toContain(`+sip.instance="<urn:uuid:${ACCOUNT.instance}>"`);
    expect(header(register, 'Expires')).toBe('600');
    server.answer(register, '401 Unauthorized', CHALLENGE);
    const again = server.last('REGISTER');
    expect(header(again, 'Authorization')).toContain('username="alice", realm="ringback", nonce="n1"');
    server.answer(again, '200 OK', `Contact: ${header(again, 'Contact')}`);
    expect(events.registered).toHaveBeenCalledOnce();
  });

  it('reports a wrong password once, with its status', () => {
    const { events, server } = startedAgent();
    server.answer(server.last('REGISTER'), '401 Unauthorized', CHALLENGE);
    server.answer(server.last('REGISTER'), '401 Unauthorized', CHALLENGE);
    expect(events.registrationFailed).toHaveBeenCalledOnce();
    expect(events.registrationFailed.mock.calls[0]?.[0]).toMatchObject({ status: 401 });
  });

  it('reports Retry-After', () => {
    const { events, server } = startedAgent();
    server.answer(server.last('REGISTER'), '503 Service Unavailable', 'Retry-After: 7');
    expect(events.registrationFailed.mock.calls[0]?.[0]).toMatchObject({ status: 503, retryAfter: 7 });
  });

  it('reports a registration without an answer', () => {
    const { events } = startedAgent();
    vi.advanceTimersByTime(32_000);
    expect(events.registrationFailed.mock.calls[0]?.[0]).toMatchObject({
      cause: 'Request Timeout',
      status: null,
    });
  });

  it('comes back over a new connection with the same contact', () => {
    const { agent, events, server } = startedAgent();
    const contact = header(server.last('REGISTER'), 'Contact');
    server.breaks();
    expect(events.closed).toHaveBeenCalledOnce();
    const [retryAt] = events.closed.mock.calls[0] as [number];
    expect(retryAt - Date.now()).toBeGreaterThanOrEqual(1000);
    expect(retryAt - Date.now()).toBeLessThanOrEqual(2000);
    vi.advanceTimersByTime(2000);
    expect(ServerSocket.last).not.toBe(server);
    ServerSocket.last.opens();
    expect(header(ServerSocket.last.last('REGISTER'), 'Contact')).toBe(contact);
    agent.stop();
  });

  it('unregisters when it stops', () => {
    const { agent, server } = startedAgent();
    const register = server.last('REGISTER');
    server.answer(register, '200 OK', `Contact: ${header(register, 'Contact')}`);
    agent.stop();
    expect(header(server.last('REGISTER'), 'Expires')).toBe('0');
  });
});

describe('what is dialled', () => {
  it.each([
    ['bob', 'bob', 'sip:bob@phone.example'],
    ['*43', '*43', 'sip:*43@phone.example'],
    ['+44 (20) 7946-0011', '+442079460011', 'sip:+442079460011@phone.example'],
    ['tel:+442079460011', '+442079460011', 'sip:+442079460011@phone.example'],
    ['sip:bob@example.com', 'bob', 'sip:bob@example.com'],
    ['bob@[::1]:5060', 'bob', 'sip:bob@[::1]:5060'],
    ['zoë', 'zoë', 'sip:zo%C3%AB@phone.example'],
  ])('%s', (typed, name, address) => {
    expect(startedAgent().agent.resolve(typed)).toEqual({ name, address });
  });

  it.each(['%zz', 'bob@', 'bob@exa mple', '@example.com'])('%s is refused', (typed) => {
    expect(startedAgent().agent.resolve(typed)).toBeNull();
  });
});

describe('calling', () => {
  async function invite() {
    const { agent, server } = startedAgent();
    const events = sessionEvents();
    const session = agent.invite('bob', fakeMicrophone().stream, SERVERS, events);
    await settle();
    await vi.advanceTimersByTimeAsync(1);
    return { session, server, events, request: server.last('INVITE sip:bob@phone.example') };
  }

  it('sends an INVITE with an offer and the servers it is given, and reports the ringing', async () => {
    const { server, events, request } = await invite();
    expect(Connection.last.configuration).toEqual({ iceServers: SERVERS });
    expect(header(request, 'Content-Type')).toBe('application/sdp');
    expect(events.peerConnection).toHaveBeenCalledOnce();
    server.answer(request, '180 Ringing');
    expect(events.progress).toHaveBeenCalledExactlyOnceWith(false);
  });

  it('reports the status and the text of the Warning', async () => {
    const { server, events, request } = await invite();
    server.answer(request, '488 Not Acceptable Here', 'Warning: 305 ringback "no shared codec: opus"');
    expect(events.ended).toHaveBeenCalledExactlyOnceWith({
      originator: 'remote',
      cause: 'Incompatible SDP',
      status: 488,
      text: 'no shared codec: opus',
      retryAfter: null,
    });
    expect(header(server.last('ACK'), 'CSeq')).toBe(header(request, 'CSeq').replace('INVITE', 'ACK'));
  });

  it('cancels', async () => {
    const { session, server, events, request } = await invite();
    server.answer(request, '180 Ringing');
    session.terminate();
    expect(header(server.last('CANCEL'), 'CSeq')).toBe(header(request, 'CSeq').replace('INVITE', 'CANCEL'));
    expect(events.ended.mock.calls[0]?.[0]).toMatchObject({ originator: 'local', cause: 'Canceled' });
  });
});

async function talks() {
  const { agent, server } = startedAgent();
  const events = sessionEvents();
  const session = agent.invite('bob', fakeMicrophone().stream, [], events);
  await vi.advanceTimersByTimeAsync(1);
  const invite = server.last('INVITE');
  server.accept(invite);
  await vi.advanceTimersByTimeAsync(1);
  expect(events.accepted).toHaveBeenCalledOnce();
  return { session, server, events, invite };
}

describe('holding', () => {
  it('offers nothing and reports nothing between a 491 and the end of the offer that is made again', async () => {
    const { session, server, events } = await talks();
    expect(session.hold()).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    const refused = server.last('INVITE');
    server.answer(refused, '491 Request Pending');
    // JsSIP makes the offer again in a second, under its old number: another request would overtake it.
    expect(session.resume()).toBe(false);
    session.sendReport(REPORT);
    expect(server.received.some((text) => text.startsWith('INFO'))).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    const again = server.last('INVITE');
    expect(again).not.toBe(refused);
    expect(header(again, 'CSeq')).toBe(header(refused, 'CSeq'));
    server.accept(again);
    await vi.advanceTimersByTimeAsync(1);
    expect(session.resume()).toBe(true);
    expect(events.ended).not.toHaveBeenCalled();
  });
});

describe('restarting ICE', () => {
  it('takes the servers and offers other credentials, one offer at a time', async () => {
    const { session, server, events, invite } = await talks();
    expect(Connection.last.configuration).toEqual({ iceServers: [] });
    expect(session.hold()).toBe(true);
    const done = vi.fn();
    expect(session.restartIce(SERVERS, done)).toBe(false);
    expect(Connection.last.configuration).toEqual({ iceServers: [] });
    await vi.advanceTimersByTimeAsync(1);
    server.accept(server.last('INVITE'));
    await vi.advanceTimersByTimeAsync(1);
    expect(session.restartIce(SERVERS, done)).toBe(true);
    expect(session.resume()).toBe(false);
    expect(Connection.last.configuration).toEqual({ iceServers: SERVERS });
    // A restart gathers anew, whatever was gathered before.
    await vi.advanceTimersByTimeAsync(1);
    const before = server.last('INVITE');
    Connection.last.dispatchEvent(
      Object.assign(new Event('icecandidate'), { candidate: { type: 'relay', candidate: '' } }),
    );
    await vi.advanceTimersByTimeAsync(1);
    expect(Connection.last.offers.at(-1)).toEqual({ iceRestart: true });
    const offer = server.last('INVITE');
    expect(offer).not.toBe(before);
    expect(header(offer, 'Call-ID')).toBe(header(invite, 'Call-ID'));
    expect(done).not.toHaveBeenCalled();
    server.accept(offer);
    await vi.advanceTimersByTimeAsync(1);
    expect(done).toHaveBeenCalledOnce();
    expect(session.resume()).toBe(true);
    expect(events.ended).not.toHaveBeenCalled();
  });

  it.each([
    ['failed', 'connecting'],
    // Chromium.
    ['disconnected', 'failed'],
  ])('is left to the phone when ICE is %s and the connection %s', async (ice, connection) => {
    const { session, server, events } = await talks();
    Connection.last.becomes('disconnected', 'disconnected');
    expect(events.iceFailed).not.toHaveBeenCalled();
    Connection.last.becomes(ice, connection);
    expect(events.iceFailed).toHaveBeenCalled();
    expect(events.ended).not.toHaveBeenCalled();
    session.abandon();
    expect(header(server.last('BYE'), 'Reason')).toBe('SIP ;cause=408; text="RTP Timeout"');
    expect(events.ended.mock.calls[0]?.[0]).toMatchObject({ originator: 'local', cause: 'RTP Timeout' });
  });
});

const REPORT = {
  kind: 'interval',
  from: 0,
  until: 20_000,
  heard: { lost: 0.5, discarded: null, jitterMs: 4, roundTripMs: null },
} as const;

describe('reporting', () => {
  it('sends an INFO that names the dialog and its parties', async () => {
    const { session, server, invite } = await talks();
    session.sendReport(REPORT);
    const info = server.last('INFO');
    expect(header(info, 'Content-Type')).toBe('application/vq-rtcpxr');
    const callId = header(invite, 'Call-ID');
    expect(header(info, 'Call-ID')).toBe(callId);
    expect(info).toContain(`\r\n\r\nVQIntervalReport\r\nCallID: ${callId}\r\n`);
    expect(info).toContain('LocalID: <sip:alice@phone.example>\r\nRemoteID: <sip:bob@phone.example>\r\n');
    expect(info).toContain('OrigID: <sip:alice@phone.example>\r\n');
    expect(info).toContain('PacketLoss: NLR=50.00\r\nDelay: IAJ=4.0\r\n');
  });

  it.each(['400 Bad Request', '408 Request Timeout', '481 Call/Transaction Does Not Exist'])(
    'goes on when the INFO is answered %s',
    async (status) => {
      const { session, server, events } = await talks();
      session.sendReport(REPORT);
      server.answer(server.last('INFO'), status);
      expect(events.ended).not.toHaveBeenCalled();
      expect(server.received.some((text) => text.startsWith('BYE'))).toBe(false);
    },
  );

  it('goes on when the INFO is never answered', async () => {
    const { session, events } = await talks();
    session.sendReport(REPORT);
    await vi.advanceTimersByTimeAsync(40_000);
    expect(events.ended).not.toHaveBeenCalled();
  });

  it('goes on when the INFO cannot be sent', async () => {
    const { session, server, events } = await talks();
    server.readyState = 3;
    session.sendReport(REPORT);
    await vi.advanceTimersByTimeAsync(1);
    expect(events.ended).not.toHaveBeenCalled();
  });

  it('sends nothing when the session is over', async () => {
    const { session, server } = await talks();
    session.terminate();
    session.sendReport(REPORT);
    expect(server.received.some((text) => text.startsWith('INFO'))).toBe(false);
  });
});

describe('being called', () => {
  function rings() {
    const { server, events } = startedAgent();
    server.request('INVITE', ...INVITE);
    const session = events.incoming.mock.calls[0]?.[0] as IncomingSession;
    const told = sessionEvents();
    session.attach(told);
    return { server, session, told };
  }

  it('rings, with the name as it was sent', () => {
    const { server, session } = rings();
    expect(session.peer).toEqual({ name: 'B<b>ob', address: 'sip:bob@phone.example' });
    expect(header(server.last('SIP/2.0 180'), 'Via')).toBe('SIP/2.0/WSS server.invalid;branch=z9hG4bK1');
  });

  it('rejects with the given status', () => {
    const { server, session, told } = rings();
    session.reject(486);
    expect(server.last('SIP/2.0 486')).toContain('CSeq: 1 INVITE');
    expect(told.ended.mock.calls[0]?.[0]).toMatchObject({ originator: 'local' });
  });

  it('tells that another device has answered', () => {
    const { server, told } = rings();
    const cancel = INVITE.map((line) => line.replace('1 INVITE', '1 CANCEL'));
    server.request('CANCEL', ...cancel, 'Reason: SIP;cause=200;text="Call completed elsewhere"');
    expect(server.last('SIP/2.0 487')).toContain('CSeq: 1 INVITE');
    expect(told.ended.mock.calls[0]?.[0]).toMatchObject({
      originator: 'remote',
      cause: 'Canceled',
      status: 200,
      text: 'Call completed elsewhere',
    });
  });
});
