import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { failure } from '../src/demo/fake';
import { clockTime } from '../src/lib/elapsed';
import { GATHERING_LIMIT_MS, boundedGathering } from '../src/lib/gathering';
import { KEYS, isKey } from '../src/lib/keys';
import { loudness } from '../src/lib/levels';
import { NoMicrophone, openMicrophone } from '../src/lib/microphone';
import { toneOf } from '../src/lib/sound';
import { TONES, keyTone, render } from '../src/lib/tones';
import { BOB, callingPhone, registeredPhone } from './setting';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The power of one frequency in samples, by the Goertzel algorithm. */
function power(samples: Float32Array, hertz: number, sampleRate: number): number {
  const c = 2 * Math.cos((2 * Math.PI * hertz) / sampleRate);
  let [one, two] = [0, 0];
  for (const sample of samples) [one, two] = [sample + c * one - two, one];
  return (one * one + two * two - c * one * two) / samples.length ** 2;
}

describe('tones', () => {
  it('follow the state of the call', async () => {
    const { phone, session } = await callingPhone();
    expect(toneOf(phone.view.call)).toBeNull();
    session.events.progress(false);
    expect(toneOf(phone.view.call)).toBe('ringback');
    session.events.progress(true);
    expect(toneOf(phone.view.call)).toBeNull();
    session.events.ended(failure({ status: 486 }));
    expect(toneOf(phone.view.call)).toBe('busy');
  });

  it('ring for an incoming call until it is accepted, and tell a failure from an ordinary end', () => {
    const { phone, agent } = registeredPhone();
    const session = agent.ring(BOB);
    expect(toneOf(phone.view.call)).toBe('ring');
    phone.accept();
    expect(toneOf(phone.view.call)).toBeNull();
    session.events.ended(failure({ cause: 'Canceled' }));
    expect(toneOf(phone.view.call)).toBeNull();
    phone.dial('%%');
    expect(toneOf(phone.view.call)).toBe('congestion');
  });

  it.each(Object.entries(TONES))('%s has its cadence and never clips', (_, tone) => {
    const samples = render(tone, 8000);
    const seconds = tone.stretches.reduce((sum, stretch) => sum + stretch.seconds, 0);
    expect(samples.length).toBe(Math.round(seconds * 8000));
    expect(Math.max(...samples.map(Math.abs))).toBeLessThanOrEqual(tone.volume);
    expect(samples[0]).toBe(0);
    expect(samples.at(-1)).toBeCloseTo(0);
  });

  it('of the key 5 are 770 and 1336 Hz', () => {
    const samples = render(keyTone('5'), 8000);
    const heard = [697, 770, 852, 941, 1209, 1336, 1477].filter((f) => power(samples, f, 8000) > 1e-4);
    expect(heard).toEqual([770, 1336]);
  });
});

describe('loudness', () => {
  it.each([
    ['silence', 0, 0],
    ['full scale', 1, 1],
    ['-30 dBFS', 10 ** -1.5, 0.5],
    ['-80 dBFS', 1e-4, 0],
  ])('of %s', (_, amplitude, level) => {
    expect(loudness(new Float32Array(128).fill(amplitude))).toBeCloseTo(level);
  });
});

describe('the microphone', () => {
  const devices = (name: string): MediaDevices =>
    ({ getUserMedia: () => Promise.reject(new DOMException('x', name)) }) as unknown as MediaDevices;

  it.each([
    ['NotAllowedError', 'microphone-refused'],
    ['SecurityError', 'microphone-refused'],
    ['NotFoundError', 'microphone-missing'],
    ['OverconstrainedError', 'microphone-missing'],
    ['NotReadableError', 'microphone-busy'],
    ['AbortError', 'microphone-busy'],
    ['TypeError', 'microphone-failed'],
  ])('%s is %s', async (name, problem) => {
    await expect(openMicrophone(devices(name))).rejects.toMatchObject({ name: 'NoMicrophone', problem });
  });

  it('does not exist in an insecure page', async () => {
    await expect(openMicrophone(undefined)).rejects.toEqual(new NoMicrophone('insecure-page'));
  });
});

describe('gathering', () => {
  it('is bounded from the first candidate of each description', () => {
    const listen = boundedGathering();
    const candidate = { type: 'host' as const };
    const [first, second] = [vi.fn(), vi.fn()];
    listen({ candidate, ready: first });
    vi.advanceTimersByTime(GATHERING_LIMIT_MS - 1);
    listen({ candidate, ready: first });
    expect(first).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(first).toHaveBeenCalledOnce();
    listen({ candidate, ready: second });
    vi.advanceTimersByTime(GATHERING_LIMIT_MS);
    expect(second).toHaveBeenCalledOnce();
    expect(first).toHaveBeenCalledOnce();
  });

  it('is over with the first relayed candidate, which is what a call behind a firewall waits for', () => {
    const listen = boundedGathering();
    const ready = vi.fn();
    listen({ candidate: { type: 'host' }, ready });
    listen({ candidate: { type: 'srflx' }, ready });
    expect(ready).not.toHaveBeenCalled();
    listen({ candidate: { type: 'relay' }, ready });
    expect(ready).toHaveBeenCalledOnce();
  });
});

it.each([
  [-5, '0:00'],
  [5_999, '0:05'],
  [754_000, '12:34'],
  [3_723_000, '1:02:03'],
])('%i ms is %s on the clock', (milliseconds, text) => {
  expect(clockTime(milliseconds)).toBe(text);
});

it('knows its twelve keys', () => {
  expect(KEYS.map((key) => key.digit).every(isKey)).toBe(true);
  expect(new Set(KEYS.map((key) => key.id)).size).toBe(12);
  expect(['a', 'Enter', '', '12', '+'].some(isKey)).toBe(false);
});
