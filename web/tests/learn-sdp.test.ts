import { describe, expect, it } from 'vitest';

import {
  addressWords,
  explainCandidate,
  pairPriority,
  parseCandidate,
  takeApart,
} from '../src/learn/candidate';
import { explain } from '../src/learn/explain';
import { attribute, candidatesIn, hasDataChannel, sectionsOf } from '../src/learn/sdp';
import { MEDIA_OFFER, OFFER } from './learn-setting';

describe('the sections of a description', () => {
  it('keep every line, and know where they are', () => {
    const sections = sectionsOf(OFFER);
    expect(sections.map(({ title }) => title)).toEqual(['The session', 'Section 1: data channels']);
    expect(sections.flatMap(({ lines }) => lines.map(({ text }) => text)).join('\r\n')).toBe(OFFER.trim());
    expect(sections[1]?.lines[0]).toMatchObject({ type: 'm', media: 'application' });
  });

  it('are read whatever ends the lines, and lines that are none are kept', () => {
    const [session] = sectionsOf('v=0\nnonsense\ra=x:1:2');
    expect(session?.lines.map(({ text }) => text)).toEqual(['v=0', 'nonsense', 'a=x:1:2']);
    expect(session?.lines[1]).toMatchObject({ type: '', attribute: '' });
    expect(session?.lines[2]).toMatchObject({ attribute: 'x', argument: '1:2' });
    expect(sectionsOf('')).toEqual([]);
  });

  it('give attributes, candidates and whether there are data channels', () => {
    expect(attribute(OFFER, 'ice-ufrag')).toBe('p1di');
    expect(attribute(OFFER, 'no-such')).toBeUndefined();
    expect(candidatesIn(OFFER)).toHaveLength(2);
    expect(hasDataChannel(OFFER)).toBe(true);
    expect(hasDataChannel(OFFER.replace('m=application 42344', 'm=application 0'))).toBe(false);
    expect(hasDataChannel(OFFER.replace('webrtc-datachannel', 'other'))).toBe(false);
    expect(hasDataChannel('v=0\r\n')).toBe(false);
  });
});

describe('a line', () => {
  const lines = (sdp: string) => sectionsOf(sdp).flatMap(({ lines }) => lines);
  const of = (text: string) => {
    const line = lines(text)[0];
    if (line === undefined) throw new Error('no line');
    return explain(line);
  };

  it.each([OFFER, MEDIA_OFFER])('of a browser is never unknown, and has a source', (sdp) => {
    for (const line of lines(sdp)) {
      const { title, says, sources } = explain(line);
      expect(title, line.text).not.toMatch(/^(Another line|a=)/);
      expect(says.length, line.text).toBeGreaterThan(20);
      expect(sources.length, line.text).toBeGreaterThan(0);
      for (const { url } of sources) {
        expect(url).toMatch(/^https:\/\/(www\.rfc-editor\.org|www\.w3\.org|datatracker\.ietf\.org)\//);
      }
    }
  });

  it('is taken apart by what stands in it', () => {
    expect(of('a=setup:actpass').parts[0]?.means).toContain('the answer chooses');
    expect(of('a=setup:active').parts[0]?.means).toContain('DTLS client');
    expect(of('a=rtpmap:111 opus/48000/2').parts.map(({ value }) => value)).toEqual([
      ...['111', 'opus', '48000', '2'],
    ]);
    expect(of('a=fmtp:111 minptime=10;useinbandfec=1').parts.map(({ value }) => value)).toEqual([
      ...['111', 'minptime=10', 'useinbandfec=1'],
    ]);
    expect(of('a=group:BUNDLE 0 1').parts.map(({ value }) => value)).toEqual(['0', '1']);
    expect(of('m=application 9 UDP/DTLS/SCTP webrtc-datachannel').parts[1]?.means).toContain('discard');
    expect(of('m=audio 0 UDP/TLS/RTP/SAVPF 111').parts[1]?.means).toContain('refused');
    expect(of('a=max-message-size:0').says).toContain('any size');
  });

  it('that nobody knows says so', () => {
    expect(of('a=x-own:1')).toMatchObject({ title: 'a=x-own' });
    expect(of('z=0').title).toBe('Another line');
    expect(of('a=candidate:broken').says).toContain('cannot be read');
  });
});

describe('a candidate', () => {
  const RELAYED =
    'candidate:4 1 udp 41885439 198.51.100.7 50000 typ relay raddr 203.0.113.5 rport 61000 generation 0 ufrag ab';

  it('is read part by part', () => {
    expect(parseCandidate(RELAYED)).toEqual({
      ...{ foundation: '4', component: 1, protocol: 'udp', priority: 41885439 },
      ...{ address: '198.51.100.7', port: 50000, kind: 'relay', related: '203.0.113.5:61000' },
      more: [
        ['generation', '0'],
        ['ufrag', 'ab'],
      ],
    });
    expect(parseCandidate('a=candidate:1 1 TCP 1518285567 fd00::2 9 typ host tcptype active')).toMatchObject({
      ...{ protocol: 'tcp', tcpType: 'active', address: 'fd00::2' },
    });
  });

  it.each(['', 'candidate:', 'candidate:1 1 udp x 192.0.2.1 9 typ host', 'candidate:1 1 udp 1 192.0.2.1 9'])(
    'is not read from %j',
    (text) => expect(parseCandidate(text)).toBeNull(),
  );

  it('has a priority of three numbers', () => {
    // RFC 8445 §5.1.2.1: 2^24 × 126 + 2^8 × 65535 + (256 − 1).
    expect(takeApart(126 * 2 ** 24 + 65535 * 2 ** 8 + 255)).toEqual({
      ...{ typePreference: 126, localPreference: 65535, component: 1 },
    });
    expect(takeApart(41885439)).toEqual({ typePreference: 2, localPreference: 32542, component: 1 });
  });

  it('says what each part means', () => {
    const candidate = parseCandidate(RELAYED);
    if (candidate === null) throw new Error('not read');
    const { parts } = explainCandidate(candidate);
    expect(parts.find(({ value }) => value === '41885439')?.means).toContain('type preference 2 × 2²⁴');
    expect(parts.find(({ value }) => value === 'relay')?.means).toContain('TURN server');
    expect(parts.find(({ value }) => value === '203.0.113.5:61000')?.means).toContain('lies behind');
    const hidden = explainCandidate({ ...candidate, related: '0.0.0.0:0' });
    expect(hidden.parts.find(({ value }) => value === '0.0.0.0:0')?.means).toContain('hidden by the browser');
  });

  it.each([
    ['1f4712db-ea17-4bcf-a596-105139dfd8bf.local', 'multicast DNS'],
    ['192.168.1.5', 'private'],
    ['172.20.0.1', 'private'],
    ['172.32.0.1', 'An IPv4 address.'],
    ['100.64.0.9', 'provider'],
    ['127.0.0.1', 'Loopback'],
    ['fe80::1', 'Link-local'],
    ['fd00::2', 'unique local'],
    ['2001:db8::1', 'IPv6'],
  ])('at %s is told from others', (address, words) => expect(addressWords(address)).toContain(words));
});

it('the priority of a pair is exact to its 64 bits', () => {
  // RFC 8445 §6.1.2.3: 2^32 × MIN(G,D) + 2 × MAX(G,D) + (G > D ? 1 : 0).
  expect(pairPriority(2122194687, 2122194687)).toBe(9114756780654345726n);
  expect(pairPriority(2, 1)).toBe(2n ** 32n + 5n);
  expect(pairPriority(1, 2)).toBe(2n ** 32n + 4n);
});
