import { rfc, webrtc } from './sources';
import type { Source } from './sources';
import type { Walk } from './walk.svelte';

/** One step of the handshake in this page. */
export interface Step {
  readonly id: string;
  /** Who does it; empty for both. */
  readonly who: string;
  readonly title: string;
  readonly says: string;
  /** What a page of one's own would write. */
  readonly code: string;
  readonly sources: readonly Source[];
  act(walk: Walk): Promise<void>;
}

export const STEPS: readonly Step[] = [
  {
    id: 'open',
    who: '',
    title: 'Make two connections',
    says: 'Ada and Grace each make a connection object. Ada also makes a data channel: an offer describes what is there, and without a channel or a track it would describe nothing. No packet leaves the machine yet.',
    code: `const ada = new RTCPeerConnection({ iceServers });\nconst grace = new RTCPeerConnection({ iceServers });\nconst chat = ada.createDataChannel('chat');`,
    sources: [rfc(9429, '4.1.1'), rfc(8831)],
    act: (walk) => walk.open(),
  },
  {
    id: 'offer',
    who: 'Ada',
    title: 'Ada makes the offer',
    says: 'The browser writes down what Ada can do and wants: one section for each kind of media, the fingerprint of her certificate, and the name and password of her checks. It is text, and nothing has changed by it.',
    code: `const offer = await ada.createOffer();`,
    sources: [rfc(9429, '5.2.1'), rfc(3264)],
    act: async (walk) => {
      const { sdp } = await walk.ada.connection.createOffer();
      walk.offer = sdp ?? '';
    },
  },
  {
    id: 'local-offer',
    who: 'Ada',
    title: 'Ada takes her own offer',
    says: 'Now she stands by it: signaling moves to have-local-offer, and the browser begins to gather candidates, each an address at which she may be reached.',
    code: `await ada.setLocalDescription(offer);\nada.onicecandidate = ({ candidate }) => …;`,
    sources: [rfc(9429, '3.2'), rfc(8445, '5.1')],
    act: async (walk) => {
      await walk.ada.connection.setLocalDescription({ type: 'offer', sdp: walk.offer ?? '' });
    },
  },
  {
    id: 'remote-offer',
    who: 'Grace',
    title: 'Grace is handed the offer',
    says: 'How it gets to her is nobody’s business but ours: a WebSocket, an e-mail, a QR code, or a line of this page. WebRTC leaves it open; it is called signalling. Who carries it must be trusted, for the fingerprint is in it.',
    code: `await grace.setRemoteDescription(offer);`,
    sources: [rfc(9429, '3.1'), rfc(8827, '3')],
    act: async (walk) => {
      await walk.grace.connection.setRemoteDescription({ type: 'offer', sdp: walk.offer ?? '' });
    },
  },
  {
    id: 'answer',
    who: 'Grace',
    title: 'Grace makes the answer',
    says: 'The same sections in the same order, each with what both can do, and her own fingerprint, name and password. By a=setup:active she chooses to begin the DTLS handshake.',
    code: `const answer = await grace.createAnswer();`,
    sources: [rfc(9429, '5.3.1'), rfc(8842, '5')],
    act: async (walk) => {
      const { sdp } = await walk.grace.connection.createAnswer();
      walk.answer = sdp ?? '';
    },
  },
  {
    id: 'local-answer',
    who: 'Grace',
    title: 'Grace takes her own answer',
    says: 'For her the negotiation is over: signaling is stable again. She gathers candidates too.',
    code: `await grace.setLocalDescription(answer);`,
    sources: [rfc(9429, '3.2'), webrtc('RTCSignalingState', 'rtcsignalingstate-enum')],
    act: async (walk) => {
      await walk.grace.connection.setLocalDescription({ type: 'answer', sdp: walk.answer ?? '' });
    },
  },
  {
    id: 'remote-answer',
    who: 'Ada',
    title: 'Ada is handed the answer',
    says: 'Both are stable and know each other’s names, passwords and fingerprints. What is missing is an address: ICE waits, for no candidate has passed.',
    code: `await ada.setRemoteDescription(answer);`,
    sources: [rfc(9429, '3.2')],
    act: async (walk) => {
      await walk.ada.connection.setRemoteDescription({ type: 'answer', sdp: walk.answer ?? '' });
    },
  },
  {
    id: 'candidates-ada',
    who: 'Ada',
    title: 'Ada’s candidates go to Grace',
    says: 'One by one, as they come: trickle ICE. Grace pairs each with each of hers and sends checks, STUN Binding requests. As a check comes from her, Ada learns where she is: a peer-reflexive candidate. So one side’s candidates are often enough.',
    code: `ada.onicecandidate = ({ candidate }) =>\n  candidate && grace.addIceCandidate(candidate);`,
    sources: [rfc(8838), rfc(8445, '7.3.1.3')],
    act: (walk) => walk.handOver(walk.ada, walk.grace),
  },
  {
    id: 'candidates-grace',
    who: 'Grace',
    title: 'Grace’s candidates go to Ada',
    says: 'Ada is the controlling side, for she made the offer: among the pairs that work she nominates one. Over it the DTLS handshake runs, then SCTP sets up inside DTLS, then the data channel is announced.',
    code: `grace.onicecandidate = ({ candidate }) =>\n  candidate && ada.addIceCandidate(candidate);`,
    sources: [rfc(8445, '8.1.1'), rfc(8832)],
    act: async (walk) => {
      await walk.handOver(walk.grace, walk.ada);
      await walk.opened();
    },
  },
  {
    id: 'hello',
    who: '',
    title: 'They say hello',
    says: 'A message each way, over the chosen pair, encrypted. No server has seen any of it; this page has only handed over two descriptions and the candidates. Write more below.',
    code: `chat.send('Hello, Grace!');`,
    sources: [rfc(8831), rfc(8832)],
    act: (walk) => {
      walk.ada.say('Hello, Grace!');
      walk.grace.say('Hello, Ada!');
      return Promise.resolve();
    },
  },
];
