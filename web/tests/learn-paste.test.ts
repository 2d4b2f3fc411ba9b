import { describe, expect, it } from 'vitest';

import { PASTE_LIMIT, faultOf, unwrap, wrap } from '../src/learn/paste';
import type { Fault } from '../src/learn/paste';
import { NO_SERVER, configurationOf } from '../src/learn/servers';
import { faultWords } from '../src/learn/words';
import { ANSWER, OFFER } from './learn-setting';

describe('a text to be handed on', () => {
  it('is one line that gives the description back', async () => {
    const text = await wrap({ type: 'answer', sdp: ANSWER, to: 'p1di' });
    expect(text).toMatch(/^ringback-answer:[\w-]+$/);
    expect(text.length).toBeLessThan(ANSWER.length);
    expect(await unwrap(text)).toEqual({ type: 'answer', sdp: ANSWER, to: 'p1di' });
  });

  it('survives what mail and chat do to it', async () => {
    const text = await wrap({ type: 'offer', sdp: OFFER });
    const broken = `\n  "${text.replace(/(.{60})/g, '$1\r\n ')}"\n`;
    expect(await unwrap(broken)).toEqual({ type: 'offer', sdp: OFFER });
    expect(await unwrap(`\`${text}\``)).toEqual({ type: 'offer', sdp: OFFER });
  });

  it('is also taken as the JSON of others, and as SDP', async () => {
    expect(await unwrap(JSON.stringify({ type: 'offer', sdp: OFFER }))).toEqual({
      type: 'offer',
      sdp: OFFER,
    });
    expect(await unwrap(OFFER.replaceAll('\r\n', '\n'))).toEqual({ type: 'offer', sdp: OFFER });
    expect(await unwrap(ANSWER)).toEqual({ type: 'answer', sdp: ANSWER });
  });

  it.each<[string, Fault]>([
    ['', 'empty'],
    ['  \n', 'empty'],
    ['hello', 'nonsense'],
    ['<img src=x onerror=alert(1)>', 'nonsense'],
    ['{"a":1}', 'nonsense'],
    ['{"type":"rollback","sdp":"v=0"}', 'nonsense'],
    ['{"type":"offer","sdp":"v=0', 'cut'],
    ['ringback-offer:', 'cut'],
    ['ringback-offer:AAAA', 'cut'],
    ['ringback-offer:äöü', 'cut'],
    ['candidate:1 1 udp 1 192.0.2.1 9 typ host', 'candidate'],
    ['{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0"}', 'candidate'],
    ['x'.repeat(PASTE_LIMIT + 1), 'long'],
  ])('is not read from %j', async (text, fault) => expect(await unwrap(text)).toBe(fault));

  it('that is cut off anywhere is known by it', async () => {
    const text = await wrap({ type: 'offer', sdp: OFFER });
    for (let length = 'ringback-offer:'.length; length < text.length; length += 7) {
      expect(await unwrap(text.slice(0, length)), String(length)).toBe('cut');
    }
  });

  it('that inflates beyond measure is left at that', async () => {
    const text = await wrap({ type: 'offer', sdp: 'a'.repeat(5_000_000) });
    expect(text.length).toBeLessThan(PASTE_LIMIT);
    expect(await unwrap(text)).toBe('long');
  });
});

describe('a description that was pasted', () => {
  const offer = { type: 'offer', sdp: OFFER } as const;
  const answer = { type: 'answer', sdp: ANSWER, to: 'p1di' } as const;
  const without = (line: string) => ({ ...answer, sdp: ANSWER.replace(new RegExp(`${line}.*\r\n`), '') });

  it('is taken where it is due', () => {
    expect(faultOf(offer, 'offer', null)).toBeNull();
    expect(faultOf(answer, 'answer', OFFER)).toBeNull();
    expect(faultOf({ type: 'answer', sdp: ANSWER }, 'answer', OFFER)).toBeNull();
  });

  it.each([
    ['one’s own offer', offer, 'own'],
    ['an offer of somebody else', { type: 'offer', sdp: ANSWER } as const, 'offer-for-answer'],
    ['the answer to another offer', { ...answer, to: 'other' }, 'other-offer'],
    ['one without data', { ...answer, sdp: ANSWER.replace('m=application', 'm=audio') }, 'no-data'],
    ['one without a user fragment', without('a=ice-ufrag'), 'no-credentials'],
    ['one without a password', without('a=ice-pwd'), 'no-credentials'],
    ['one without a fingerprint', without('a=fingerprint'), 'no-fingerprint'],
  ])('is refused for %s', (_, pasted, fault) => expect(faultOf(pasted, 'answer', OFFER)).toBe(fault));

  it('is refused for an answer where an offer is due', () => {
    expect(faultOf(answer, 'offer', null)).toBe('answer-for-offer');
  });

  it('has a sentence for every fault that says what to do', () => {
    const faults: Fault[] = [
      ...(['empty', 'long', 'nonsense', 'cut', 'candidate', 'own', 'offer-for-answer'] as const),
      ...(['answer-for-offer', 'other-offer', 'no-data', 'no-credentials', 'no-fingerprint'] as const),
    ];
    const said = faults.map((fault) => faultWords(fault, 'answer'));
    expect(new Set(said).size).toBe(faults.length);
    for (const words of said) expect(words).toMatch(/[Cc]opy|[Pp]aste|[Hh]and|starts over|due|Make it/);
  });
});

describe('the servers', () => {
  const form = (change: object) => configurationOf({ ...NO_SERVER, ...change });

  it('are none unless one is typed', () => {
    expect(form({})).toEqual({ iceServers: [], bundlePolicy: 'max-bundle' });
    expect(form({ url: ' stun:stun.example.com:3478 ' })).toMatchObject({
      iceServers: [{ urls: 'stun:stun.example.com:3478' }],
    });
    expect(
      form({ url: 'turns:example.com?transport=tcp', user: 'alice', password: 'x', relayOnly: true }),
    ).toEqual({
      iceServers: [{ urls: 'turns:example.com?transport=tcp', username: 'alice', credential: 'x' }],
      ...{ bundlePolicy: 'max-bundle', iceTransportPolicy: 'relay' },
    });
  });

  it.each([
    [{ url: 'http://example.com' }, 'is not the URL'],
    [{ url: 'turn:' }, 'is not the URL'],
    [{ url: 'turn:example.com' }, 'type both'],
    [{ url: 'turn:example.com?x=1', user: 'a', password: 'b' }, 'not understood'],
    [{ url: 'stun:example.com?transport=udp' }, 'no question mark'],
    [{ url: 'stun:example.com', relayOnly: true }, 'relays nothing'],
    [{ relayOnly: true }, 'nothing can be relayed'],
    [{ url: `stun:${'x'.repeat(300)}` }, 'too long'],
  ])('%j are refused with a sentence', (change, words) => expect(form(change)).toContain(words));
});
