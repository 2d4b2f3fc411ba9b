// A plain page with JsSIP, as its documentation shows one. The query says who signs in where.
import JsSIP from 'jssip';

const { ws, uri, password, expires, video } = Object.fromEntries(new URLSearchParams(location.search));
const told = document.documentElement.dataset;
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(ws)],
  uri,
  password,
  ...(expires === undefined ? {} : { register_expires: Number(expires) }),
});
const options = { mediaConstraints: { audio: true, video: video !== undefined } };
const list = { messages: [], notifications: [] };
let session;
let held;

ua.on('registered', () => (told.registration = 'registered'));
ua.on('registrationFailed', ({ cause }) => (told.registration = cause));
ua.on('newMessage', ({ originator, message, request }) => {
  if (originator === 'remote') list.messages.push(request.body);
  if (originator === 'remote') message.accept();
});
ua.on('newRTCSession', (event) => {
  held = session;
  session = event.session;
  told.call = event.originator === 'remote' ? 'incoming' : 'calling';
  session.on('progress', () => (told.call = event.originator === 'remote' ? 'incoming' : 'ringing'));
  session.on('confirmed', () => (told.call = 'active'));
  session.on('hold', ({ originator }) => (told.call = `held-${originator}`));
  session.on('unhold', () => (told.call = 'active'));
  session.on('newDTMF', ({ originator, dtmf }) => {
    if (originator === 'remote') told.pressed = `${dtmf.tone} ${dtmf.duration}`;
    dtmf.on('succeeded', () => (told.key = 'accepted'));
    dtmf.on('failed', () => (told.key = 'refused'));
  });
  session.on('ended', ({ cause }) => end(cause));
  session.on('failed', ({ cause }) => end(cause));
  if (session.connection) play(session.connection);
  else session.on('peerconnection', ({ peerconnection }) => play(peerconnection));
});

function play(connection) {
  connection.addEventListener(
    'track',
    ({ streams }) => (document.querySelector('#far').srcObject = streams[0]),
  );
}

function end(cause) {
  told.cause = cause;
  told.call = 'ended';
}

window.phone = {
  list: (what) => list[what],
  write: ([target, text]) => void ua.sendMessage(target, text),
  watch([target, event, type]) {
    const subscriber = ua.subscribe(target, event, type, { expires: 600 });
    subscriber.on('notify', (_final, _request, body) => list.notifications.push({ event, body }));
    subscriber.subscribe();
  },
  dial: (target) => void ua.call(target, options),
  accept: () => session.answer(options),
  hangUp: () => session.terminate(),
  reject: () => session.terminate({ status_code: 486 }),
  /** Adds the camera in mid-call. */
  async addVideo() {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    session.connection.addTrack(stream.getVideoTracks()[0], stream);
    await new Promise((done) => session.renegotiate({}, done));
  },
  /** Takes it away again. */
  async removeVideo() {
    for (const sender of session.connection.getSenders())
      if (sender.track?.kind === 'video') session.connection.removeTrack(sender);
    await new Promise((done) => session.renegotiate({}, done));
  },
  /** What the connection tells of its streams of video: `inbound-rtp` and `outbound-rtp`. */
  async video() {
    const all = [...(await session.connection.getStats()).values()].filter(({ kind }) => kind === 'video');
    const of = (type) => all.find((stats) => stats.type === type) ?? {};
    return { in: of('inbound-rtp'), out: of('outbound-rtp') };
  },
  hold: () => new Promise((done) => session.hold({}, done)),
  resume: () => new Promise((done) => session.unhold({}, done)),
  /** An ICE restart: a re-INVITE with other credentials. */
  restart: () =>
    new Promise((done) => session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, done)),
  /** The addresses of the pair of candidates that its media takes. */
  async path() {
    const stats = [...(await session.connection.getStats()).values()];
    const pair = stats.find(
      ({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded',
    );
    const address = (id) => stats.find((it) => it.id === id)?.address;
    return [address(pair?.localCandidateId), address(pair?.remoteCandidateId)];
  },
  transfer: (target) => session.refer(target),
  /** Joins who is on hold with who is talked to. */
  join: () => held.refer(session.remote_identity.uri.toString(), { replaces: session }),
  /** Makes one conversation of them, which the page takes part in. */
  confer() {
    const { call_id, local_tag, remote_tag } = session._dialog.id;
    const dialog = `${call_id};to-tag=${remote_tag};from-tag=${local_tag}`;
    held.refer(`${session.remote_identity.uri}?Join=${encodeURIComponent(dialog)}`);
  },
  press(key) {
    delete told.key;
    session.sendDTMF(key, { duration: 240 });
  },
};
ua.start();
