/** Calls whose media does not pass directly, of a phone with a scripted agent. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { failure } from '../src/demo/fake';
import { PATIENCE_MS } from '../src/lib/detour';
import { NoIceServers } from '../src/lib/ice-servers';
import { BOB, FakePeerConnection, SERVERS, callingPhone, registeredPhone, settle } from './setting';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const RELAYED = { candidateType: 'relay', relayProtocol: 'tls' };
const DIRECT = { candidateType: 'host' };

/** A call to bob that he has answered; ICE has not connected. */
async function answered() {
  const made = await callingPhone();
  const connection = new FakePeerConnection();
  made.session.events.peerConnection(connection.asConnection);
  connection.becomes('checking');
  made.session.events.accepted();
  return { ...made, connection, detour: () => made.phone.view.call?.detour };
}

/** The same, and the other way has led through. */
async function relayed() {
  const made = await answered();
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  made.session.restarted();
  made.connection.local = RELAYED;
  made.connection.becomes('connected');
  await settle();
  return made;
}

describe('a call that does not connect', () => {
  it('tries the other way after four seconds, and says so until it has led through', async () => {
    const { phone, session, ask, detour, connection } = await answered();
    await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
    expect([detour(), ask.mock.calls.length]).toEqual([null, 0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(detour()).toBe('trying');
    expect(session).toMatchObject({ did: ['restart ICE'], servers: SERVERS });
    session.restarted();
    connection.local = RELAYED;
    connection.becomes('connected');
    await settle();
    expect(phone.view.call).toMatchObject({ state: 'active', media: 'flowing', detour: null, path: 'tls' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ask).toHaveBeenCalledOnce();
    expect(session.did).toEqual(['restart ICE']);
  });

  it('does so when it comes in, too', async () => {
    const { phone, agent } = registeredPhone();
    const session = agent.ring(BOB);
    phone.accept();
    await settle();
    expect(session.servers).toEqual([]);
    session.events.accepted();
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(session).toMatchObject({ did: ['answer', 'restart ICE'], servers: SERVERS });
  });

  it('asks for nothing when it connects in time', async () => {
    const { phone, session, connection, ask, detour } = await answered();
    connection.local = DIRECT;
    connection.becomes('connected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect([detour(), ask.mock.calls.length, session.did]).toEqual([null, 0, []]);
    expect(phone.view.call?.path).toBe('direct');
  });

  it('offers nothing when it connects while the server is asked', async () => {
    const { session, connection, ask, detour } = await answered();
    ask.mockImplementationOnce(
      () => new Promise((resolve) => setTimeout(resolve, 500, { servers: SERVERS, expiresAt: 0 })),
    );
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(detour()).toBe('trying');
    connection.becomes('connected');
    await vi.advanceTimersByTimeAsync(1_000);
    expect([detour(), session.did]).toEqual([null, []]);
    // The way is left for a failure later on.
    session.events.iceFailed();
    await settle();
    expect(session.did).toEqual(['restart ICE']);
  });

  it('waits for the end of another offer, and for the connection to the server', async () => {
    const { session, agent } = await answered();
    session.isOffering = true;
    await vi.advanceTimersByTimeAsync(PATIENCE_MS + 1_000);
    agent.events.closed(Date.now() + 1_000);
    session.isOffering = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(session.did).toEqual([]);
    agent.events.opened();
    await vi.advanceTimersByTimeAsync(200);
    expect(session.did).toEqual(['restart ICE']);
  });

  it('is not interrupted, since nothing has flowed', async () => {
    const { phone, connection } = await answered();
    connection.becomes('disconnected');
    expect(phone.view.call?.media).toBe('connecting');
  });

  it('forgets it at its end', async () => {
    const { session, ask } = await answered();
    session.events.ended(failure({ cause: 'Terminated' }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ask.mock.calls.length, session.did]).toEqual([0, []]);
  });
});

describe('failed ICE', () => {
  it('before the answer waits for it, and then for nothing', async () => {
    const { phone, session } = await callingPhone();
    session.events.iceFailed();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(phone.view.call?.detour).toBeNull();
    session.events.accepted();
    await settle();
    expect(session.did).toEqual(['restart ICE']);
  });

  it('after a loss of the whole network waits for the server to be back', async () => {
    const { agent, session, connection, ask, detour } = await answered();
    connection.becomes('connected');
    agent.events.closed(Date.now() + 1_000);
    session.events.iceFailed();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([detour(), ask.mock.calls.length, session.did]).toEqual([null, 0, []]);
    agent.events.opened();
    await vi.advanceTimersByTimeAsync(100);
    expect([ask.mock.calls.length, session.did]).toEqual([1, ['restart ICE']]);
  });

  it('ends the call when the other way has failed as well', async () => {
    const { phone, session } = await answered();
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    // The answer to the restart has not come: what fails is still the first way.
    session.events.iceFailed();
    expect(phone.view.call).toMatchObject({ state: 'active', detour: 'trying' });
    session.restarted();
    session.events.iceFailed();
    expect(session.did).toEqual(['restart ICE', 'abandon']);
    expect(phone.view.call).toMatchObject({ detour: 'failed', end: { cause: 'ice-failed' } });
  });

  it('ends the call when it had led through once', async () => {
    const { phone, session } = await relayed();
    session.events.iceFailed();
    expect(session.did).toEqual(['restart ICE', 'abandon']);
    expect(phone.view.call).toMatchObject({ path: 'tls', end: { cause: 'ice-failed' } });
  });

  it.each(['no-turn', 'wrong-password', 'too-many-guesses', 'refused', 'no-answer'] as const)(
    'ends the call when there is no other way: %s',
    async (problem) => {
      const { phone, session, ask, detour } = await answered();
      ask.mockRejectedValue(new NoIceServers(problem));
      await vi.advanceTimersByTimeAsync(PATIENCE_MS);
      expect(detour()).toBe(problem);
      expect(phone.view.call?.state).toBe('active');
      session.events.iceFailed();
      expect(session.did).toEqual(['abandon']);
      expect(phone.view.call).toMatchObject({ detour: problem, end: { cause: 'ice-failed' } });

      const failed = await answered();
      failed.ask.mockRejectedValue(new NoIceServers(problem));
      failed.session.events.iceFailed();
      await settle();
      expect(failed.session.did).toEqual(['abandon']);
      expect(failed.phone.view.call).toMatchObject({ detour: problem, end: { cause: 'ice-failed' } });
    },
  );
});

describe('the calls after one that needed the other way', () => {
  it('have the servers from their beginning, until one goes directly', async () => {
    const { phone, agent, session, ask } = await relayed();
    session.events.ended(failure({ cause: 'Terminated' }));
    phone.dial('carol');
    await settle();
    const next = agent.sessions.at(-1);
    expect(next?.servers).toEqual(SERVERS);
    const connection = new FakePeerConnection();
    next?.events.peerConnection(connection.asConnection);
    next?.events.accepted();
    connection.local = DIRECT;
    connection.becomes('connected');
    await settle();
    next?.events.ended(failure({ cause: 'Terminated' }));
    const incoming = agent.ring(BOB);
    phone.accept();
    await settle();
    expect(incoming.servers).toEqual([]);
    expect(ask).toHaveBeenCalledOnce();
  });
});
