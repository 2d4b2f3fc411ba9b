import { explainCandidate, parseCandidate } from './candidate';
import type { Line } from './sdp';
import { rfc } from './sources';
import type { Explanation } from './sources';

/** What the attributes of the transport mean: ICE, DTLS and, for data channels, SCTP. */
export function explainIce({ attribute, argument, value }: Line): Explanation | undefined {
  const words = argument.split(' ');
  switch (attribute) {
    case 'candidate': {
      const candidate = parseCandidate(value);
      return candidate === null
        ? {
            title: 'Candidate',
            says: 'Something about this candidate cannot be read; it is passed over.',
            parts: [],
            sources: [rfc(8839, '5.1')],
          }
        : explainCandidate(candidate);
    }
    case 'end-of-candidates':
      return {
        title: 'No more candidates',
        says: 'Gathering is complete: when every pair of these has failed, no other will come.',
        parts: [],
        sources: [rfc(8840)],
      };
    case 'ice-ufrag':
      return {
        title: 'ICE user fragment',
        says: 'A short random name for this side of this session. The checks that the other side sends carry both fragments, so that they are not mistaken for those of another session. A new one means that ICE begins anew.',
        parts: [],
        sources: [rfc(8839, '5.4'), rfc(8445, '7.2.2')],
      };
    case 'ice-pwd':
      return {
        title: 'ICE password',
        says: 'The key of a checksum in every connectivity check. Who has not read this description can make no check that is believed. It protects the checks; the media is protected by DTLS.',
        parts: [],
        sources: [rfc(8839, '5.4'), rfc(8445, '7.2.2')],
      };
    case 'ice-options':
      return {
        title: 'ICE options',
        says: 'What this side can do. Trickle: candidates may come after the description, one by one, so that checks begin before gathering has ended.',
        parts: words.map((word) => ({
          value: word,
          means:
            word === 'trickle'
              ? 'Candidates may come later.'
              : word === 'renomination'
                ? 'The pair may be chosen anew without a restart.'
                : 'An option.',
        })),
        sources: [rfc(8839, '5.6'), rfc(8838)],
      };
    case 'ice-lite':
      return {
        title: 'ICE-lite',
        says: 'This side makes no checks and only answers those of the other: a server at a public address, never a browser.',
        parts: [],
        sources: [rfc(8839, '5.3'), rfc(8445, '2.5')],
      };
    case 'fingerprint':
      return {
        title: 'Fingerprint of the certificate',
        says: 'The hash of the certificate that this side will show in the DTLS handshake. The certificate is one that the browser has made itself; no authority vouches for it. So the encryption is exactly as good as the way on which this line travelled: who can alter it on the way can sit in the middle.',
        parts: [
          { value: words[0] ?? '', means: 'The hash function.' },
          { value: words[1] ?? '', means: 'The hash, byte by byte.' },
        ],
        sources: [rfc(8122, '5'), rfc(8827, '6.5')],
      };
    case 'setup':
      return {
        title: 'Who begins the DTLS handshake',
        says: 'One side is the client of DTLS, the other the server. It has nothing to do with who made the offer.',
        parts: [{ value: argument, means: setupWords(argument) }],
        sources: [rfc(4145, '4'), rfc(8842, '5')],
      };
    case 'tls-id':
      return {
        title: 'DTLS association',
        says: 'A new value asks for a new DTLS handshake.',
        parts: [],
        sources: [rfc(8842, '4')],
      };
    case 'sctp-port':
      return {
        title: 'SCTP port',
        says: 'The port of SCTP, inside DTLS: no port of the machine. Both sides say 5000 by custom.',
        parts: [],
        sources: [rfc(8841, '5')],
      };
    case 'max-message-size':
      return {
        title: 'Greatest message',
        says:
          argument === '0'
            ? 'Messages of any size are taken.'
            : 'So many bytes this side takes in one message of a data channel. Without this line it would be 64 kB.',
        parts: [],
        sources: [rfc(8841, '6')],
      };
    case 'sctpmap':
      return {
        title: 'SCTP map',
        says: 'How data channels were described before RFC 8841.',
        parts: [],
        sources: [rfc(8841)],
      };
  }
  return undefined;
}

function setupWords(setup: string): string {
  switch (setup) {
    case 'actpass':
      return 'Either is good: the answer chooses. An offer has to say this.';
    case 'active':
      return 'This side is the DTLS client and sends the first ClientHello. Answers say this, so that the handshake begins a round trip sooner.';
    case 'passive':
      return 'This side is the DTLS server and waits.';
    default:
      return 'Not used in WebRTC.';
  }
}
