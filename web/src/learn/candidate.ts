import { rfc } from './sources';
import type { Explanation, Part } from './sources';

/** An ICE candidate, taken apart ([RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1)). */
export interface Candidate {
  readonly foundation: string;
  readonly component: number;
  readonly protocol: string;
  readonly priority: number;
  readonly address: string;
  readonly port: number;
  /** `host`, `srflx`, `prflx`, `relay`, or a word that nobody has defined. */
  readonly kind: string;
  readonly related?: string;
  readonly tcpType?: string;
  /** What is not in the RFC, or says nothing more: `generation`, `ufrag`, `network-id`. */
  readonly more: readonly (readonly [string, string])[];
}

/** A candidate as it stands in SDP or in `RTCIceCandidate.candidate`; null for what is none. */
export function parseCandidate(text: string): Candidate | null {
  const found = /^(?:a=)?candidate:(\S+) (\d{1,5}) (\S+) (\d{1,10}) (\S+) (\d{1,5}) typ (\S+)(.*)$/.exec(
    text.trim(),
  );
  if (found === null) return null;
  const [, foundation = '', component, protocol = '', priority, address = '', port, kind = '', rest = ''] =
    found;
  const words = rest.trim().split(/\s+/).filter(Boolean);
  const pairs = Array.from({ length: Math.floor(words.length / 2) }, (_, index) => {
    return [words[2 * index] ?? '', words[2 * index + 1] ?? ''] as const;
  });
  const value = (name: string): string | undefined => pairs.find(([key]) => key === name)?.[1];
  const [relatedAddress, relatedPort, tcpType] = [value('raddr'), value('rport'), value('tcptype')];
  return {
    ...{ foundation, protocol: protocol.toLowerCase(), address, kind },
    ...{ component: Number(component), priority: Number(priority), port: Number(port) },
    ...(relatedAddress === undefined ? {} : { related: endpoint(relatedAddress, Number(relatedPort ?? 0)) }),
    ...(tcpType === undefined ? {} : { tcpType }),
    more: pairs.filter(([name]) => !['raddr', 'rport', 'tcptype'].includes(name)),
  };
}

/** An address with its port, IPv6 in brackets. */
export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
}

/** The three numbers that a priority is made of ([RFC 8445 §5.1.2.1](https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2.1)). */
export interface Priority {
  /** 0 to 126: direct ways first. */
  readonly typePreference: number;
  /** 0 to 65535: one interface before another. */
  readonly localPreference: number;
  readonly component: number;
}

export function takeApart(priority: number): Priority {
  return {
    typePreference: Math.floor(priority / 2 ** 24),
    localPreference: Math.floor(priority / 2 ** 8) % 2 ** 16,
    component: 256 - (priority % 2 ** 8),
  };
}

/**
 * The priority of a pair ([RFC 8445 §6.1.2.3](https://www.rfc-editor.org/rfc/rfc8445#section-6.1.2.3)), by those of its
 * candidates. It has 64 bits, more than a number holds exactly.
 */
export function pairPriority(controlling: number, controlled: number): bigint {
  const [least, greatest] = [Math.min(controlling, controlled), Math.max(controlling, controlled)];
  return 2n ** 32n * BigInt(least) + 2n * BigInt(greatest) + (controlling > controlled ? 1n : 0n);
}

/** Where an address may be reached from. */
export function addressWords(address: string): string {
  if (address.endsWith('.local')) {
    return 'A name in place of the address, made for this page. The browser hides local addresses from pages that may not use the microphone or camera; only machines of the same network can resolve it, by multicast DNS.';
  }
  if (/^(127\.|::1$)/.test(address)) return 'Loopback: this machine reaches itself, nobody else does.';
  if (/^(169\.254\.|fe[89ab])/i.test(address))
    return 'Link-local: good on one cable or radio network, not beyond a router.';
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address))
    return 'A private IPv4 address: good in the same network, and translated (NAT) on the way out of it.';
  if (/^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./.test(address))
    return 'An address between a provider and its customers: the provider translates it once more.';
  if (/^f[cd]/i.test(address)) return 'A unique local IPv6 address: good in the same network.';
  if (address.includes(':')) return 'An IPv6 address: usually without translation, often behind a firewall.';
  return 'An IPv4 address.';
}

export function kindWords(kind: string): string {
  switch (kind) {
    case 'host':
      return 'Host: an address of this machine itself.';
    case 'srflx':
      return 'Server-reflexive: the address a STUN server saw, which is that of the NAT outside.';
    case 'prflx':
      return 'Peer-reflexive: an address that neither side has told, learnt from a check that came from it.';
    case 'relay':
      return 'Relayed: an address on a TURN server, which passes on what comes to it.';
    default:
      return 'A kind that the RFC does not define.';
  }
}

/** A candidate, part by part, in the order of the line. */
export function explainCandidate(candidate: Candidate): Explanation {
  const { foundation, component, protocol, priority, address, port, kind, related, tcpType } = candidate;
  const { typePreference, localPreference } = takeApart(priority);
  const parts: Part[] = [
    {
      value: foundation,
      means:
        'Foundation: the same for candidates of the same kind, base address, protocol and server. When a pair of two foundations has worked, others of the same two are tried sooner.',
    },
    {
      value: String(component),
      means:
        component === 1
          ? 'Component 1: RTP, or everything, when RTCP shares the port.'
          : 'Component 2: RTCP.',
    },
    { value: protocol, means: protocolWords(protocol, tcpType) },
    {
      value: String(priority),
      means: `Priority: type preference ${String(typePreference)} × 2²⁴ + local preference ${String(localPreference)} × 2⁸ + (256 − component ${String(component)}). ${preferenceWords(typePreference)}`,
    },
    { value: address, means: addressWords(address) },
    {
      value: String(port),
      means:
        tcpType === 'active'
          ? 'Port: 9 (discard) stands where a TCP candidate only connects, and listens at no port.'
          : 'Port.',
    },
    { value: kind, means: kindWords(kind) },
  ];
  if (related !== undefined) {
    parts.push({
      value: related,
      means: isHidden(related)
        ? 'Related address: hidden by the browser, for it would tell a local address.'
        : 'Related address: what lies behind this candidate. For diagnosis; nobody sends to it.',
    });
  }
  if (tcpType !== undefined) {
    parts.push({
      value: `tcptype ${tcpType}`,
      means: 'Whether it connects (active), listens (passive) or does both at once (so).',
    });
  }
  for (const [name, value] of candidate.more)
    parts.push({ value: `${name} ${value}`, means: moreWords(name) });
  return {
    title: `Candidate: ${kind}, ${protocol.toUpperCase()}`,
    says: 'An address at which this side can perhaps be reached. Each is paired with each of the other side, and every pair is tried.',
    parts,
    sources: [
      ...[rfc(8839, '5.1'), rfc(8445, '5.1.2.1')],
      ...(protocol === 'tcp' ? [rfc(6544)] : []),
      ...(address.endsWith('.local') ? [MDNS] : []),
    ],
  };
}

function protocolWords(protocol: string, tcpType: string | undefined): string {
  if (protocol === 'udp') return 'UDP, which media and data prefer.';
  if (protocol !== 'tcp') return 'The transport protocol.';
  return tcpType === 'active'
    ? 'TCP, for networks that let no UDP through; this side makes the connection. Two sides that only connect make no pair.'
    : 'TCP, for networks that let no UDP through.';
}

/** The values that the RFC recommends are 126, 110, 100 and 0; browsers put TCP and relays lower. */
function preferenceWords(typePreference: number): string {
  if (typePreference === 126) return '126 is that of a host address over UDP.';
  if (typePreference === 110) return '110 is that of a peer-reflexive address.';
  if (typePreference === 100) return '100 is that of a server-reflexive address.';
  if (typePreference < 10) return 'So low a type preference is that of a relay: the last choice.';
  return 'The RFC recommends 126 for host, 110 for peer-reflexive, 100 for server-reflexive, 0 for relayed; this browser ranks TCP lower.';
}

function isHidden(related: string): boolean {
  return related.startsWith('0.0.0.0:') || related.startsWith('[::]:');
}

function moreWords(name: string): string {
  switch (name) {
    case 'generation':
      return 'How often ICE has begun anew; from this browser, for old ones.';
    case 'ufrag':
      return 'The user fragment of the description that the candidate belongs to.';
    case 'network-id':
      return 'Which interface of the machine, numbered by the browser.';
    case 'network-cost':
      return 'How dear the interface is: a cable 0, a mobile network more.';
    default:
      return 'An extension; who does not know it passes over it.';
  }
}

const MDNS = {
  label: 'draft-ietf-mmusic-mdns-ice-candidates',
  url: 'https://datatracker.ietf.org/doc/draft-ietf-mmusic-mdns-ice-candidates/',
};
