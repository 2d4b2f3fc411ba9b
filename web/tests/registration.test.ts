import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { FakeAgent, failure } from '../src/demo/fake';
import { IceServers } from '../src/lib/ice-servers';
import { Phone, type PhoneView } from '../src/lib/phone';
import { ACCOUNT, newPhone, registeredPhone, talkingPhone } from './setting';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('signing in', () => {
  it('passes connecting and registering before registered', () => {
    const { phone, agents } = newPhone();
    const states: string[] = [];
    phone.subscribe((view: PhoneView) => {
      if (states.at(-1) !== view.line.state) states.push(view.line.state);
    });
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    agents.last.events.registered();
    expect(states).toEqual(['signed-out', 'connecting', 'registering', 'registered']);
    expect(agents.last.did).toEqual(['start']);
  });

  it.each([401, 403, 407])('signs out when the server answers %i', (status) => {
    const { phone, agents } = newPhone();
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    agents.last.events.registrationFailed(failure({ status }));
    expect(phone.view.line).toEqual({ state: 'signed-out', cause: 'wrong-credentials' });
    expect(agents.last.did).toContain('stop');
  });

  it('names an unknown domain', () => {
    const { phone, agents } = newPhone();
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    agents.last.events.registrationFailed(failure({ status: 404 }));
    expect(phone.view.line).toEqual({ state: 'signed-out', cause: 'unknown-domain' });
  });

  it('says so when the user agent cannot use the account', () => {
    const phone = new Phone(
      () => {
        throw new TypeError('uri');
      },
      () => Promise.reject(new Error('not asked')),
      new IceServers(() => Promise.reject(new Error('not asked')), undefined),
    );
    phone.signIn(ACCOUNT);
    expect(phone.view.line).toEqual({ state: 'signed-out', cause: 'unusable-account' });
  });

  it('waits and tries again when the server is overloaded, and longer each time', () => {
    const { phone, agents } = newPhone();
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    agents.last.events.registrationFailed(failure({ status: 503 }));
    expect(phone.view.line).toMatchObject({ state: 'waiting', status: 503, retryAt: Date.now() + 2000 });
    vi.advanceTimersByTime(2000);
    expect(agents.last.did).toEqual(['start', 'register']);
    agents.last.events.registrationFailed(failure({ status: 503 }));
    expect(phone.view.line).toMatchObject({ retryAt: Date.now() + 4000 });
  });

  it('keeps to the Retry-After of the server', () => {
    const { phone, agents } = newPhone();
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    agents.last.events.registrationFailed(failure({ status: 503, retryAfter: 17 }));
    vi.advanceTimersByTime(16_999);
    expect(agents.last.did).not.toContain('register');
    vi.advanceTimersByTime(1);
    expect(agents.last.did).toContain('register');
  });

  it('takes a registration that is never answered for a dead connection', () => {
    const { phone, agents } = newPhone();
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    agents.last.events.registrationFailed(failure({ cause: 'Request Timeout', originator: 'system' }));
    expect(agents.last.did).toEqual(['start', 'dropConnection']);
  });

  it('takes a registration that the user agent has lost sight of for a dead connection', () => {
    const { phone, agents } = newPhone();
    phone.signIn(ACCOUNT);
    agents.last.events.opened();
    vi.advanceTimersByTime(40_000);
    expect(agents.last.did).toEqual(['start', 'dropConnection']);
  });
});

describe('a lost connection', () => {
  it('tells when the next attempt is, and comes back', () => {
    const { phone, agent } = registeredPhone();
    agent.events.closed(Date.now() + 1500);
    expect(phone.view.line).toMatchObject({ state: 'waiting', status: null, retryAt: Date.now() + 1500 });
    expect(phone.isConnected).toBe(false);
    agent.events.opening();
    expect(phone.view.line.state).toBe('connecting');
    agent.events.opened();
    agent.events.registered();
    expect(phone.view.line.state).toBe('registered');
  });

  it('is tried at once on request and when the network comes back', () => {
    const { phone, agent } = registeredPhone();
    agent.events.closed(Date.now() + 30_000);
    phone.retryNow();
    phone.networkChanged();
    expect(agent.did).toEqual(['start', 'connectNow', 'connectNow']);
  });

  it('is looked for by a registration when the machine wakes up', () => {
    const { phone, agent } = registeredPhone();
    phone.networkChanged();
    expect(agent.did).toEqual(['start', 'register']);
    expect(phone.view.line.state).toBe('registered');
  });

  it('leaves the call alone', async () => {
    const { phone, agent, session } = await talkingPhone();
    agent.events.closed(Date.now() + 2000);
    expect(phone.view.call?.state).toBe('active');
    expect(session.did).toEqual([]);
  });

  it('holds no sooner than it is back, since JsSIP would end the call over a request it cannot send', async () => {
    const { phone, agent, session } = await talkingPhone();
    agent.events.closed(Date.now() + 2000);
    phone.setHeld(true);
    vi.advanceTimersByTime(1_000);
    expect(session.did).toEqual([]);
    agent.events.opened();
    vi.advanceTimersByTime(1_000);
    expect(session.did).toEqual(['hold']);
  });
});

describe('signing out', () => {
  it('hangs up and stops the user agent, whose last words are not heard', async () => {
    const { phone, agent, session } = await talkingPhone();
    phone.signOut();
    expect(session.did).toEqual(['terminate']);
    expect(agent.did.at(-1)).toBe('stop');
    agent.events.closed(Date.now() + 1000);
    agent.events.registered();
    expect(phone.view).toEqual({ line: { state: 'signed-out', cause: null }, call: null, missed: null });
  });

  it('waits for the end of the call when the server refuses a renewal', async () => {
    const { phone, agent, session } = await talkingPhone();
    agent.events.registrationFailed(failure({ status: 403 }));
    expect(phone.view.line).toMatchObject({ state: 'refused', cause: 'wrong-credentials' });
    expect(phone.view.call?.state).toBe('active');
    session.events.ended(failure({ cause: 'Terminated' }));
    expect(phone.view.line).toEqual({ state: 'signed-out', cause: 'wrong-credentials' });
  });

  it('leaves no agent behind when another user signs in', () => {
    const { phone, agents } = registeredPhone();
    phone.signIn({ ...ACCOUNT, name: 'carol' });
    expect(agents.made.map((agent: FakeAgent) => agent.did)).toEqual([['start', 'stop'], ['start']]);
  });
});
