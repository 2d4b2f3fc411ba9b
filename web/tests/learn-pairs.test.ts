import { describe, expect, it } from 'vitest';

import { factsOf } from '../src/learn/facts';
import { NOTHING, look } from '../src/learn/pairs';
import type { States } from '../src/learn/peer.svelte';
import { Timeline } from '../src/learn/timeline.svelte';
import { MACHINES, stateWords } from '../src/learn/words';
import { ANSWER, OFFER } from './learn-setting';

const FINGERPRINT =
  '7A:A5:49:AF:33:F0:95:3B:05:3E:85:67:40:6C:F7:59:40:2B:C2:5C:24:7E:12:55:5A:1B:30:CE:BE:D4:92:4C';

function stats(transport: object): [string, unknown][] {
  const candidate = (id: string, more: object): [string, unknown] => [id, { id, protocol: 'udp', ...more }];
  const pair = (id: string, more: object): [string, unknown] => [
    ...([id, { id, type: 'candidate-pair', requestsSent: 3, responsesReceived: 2, ...more }] as const),
  ];
  const host = { candidateType: 'host', address: '192.0.2.2', port: 42344, priority: 2122194687 };
  return [
    candidate('L', { type: 'local-candidate', ...host }),
    candidate('R', { type: 'remote-candidate', ...host, port: 54622 }),
    candidate('H', {
      type: 'remote-candidate',
      ...{ candidateType: 'prflx', address: '', port: 7, priority: 2 },
    }),
    pair('P2', { localCandidateId: 'L', remoteCandidateId: 'H', state: 'in-progress', nominated: false }),
    pair('P1', {
      ...{ localCandidateId: 'L', remoteCandidateId: 'R', state: 'succeeded', nominated: true },
      ...{ currentRoundTripTime: 0.002, bytesSent: 10, bytesReceived: 5 },
    }),
    ['C', { type: 'certificate', fingerprint: FINGERPRINT, fingerprintAlgorithm: 'sha-256' }],
    [
      'D',
      {
        ...{ type: 'data-channel', label: 'chat', dataChannelIdentifier: 1 },
        ...{ messagesSent: 2, messagesReceived: 1 },
      },
    ],
    ['T', { type: 'transport', ...transport }],
  ];
}

const TRANSPORT = {
  ...{ selectedCandidatePairId: 'P1', iceRole: 'controlling', dtlsState: 'connected', dtlsRole: 'server' },
  ...{ tlsVersion: 'FEFC', dtlsCipher: 'TLS_AES_128_GCM_SHA256', localCertificateId: 'C' },
};
const STATES: States = {
  ...{ signaling: 'stable', gathering: 'complete', ice: 'connected', dtls: 'connected' },
  ...{ sctp: 'connected', channel: 'open', connection: 'connected' },
};

describe('the statistics', () => {
  it('name the chosen pair, which comes first', () => {
    const { pairs } = look(stats(TRANSPORT));
    expect(pairs.map(({ id, isChosen, isNominated }) => [id, isChosen, isNominated])).toEqual([
      ['P1', true, true],
      ['P2', false, false],
    ]);
    expect(pairs[0]).toMatchObject({
      ...{ roundTripMs: 2, bytes: 15, checksSent: 3, answersReceived: 2, priority: 9114756780654345726n },
      local: { endpoint: '192.0.2.2:42344', kind: 'host' },
      remote: { endpoint: '192.0.2.2:54622' },
    });
    // What a browser hides has no address.
    expect(pairs[1]?.remote.endpoint).toBe('hidden:7');
  });

  it('choose no pair before the transport has one, though one is nominated', () => {
    expect(look(stats({ ...TRANSPORT, selectedCandidatePairId: 'P9' })).pairs.some((p) => p.isChosen)).toBe(
      false,
    );
    expect(look(stats({})).pairs.some(({ isChosen }) => isChosen)).toBe(false);
  });

  it('of nothing are nothing', () => {
    expect(look([])).toEqual(NOTHING);
  });
});

describe('what protects it', () => {
  const facts = (answer: string, transport = TRANSPORT) =>
    Object.fromEntries(
      factsOf(look(stats(transport)), STATES, OFFER, answer, `sha-256 ${FINGERPRINT}`).map((fact) => [
        fact.key,
        fact,
      ]),
    );

  it('is told with its numbers', () => {
    const known = facts(ANSWER);
    expect(known['dtls']?.value).toBe('DTLS 1.3, TLS_AES_128_GCM_SHA256');
    expect(known['round-trip']?.value).toBe('2.0 ms');
    expect(known['sctp']?.means).toContain('262144 bytes');
    expect(known['channel']?.value).toBe('“chat”, stream 1: 2 sent, 1 received');
    expect(known['srtp']).toBeUndefined();
    expect(facts(ANSWER, { ...TRANSPORT, tlsVersion: 'FEFD' })['dtls']?.value).toContain('DTLS 1.2');
  });

  it('says whether the certificate is the promised one', () => {
    expect(facts(ANSWER)['other-certificate']?.means).toContain('The same as');
    expect(facts(ANSWER.replace('sha-256 7A', 'sha-256 7B'))['other-certificate']?.means).toContain(
      'Another than',
    );
  });

  it('is nothing before there is anything', () => {
    expect(factsOf(NOTHING, { ...STATES, dtls: 'new', sctp: '', channel: '' }, null, null)).toEqual([]);
  });
});

it('every state of the machines has words', () => {
  const states = {
    signaling: ['stable', 'have-local-offer', 'have-remote-offer', 'closed'],
    gathering: ['new', 'gathering', 'complete'],
    ice: ['new', 'checking', 'connected', 'completed', 'disconnected', 'failed', 'closed'],
    dtls: ['', 'new', 'connecting', 'connected', 'closed', 'failed'],
    sctp: ['', 'connecting', 'connected', 'closed'],
    channel: ['', 'connecting', 'open', 'closing', 'closed'],
    connection: ['new', 'connecting', 'connected', 'disconnected', 'failed', 'closed'],
  };
  for (const { key } of MACHINES) {
    for (const state of states[key]) expect(stateWords(key, state), `${key} ${state}`).not.toBe('');
  }
});

it('the timeline keeps the newest, and says how many it has forgotten', () => {
  const timeline = new Timeline();
  for (let number = 0; number < 410; number += 1) timeline.add('Ada', 'state', String(number));
  expect(timeline.entries).toHaveLength(400);
  expect(timeline.entries.at(-1)?.what).toBe('409');
  expect(timeline.forgotten).toBe(10);
});
