/** The states of the page without a server, for `npm run dev` and for looking: `/?demo=active`. */
import type { MicrophoneProblem } from '../lib/microphone';
import { IceServers, NoIceServers } from '../lib/ice-servers';
import { NoMicrophone } from '../lib/microphone';
import { Phone } from '../lib/phone';
import { Sound } from '../lib/sound';
import type { Surroundings } from '../lib/surroundings';
import { FakeAgent, failure } from './fake';

const ACCOUNT = {
  name: 'alice',
  domain: 'localhost',
  password: 'secret',
  url: 'ws://localhost:8080/ws',
  instance: '00000000-0000-4000-8000-000000000000',
};

const BOB = { name: 'Bob Okonkwo', address: 'sip:bob@localhost' };

/** Sets the phone into the state named `scene`. An unknown name is the sign-in. */
export function stage(scene: string): Surroundings {
  const agents = FakeAgent.factory();
  const problem: MicrophoneProblem | null = scene === 'no-microphone' ? 'microphone-refused' : null;
  const servers = new IceServers(async () => {
    if (scene === 'no-detour') throw new NoIceServers('no-turn');
    return { servers: [], expiresAt: Infinity };
  }, undefined);
  const phone = new Phone(
    agents,
    async () => {
      if (problem !== null) throw new NoMicrophone(problem);
      return voice(196);
    },
    servers,
  );
  const sound = new Sound();
  sound.unlock();
  void play(scene, phone, agents);
  return {
    phone,
    sound,
    place: location,
    isSecure: scene !== 'insecure',
    hasWebRtc: scene !== 'no-webrtc',
    storage: undefined,
    locks: undefined,
  };
}

async function play(
  scene: string,
  phone: Phone,
  agents: ReturnType<typeof FakeAgent.factory>,
): Promise<void> {
  if (['sign-in', 'insecure', 'no-webrtc'].includes(scene)) return;
  phone.signIn(ACCOUNT);
  const agent = agents.last;
  if (scene === 'connecting') return;
  if (scene === 'waiting') return agent.events.closed(Date.now() + 30_000);
  agent.events.opened();
  if (scene === 'wrong-password') return agent.events.registrationFailed(failure({ status: 401 }));
  agent.events.registered();
  if (scene === 'registered') return;
  if (scene === 'incoming' || scene === 'markup') {
    agent.ring(
      scene === 'incoming' ? BOB : { name: '<img src=x onerror=alert(1)>', address: 'sip:x@localhost' },
    );
    return;
  }
  phone.dial('bob');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const session = agent.sessions.at(-1);
  if (session === undefined || scene === 'calling') return;
  session.events.progress(false);
  if (scene === 'ringing') return;
  if (scene === 'busy') return session.events.ended(failure({ status: 486, text: 'Busy Here' }));
  if (scene === 'no-codec') {
    return session.events.ended(failure({ status: 488, text: 'no shared codec: PCMU PCMA / opus' }));
  }
  session.events.accepted();
  if (scene === 'detour' || scene === 'no-detour' || scene === 'no-way') {
    session.events.iceFailed();
    if (scene !== 'no-way') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
    session.restarted();
    return session.events.iceFailed();
  }
  session.events.peerConnection(sounding(scene === 'relayed' ? 'relay' : 'host'));
  if (scene === 'to-be-held') session.isOffering = true;
  if (scene === 'held' || scene === 'to-be-held') phone.setHeld(true);
  if (scene === 'muted') phone.setMuted(true);
  if (scene === 'hung-up') session.events.ended(failure({ cause: 'Terminated' }));
  if (scene === 'lost') agent.events.closed(Date.now() + 30_000);
}

/** A peer connection that is connected and carries a tone. */
function sounding(candidateType: RTCIceCandidateType): RTCPeerConnection {
  const target = new EventTarget();
  const stats = new Map([
    ['pair', { type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'local' }],
    ['local', { type: 'local-candidate', candidateType, relayProtocol: 'tls' }],
  ]);
  queueMicrotask(() => {
    const stream = voice(311);
    target.dispatchEvent(
      Object.assign(new Event('track'), { track: stream.getTracks()[0], streams: [stream] }),
    );
    target.dispatchEvent(new Event('iceconnectionstatechange'));
  });
  return Object.assign(target, {
    iceConnectionState: 'connected',
    getSenders: () => [],
    getStats: () => Promise.resolve(stats),
  }) as unknown as RTCPeerConnection;
}

function voice(hertz: number): MediaStream {
  const context = new AudioContext();
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const destination = context.createMediaStreamDestination();
  oscillator.frequency.value = hertz;
  gain.gain.value = 0.05;
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  return destination.stream;
}
