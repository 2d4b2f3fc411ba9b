import { describe, expect, it } from 'vitest';

import { failure } from '../src/demo/fake';
import { CAUSES, type Cause, causeOfEnd, causeOfStatus } from '../src/lib/cause';
import type { DetourState } from '../src/lib/detour';
import type { Line } from '../src/lib/phone';
import * as words from '../src/lib/words';
import { ACCOUNT, talkingPhone } from './setting';

const sentence = (
  cause: Cause,
  text: string | null = null,
  status: number | null = null,
  detour: DetourState | null = null,
): string => words.endWords({ end: { cause, text, status, at: 0 }, detour }, 'Bob', 'phone.example');

describe('the words of a cause', () => {
  it.each(CAUSES)('of %s are a sentence of their own', (cause) => {
    expect(sentence(cause)).toMatch(/^[\p{Lu}“].*[.]$/u);
    expect(CAUSES.filter((other) => sentence(other) === sentence(cause))).toEqual([cause]);
  });

  it('quote the reason that names the codecs', () => {
    expect(sentence('no-codec', 'no shared codec: opus / G729', 488)).toBe(
      'The call would be silent: your browser and the phone of Bob share no audio codec. ' +
        'The server says: “no shared codec: opus / G729”',
    );
  });

  it('leave out a reason phrase that adds nothing', () => {
    expect(sentence('no-codec', 'Not Acceptable Here', 488)).not.toContain('says');
    expect(sentence('overloaded', 'Service Unavailable', 503)).not.toContain('says');
  });

  it('say after failed ICE what became of the other way', () => {
    const states = [
      'failed',
      'no-turn',
      'wrong-password',
      'too-many-guesses',
      'refused',
      'no-answer',
    ] as const;
    const said = states.map((state) => sentence('ice-failed', null, null, state));
    const meanwhile = states.map((state) => words.detourWords(state));
    expect(new Set([...said, ...meanwhile, sentence('ice-failed')]).size).toBe(2 * states.length + 1);
    for (const text of said)
      expect(text).toMatch(/^No sound could pass .* UDP packets\. \p{Lu}[^.]*: .*\.$/u);
    for (const text of meanwhile)
      expect(text).toMatch(/^Your network lets no media through directly\. .*\.$/);
    expect(sentence('ice-failed', null, null, 'trying')).toBe(sentence('ice-failed'));
  });

  it('carry the status of a failure that has no sentence of its own', () => {
    expect(sentence('failed', 'Bad Extension', 420)).toBe(
      'The call failed (420). The server says: “Bad Extension”',
    );
  });
});

describe('the cause of a status', () => {
  const table: readonly [number, Cause][] = [
    [300, 'moved'],
    [302, 'moved'],
    [400, 'failed'],
    [401, 'wrong-password'],
    [403, 'forbidden'],
    [404, 'not-found'],
    [407, 'wrong-password'],
    [408, 'no-answer'],
    [410, 'not-found'],
    [415, 'no-codec'],
    [416, 'bad-address'],
    [420, 'failed'],
    [430, 'unreachable'],
    [480, 'unreachable'],
    [482, 'loop'],
    [483, 'loop'],
    [484, 'bad-address'],
    [486, 'busy'],
    [487, 'cancelled'],
    [488, 'no-codec'],
    [500, 'server-error'],
    [502, 'server-error'],
    [503, 'overloaded'],
    [504, 'unreachable'],
    [600, 'busy'],
    [603, 'declined'],
    [604, 'not-found'],
    [606, 'no-codec'],
    [607, 'declined'],
    [699, 'failed'],
  ];
  it.each(table)('%i is %s', (status, cause) => {
    expect(causeOfStatus(status)).toBe(cause);
    expect(causeOfEnd(failure({ status }), false, false)).toBe(cause);
  });

  it('exists for every final status', () => {
    for (let status = 300; status < 700; status += 1) expect(CAUSES).toContain(causeOfStatus(status));
  });
});

describe('the cause of an end', () => {
  it.each<[string, Parameters<typeof causeOfEnd>, Cause]>([
    ['our BYE', [failure({ originator: 'local', cause: 'Terminated' }), false, true], 'hung-up'],
    ['their BYE', [failure({ cause: 'Terminated' }), true, true], 'far-hung-up'],
    ['our CANCEL', [failure({ originator: 'local', cause: 'Canceled' }), false, false], 'cancelled'],
    ['their CANCEL', [failure({ cause: 'Canceled' }), true, false], 'missed'],
    [
      'a CANCEL that quotes 200',
      [failure({ cause: 'Canceled', status: 200 }), true, false],
      'answered-elsewhere',
    ],
    ['our 486', [failure({ originator: 'local', cause: 'Rejected' }), true, false], 'rejected'],
    ['our 408', [failure({ originator: 'local', cause: 'No Answer' }), true, false], 'missed'],
    ['an expired INVITE', [failure({ originator: 'system', cause: 'Expires' }), true, false], 'missed'],
    [
      'a lost request',
      [failure({ originator: 'local', cause: 'Connection Error' }), false, true],
      'connection-lost',
    ],
    [
      'a refresh without a reply',
      [failure({ originator: 'local', cause: 'Request Timeout' }), false, true],
      'no-reply',
    ],
    ['a missing ACK', [failure({ cause: 'No ACK' }), true, true], 'no-reply'],
    ['failed ICE', [failure({ originator: 'local', cause: 'RTP Timeout' }), false, true], 'ice-failed'],
    [
      'an SDP the browser refuses',
      [failure({ cause: 'Bad Media Description', status: 200 }), false, false],
      'media-failed',
    ],
    [
      'a browser without WebRTC',
      [failure({ originator: 'local', cause: 'WebRTC Error' }), false, false],
      'media-failed',
    ],
    ['a failure without a status', [failure({}), false, false], 'failed'],
  ])('%s', (_, given, cause) => {
    expect(causeOfEnd(...given)).toBe(cause);
  });
});

describe('the words of the line', () => {
  const lines: readonly [Line, string, string][] = [
    [{ state: 'signed-out', cause: null }, 'Signed out', 'You are signed out.'],
    [{ state: 'signed-out', cause: 'wrong-credentials' }, 'Signed out', 'Wrong name or password.'],
    [{ state: 'connecting', account: ACCOUNT }, 'Connecting…', 'Connecting to the server…'],
    [{ state: 'registering', account: ACCOUNT }, 'Signing in…', 'Signing in…'],
    [{ state: 'registered', account: ACCOUNT }, 'Ready', 'Ready to make and take calls.'],
    [
      { state: 'waiting', account: ACCOUNT, retryAt: 8_200, status: null },
      'Not connected',
      'The server does not answer; trying again in 4\u00a0s.',
    ],
    [
      { state: 'waiting', account: ACCOUNT, retryAt: 4_000, status: 503 },
      'Not connected',
      'The server cannot sign you in at the moment (503); trying again…',
    ],
    [
      { state: 'refused', account: ACCOUNT, cause: 'wrong-credentials' },
      'Signed out',
      'Wrong name or password.',
    ],
  ];
  it.each(lines)('%o', (line, label, text) => {
    expect(words.lineLabel(line)).toBe(label);
    expect(words.lineWords(line, 4_900)).toBe(text);
  });
});

describe('the words of a call that goes on', () => {
  it('follow its state', async () => {
    const { phone, session, connection } = await talkingPhone();
    const said = () => (phone.view.call === null ? '' : words.callWords(phone.view.call));
    expect(said()).toBe('Connected');
    connection.becomes('disconnected');
    expect(said()).toBe('The sound is interrupted…');
    session.events.held('remote');
    expect(said()).toBe('bob put you on hold');
    phone.setHeld(true);
    expect(said()).toBe('On hold on both sides');
    session.events.resumed('remote');
    expect(said()).toBe('On hold');
    phone.hangUp();
    expect(said()).toBe('Call ended');
  });

  it('say what a press on the button for holding does', () => {
    const holding = [false, true].flatMap((heldHere) =>
      [null, !heldHere].map((toBeHeld) => words.holdWords({ heldHere, toBeHeld })),
    );
    expect(holding).toEqual(['Hold', 'Holding…', 'Resume', 'Resuming…']);
  });

  it('say what to do about a microphone', () => {
    expect(words.problemWords('microphone-lost')).toContain('Plug it in');
    expect(words.problemWords('microphone-refused')).toContain('Allow it');
    expect(words.silenceWords('far', 'Bob')).toContain('No sound arrives from Bob');
  });

  it('say which way the sound takes, where it is not the shortest', () => {
    expect(words.detourWords('trying')).toMatch(/trying another way…$/);
    expect([null, 'direct' as const].map(words.pathWords)).toEqual([null, null]);
    expect(words.pathWords('tls')).toBe('The sound is relayed by TURN over TLS.');
  });

  it('name what to open instead of an insecure page', () => {
    expect(words.insecureWords('192.0.2.7')).toContain('https://192.0.2.7:8443/');
  });
});
