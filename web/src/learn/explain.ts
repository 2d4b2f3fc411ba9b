import { explainIce } from './explain-ice';
import { explainRtp } from './explain-rtp';
import type { Line } from './sdp';
import { rfc } from './sources';
import type { Explanation, Part } from './sources';

/**
 * What a line of a description means: those of SDP itself here, those of ICE, DTLS and SCTP in `explain-ice.ts`, those of
 * sound and picture in `explain-rtp.ts`.
 */
export function explain(line: Line): Explanation {
  return explainSession(line) ?? explainIce(line) ?? explainRtp(line) ?? unknown(line);
}

function explainSession({ type, value, attribute, argument, media }: Line): Explanation | undefined {
  const words = value.split(' ');
  const part = (index: number, means: string): Part => ({ value: words[index] ?? '', means });
  switch (type) {
    case 'v':
      return {
        title: 'Version',
        says: 'The version of SDP. There has only ever been 0.',
        parts: [],
        sources: [rfc(8866, '5.1')],
      };
    case 'o':
      return {
        title: 'Origin',
        says: 'Which session this is, and which version of its description. A changed description of the same session has a higher version.',
        parts: [
          part(0, 'User name: a browser tells none.'),
          part(1, 'Session number, drawn at random.'),
          part(2, 'Version of the description.'),
          {
            value: words.slice(3).join(' '),
            means: 'The address of who made it. Browsers write a meaningless one, so as not to tell theirs.',
          },
        ],
        sources: [rfc(8866, '5.2'), rfc(9429, '5.2.1')],
      };
    case 's':
      return {
        title: 'Session name',
        says: 'A name for people. WebRTC has none, so it is a hyphen.',
        parts: [],
        sources: [rfc(8866, '5.3')],
      };
    case 't':
      return {
        title: 'Time',
        says: 'From when to when the session lasts: 0 0 is “from now on, without end”. From the days when SDP announced broadcasts.',
        parts: [],
        sources: [rfc(8866, '5.9')],
      };
    case 'c':
      return {
        title: 'Connection address',
        says: 'Where media should be sent, if there were no ICE. Browsers write the address of their default candidate, or 0.0.0.0 as long as they know none; the other side goes by the candidates.',
        parts: [part(0, 'IN: the Internet.'), part(1, 'The family of the address.'), part(2, 'The address.')],
        sources: [rfc(8866, '5.7'), rfc(8839, '4.2.1')],
      };
    case 'b':
      return {
        title: 'Bandwidth',
        says: 'At most so much should be sent: AS in kilobits a second, TIAS in bits a second without headers.',
        parts: [],
        sources: [rfc(8866, '5.8')],
      };
    case 'm':
      return explainMedia(media, words);
  }
  switch (attribute) {
    case 'group':
      return {
        title: 'Group of sections',
        says: 'BUNDLE: all these sections share one transport: one set of candidates, one DTLS handshake, one port. The names are those of a=mid.',
        parts: argument
          .split(' ')
          .slice(1)
          .map((value) => ({ value, means: 'The section with this a=mid.' })),
        sources: [rfc(5888, '5'), rfc(9143)],
      };
    case 'mid':
      return {
        title: 'Name of the section',
        says: 'By which the group above and each candidate refer to it.',
        parts: [],
        sources: [rfc(5888, '4')],
      };
    case 'bundle-only':
      return {
        title: 'Only in a bundle',
        says: 'This section has port 0 because it is offered in the bundle or not at all.',
        parts: [],
        sources: [rfc(9143, '6')],
      };
    case 'sendrecv':
    case 'sendonly':
    case 'recvonly':
    case 'inactive':
      return {
        title: 'Direction',
        says: 'Whether this side sends, receives, both or neither. The answer can only take away from it.',
        parts: [],
        sources: [rfc(8866, '6.7'), rfc(3264, '6.1')],
      };
  }
  return undefined;
}

function explainMedia(media: string, words: readonly string[]): Explanation {
  const [, port = '', protocol = '', ...formats] = words;
  const parts: Part[] = [
    {
      value: media,
      means:
        media === 'application'
          ? 'Data channels, all of them: a second one needs no second section.'
          : `A section for ${media === 'audio' ? 'sound' : 'picture'}.`,
    },
    { value: port, means: portWords(port) },
    { value: protocol, means: protocolWords(protocol) },
  ];
  if (media === 'application') {
    parts.push({ value: formats.join(' '), means: 'What runs over SCTP: the data channels of WebRTC.' });
  } else {
    parts.push({
      value: formats.join(' '),
      means: 'Payload types, the favourite first. What each is, a=rtpmap says below.',
    });
  }
  return {
    title: 'Media section',
    says: 'Begins a section. Offer and answer have the same sections in the same order: the answer refuses one by port 0, and adds none.',
    parts,
    sources: [rfc(8866, '5.14'), media === 'application' ? rfc(8841, '4') : rfc(5764, '8')],
  };
}

function portWords(port: string): string {
  if (port === '0') return 'Port 0: refused, or sent in the bundle only.';
  if (port === '9') return 'Port 9 (discard): no port is known yet, and the candidates will tell.';
  return 'The port of the default candidate; who speaks ICE goes by the candidates instead.';
}

function protocolWords(protocol: string): string {
  if (protocol.endsWith('DTLS/SCTP')) return 'SCTP, inside DTLS, inside UDP (or TCP).';
  if (protocol.endsWith('TLS/RTP/SAVPF'))
    return 'RTP encrypted (S) with keys from DTLS, and with quick feedback (F).';
  return 'The protocols of the section.';
}

/** What stands in no list of ours is passed over, as a browser does with what it does not know. */
function unknown({ attribute, type }: Line): Explanation {
  return {
    title: attribute === '' ? 'Another line' : `a=${attribute}`,
    says: 'A line that this page has no words for. Whoever reads SDP passes over attributes that it does not know, so that new ones do no harm.',
    parts: [],
    sources: type === 'a' ? [rfc(8866, '5.13')] : [rfc(8866, '5')],
  };
}
