/** The page in a document: what can be seen, said and typed in each state. */
import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, describe, expect, it } from 'vitest';

import App from '../src/App.svelte';
import { FakeAgent, failure } from '../src/demo/fake';
import { IceServers } from '../src/lib/ice-servers';
import { Phone } from '../src/lib/phone';
import { Sound } from '../src/lib/sound';
import { ACCOUNT, BOB, FakePeerConnection, askForServers, fakeMicrophone, settle } from './setting';

afterEach(() => {
  cleanup();
  localStorage.clear();
});

function open(overrides: { isSecure?: boolean; hasWebRtc?: boolean } = {}) {
  const agents = FakeAgent.factory();
  const servers = new IceServers(askForServers(), undefined);
  const phone = new Phone(agents, () => Promise.resolve(fakeMicrophone().stream), servers);
  render(App, {
    surroundings: {
      phone,
      sound: new Sound(),
      place: { protocol: 'https:', host: 'phone.example', hostname: 'phone.example' },
      isSecure: true,
      hasWebRtc: true,
      storage: localStorage,
      locks: undefined,
      ...overrides,
    },
  });
  return { phone, agents };
}

async function openSignedIn() {
  const opened = open();
  opened.phone.signIn(ACCOUNT);
  const agent = opened.agents.last;
  agent.events.opened();
  agent.events.registered();
  await tick();
  return { ...opened, agent };
}

const at = (id: string): HTMLElement => screen.getByTestId(id);
const state = (): string | undefined => at('call-state').dataset.state;

describe('signing in', () => {
  it('passes the form to the phone and remembers the name only', async () => {
    const { agents } = open();
    await fireEvent.input(at('name'), { target: { value: 'alice' } });
    await fireEvent.input(at('password'), { target: { value: 'secret' } });
    await fireEvent.click(at('sign-in'));
    await settle();
    await tick();
    expect(agents.last.account).toMatchObject({
      name: 'alice',
      password: 'secret',
      url: 'wss://phone.example/ws',
    });
    expect(at('status').dataset.state).toBe('connecting');
    expect(JSON.stringify({ ...localStorage })).toContain('alice');
    expect(JSON.stringify({ ...localStorage })).not.toContain('secret');
  });

  it('says what is wrong with the form', async () => {
    open();
    await fireEvent.click(at('sign-in'));
    expect(at('error').textContent).toBe('Type your name.');
    await fireEvent.input(at('name'), { target: { value: 'alice' } });
    await fireEvent.click(at('sign-in'));
    await settle();
    await tick();
    expect(at('error').textContent).toBe('Type your password.');
  });

  it('says that the name or the password is wrong', async () => {
    const { agent } = await openSignedIn();
    agent.events.registrationFailed(failure({ status: 401 }));
    await tick();
    expect(at('error').textContent).toBe('Wrong name or password.');
    expect(at('error').getAttribute('role')).toBe('alert');
  });

  it('warns of an insecure page and of a browser without WebRTC', () => {
    open({ isSecure: false, hasWebRtc: false });
    expect(at('insecure').textContent).toContain('https://phone.example:8443/');
    expect(at('no-webrtc').textContent).toContain('WebRTC');
  });
});

describe('the phone', () => {
  it('shows what comes from the network as text', async () => {
    const { agent } = await openSignedIn();
    const name = '<img src=x onerror="alert(1)">';
    agent.ring({ name, address: 'sip:<b>x</b>@phone.example' });
    await tick();
    expect(at('peer-name').textContent).toBe(name);
    expect(at('peer-address').textContent).toBe('<b>x</b>@phone.example');
    expect(document.querySelector('img, b')).toBeNull();
    agent.sessions[0]?.events.ended(failure({ cause: 'Canceled' }));
    await tick();
    expect(at('outcome').textContent).toBe(`You missed a call from ${name}.`);
    expect(document.querySelector('img, b')).toBeNull();
  });

  it('dials by Enter, and by the echo button', async () => {
    const { agent, phone } = await openSignedIn();
    await fireEvent.input(at('dial-input'), { target: { value: 'bob' } });
    await fireEvent.submit(at('dial-input'));
    await settle();
    await tick();
    expect(agent.did).toContain('invite bob');
    expect(state()).toBe('calling');
    phone.hangUp();
    await tick();
    expect(at('call-state').dataset).toMatchObject({ state: 'ended', cause: 'cancelled' });
    await fireEvent.click(at('echo'));
    await settle();
    expect(agent.did).toContain('invite echo');
  });

  it('types keys into the number, and sends them in a call', async () => {
    const { agent } = await openSignedIn();
    await fireEvent.click(at('keypad-star'));
    await fireEvent.keyDown(document.body, { key: '4' });
    await fireEvent.click(at('keypad-3'));
    expect((at('dial-input') as HTMLInputElement).value).toBe('*43');
    await fireEvent.click(at('dial'));
    await settle();
    agent.sessions[0]?.events.accepted();
    await tick();
    await fireEvent.click(at('keypad-hash'));
    await fireEvent.keyDown(document.body, { key: '7' });
    expect(agent.sessions[0]?.did).toEqual(['INFO #', 'INFO 7']);
    expect(at('sent').textContent).toBe('#7');
  });

  it('accepts, mutes, holds and hangs up', async () => {
    const { agent } = await openSignedIn();
    const session = agent.ring(BOB);
    await tick();
    expect(state()).toBe('incoming');
    await fireEvent.click(at('accept'));
    await settle();
    session.events.accepted();
    await tick();
    expect(state()).toBe('active');
    expect(at('elapsed').textContent).toBe('0:00');
    await fireEvent.click(at('mute'));
    expect(at('mute').getAttribute('data-on')).toBe('true');
    await fireEvent.click(at('hold'));
    expect(state()).toBe('held');
    await fireEvent.click(at('hangup'));
    expect(session.did).toEqual(['answer', 'mute', 'hold', 'terminate']);
    expect(at('call-state').dataset).toMatchObject({ state: 'ended', cause: 'hung-up' });
    await fireEvent.keyDown(document.body, { key: 'Escape' });
    expect(state()).toBe('idle');
  });

  it('rejects', async () => {
    const { agent } = await openSignedIn();
    const session = agent.ring(BOB);
    await tick();
    await fireEvent.click(at('reject'));
    expect(session.did).toEqual(['reject 486']);
  });

  it('tells of a failure in words, with its cause and status for scripts', async () => {
    const { agent, phone } = await openSignedIn();
    phone.dial('bob');
    await settle();
    agent.sessions[0]?.events.ended(failure({ status: 486, text: 'Busy Here' }));
    await tick();
    expect(at('error').textContent).toBe('bob is busy. Try again later.');
    expect(at('call-state').dataset).toMatchObject({ state: 'ended', cause: 'busy', status: '486' });
    await fireEvent.click(at('dismiss'));
    expect(screen.queryByTestId('error')).toBeNull();
  });

  it('says when the connection is lost, and that the call goes on', async () => {
    const { agent, phone } = await openSignedIn();
    phone.dial('bob');
    await settle();
    agent.sessions[0]?.events.accepted();
    agent.events.closed(Date.now() + 3_500);
    await tick();
    expect(at('line-trouble').textContent).toBe('The server does not answer; trying again in 4\u00a0s.');
    expect(at('call-without-server').textContent).toContain('go on talking');
    expect((at('hold') as HTMLButtonElement).disabled).toBe(true);
    await fireEvent.click(at('retry-now'));
    expect(agent.did).toContain('connectNow');
  });

  it('says that another way is tried for the sound, and then which one it takes', async () => {
    const { agent, phone } = await openSignedIn();
    phone.dial('bob');
    await settle();
    const session = agent.sessions[0];
    const connection = new FakePeerConnection();
    session?.events.peerConnection(connection.asConnection);
    session?.events.accepted();
    await tick();
    expect(screen.queryByTestId('detour')).toBeNull();
    session?.events.iceFailed();
    await tick();
    expect(at('detour').textContent).toContain('trying another way');
    expect(screen.getByRole('status').textContent).toBe(at('detour').textContent);
    connection.local = { candidateType: 'relay', relayProtocol: 'tls' };
    connection.becomes('connected');
    await settle();
    await tick();
    expect(screen.queryByTestId('detour')).toBeNull();
    expect(at('path').textContent).toBe('The sound is relayed by TURN over TLS.');
    expect(at('path').dataset.path).toBe('tls');
  });

  it('announces states to a screen reader', async () => {
    const { agent } = await openSignedIn();
    agent.ring(BOB);
    await tick();
    expect(screen.getByRole('status').textContent).toBe('Incoming call from Bob');
    expect(document.title).toBe('Incoming call Bob – Ringback');
  });
});
