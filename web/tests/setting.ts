/** What several tests start from. */
import { type Mock, vi } from 'vitest';

import { FakeAgent } from '../src/demo/fake';
import type { Account } from '../src/lib/account';
import { type AskForIceServers, IceServers } from '../src/lib/ice-servers';
import { Phone } from '../src/lib/phone';

export const ACCOUNT: Account = {
  name: 'alice',
  domain: 'phone.example',
  password: 'secret',
  url: 'wss://phone.example/ws',
  instance: '6c8a6a52-3a1c-4f4e-9d0e-1f8a5f0f7a11',
};

export const BOB = { name: 'Bob', address: 'sip:bob@phone.example' };

/** A microphone whose tracks tell whether they have been stopped. */
export function fakeMicrophone() {
  const track = Object.assign(new EventTarget(), { kind: 'audio', stop: vi.fn() });
  return {
    track,
    stream: { getTracks: () => [track], getAudioTracks: () => [track] } as unknown as MediaStream,
  };
}

/** A peer connection of which the test sets the state. */
export class FakePeerConnection extends EventTarget {
  iceConnectionState: RTCIceConnectionState = 'new';
  canInsertDTMF = true;
  packetsReceived = 0;
  packetsLost = 0;
  totalAudioEnergy = 0;
  /** The local candidate of the pair that is used. */
  local: { candidateType: string; relayProtocol?: string } | null = null;

  becomes(state: RTCIceConnectionState): void {
    this.iceConnectionState = state;
    this.dispatchEvent(new Event('iceconnectionstatechange'));
  }

  getSenders() {
    return [{ dtmf: { canInsertDTMF: this.canInsertDTMF } }];
  }

  getStats(): Promise<Map<string, unknown>> {
    const { packetsReceived, packetsLost } = this;
    return Promise.resolve(
      new Map<string, unknown>([
        ['video', { type: 'inbound-rtp', kind: 'video', packetsReceived: 7, packetsLost: 7 }],
        ['in', { type: 'inbound-rtp', kind: 'audio', packetsReceived, packetsLost }],
        ['transport', { type: 'transport', selectedCandidatePairId: this.local && 'pair' }],
        ['other', { type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'none' }],
        ['pair', { type: 'candidate-pair', localCandidateId: 'local' }],
        ['local', { type: 'local-candidate', ...this.local }],
        ['mic', { type: 'media-source', kind: 'audio', totalAudioEnergy: this.totalAudioEnergy }],
      ]),
    );
  }

  get asConnection(): RTCPeerConnection {
    return this as unknown as RTCPeerConnection;
  }
}

/** Lets promises that wait for nothing but other promises run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

/** What the server of a test tells those who ask it for ICE servers. */
export const SERVERS: readonly RTCIceServer[] = [
  { urls: ['turns:phone.example:8443?transport=tcp'], username: '1:alice', credential: 'c' },
];

/** Answers with `SERVERS`, for an hour. */
export function askForServers(): Mock<AskForIceServers> {
  return vi.fn(() => Promise.resolve({ servers: SERVERS, expiresAt: Date.now() + 3_600_000 }));
}

/** A phone with a scripted agent and a microphone. */
export function newPhone(openMicrophone?: () => Promise<MediaStream>) {
  const agents = FakeAgent.factory();
  const microphone = fakeMicrophone();
  const ask = askForServers();
  const servers = new IceServers(ask, undefined);
  const phone = new Phone(agents, openMicrophone ?? (() => Promise.resolve(microphone.stream)), servers);
  return { phone, agents, microphone, ask };
}

export function registeredPhone(openMicrophone?: () => Promise<MediaStream>) {
  const made = newPhone(openMicrophone);
  made.phone.signIn(ACCOUNT);
  const agent = made.agents.last;
  agent.events.opened();
  agent.events.registered();
  return { ...made, agent };
}

/** A call to bob, with its INVITE sent. */
export async function callingPhone() {
  const made = registeredPhone();
  made.phone.dial('bob');
  await settle();
  const session = made.agent.sessions.at(-1);
  if (session === undefined) throw new Error('no INVITE was sent');
  return { ...made, session };
}

/** A call to bob that he has answered. */
export async function talkingPhone() {
  const made = await callingPhone();
  const connection = new FakePeerConnection();
  made.session.events.peerConnection(connection.asConnection);
  made.session.events.accepted();
  connection.becomes('connected');
  return { ...made, connection };
}
