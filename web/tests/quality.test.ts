/** What is told of how a call sounds. */
import { describe, expect, it } from 'vitest';

import { heardIn, writeReport } from '../src/lib/quality';
import type { Stats } from '../src/lib/stats';

const INBOUND: Stats = {
  type: 'inbound-rtp',
  packetsReceived: 980,
  packetsLost: 20,
  packetsDiscarded: 5,
  jitter: 0.0123,
};
const REMOTE: Stats = { type: 'remote-inbound-rtp', roundTripTime: 0.0846 };
const DIALOG = {
  callId: 'c1',
  local: 'sip:alice@phone.example',
  remote: 'sip:bob@phone.example',
  originator: 'sip:bob@phone.example',
};
const FROM = Date.UTC(2026, 2, 10, 18, 23, 43, 250);

describe('what was heard', () => {
  it('is the share of packets that did not come, or not in time', () => {
    expect(heardIn([REMOTE, INBOUND])).toEqual({
      lost: 0.02,
      discarded: 0.005,
      jitterMs: 12.3,
      roundTripMs: 84.6,
    });
  });

  it('says nothing of what the browser does not count', () => {
    const heard = heardIn([{ type: 'inbound-rtp', packetsReceived: 10 }]);
    expect(heard).toEqual({ lost: 0, discarded: null, jitterMs: null, roundTripMs: null });
  });

  it('is no loss when packets came twice', () => {
    expect(heardIn([{ ...INBOUND, packetsLost: -3, packetsDiscarded: 2000 }])).toMatchObject({
      lost: 0,
      discarded: 1,
    });
  });

  it('is nothing before the first packet', () => {
    expect(heardIn([])).toBeNull();
    expect(heardIn([REMOTE])).toBeNull();
    expect(heardIn([{ ...INBOUND, packetsReceived: 0, packetsLost: 0 }])).toBeNull();
  });
});

describe('a report', () => {
  it('of a call that ends', () => {
    const heard = { lost: 0.02, discarded: 0.005, jitterMs: 12.34, roundTripMs: 84.6 };
    const report = { kind: 'session', from: FROM, until: FROM + 61_000, heard } as const;
    expect(writeReport(report, DIALOG).split('\r\n')).toEqual([
      'VQSessionReport: CallTerm',
      'CallID: c1',
      'LocalID: <sip:alice@phone.example>',
      'RemoteID: <sip:bob@phone.example>',
      'OrigID: <sip:bob@phone.example>',
      'LocalMetrics:',
      'Timestamps: START=2026-03-10T18:23:43Z STOP=2026-03-10T18:24:44Z',
      'PacketLoss: NLR=2.00 JDR=0.50',
      'Delay: RTD=85 IAJ=12.3',
      '',
    ]);
  });

  it('of a call that goes on, with what there is to say', () => {
    const heard = { lost: 1 / 3, discarded: null, jitterMs: null, roundTripMs: null };
    const text = writeReport({ kind: 'interval', from: FROM, until: FROM, heard }, DIALOG);
    expect(text).toMatch(/^VQIntervalReport\r\n/);
    expect(text).toMatch(/PacketLoss: NLR=33.33\r\n$/);
    expect(text).not.toMatch(/Delay|MOS/);
  });
});
