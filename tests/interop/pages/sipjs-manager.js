// A plain page with the SessionManager of SIP.js, as its documentation shows one: several calls at a time, transfers
// between them, messages and subscriptions, and reliable provisional responses when the query asks for them.
import { Subscriber, UserAgent, Web } from 'sip.js';

import { iceServers } from './sipjs-ice.js';

const { ws, uri, password, reliable, stun } = Object.fromEntries(new URLSearchParams(location.search));
const told = document.documentElement.dataset;
const far = document.querySelector('#far');
const list = { messages: [], notifications: [] };
const manager = new Web.SessionManager(ws, {
  aor: uri,
  media: { constraints: { audio: true, video: false }, remote: { audio: far } },
  userAgentOptions: {
    authorizationUsername: /^sip:([^@]+)@/.exec(uri)[1],
    authorizationPassword: password,
    ...iceServers(stun),
    ...(reliable === undefined ? {} : { sipExtension100rel: reliable }),
  },
  delegate: {
    onRegistered: () => (told.registration = 'registered'),
    onCallCreated(created) {
      held = session;
      session = created;
      told.call = 'calling';
    },
    onCallReceived: () => (told.call = 'incoming'),
    onCallAnswered: () => (told.call = 'active'),
    onCallHangup: () => (told.call = manager.managedSessions.length === 0 ? 'ended' : 'one-left'),
    onMessageReceived: ({ request }) => list.messages.push(request.body),
    onCallHold: (_, isHeld) => (told.call = isHeld ? 'held-local' : 'active'),
  },
});
let session;
let held;

/** What the far side plays before it answers. */
const early = {
  earlyMedia: true,
  delegate: { onSessionDescriptionHandler: ({ remoteMediaStream }) => (far.srcObject = remoteMediaStream) },
};

window.phone = {
  list: (what) => list[what],
  write: ([target, text]) => manager.message(target, text).then(() => {}),
  watch([target, event]) {
    const subscription = new Subscriber(manager.userAgent, UserAgent.makeURI(target), event, {
      delegate: {
        onNotify(notification) {
          list.notifications.push({ event, body: notification.request.body });
          notification.accept();
        },
      },
    });
    return subscription.subscribe().then(() => {});
  },
  dial: (target) =>
    manager
      .call(target, reliable === undefined ? {} : early, {
        requestDelegate: { onProgress: () => (told.call = 'ringing') },
      })
      .then(() => {}),
  accept: () => manager.answer(session),
  hangUp: () => manager.hangup(session),
  reject: () => manager.decline(session),
  hold: () => manager.hold(session),
  resume: () => manager.unhold(session),
  transfer: (target) => manager.transfer(session, target),
  /** Joins who is on hold with who is talked to. */
  join: () => manager.transfer(held, session),
  /** Rings with a response that the caller has to acknowledge. */
  ring: () => session.progress({ rel100: true }),
};
await manager.connect();
await manager.register();
