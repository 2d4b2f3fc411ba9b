import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { failure } from '../src/demo/fake';
import { NoMicrophone } from '../src/lib/microphone';
import {
  BOB,
  callingPhone,
  fakeMicrophone,
  registeredPhone,
  newPhone,
  settle,
  talkingPhone,
} from './setting';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('an outgoing call', () => {
  it('opens the microphone, calls, rings and is answered', async () => {
    const { phone, agent } = registeredPhone();
    phone.dial(' bob ');
    expect(phone.view.call).toMatchObject({ state: 'calling', peer: { name: 'bob' }, microphone: null });
    expect(agent.sessions).toHaveLength(0);
    await settle();
    expect(agent.did.at(-1)).toBe('invite bob');
    const session = agent.sessions[0];
    session?.events.progress(false);
    expect(phone.view.call).toMatchObject({ state: 'ringing', earlyMedia: false });
    session?.events.accepted();
    expect(phone.view.call).toMatchObject({ state: 'active', answeredAt: Date.now() });
  });

  it('keeps early media in mind over later provisional responses without', async () => {
    const { phone, session } = await callingPhone();
    session.events.progress(true);
    session.events.progress(false);
    expect(phone.view.call?.earlyMedia).toBe(true);
  });

  it('is cancelled while the user is asked for the microphone, which is then closed', async () => {
    let allow: (stream: MediaStream) => void = () => undefined;
    const { phone, agent } = registeredPhone(() => new Promise((resolve) => (allow = resolve)));
    const late = fakeMicrophone();
    phone.dial('bob');
    phone.hangUp();
    expect(phone.view.call).toMatchObject({ state: 'ended', end: { cause: 'cancelled' } });
    allow(late.stream);
    await settle();
    expect(agent.sessions).toHaveLength(0);
    expect(late.track.stop).toHaveBeenCalledOnce();
  });

  it.each([
    'insecure-page',
    'microphone-refused',
    'microphone-missing',
    'microphone-busy',
    'microphone-failed',
  ] as const)('ends with %s', async (problem) => {
    const { phone, agent } = registeredPhone(() => Promise.reject(new NoMicrophone(problem)));
    phone.dial('bob');
    await settle();
    expect(phone.view.call).toMatchObject({ state: 'ended', end: { cause: problem } });
    expect(agent.sessions).toHaveLength(0);
  });

  it('ends when the browser cannot make a peer connection', async () => {
    const { phone, agent, microphone } = registeredPhone();
    vi.spyOn(agent, 'invite').mockImplementation(() => {
      throw new Error('WebRTC not supported');
    });
    phone.dial('bob');
    await settle();
    expect(phone.view.call?.end).toMatchObject({ cause: 'media-failed', text: 'WebRTC not supported' });
    expect(microphone.track.stop).toHaveBeenCalledOnce();
  });

  it('is not made to what cannot be an address', () => {
    const { phone, agent } = registeredPhone();
    phone.dial('%%');
    expect(phone.view.call).toMatchObject({
      state: 'ended',
      end: { cause: 'bad-address' },
      peer: { name: '%%' },
    });
    expect(agent.did).toEqual(['start']);
  });

  it('is not made without a connection', () => {
    const { phone, agent } = registeredPhone();
    agent.events.closed(Date.now() + 1000);
    phone.dial('bob');
    expect(phone.view.call?.end?.cause).toBe('not-connected');
  });

  it('is not made beside another, nor to nobody, nor signed out', async () => {
    const { phone, agent } = await callingPhone();
    phone.dial('carol');
    await settle();
    expect(agent.sessions).toHaveLength(1);
    const other = registeredPhone();
    other.phone.dial('  ');
    expect(other.phone.view.call).toBeNull();
    const out = newPhone();
    out.phone.dial('bob');
    expect(out.phone.view.call).toBeNull();
  });

  it('closes the microphone at its end', async () => {
    const { phone, session, microphone } = await talkingPhone();
    session.events.ended(failure({ cause: 'Terminated' }));
    expect(microphone.track.stop).toHaveBeenCalledOnce();
    expect(phone.view.call).toMatchObject({ state: 'ended', microphone: null, remote: null, media: 'none' });
  });

  it('tells apart what JsSIP calls cancelled: the user, the network, the server', async () => {
    const unasked = failure({ originator: 'local', cause: 'Canceled' });
    const byUser = await callingPhone();
    byUser.phone.hangUp();
    expect(byUser.phone.view.call?.end?.cause).toBe('cancelled');

    const byNetwork = await callingPhone();
    byNetwork.agent.events.closed(Date.now());
    byNetwork.session.events.ended(unasked);
    expect(byNetwork.phone.view.call?.end?.cause).toBe('connection-lost');

    const byServer = await callingPhone();
    byServer.session.events.ended(unasked);
    expect(byServer.phone.view.call?.end?.cause).toBe('no-reply');
  });

  it('hears nothing more of a call that is over', async () => {
    const { phone, session } = await callingPhone();
    session.events.ended(failure({ status: 486 }));
    const view = phone.view.call;
    session.events.accepted();
    session.events.ended(failure({ status: 500 }));
    expect(phone.view.call).toBe(view);
  });
});

describe('an incoming call', () => {
  it('rings and is accepted', async () => {
    const { phone, agent } = registeredPhone();
    const session = agent.ring(BOB);
    expect(phone.view.call).toMatchObject({ state: 'incoming', peer: BOB, direction: 'incoming' });
    phone.accept();
    phone.accept();
    expect(phone.view.call?.answering).toBe(true);
    await settle();
    expect(session.did).toEqual(['answer']);
    session.events.accepted();
    expect(phone.view.call).toMatchObject({ state: 'active', answering: false });
  });

  it('goes on ringing when the microphone is refused, and can be accepted after all', async () => {
    const open = vi.fn<() => Promise<MediaStream>>();
    const { phone, agent, microphone } = registeredPhone(open);
    open.mockRejectedValueOnce(new NoMicrophone('microphone-refused'));
    open.mockResolvedValueOnce(microphone.stream);
    const session = agent.ring(BOB);
    phone.accept();
    await settle();
    expect(phone.view.call).toMatchObject({
      state: 'incoming',
      answering: false,
      problem: 'microphone-refused',
    });
    phone.accept();
    await settle();
    expect(session.did).toEqual(['answer']);
    expect(phone.view.call?.problem).toBeNull();
  });

  it('is rejected as busy, so that other devices may still take it', () => {
    const { phone, agent } = registeredPhone();
    const session = agent.ring(BOB);
    phone.reject();
    expect(session.did).toEqual(['reject 486']);
    expect(phone.view.call?.end?.cause).toBe('rejected');
  });

  it('is missed when the caller gives up', () => {
    const { phone, agent } = registeredPhone();
    agent.ring(BOB).events.ended(failure({ cause: 'Canceled' }));
    expect(phone.view.call?.end?.cause).toBe('missed');
  });

  it('is told that this phone is busy, and remembered', async () => {
    const { phone, agent } = await talkingPhone();
    const second = agent.ring({ name: 'Carol', address: 'sip:carol@phone.example' });
    expect(second.did).toEqual(['reject 486']);
    expect(phone.view.call).toMatchObject({ state: 'active', peer: { name: 'bob' } });
    expect(phone.view.missed?.name).toBe('Carol');
  });

  it('takes the place of an ended one', async () => {
    const { phone, agent, session } = await callingPhone();
    session.events.ended(failure({ status: 404 }));
    agent.ring(BOB);
    expect(phone.view.call?.state).toBe('incoming');
  });
});

describe('during a call', () => {
  it('mutes and unmutes once each', async () => {
    const { phone, session } = await talkingPhone();
    phone.setMuted(true);
    phone.setMuted(true);
    expect(phone.view.call?.muted).toBe(true);
    phone.setMuted(false);
    expect(session.did).toEqual(['mute', 'unmute']);
  });

  it('is held from either side, and active when both have resumed', async () => {
    const { phone, session } = await talkingPhone();
    phone.setHeld(true);
    session.events.held('remote');
    expect(phone.view.call).toMatchObject({ state: 'held', heldHere: true, heldThere: true });
    phone.setHeld(false);
    expect(phone.view.call).toMatchObject({ state: 'held', heldHere: false, heldThere: true });
    session.events.resumed('remote');
    expect(phone.view.call?.state).toBe('active');
    expect(session.did).toEqual(['hold', 'resume']);
  });

  it('is held, or not, as was asked for last, when an offer that is under way is over', async () => {
    const { phone, session } = await talkingPhone();
    session.isOffering = true;
    phone.setHeld(true);
    expect(phone.view.call).toMatchObject({ state: 'active', toBeHeld: true });
    phone.setHeld(false);
    phone.setHeld(true);
    vi.advanceTimersByTime(1_000);
    expect(session.did).toEqual([]);
    session.isOffering = false;
    vi.advanceTimersByTime(100);
    expect(phone.view.call).toMatchObject({ state: 'held', heldHere: true, toBeHeld: null });
    vi.advanceTimersByTime(1_000);
    expect(session.did).toEqual(['hold']);
  });

  it('forgets a hold that was asked for when it ends', async () => {
    const { phone, session } = await talkingPhone();
    session.isOffering = true;
    phone.setHeld(true);
    session.events.ended(failure({ originator: 'remote' }));
    session.isOffering = false;
    vi.advanceTimersByTime(1_000);
    expect(phone.view.call?.toBeHeld).toBeNull();
    expect(session.did).toEqual([]);
  });

  it('sends digits as RTP events where the far side takes them', async () => {
    const { phone, session } = await talkingPhone();
    phone.press('5');
    expect(session.did).toEqual(['RFC2833 5']);
  });

  it('sends digits by INFO where it does not, and not at all without a connection', async () => {
    const { phone, session, agent, connection } = await talkingPhone();
    connection.canInsertDTMF = false;
    phone.press('#');
    agent.events.closed(Date.now());
    phone.press('1');
    expect(session.did).toEqual(['INFO #']);
  });

  it('still sends RTP events without a connection', async () => {
    const { phone, session, agent } = await talkingPhone();
    agent.events.closed(Date.now());
    phone.press('1');
    expect(session.did).toEqual(['RFC2833 1']);
  });

  it('reports every twenty seconds how it has sounded since its beginning, and at its end', async () => {
    const { phone, session, connection } = await talkingPhone();
    connection.packetsReceived = 90;
    connection.packetsLost = 10;
    await vi.advanceTimersByTimeAsync(19_000);
    expect(session.reports).toEqual([]);
    await vi.advanceTimersByTimeAsync(21_000);
    connection.packetsLost = 30;
    await vi.advanceTimersByTimeAsync(2_000);
    phone.hangUp();
    expect(session.did).toEqual(['report interval', 'report interval', 'report session', 'terminate']);
    expect(session.reports.map(({ heard }) => heard.lost)).toEqual([0.1, 0.1, 0.25]);
    expect(session.reports.map(({ from, until }) => until - from)).toEqual([20_000, 40_000, 42_000]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.reports).toHaveLength(3);
  });

  it('reports nothing of what nobody has heard', async () => {
    const { phone, session } = await talkingPhone();
    await vi.advanceTimersByTimeAsync(25_000);
    phone.hangUp();
    expect(session.did).toEqual(['terminate']);
  });

  it('reports nothing without a connection, and goes on', async () => {
    const { phone, session, agent, connection } = await talkingPhone();
    connection.packetsReceived = 90;
    agent.events.closed(Date.now());
    await vi.advanceTimersByTimeAsync(25_000);
    expect(session.did).toEqual([]);
    expect(phone.view.call?.state).toBe('active');
    phone.hangUp();
    expect(session.did).toEqual(['terminate']);
  });

  it('reports while it is held', async () => {
    const { phone, session, connection } = await talkingPhone();
    connection.packetsReceived = 90;
    phone.setHeld(true);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(session.did).toEqual(['hold', 'report interval']);
  });

  it('tells how the sound fares', async () => {
    const { phone, connection } = await talkingPhone();
    expect(phone.view.call?.media).toBe('flowing');
    connection.becomes('disconnected');
    expect(phone.view.call?.media).toBe('interrupted');
    connection.becomes('completed');
    expect(phone.view.call?.media).toBe('flowing');
  });

  it('tells that the microphone has been pulled out', async () => {
    const { phone, microphone } = await talkingPhone();
    microphone.track.dispatchEvent(new Event('ended'));
    expect(phone.view.call).toMatchObject({ state: 'active', problem: 'microphone-lost' });
  });

  it('takes the stream of the far side', async () => {
    const { phone, connection } = await talkingPhone();
    const remote = {} as MediaStream;
    const track = Object.assign(new Event('track'), { track: { kind: 'audio' }, streams: [remote] });
    connection.dispatchEvent(track);
    expect(phone.view.call?.remote).toBe(remote);
  });

  it('says after six seconds that nothing arrives, and takes it back', async () => {
    const { phone, connection } = await talkingPhone();
    const energy = setInterval(() => (connection.totalAudioEnergy += 1), 100);
    await vi.advanceTimersByTimeAsync(7_900);
    expect(phone.view.call?.silence).toBeNull();
    await vi.advanceTimersByTimeAsync(200);
    expect(phone.view.call?.silence).toBe('far');
    connection.packetsReceived = 100;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(phone.view.call?.silence).toBeNull();
    clearInterval(energy);
  });

  it('says that the microphone is silent, unless it is muted on purpose', async () => {
    const { phone, connection } = await talkingPhone();
    setInterval(() => (connection.packetsReceived += 1), 100);
    phone.setMuted(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(phone.view.call?.silence).toBeNull();
    phone.setMuted(false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(phone.view.call?.silence).toBe('own');
  });
});

describe('the note of an ended call', () => {
  it('is cleared on request, and a running call is not', async () => {
    const { phone, session } = await callingPhone();
    phone.dismiss();
    expect(phone.view.call?.state).toBe('calling');
    session.events.ended(failure({ status: 486 }));
    phone.dismiss();
    expect(phone.view.call).toBeNull();
  });
});
