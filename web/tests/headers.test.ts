import { describe, expect, it } from 'vitest';

import { parseReason, retryAfter, warningText } from '../src/lib/headers';

describe('Warning (RFC 3261 §20.43)', () => {
  it.each([
    ['305 ringback "no shared codec"', 'no shared codec'],
    ['399 [::1]:5060 "say \\"hello\\""', 'say "hello"'],
    ['305 a "first", 399 b "second"', 'first'],
    ['305 ringback', null],
    ['', null],
    [undefined, null],
  ])('%o', (header, text) => {
    expect(warningText(header)).toBe(text);
  });
});

describe('Reason (RFC 3326 §2)', () => {
  it.each([
    [['SIP;cause=200;text="Call completed elsewhere"'], 200, 'Call completed elsewhere'],
    [['Q.850 ;cause=17;text="User busy"'], null, 'User busy'],
    [['Q.850;cause=16', 'SIP ; cause = 486'], 486, null],
    [['SIP;cause=4000'], null, null],
    [[], null, null],
  ])('%o', (values, status, text) => {
    expect(parseReason(values)).toEqual({ status, text });
  });
});

describe('Retry-After (RFC 3261 §20.33)', () => {
  it.each([
    ['18', 18],
    ['120 (I am in a meeting)', 120],
    ['5;duration=60', 5],
    ['soon', null],
    [undefined, null],
  ])('%o', (header, seconds) => {
    expect(retryAfter(header)).toBe(seconds);
  });
});
