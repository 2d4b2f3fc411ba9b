// What telephones that sipp plays do again and again: take calls, make them, refuse them, ring, hold.
import { audio } from './sipp-dialog.mjs';

/** An offer or answer of audio. */
export const SDP = { body: audio() };

/** That a message has the SDP of ours, which is for the other side. */
export const HAS_AUDIO = [['body', 'm=audio [1-9]']];

/** That a message has SDP with that direction. */
export const direction = (word) => [['body', `a=${word}`]];

/** Two devices of one user. */
export const device = (number, parameters = '') => ({
  parameters: `;+sip.instance="<urn:uuid:00000000-0000-4000-8000-00000000000${number}>"${parameters}`,
  name: `device-${number}`,
});

/**
 * `user` takes a call.
 *
 * @param {object} [options] of the 200, and
 * @param {string} [options.user]
 * @param {boolean} [options.rings] before
 * @param {number} [options.after] milliseconds of ringing
 * @param {object} [options.invite] what the INVITE must have: see `receive`
 */
export function takes(people, { user = 'bob', rings = true, after, invite, ...answer } = {}) {
  const dialog = people.dialog(user).receive('INVITE', invite);
  if (rings) dialog.respond(180);
  if (after !== undefined) dialog.pause(after);
  return dialog.respond(200, { ...SDP, ...answer }).receive('ACK');
}

/**
 * `user` has called, and it is answered.
 *
 * @param {object} [options] of the 200: see `expect`; and
 * @param {string} [options.user]
 * @param {string} [options.callee]
 * @param {string[]} [options.headers] of the INVITE
 */
export const talks = (people, { user = 'alice', callee = 'bob', headers = [], ...answer } = {}) =>
  people
    .dialog(user)
    .begin('INVITE', callee, { ...SDP, headers })
    .expect(200, { dialog: true, provisional: true, ...answer })
    .acknowledge();

/** `user` calls, is answered, and hangs up. */
export const calls = (people, callee, user) => talks(people, { user, callee }).pause(100).bye();

/** The call of `user` is refused. */
export const isRefused = (people, callee, status, { user = 'alice', headers = [] } = {}) =>
  people
    .dialog(user)
    .begin('INVITE', callee, { ...SDP, headers })
    .expect(status, { provisional: true })
    .acknowledgeRefusal();

/** `user` refuses a call. */
export const refuses = (people, status, { user = 'bob', invite, ...answer } = {}) =>
  people.dialog(user).receive('INVITE', invite).respond(status, answer).receive('ACK');

/** `user` sends the caller to another user, or to a URI. */
export const redirects = (people, to, user = 'bob') =>
  refuses(people, 302, {
    user,
    headers: [`Contact: <${to.includes(':') ? to : `sip:${to}@[remote_ip]`}>`],
    contact: false,
  });

/** A telephone that rings, or plays something, is told to stop: with `cancel` in the CANCEL. */
export const isCancelled = (dialog, cancel) =>
  dialog.receive('CANCEL', cancel).respond(200).respond(487, { to: 'INVITE' }).receive('ACK');

/**
 * `user` rings until it is told to stop. With `tells`, its mark `rings` says when: sipp takes nothing while it writes one,
 * so what comes next has to come after the test has seen it.
 */
export function rings(people, cancel, { user = 'bob', invite, tells = false } = {}) {
  const dialog = people.dialog(user).receive('INVITE', invite).respond(180);
  return isCancelled(tells ? dialog.mark('rings') : dialog, cancel);
}

/** Asks for the call to be handed on to `to`, is told that this has worked, and is hung up on. */
export const refers = (dialog, to) =>
  dialog
    .send('REFER', { headers: [`Refer-To: ${to}`] })
    .expect(202)
    .receive('NOTIFY', { has: [...tells(100).has, ['Subscription-State', 'active']] })
    .respond(200)
    .receive('NOTIFY', { has: [...tells(200).has, ['Subscription-State', 'terminated']] })
    .respond(200)
    .hungUp();

/** What a NOTIFY of a transfer has that tells `status`. */
export const tells = (status) => ({
  has: [
    ['Event', 'refer'],
    ['body', `SIP/2.0 ${status}`],
  ],
});

/** Makes another offer within the call, which is answered. */
export const offers = (dialog, offer, has) =>
  dialog
    .send('INVITE', { body: audio(offer) })
    .expect(200, { provisional: true, has })
    .acknowledge();

/** Is made another offer within the call, and answers it. */
export const isOffered = (dialog, has, answer = {}) =>
  dialog
    .receive('INVITE', { has })
    .respond(200, { body: audio(answer) })
    .receive('ACK');
