import { describe, expect, it } from 'vitest';

import { pathOf } from '../src/rooms/path';
import { pathWords, sizeWords } from '../src/rooms/words';

function stats(local: object, remote: object, transport = true): [string, unknown][] {
  return [
    ...(transport
      ? ([['T', { type: 'transport', selectedCandidatePairId: 'P' }]] as [string, unknown][])
      : []),
    ['O', { type: 'candidate-pair', nominated: false, state: 'failed' }],
    [
      'P',
      {
        ...{ type: 'candidate-pair', nominated: true, state: 'succeeded' },
        ...{ localCandidateId: 'L', remoteCandidateId: 'R' },
      },
    ],
    ['L', { type: 'local-candidate', ...local }],
    ['R', { type: 'remote-candidate', ...remote }],
  ];
}

const host = { candidateType: 'host', address: '192.0.2.1' };

describe('the path in use', () => {
  it.each([
    [host, host, { kind: 'direct' }, 'Direct'],
    [host, { candidateType: 'prflx', address: '192.168.1.5' }, { kind: 'direct' }, 'Direct'],
    [host, { candidateType: 'prflx', address: '' }, { kind: 'direct' }, 'Direct'],
    [host, { candidateType: 'prflx', address: '(redacted)' }, { kind: 'direct' }, 'Direct'],
    [host, { candidateType: 'prflx', address: '2001:db8::7' }, { kind: 'direct' }, 'Direct'],
    [host, { candidateType: 'prflx', address: '198.51.100.7' }, { kind: 'stun' }, 'Direct, found by STUN'],
    [{ candidateType: 'srflx' }, host, { kind: 'stun' }, 'Direct, found by STUN'],
    [
      { candidateType: 'relay', relayProtocol: 'tls' },
      host,
      { kind: 'relay', by: 'tls' },
      'Relayed by TURN over TLS',
    ],
    [host, { candidateType: 'relay' }, { kind: 'relay' }, 'Relayed at the other side'],
  ])('%j to %j', (local, remote, path, words) => {
    expect(pathOf(stats(local, remote))).toEqual(path);
    expect(pathOf(stats(local, remote, false))).toEqual(path);
    expect(pathWords(pathOf(stats(local, remote)) ?? { kind: 'lost' })).toBe(words);
  });

  it('is unknown while no pair is chosen', () => {
    expect(pathOf([['T', { type: 'transport' }]])).toBeUndefined();
  });
});

it('sizes are told in few digits', () => {
  expect([0, 999, 1000, 15_400, 104_857_600, 2e9].map(sizeWords)).toEqual([
    ...['0 bytes', '999 bytes', '1.0 kB', '15 kB', '105 MB', '2.0 GB'],
  ]);
});
