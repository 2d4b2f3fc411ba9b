// A plain page with JsSIP that writes messages and watches, as its documentation shows. The query says who signs in where.
import JsSIP from 'jssip';

const { ws, uri, password } = Object.fromEntries(new URLSearchParams(location.search));
const told = document.documentElement.dataset;
const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(ws)], uri, password });
const list = { messages: [], answers: [], notifications: [] };
const subscribers = [];

ua.on('registered', () => (told.registration = 'registered'));
ua.on('registrationFailed', ({ cause }) => (told.registration = cause));
ua.on('newMessage', ({ originator, message, request }) => {
  if (originator !== 'remote') return;
  list.messages.push({
    from: request.from.uri.user,
    text: request.body,
    type: request.getHeader('Content-Type'),
  });
  message.accept();
});

window.phone = {
  list,
  write(target, text) {
    ua.sendMessage(target, text, {
      eventHandlers: {
        succeeded: ({ response }) => list.answers.push(response.status_code),
        failed: ({ response, cause }) => list.answers.push(response?.status_code ?? cause),
      },
    });
  },
  watch(target, event, type) {
    const subscriber = ua.subscribe(target, event, type, { expires: 600 });
    subscriber.on('notify', (isFinal, request, body) => list.notifications.push({ event, isFinal, body }));
    subscriber.on('terminated', (code, reason) => list.notifications.push({ event, code, reason }));
    subscriber.subscribe();
    subscribers.push(subscriber);
  },
  unwatch: () => subscribers.pop().terminate(),
  stop: () => ua.stop(),
};
ua.start();
