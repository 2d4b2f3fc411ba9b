// A plain page with the SimpleUser of SIP.js, as its documentation shows one. The query says who signs in where.
import { UserAgent, Web } from 'sip.js';

import { iceServers } from './sipjs-ice.js';

const { ws, uri, password, expires, stun } = Object.fromEntries(new URLSearchParams(location.search));
const told = document.documentElement.dataset;
const user = new Web.SimpleUser(ws, {
  aor: uri,
  media: { constraints: { audio: true, video: false }, remote: { audio: document.querySelector('#far') } },
  registererOptions: expires === undefined ? {} : { expires: Number(expires) },
  userAgentOptions: {
    authorizationUsername: /^sip:([^@]+)@/.exec(uri)[1],
    authorizationPassword: password,
    ...iceServers(stun),
  },
  delegate: {
    onRegistered: () => (told.registration = 'registered'),
    onCallCreated: () => (told.call = 'calling'),
    onCallReceived: () => (told.call = 'incoming'),
    onCallAnswered: () => (told.call = 'active'),
    onCallHangup: () => (told.call = 'ended'),
    onCallHold: (held) => (told.call = held ? 'held-local' : 'active'),
  },
});

/** Begins a re-INVITE when none of the other side waits for its ACK: until then SIP.js refuses to. */
async function afterTheirs(begin) {
  for (;;) {
    try {
      return await begin();
    } catch (error) {
      if (!/ongoing re-INVITE/.test(error.message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

window.phone = {
  dial: (target) => user.call(target),
  accept: () => user.answer(),
  hangUp: () => user.hangup(),
  reject: () => user.decline(),
  hold: () => afterTheirs(() => user.hold()),
  resume: () => afterTheirs(() => user.unhold()),
  // SimpleUser has no transfer of its own; its session has.
  transfer: (target) => user.session.refer(UserAgent.makeURI(target)).then(() => {}),
  async press(key) {
    delete told.key;
    // It resolves when the INFO is on its way, and says on the console what came of it.
    await user.sendDTMF(key);
    told.key = 'accepted';
  },
};
await user.connect();
await user.register();
