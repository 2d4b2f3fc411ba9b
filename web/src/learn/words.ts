import type { Fault } from './paste';
import type { States } from './peer.svelte';
import { rfc, webrtc } from './sources';
import type { Source } from './sources';

/** Where the two sides are: both in this page, or each in a browser of its own. */
export type Mode = 'page' | 'paste';

export const MODES: readonly { readonly mode: Mode; readonly name: string }[] = [
  { mode: 'page', name: 'In this page' },
  { mode: 'paste', name: 'Two browsers' },
];

/** A machine of a peer connection, by name, with what it is for. */
export interface Machine {
  readonly key: keyof States;
  readonly name: string;
  readonly source: Source;
}

/** In the order in which they move. */
export const MACHINES: readonly Machine[] = [
  { key: 'signaling', name: 'Signaling', source: webrtc('RTCSignalingState', 'rtcsignalingstate-enum') },
  {
    key: 'gathering',
    name: 'Gathering',
    source: webrtc('RTCIceGatheringState', 'rtcicegatheringstate-enum'),
  },
  { key: 'ice', name: 'ICE', source: webrtc('RTCIceConnectionState', 'rtciceconnectionstate-enum') },
  { key: 'dtls', name: 'DTLS', source: webrtc('RTCDtlsTransportState', 'rtcdtlstransportstate-enum') },
  { key: 'sctp', name: 'SCTP', source: webrtc('RTCSctpTransportState', 'rtcsctptransportstate-enum') },
  { key: 'channel', name: 'Data channel', source: webrtc('RTCDataChannelState', 'dom-rtcdatachannelstate') },
  {
    key: 'connection',
    name: 'Connection',
    source: webrtc('RTCPeerConnectionState', 'rtcpeerconnectionstate-enum'),
  },
];

/** A line of the timeline about a machine that has moved. */
export function stateNews(machine: keyof States, state: string): string {
  const name = MACHINES.find(({ key }) => key === machine)?.name ?? machine;
  return `${name}: ${state}`;
}

/** What a state means, in a sentence. */
export function stateWords(machine: keyof States, state: string): string {
  return WORDS[machine][state] ?? '';
}

const WORDS: Record<keyof States, Record<string, string>> = {
  signaling: {
    '': 'There is no connection object yet.',
    stable: 'No offer waits for an answer.',
    'have-local-offer': 'This side has made an offer and waits for the answer.',
    'have-remote-offer': 'The other side has made an offer, and an answer is due.',
    'have-local-pranswer': 'This side has answered for the time being.',
    'have-remote-pranswer': 'The other side has answered for the time being.',
    closed: 'Closed for good.',
  },
  gathering: {
    '': '',
    new: 'No candidate has been looked for.',
    gathering: 'Looks for its addresses, and asks STUN and TURN servers if there are any.',
    complete: 'All candidates are found.',
  },
  ice: {
    '': '',
    new: 'Waits for candidates of the other side.',
    checking: 'Sends checks (STUN Binding requests) over the pairs, and answers those of the other side.',
    connected: 'A pair works. Others may still be tried.',
    completed: 'A pair is chosen, and nothing else will be tried.',
    disconnected: 'Checks have gone unanswered for some seconds. It may come back by itself.',
    failed: 'No pair has worked.',
    closed: 'Closed for good.',
  },
  dtls: {
    '': 'There is no transport yet: one comes with the first description.',
    new: 'Waits for ICE to find a way.',
    connecting: 'The handshake runs over the pair that ICE has found.',
    connected: 'The handshake is done, and the certificate of the other side has the promised fingerprint.',
    closed: 'Closed.',
    failed: 'The handshake has failed, or the certificate has another fingerprint than was promised.',
  },
  sctp: {
    '': 'There is no association yet.',
    connecting: 'Waits for DTLS, then sets up its association (INIT, COOKIE) inside it.',
    connected: 'The association stands; data channels run over it.',
    closed: 'Closed.',
  },
  channel: {
    '': 'Neither made nor announced yet.',
    connecting: 'Made here, and not yet announced: SCTP has to be up first.',
    open: 'Messages pass both ways.',
    closing: 'Is being closed.',
    closed: 'Closed.',
  },
  connection: {
    '': '',
    new: 'Nothing has begun.',
    connecting: 'ICE or DTLS is on its way.',
    connected: 'ICE and DTLS are through: what is sent arrives, encrypted.',
    disconnected: 'ICE is interrupted.',
    failed: 'ICE or DTLS has failed.',
    closed: 'Closed for good.',
  },
};

/** What is wrong with a pasted text, and what to do. */
export function faultWords(fault: Fault, wanted: 'offer' | 'answer'): string {
  switch (fault) {
    case 'empty':
      return `There is nothing in the field. Paste the ${wanted} of the other browser into it.`;
    case 'long':
      return `The text is far too long for an ${wanted}. Copy the ${wanted} alone, with its Copy button.`;
    case 'nonsense':
      return `This is no ${wanted}. It begins with “ringback-${wanted}:”; copy it with its Copy button in the other browser.`;
    case 'cut':
      return `A part of the ${wanted} is missing or altered, most often the end. Copy it again, with its Copy button.`;
    case 'candidate':
      return `This is a single candidate. What is due here is a whole ${wanted}, with all its candidates in it.`;
    case 'own':
      return wanted === 'answer'
        ? 'This is the offer that this page has made itself. Hand it to the other browser, and paste here what that one makes of it: the answer.'
        : 'This is what this page has made itself. What is due here is the offer of the other browser.';
    case 'offer-for-answer':
      return 'This is an offer, and what is due here is an answer. If both sides have made an offer, one of them starts over and answers instead.';
    case 'answer-for-offer':
      return 'This is an answer, and what is due here is an offer. Paste it in the browser that has made the offer.';
    case 'other-offer':
      return 'This answer belongs to another offer. An offer is good until its page is reloaded or started over: hand the new one to the other browser, and paste the answer to that.';
    case 'no-data':
      return `This ${wanted} has no section for data channels (m=application … webrtc-datachannel), and this page talks over one. Make it with a data channel.`;
    case 'no-credentials':
      return `This ${wanted} has no a=ice-ufrag and a=ice-pwd, so no check could be made. Copy the whole of it.`;
    case 'no-fingerprint':
      return `This ${wanted} has no a=fingerprint, so nobody could tell who answers the DTLS handshake. Copy the whole of it.`;
  }
}

/** A description that the browser itself does not take. */
export function refusedWords(wanted: 'offer' | 'answer', error: unknown): string {
  const reason = error instanceof Error ? error.message.slice(0, 300) : String(error).slice(0, 300);
  return `The browser does not take this ${wanted}: ${reason}. Start over on both sides and copy the texts whole.`;
}

/** Why nothing has come of it, as far as one side can tell. */
export function failedWords(hasServer: boolean): string {
  const server = hasServer
    ? 'Try another TURN server, or one over TCP.'
    : 'Between two networks it takes a STUN server, often a TURN server: give one under “Settings”.';
  return `No pair of candidates has worked. In one network, allow the camera or microphone on both sides, so that the browsers show their addresses instead of .local names. ${server} An answer that waited for minutes is too late: start over.`;
}

/** The words of the links below the machines. */
export const READING: readonly { readonly what: string; readonly source: Source }[] = [
  { what: 'Offer and answer in WebRTC (JSEP)', source: rfc(9429) },
  { what: 'SDP', source: rfc(8866) },
  { what: 'ICE', source: rfc(8445) },
  { what: 'STUN', source: rfc(8489) },
  { what: 'TURN', source: rfc(8656) },
  { what: 'DTLS 1.3', source: rfc(9147) },
  { what: 'Data channels', source: rfc(8831) },
  { what: 'Security of WebRTC', source: rfc(8827) },
];
