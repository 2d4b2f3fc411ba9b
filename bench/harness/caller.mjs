// A call as its caller makes it: INVITE, 407, ACK, INVITE with credentials, 200, ACK, and later BYE.
import { credentials } from './digest.mjs';
import { read, write } from './message.mjs';

const WITHIN = 5_000;
let calls = 0;

/**
 * Calls `callee`. The times are in milliseconds: `whole` from the first INVITE to the 200, `authenticated` from
 * the INVITE that carries credentials.
 *
 * @param {object} caller
 * @param {string} caller.user
 * @param {{send: (text: string) => void, receive: () => Promise<string>}} caller.connection
 * @param {string} caller.via the transport and sent-by of its Via
 * @param {string} caller.contact
 * @param {string} caller.sdp its offer
 * @param {string} callee
 */
export async function call(caller, callee) {
  calls += 1;
  const dialog = new Dialog(caller, `${process.pid}-${calls}`, `sip:${callee}@127.0.0.1`);
  const { uri } = dialog;
  const started = performance.now();
  dialog.request('INVITE', uri, 1, { body: caller.sdp });
  const challenge = await dialog.final(407);
  // The ACK of a refused INVITE is part of its transaction: same branch, the To of the response.
  dialog.request('ACK', uri, 1, { to: challenge.value('to'), branch: 'INVITE' });
  const answer = credentials(challenge.values('proxy-authenticate'), { user: caller.user, method: 'INVITE', uri });
  const challenged = performance.now();
  dialog.request('INVITE', uri, 2, { more: [['Proxy-Authorization', answer]], body: caller.sdp });
  const answered = await dialog.final(200);
  const ended = performance.now();
  const target = /<([^>]+)>/.exec(answered.value('contact'))[1];
  const to = answered.value('to');
  // RFC 3261 §12.1.2: the way back is the way there.
  const more = answered
    .values('record-route')
    .reverse()
    .map((route) => ['Route', route]);
  dialog.request('ACK', target, 2, { to, more });
  return {
    whole: ended - started,
    authenticated: ended - challenged,
    answer: answered.body,
    async hangUp() {
      dialog.request('BYE', target, 3, { to, more });
      await dialog.final(200);
    },
  };
}

class Dialog {
  #caller;
  #id;

  constructor(caller, id, uri) {
    this.#caller = caller;
    this.#id = id;
    this.uri = uri;
  }

  request(method, target, cseq, { to = `<${this.uri}>`, branch = method, more = [], body = '' }) {
    const { user, connection, via, contact } = this.#caller;
    const headers = [
      ['Via', `SIP/2.0/${via};branch=z9hG4bK-${this.#id}-${cseq}-${branch};rport`],
      ['Max-Forwards', '70'],
      ['From', `<sip:${user}@127.0.0.1>;tag=${this.#id}`],
      ['To', to],
      ['Call-ID', this.#id],
      ['CSeq', `${cseq} ${method}`],
      ['Contact', `<${contact}>`],
      ['User-Agent', 'ringback bench'],
      ...more,
    ];
    if (body !== '') headers.push(['Content-Type', 'application/sdp']);
    connection.send(write(`${method} ${target} SIP/2.0`, headers, body));
  }

  /** The final response of the last request, which must have this status. */
  async final(status) {
    const deadline = AbortSignal.timeout(WITHIN);
    const late = new Promise((_, reject) => {
      deadline.addEventListener('abort', () => reject(new Error(`no final response in ${WITHIN} ms`)));
    });
    for (;;) {
      const response = read(await Promise.race([this.#caller.connection.receive(), late]));
      if (response.status < 200) continue;
      if (response.status !== status) throw new Error(`not ${status} but: ${response.startLine}`);
      return response;
    }
  }
}
