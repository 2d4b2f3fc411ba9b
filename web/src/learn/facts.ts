import type { Look } from './pairs';
import type { States } from './peer.svelte';
import { attribute } from './sdp';
import { rfc } from './sources';
import type { Source } from './sources';

/** Something that is known of a connection, with what it means. */
export interface Fact {
  readonly key: string;
  readonly name: string;
  readonly value: string;
  readonly means: string;
  readonly source: Source;
}

/**
 * What is known of the protection and the transport of one side, by its statistics and by both descriptions; `shown` is
 * the hash of the certificate of the other side, if the page has computed it.
 */
export function factsOf(
  { pairs, transport, channel }: Look,
  states: States,
  ownSdp: string | null,
  otherSdp: string | null,
  shown?: string,
): Fact[] {
  const facts: Fact[] = [];
  const add = (key: string, name: string, value: string | undefined, means: string, source: Source): void => {
    if (value !== undefined) facts.push({ key, name, value, means, source });
  };
  add(
    'ice-role',
    'Role in ICE',
    transport?.iceRole === 'unknown' ? undefined : transport?.iceRole,
    transport?.iceRole === 'controlling'
      ? 'This side nominates the pair, because it made the offer.'
      : 'This side takes the pair that the other nominates.',
    rfc(8445, '6.1.1'),
  );
  const chosen = pairs.find(({ isChosen }) => isChosen);
  add(
    'round-trip',
    'Round trip',
    chosen?.roundTripMs === undefined ? undefined : `${chosen.roundTripMs.toFixed(1)} ms`,
    'How long the last check over the chosen pair took, there and back. Checks go on every few seconds, so that a side that has gone is noticed, and nobody is sent to who no longer agrees (consent).',
    rfc(7675),
  );
  const isUp = states.dtls === 'connected' || transport?.dtlsState === 'connected';
  add(
    'dtls-role',
    'Role in DTLS',
    isUp && transport?.dtlsRole !== 'unknown' ? transport?.dtlsRole : undefined,
    transport?.dtlsRole === 'client'
      ? 'This side sent the ClientHello: its description says a=setup:active.'
      : 'This side waited for the ClientHello of the other, which said a=setup:active.',
    rfc(8842, '5'),
  );
  add(
    'dtls',
    'Encryption',
    transport?.cipher === undefined ? undefined : `${transport.version ?? 'DTLS'}, ${transport.cipher}`,
    'DTLS is TLS for datagrams. Everything of a data channel passes inside it.',
    transport?.version === 'DTLS 1.2' ? rfc(6347) : rfc(9147),
  );
  add(
    'own-certificate',
    'Own certificate',
    transport?.ownFingerprint,
    matchWords(transport?.ownFingerprint, ownSdp, 'this side’s own description has promised'),
    rfc(8122, '5'),
  );
  add(
    'other-certificate',
    'Certificate of the other side',
    shown ?? transport?.otherFingerprint,
    matchWords(shown ?? transport?.otherFingerprint, otherSdp, 'the other side’s description has promised'),
    rfc(8827, '6.5'),
  );
  const hasMedia = /^m=(audio|video) /m.test(ownSdp ?? '');
  add(
    'srtp',
    'Encryption of media',
    isUp && hasMedia ? transport?.srtpCipher : undefined,
    'Sound and picture go as SRTP beside DTLS, with keys that come from its handshake.',
    rfc(5764),
  );
  const greatest = attribute(otherSdp ?? '', 'max-message-size');
  add(
    'sctp',
    'SCTP',
    states.sctp === 'connected' ? `port ${attribute(ownSdp ?? '', 'sctp-port') ?? '5000'}` : undefined,
    `Inside DTLS it gives order, resending and several channels at once. The other side takes messages of up to ${greatest ?? '65536'} bytes.`,
    rfc(8831, '5'),
  );
  add(
    'channel',
    'Data channel',
    states.channel === 'open' && channel !== undefined
      ? `“${channel.label}”, stream ${String(channel.id ?? '?')}: ${String(channel.messagesSent)} sent, ${String(channel.messagesReceived)} received`
      : undefined,
    'Announced inside SCTP itself (DCEP); the DTLS client takes even stream numbers, the server odd ones.',
    rfc(8832, '6'),
  );
  return facts;
}

function matchWords(shown: string | undefined, sdp: string | null, promise: string): string {
  const promised = attribute(sdp ?? '', 'fingerprint');
  if (promised === undefined || shown === undefined) return 'The hash of the certificate of the handshake.';
  return promised.toLowerCase() === shown.toLowerCase()
    ? `The same as the a=fingerprint that ${promise}: nobody sits between, as long as the description came unaltered.`
    : `Another than the a=fingerprint that ${promise}.`;
}
