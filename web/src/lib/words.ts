/** Every sentence that tells of a state or of a failure, in one place. */
import type { AccountProblem } from './account';
import type { CallEnd, CallView } from './call';
import type { Cause } from './cause';
import type { DetourState } from './detour';
import type { Silence } from './hearing';
import type { Line, SignInCause } from './phone';

/** What became of a call, for the person who made it. */
export function endWords(
  { end, detour }: { end: CallEnd; detour: DetourState | null },
  peer: string,
  domain: string,
): string {
  return BY_CAUSE[end.cause]({ peer, domain, said: said(end), status: end.status, detour });
}

export const BY_CAUSE: Readonly<Record<Cause, (call: EndedCall) => string>> = {
  'hung-up': () => 'Call ended.',
  'far-hung-up': ({ peer, said }) => `${peer} hung up.${said}`,
  cancelled: () => 'Call cancelled.',
  rejected: ({ peer }) => `You rejected the call from ${peer}.`,
  missed: ({ peer }) => `You missed a call from ${peer}.`,
  'answered-elsewhere': ({ peer }) => `The call from ${peer} was answered on another device.`,
  busy: ({ peer }) => `${peer} is busy. Try again later.`,
  declined: ({ peer }) => `${peer} declined the call.`,
  'no-answer': ({ peer }) => `${peer} did not answer.`,
  'not-found': ({ peer, domain }) => `There is no ${peer} at ${domain}. Check the name or number.`,
  unreachable: ({ peer }) =>
    `${peer} cannot be reached at the moment: no phone is signed in under that name, or nobody answers.`,
  'no-codec': ({ peer, said }) =>
    `The call would be silent: your browser and the phone of ${peer} share no audio codec.${said}`,
  forbidden: ({ peer, said }) => `The server does not allow you to call ${peer}.${said}`,
  'wrong-password': () => 'The server no longer accepts your password. Sign out and sign in again.',
  'bad-address': ({ peer }) =>
    `“${peer}” is not something that can be called. Type a name (alice), a number (+44 20 7946 0011) or a SIP address (alice@example.com).`,
  moved: ({ peer, said }) => `${peer} can be called at another address now.${said}`,
  loop: ({ peer }) =>
    `The call to ${peer} went round in a circle. The operator of the server has to mend that.`,
  overloaded: ({ said }) => `The server cannot take the call at the moment. Try again in a minute.${said}`,
  'server-error': ({ said, status }) => `The server could not complete the call${code(status)}.${said}`,
  'no-reply': () => 'The far side stopped answering. Try again.',
  'connection-lost': () =>
    'The connection to the server was lost, and the call with it. Call again when you are connected.',
  'not-connected': () =>
    'You are not connected to the server yet, so the call cannot start. It reconnects by itself.',
  'ice-failed': ({ detour }) =>
    `No sound could pass between your browser and the server: a firewall or VPN keeps back its UDP packets. ${
      detour === null || detour === 'trying'
        ? 'Try another network, or ask the operator to check the media port.'
        : NO_WAY_ROUND[detour]
    }`,
  'media-failed': ({ said }) => `Your browser could not set up the sound of the call.${said}`,
  failed: ({ said, status }) => `The call failed${code(status)}.${said}`,
  'insecure-page': () =>
    'Browsers give the microphone only to secure pages, and this one is not: open it with https.',
  'microphone-refused': () =>
    'The browser does not let this page use your microphone. Allow it at the left of the address bar, then try again.',
  'microphone-missing': () => 'No microphone was found. Plug one in, then try again.',
  'microphone-busy': () =>
    'Your microphone is in use by another program, or does not start. Close that program, then try again.',
  'microphone-failed': () =>
    'The microphone could not be opened. Unplug it, plug it in again, then try again.',
};

/** What a press on the button for holding does, or what is waited for since the last one. */
export function holdWords({ heldHere, toBeHeld }: Pick<CallView, 'heldHere' | 'toBeHeld'>): string {
  if (toBeHeld !== null) return toBeHeld ? 'Holding…' : 'Resuming…';
  return heldHere ? 'Resume' : 'Hold';
}

/** What goes wrong in a call that goes on. */
export function problemWords(problem: NonNullable<CallView['problem']>): string {
  if (problem === 'microphone-lost') {
    return 'Your microphone is gone, so the far side cannot hear you. Plug it in and call again.';
  }
  return BY_CAUSE[problem]({ peer: '', domain: '', said: '', status: null, detour: null });
}

/** What is done about media that does not pass directly, or why nothing can be done. */
export function detourWords(state: DetourState): string {
  return state === 'trying'
    ? 'Your network lets no media through directly; trying another way…'
    : `Your network lets no media through directly. ${NO_WAY_ROUND[state]}`;
}

const NO_WAY_ROUND: Readonly<Record<Exclude<DetourState, 'trying'>, string>> = {
  failed: 'TURN did not get through either: try another network, or ask the operator to check its ports.',
  'no-turn':
    'This server has no TURN, which would take the sound through: try another network, or ask the operator to switch it on.',
  'wrong-password':
    'The server does not accept your password for another way: sign out and sign in again, then call once more.',
  'too-many-guesses':
    'After several wrong passwords from your network, the server shows it no other way for a minute: call again then.',
  refused:
    'The server shows this page no other way: open its https address, or ask the operator whether a proxy changes the name of the host.',
  'no-answer': 'The server did not say which other way there is: call again, or try another network.',
};

/** The way that the sound takes, where it is not the shortest. */
export function pathWords(path: CallView['path']): string | null {
  return path === null || path === 'direct'
    ? null
    : `The sound is relayed by TURN over ${path.toUpperCase()}.`;
}

/** Why an answered call is not heard. */
export function silenceWords(silence: Silence, peer: string): string {
  return silence === 'far'
    ? `No sound arrives from ${peer}: their microphone is off, or something on the way keeps it back.`
    : 'Your microphone gives nothing but silence. Look for a mute switch on it, or in the sound settings.';
}

/** The registration in a word or two, for the status bar. */
export function lineLabel(line: Line): string {
  return LINE_LABELS[line.state];
}

const LINE_LABELS: Readonly<Record<Line['state'], string>> = {
  'signed-out': 'Signed out',
  connecting: 'Connecting…',
  registering: 'Signing in…',
  registered: 'Ready',
  waiting: 'Not connected',
  refused: 'Signed out',
};

/** The registration in a sentence; `now` for the countdown to the next attempt. */
export function lineWords(line: Line, now: number): string {
  switch (line.state) {
    case 'signed-out':
      return line.cause === null ? 'You are signed out.' : signInWords(line.cause);
    case 'connecting':
      return 'Connecting to the server…';
    case 'registering':
      return 'Signing in…';
    case 'registered':
      return 'Ready to make and take calls.';
    case 'waiting': {
      const wait = Math.max(0, Math.ceil((line.retryAt - now) / 1000));
      const again = wait === 0 ? 'trying again…' : `trying again in ${wait}\u00a0s.`;
      if (line.status === null) return `The server does not answer; ${again}`;
      return `The server cannot sign you in at the moment (${line.status}); ${again}`;
    }
    case 'refused':
      return signInWords(line.cause);
  }
}

/** Why the phone is signed out although the user has not asked for that. */
export function signInWords(cause: SignInCause): string {
  switch (cause) {
    case 'wrong-credentials':
      return 'Wrong name or password.';
    case 'unknown-domain':
      return 'This server does not know that domain. Leave out the part from the @ on.';
    case 'unusable-account':
      return FORM_WORDS['name-unusable'];
  }
}

export const FORM_WORDS: Readonly<Record<AccountProblem, string>> = {
  'name-missing': 'Type your name.',
  'name-unusable': 'A name has no spaces, quotes or brackets: alice, or alice@example.com.',
  'password-missing': 'Type your password.',
};

/** The state of a call in a few words, under the name of the far side. */
export function callWords(call: CallView): string {
  switch (call.state) {
    case 'calling':
      return call.microphone === null ? 'Waiting for your microphone…' : 'Calling…';
    case 'ringing':
      return 'Ringing…';
    case 'incoming':
      return call.answering ? 'Answering…' : 'Incoming call';
    case 'held':
      if (call.heldHere && call.heldThere) return 'On hold on both sides';
      return call.heldHere ? 'On hold' : `${call.peer.name} put you on hold`;
    case 'active':
      if (call.media === 'interrupted') return 'The sound is interrupted…';
      return call.media === 'flowing' ? 'Connected' : 'Connecting the sound…';
    case 'ended':
      return 'Call ended';
  }
}

/** Shown while the call goes on without its signalling. */
export const CALL_WITHOUT_SERVER =
  'The connection to the server is lost. You can go on talking; the phone reconnects by itself.';

/** What to do about a page over plain http: the browser withholds the microphone from it. */
export function insecureWords(hostname: string): string {
  return (
    'This page cannot use your microphone, because it was not opened securely. ' +
    `Open https://${hostname}:8443/ instead (or the https address that the server printed when it started). ` +
    'On the server’s own machine http://127.0.0.1:8080/ works too.'
  );
}

export const NO_WEBRTC =
  'This browser cannot make calls: it has no WebRTC, or it is switched off. Use a current Chrome, Edge, Firefox or Safari.';

interface EndedCall {
  readonly peer: string;
  readonly domain: string;
  /** The far side's words as a sentence with a space before it, or empty. */
  readonly said: string;
  readonly status: number | null;
  readonly detour: DetourState | null;
}

/** A reason phrase that only repeats the status is left out. */
function said({ text, status }: CallEnd): string {
  if (text === null || text.trim() === '' || PLAIN.has(`${status} ${text}`.toLowerCase())) return '';
  return ` The server says: “${text.trim()}”`;
}

function code(status: number | null): string {
  return status === null ? '' : ` (${status})`;
}

/** Standard reason phrases (RFC 3261 §21) that add nothing to the sentences above. */
const PLAIN: ReadonlySet<string> = new Set([
  '200 ok',
  '200 call completed elsewhere',
  '403 forbidden',
  '488 not acceptable here',
  '500 server internal error',
  '500 internal server error',
  '503 service unavailable',
  '606 not acceptable',
]);
