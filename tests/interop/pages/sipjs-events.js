// A plain page with SIP.js that writes, watches and publishes, as its documentation shows. The query says who signs in where.
import {
  Messager,
  Publisher,
  Registerer,
  RegistererState,
  Subscriber,
  SubscriptionState,
  UserAgent,
} from 'sip.js';

const { ws, uri, password } = Object.fromEntries(new URLSearchParams(location.search));
const told = document.documentElement.dataset;
const list = { messages: [], answers: [], notifications: [] };
const accepted = {
  requestDelegate: {
    onAccept: ({ message }) => list.answers.push(message.statusCode),
    onReject: ({ message }) => list.answers.push(message.statusCode),
  },
};
const agent = new UserAgent({
  uri: UserAgent.makeURI(uri),
  transportOptions: { server: ws },
  authorizationUsername: /^sip:([^@]+)@/.exec(uri)[1],
  authorizationPassword: password,
  delegate: {
    onMessage(message) {
      const { request } = message;
      list.messages.push({
        from: request.from.uri.user,
        text: request.body,
        type: request.getHeader('Content-Type'),
      });
      message.accept();
    },
  },
});
const subscriptions = [];
let publisher;

window.phone = {
  list,
  write: (target, text) => new Messager(agent, UserAgent.makeURI(target), text).message(accepted),
  watch(target, event) {
    const subscription = new Subscriber(agent, UserAgent.makeURI(target), event, {
      delegate: {
        onNotify(notification) {
          const { request } = notification;
          const state = request.getHeader('Subscription-State');
          list.notifications.push({ event, isFinal: state.startsWith('terminated'), body: request.body });
          notification.accept();
        },
      },
    });
    // The NOTIFY that ends what the page itself gave up goes no further than the library.
    subscription.stateChange.addListener((state) => {
      if (state === SubscriptionState.Terminated) list.notifications.push({ event, isFinal: true });
    });
    subscriptions.push(subscription);
    return subscription.subscribe();
  },
  unwatch: () => subscriptions.pop().unsubscribe(),
  publish(document) {
    if (publisher === undefined) {
      publisher = new Publisher(agent, UserAgent.makeURI(uri), 'presence', {
        body: document,
        contentType: 'application/pidf+xml',
        expires: 600,
      });
      publisher.stateChange.addListener((state) => list.answers.push(state));
    }
    return publisher.publish(document);
  },
  unpublish: () => publisher.unpublish(),
};
await agent.start();
const registerer = new Registerer(agent);
registerer.stateChange.addListener((state) => {
  if (state === RegistererState.Registered) told.registration = 'registered';
});
await registerer.register();
