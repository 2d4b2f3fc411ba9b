// Signing in.
import { credentials } from './digest.mjs';
import { read, write } from './message.mjs';

const URI = 'sip:127.0.0.1';
let registrations = 0;

/** A registration in progress: REGISTER, 401, REGISTER with credentials, 200. */
export class Registration {
  #phone;
  #send;
  #cseq = 0;

  /**
   * @param {object} phone
   * @param {string} phone.user
   * @param {string} phone.contact
   * @param {string} phone.via the transport and sent-by of its Via
   * @param {(text: string) => void} send
   */
  constructor(phone, send) {
    this.#phone = phone;
    this.#send = send;
    registrations += 1;
    this.callId = `registration-${process.pid}-${registrations}`;
  }

  start() {
    this.#request([]);
  }

  /** Takes a response; says whether the registration is done. */
  handle(response) {
    const { user } = this.#phone;
    if (response.status === 200) return true;
    if (response.status !== 401 || this.#cseq > 1) {
      throw new Error(`${user} was not registered: ${response.startLine}`);
    }
    const challenges = response.values('www-authenticate');
    const answer = credentials(challenges, { user, method: 'REGISTER', uri: URI });
    this.#request([['Authorization', answer]]);
    return false;
  }

  #request(more) {
    this.#cseq += 1;
    const { user, contact, via } = this.#phone;
    const headers = [
      ['Via', `SIP/2.0/${via};branch=z9hG4bK-${this.callId}-${this.#cseq};rport`],
      ['Max-Forwards', '70'],
      ['From', `<sip:${user}@127.0.0.1>;tag=${this.callId}`],
      ['To', `<sip:${user}@127.0.0.1>`],
      ['Call-ID', this.callId],
      ['CSeq', `${this.#cseq} REGISTER`],
      ['Contact', `<${contact}>;expires=600`],
      ['Supported', 'path, gruu, outbound'],
      ['User-Agent', 'ringback bench'],
      ...more,
    ];
    this.#send(write(`REGISTER ${URI} SIP/2.0`, headers));
  }
}

/** Registers over a connection that is used for nothing else meanwhile. */
export async function register(connection, phone) {
  const registration = new Registration(phone, (text) => connection.send(text));
  registration.start();
  while (!registration.handle(read(await connection.receive())));
}
