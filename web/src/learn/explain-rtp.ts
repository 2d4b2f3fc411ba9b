import type { Line } from './sdp';
import { rfc } from './sources';
import type { Explanation, Part, Source } from './sources';

/** What the attributes of sound and picture mean: RTP, codecs and feedback. */
export function explainRtp({ attribute, argument }: Line): Explanation | undefined {
  const [first = '', ...rest] = argument.split(' ');
  const said = rest.join(' ');
  const payload: Part = { value: first, means: 'The payload type that this is about.' };
  const plain = (title: string, says: string, ...sources: Source[]): Explanation => {
    return { title, says, parts: [], sources };
  };
  switch (attribute) {
    case 'rtpmap': {
      const [codec = '', rate = '', channels] = said.split('/');
      return {
        title: 'Codec of a payload type',
        says: 'The number stands in the header of each RTP packet, and this line says what it means in this session.',
        parts: [
          payload,
          { value: codec, means: codecWords(codec) },
          { value: rate, means: 'Ticks of the RTP timestamp in a second.' },
          ...(channels === undefined ? [] : [{ value: channels, means: 'Channels.' }]),
        ],
        sources: [rfc(8866, '6.6'), rfc(3551)],
      };
    }
    case 'fmtp':
      return {
        title: 'Parameters of a codec',
        says: 'What the codec of this payload type may or must do; each codec has a document that defines them.',
        parts: [
          payload,
          ...said.split(';').map((value) => ({ value: value.trim(), means: parameterWords(value.trim()) })),
        ],
        sources: [rfc(8866, '6.15')],
      };
    case 'rtcp-fb':
      return {
        title: 'Feedback',
        says: 'What the receiver of this payload type may tell the sender while it plays.',
        parts: [payload, { value: said, means: feedbackWords(said) }],
        sources: [rfc(4585, '4.2'), ...(said.startsWith('ccm') ? [rfc(5104, '7.1')] : [])],
      };
    case 'rtcp':
      return plain(
        'RTCP port',
        'Where reports would go, if they had a port of their own. With a=rtcp-mux they have none.',
        rfc(3605),
      );
    case 'rtcp-mux':
      return plain(
        'RTCP on the same port',
        'Media and the reports about it share a port, so that there is half as much to be connected.',
        rfc(5761, '5.1'),
      );
    case 'rtcp-mux-only':
      return plain('RTCP on the same port, or not at all', 'An offer without a second port.', rfc(8858));
    case 'rtcp-rsize':
      return plain(
        'Short reports',
        'An urgent report may come without the regular one around it.',
        rfc(5506),
      );
    case 'extmap':
      return {
        title: 'Extension of the RTP header',
        says: 'A number for something that packets may carry besides media.',
        parts: [
          { value: first, means: 'Its number in packets; a direction may follow it.' },
          { value: said, means: extensionWords(said) },
        ],
        sources: [rfc(8285, '5')],
      };
    case 'extmap-allow-mixed':
      return plain(
        'Mixed header extensions',
        'Short and long extensions of the RTP header may stand in one stream.',
        rfc(8285, '6'),
      );
    case 'msid':
      return plain(
        'Which stream it belongs to',
        'The ids of the MediaStream and of the track; a lone hyphen stands for no stream. Sound and picture of one stream are played in step.',
        rfc(8830),
      );
    case 'msid-semantic':
      return plain(
        'WebRTC media streams',
        'A remnant of drafts: old browsers look for it, and nobody needs it.',
        rfc(8830),
      );
    case 'ssrc':
      return plain(
        'A sender of RTP',
        'The number in the packets of one sender, and a property of it. The cname is the same for everything that shares a clock.',
        rfc(5576, '4.1'),
      );
    case 'ssrc-group':
      return plain(
        'Senders that belong together',
        'FID: the second one repeats lost packets of the first.',
        rfc(5576, '4.2'),
      );
    case 'ptime':
    case 'maxptime':
      return plain('Milliseconds in a packet', 'How much sound one packet carries.', rfc(8866, '6.4'));
    case 'rid':
      return plain('A version of the picture', 'One of several that are sent at the same time.', rfc(8851));
    case 'simulcast':
      return plain(
        'Several versions at once',
        'The same picture in several sizes, for a server to choose from.',
        rfc(8853),
      );
  }
  return undefined;
}

function codecWords(codec: string): string {
  switch (codec.toLowerCase()) {
    case 'opus':
      return 'Opus: speech and music from 6 to 510 kbit/s. Every WebRTC browser has it.';
    case 'pcmu':
    case 'pcma':
      return 'G.711: the sound of the telephone network, 64 kbit/s. Every WebRTC browser has it.';
    case 'g722':
      return 'G.722: wideband speech at 64 kbit/s. Its clock is written as 8000 by an old mistake; it samples at 16000.';
    case 'telephone-event':
      return 'Keys pressed in a call (DTMF), as events instead of tones.';
    case 'cn':
      return 'Comfort noise, for pauses.';
    case 'red':
      return 'Redundancy: a packet repeats what the ones before it had.';
    case 'rtx':
      return 'Retransmission: lost packets of another payload type (apt) again.';
    case 'ulpfec':
    case 'flexfec-03':
      return 'Forward error correction: packets from which lost ones can be computed.';
    case 'vp8':
    case 'h264':
      return 'A video codec. Every WebRTC browser has VP8 and H.264.';
    case 'vp9':
    case 'av1':
    case 'h265':
      return 'A video codec that takes fewer bits and more work.';
    default:
      return 'A codec.';
  }
}

function parameterWords(parameter: string): string {
  const [name = ''] = parameter.split('=');
  switch (name) {
    case 'minptime':
      return 'At least so many milliseconds in a packet.';
    case 'useinbandfec':
      return 'A packet may hold a coarse copy of the one before, for when that is lost.';
    case 'stereo':
    case 'sprop-stereo':
      return 'Two channels.';
    case 'apt':
      return 'It repeats packets of this payload type.';
    case 'profile-level-id':
      return 'Which tools of H.264 may be used, and up to which size.';
    case 'packetization-mode':
      return 'Whether a picture may be cut into several packets (1).';
    case 'level-asymmetry-allowed':
      return 'Each side may send another level.';
    case 'profile-id':
    case 'profile':
      return 'The profile of the codec.';
    default:
      return 'Defined by the document of the codec.';
  }
}

function feedbackWords(feedback: string): string {
  switch (feedback) {
    case 'nack':
      return 'These packets are lost: send them again.';
    case 'nack pli':
      return 'The picture is lost: send a whole one.';
    case 'ccm fir':
      return 'Send a whole picture, for instance for somebody who has just come.';
    case 'transport-cc':
      return 'When each packet has arrived, so that the sender finds out how much passes.';
    case 'goog-remb':
      return 'How much passes, by the receiver’s estimate.';
    default:
      return 'A kind of feedback.';
  }
}

function extensionWords(uri: string): string {
  const name = uri.split(/[/:#]/).at(-1) ?? '';
  switch (name) {
    case 'mid':
      return 'The a=mid of the section that the packet belongs to: how a bundle is sorted.';
    case 'ssrc-audio-level':
      return 'How loud the sound in the packet is.';
    case 'abs-send-time':
      return 'When it was sent.';
    case 'draft-holmer-rmcat-transport-wide-cc-extensions-01':
      return 'A number over all streams, for feedback about what passes.';
    case 'toffset':
      return 'How long it waited before it was sent.';
    case 'video-orientation':
      return 'Which way up the picture is.';
    case 'sdes':
    case 'rtp-stream-id':
    case 'repaired-rtp-stream-id':
      return 'Which version of the picture the packet belongs to.';
    default:
      return 'Named by a URI, which nobody fetches.';
  }
}
