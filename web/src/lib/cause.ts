import type { Failure } from './agent';
import type { MicrophoneProblem } from './microphone';

/** Why a call is over, in one machine word; `words.ts` has the sentence for each. */
export type Cause = (typeof CAUSES)[number];

export const CAUSES = [
  'hung-up',
  'far-hung-up',
  'cancelled',
  'rejected',
  'missed',
  'answered-elsewhere',
  'busy',
  'declined',
  'no-answer',
  'not-found',
  'unreachable',
  'no-codec',
  'forbidden',
  'wrong-password',
  'bad-address',
  'moved',
  'loop',
  'overloaded',
  'server-error',
  'no-reply',
  'connection-lost',
  'not-connected',
  'ice-failed',
  'media-failed',
  'failed',
  'insecure-page',
  'microphone-refused',
  'microphone-missing',
  'microphone-busy',
  'microphone-failed',
] as const satisfies readonly (string | MicrophoneProblem)[];

/** The cause behind a final response, RFC 3261 §21. */
export function causeOfStatus(status: number): Cause {
  if (status >= 300 && status < 400) return 'moved';
  return BY_STATUS[status] ?? (status >= 500 && status < 600 ? 'server-error' : 'failed');
}

/** The cause behind the end of a session, given whether it was incoming and whether it had been answered. */
export function causeOfEnd(failure: Failure, incoming: boolean, answered: boolean): Cause {
  switch (failure.cause) {
    case 'Connection Error':
      return 'connection-lost';
    case 'Request Timeout':
    case 'No ACK':
    case 'Dialog Error':
      return 'no-reply';
    case 'RTP Timeout':
      return 'ice-failed';
    case 'WebRTC Error':
    case 'Bad Media Description':
    case 'Missing SDP':
    case 'Internal Error':
      // A refused answer or offer carries the far side's status; without one the browser has refused.
      return failure.originator === 'remote' && failure.status !== null && failure.status >= 300
        ? causeOfStatus(failure.status)
        : 'media-failed';
  }
  if (answered) return failure.originator === 'local' ? 'hung-up' : 'far-hung-up';
  if (incoming) {
    if (failure.originator === 'local') return failure.cause === 'No Answer' ? 'missed' : 'rejected';
    // A CANCEL quotes 200 when another device has answered (RFC 3326 §3.1).
    return failure.status === 200 ? 'answered-elsewhere' : 'missed';
  }
  if (failure.originator === 'local') return 'cancelled';
  return failure.status === null ? 'failed' : causeOfStatus(failure.status);
}

/** Causes that need no mending: the call went the way somebody wanted. */
export function isOrdinary(cause: Cause): boolean {
  return ORDINARY.has(cause);
}

const ORDINARY: ReadonlySet<Cause> = new Set([
  'hung-up',
  'far-hung-up',
  'cancelled',
  'rejected',
  'missed',
  'answered-elsewhere',
]);

const BY_STATUS: Readonly<Record<number, Cause>> = {
  401: 'wrong-password',
  403: 'forbidden',
  404: 'not-found',
  407: 'wrong-password',
  408: 'no-answer',
  410: 'not-found',
  414: 'bad-address',
  415: 'no-codec',
  416: 'bad-address',
  430: 'unreachable',
  480: 'unreachable',
  482: 'loop',
  483: 'loop',
  484: 'bad-address',
  485: 'bad-address',
  486: 'busy',
  487: 'cancelled',
  488: 'no-codec',
  503: 'overloaded',
  504: 'unreachable',
  600: 'busy',
  603: 'declined',
  604: 'not-found',
  606: 'no-codec',
  607: 'declined',
  608: 'declined',
};
