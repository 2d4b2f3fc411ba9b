// Scenarios of sipp, written message by message: what one side of a dialog sends, and what it insists on receiving.
//
// sipp checks everything: a message that does not come, comes out of turn or lacks what a check asks for fails its call.
import { readFileSync, writeFileSync } from 'node:fs';

import { evidencePath } from './evidence.mjs';
import { startSipp } from './sipp.mjs';
import { until } from './waiting.mjs';

/** Audio in PCMU, with a direction or at another address, such as `0.0.0.0`. */
export const audio = ({ direction = 'sendrecv', at, version = 1 } = {}) => ({
  type: 'application/sdp',
  text: [
    'v=0',
    // `[local_ip]` has brackets around IPv6, and `[media_ip]` has none.
    `o=- 1 ${version} IN IP[media_ip_type] [media_ip]`,
    's=-',
    at === undefined ? 'c=IN IP[media_ip_type] [media_ip]' : `c=IN IP4 ${at}`,
    't=0 0',
    'm=audio [media_port] RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
    `a=${direction}`,
    '',
  ].join('\n'),
});

/** What a message must have: `[header, expression]`, or `['body', expression]`; POSIX, extended. */
const search = ([where, expression], { variable, inverse = false }) => {
  const place = where === 'body' ? 'search_in="body"' : `search_in="hdr" header="${where}:"`;
  const check = inverse ? 'check_it_inverse' : 'check_it';
  return `<ereg regexp="${escape(expression)}" ${place} ${check}="true" assign_to="${variable}"/>`;
};

const escape = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** One side of one dialog. The methods add a step each, in the order of the scenario. */
export class Dialog {
  #server;
  #user;
  #steps = [];
  #variables = [];
  #cseq = 0;
  /** That of the INVITE that was sent last, which its ACK and CANCEL have too. */
  #cseqOfInvite = 0;
  /** The request that was received last, of each method and of any. */
  #received = {};
  /** Where requests within the dialog go and to whom, once that is known. */
  #remote;
  #local;
  #invited;
  /** The To of a request out of a dialog. */
  #called;

  /** @param {import('./server.mjs').Server} server */
  constructor(server, user) {
    this.#server = server;
    this.#user = user;
    this.#local = ` <sip:${user}@[remote_ip]>;tag=[pid]c[call_number]`;
  }

  /** Sends a request out of a dialog and answers the challenge to it: `begin('INVITE', 'bob', { body: audio() })`. */
  begin(method, to, { headers = [], body, contact = true, hops = 70 } = {}) {
    const uri = method === 'REGISTER' ? 'sip:[remote_ip]' : to.includes(':') ? to : `sip:${to}@[remote_ip]`;
    this.#remote = { to: ` <${method === 'REGISTER' ? `sip:${to}@[remote_ip]` : uri}>`, uri };
    this.#called = this.#remote.to;
    const more = contact ? [this.contact, ...headers] : headers;
    this.#request(method, { headers: more, body, hops });
    this.expect(method === 'REGISTER' ? 401 : 407, { auth: true, provisional: true });
    if (method === 'INVITE') this.acknowledgeRefusal();
    const credentials = `[authentication username=${this.#user} password=${this.#server.password(this.#user)}]`;
    return this.#request(method, { headers: [...more, credentials], body, hops });
  }

  get contact() {
    return `Contact: <sip:${this.#user}@[local_ip]:[local_port];transport=[transport]>`;
  }

  /** Sends a request within the dialog. */
  send(method, { headers = [], body } = {}) {
    return this.#request(method, { headers: [this.contact, ...headers], body });
  }

  /** The ACK of a 2xx. */
  acknowledge({ body } = {}) {
    const { uri, to } = this.#remote;
    return this.#message(
      `ACK ${uri} SIP/2.0`,
      [
        ...this.#hop(),
        `From:${this.#local}`,
        `To:${to}`,
        'Call-ID: [call_id]',
        `CSeq: ${this.#cseqOfInvite} ACK`,
      ],
      { body, retrans: false },
    );
  }

  /** The ACK of any other final response, which has just come. */
  acknowledgeRefusal() {
    return this.#message(
      `ACK ${this.#invited} SIP/2.0`,
      [
        '[last_Via:]',
        'Max-Forwards: 70',
        '[last_From:]',
        '[last_To:]',
        'Call-ID: [call_id]',
        `CSeq: ${this.#cseqOfInvite} ACK`,
      ],
      { retrans: false },
    );
  }

  /** Cancels the INVITE that was sent last. */
  cancel({ headers = [] } = {}) {
    return this.#message(`CANCEL ${this.#invited} SIP/2.0`, [
      '[last_Via:]',
      'Max-Forwards: 70',
      `From:${this.#local}`,
      `To:${this.#called}`,
      'Call-ID: [call_id]',
      `CSeq: ${this.#cseqOfInvite} CANCEL`,
      ...headers,
    ]);
  }

  /**
   * Waits for a response.
   *
   * @param {number} status
   * @param {object} [options]
   * @param {[string, string][]} [options.has] what it must have
   * @param {[string, string][]} [options.lacks] what it may not have
   * @param {Record<string, [string, string]>} [options.keep] what of it is kept for later, as `[$name]`
   * @param {boolean} [options.optional]
   * @param {boolean} [options.dialog] whether it makes a dialog, whose target and tag hold from then on
   * @param {boolean} [options.provisional] whether 100, 180, 181 and 183 may come before it
   */
  expect(
    status,
    {
      has = [],
      lacks = [],
      keep = {},
      optional = false,
      dialog = false,
      auth = false,
      provisional = false,
    } = {},
  ) {
    if (provisional)
      for (const early of [100, 180, 181, 183])
        this.#steps.push(`<recv response="${early}" optional="true"/>`);
    const actions = this.#checks(has, lacks, keep);
    if (dialog) {
      const [to, uri] = [this.#variable('to'), this.#variable('uri')];
      if (!this.#variables.includes('tag')) this.#variables.push('tag');
      actions.push(
        search(['To', '.*'], { variable: to }),
        // The second variable is that of the group in parentheses.
        search(['To', 'tag=([^;>]*)'], { variable: `${this.#variable('whole')},tag` }),
      );
      actions.push(search(['Contact', 'sip:[^>]*'], { variable: uri }));
      this.#remote = { to: `[$${to}]`, uri: `[$${uri}]` };
    }
    return this.#receive(
      `response="${status}"${optional ? ' optional="true"' : ''}${auth ? ' auth="true"' : ''}`,
      actions,
    );
  }

  /** Waits for a request; `respond` answers it. */
  receive(method, { has = [], lacks = [], keep = {}, optional = false } = {}) {
    const actions = this.#checks(has, lacks, keep);
    if (method !== 'ACK') {
      const names = ['Via', 'From', 'To', 'CSeq'];
      const copied = Object.fromEntries(names.map((name) => [name, this.#variable(name.toLowerCase())]));
      for (const name of names) actions.push(search([name, '.*'], { variable: copied[name] }));
      const isFirst = this.#remote === undefined;
      const request = { copied, isFirst };
      this.#received[method] = request;
      this.#received.any = request;
      if (isFirst) {
        const tag = ';tag=[pid]c[call_number]';
        this.#remote = { to: `[$${copied.From}]` };
        if (method === 'INVITE' || method === 'SUBSCRIBE') {
          const uri = this.#variable('uri');
          actions.push(search(['Contact', 'sip:[^>]*'], { variable: uri }));
          this.#remote.uri = `[$${uri}]`;
        }
        this.#local = `[$${copied.To}]${tag}`;
        request.tag = tag;
      }
    }
    return this.#receive(`request="${method}"${optional ? ' optional="true"' : ''}`, actions);
  }

  /** Answers the request that has just come, or the last one of the method `to`. */
  respond(status, { to, headers = [], body, reason = REASONS[status], contact = true } = {}) {
    const { copied, tag = '' } = this.#received[to ?? 'any'];
    return this.#message(
      `SIP/2.0 ${status} ${reason}`,
      [
        // A request that was sent on has several; what has come meanwhile has others.
        to === undefined ? '[last_Via:]' : `Via:[$${copied.Via}]`,
        `From:[$${copied.From}]`,
        `To:[$${copied.To}]${tag}`,
        'Call-ID: [call_id]',
        `CSeq:[$${copied.CSeq}]`,
        ...(contact ? [this.contact] : []),
        ...headers,
      ],
      { body, retrans: status >= 200 && /INVITE/.test(to ?? this.#lastMethod()) },
    );
  }

  /** Lets time pass. */
  pause(milliseconds) {
    this.#steps.push(`<pause milliseconds="${milliseconds}"/>`);
    return this;
  }

  /** Tells the test that the scenario has come this far, and what `text` is then: see `reached`. */
  mark(name, text = '') {
    this.#steps.push(`<nop><action><log message="${name}=${escape(text)}"/></action></nop>`);
    return this;
  }

  /** Waits until the test says `prompt`: for somebody who was called (`People.answers`). */
  prompted() {
    this.mark('prompted', '[call_id]');
    this.#steps.push('<recv request="PROMPT"/>');
    return this;
  }

  /** Acknowledges the reliable response that has just come, whose RSeq was kept as `rseq`. */
  prack(rseq, { body } = {}) {
    return this.send('PRACK', { headers: [`RAck: [$${rseq}] ${this.#cseqOfInvite} INVITE`], body }).expect(
      200,
      { provisional: true },
    );
  }

  /** The value of Replaces (RFC 3891) for this dialog, when its mark is reached; after `expect` with `dialog`. */
  markReplaces(name) {
    return this.mark(name, `[call_id];to-tag=[$tag];from-tag=[pid]c[call_number]`);
  }

  /** Hangs up. */
  bye() {
    return this.send('BYE').expect(200);
  }

  /** Is hung up on. */
  hungUp(options) {
    return this.receive('BYE', options).respond(200);
  }

  /** The scenario as sipp reads it. */
  xml(name) {
    const kept =
      this.#variables.length === 0 ? [] : [`<Reference variables="${this.#variables.join(',')}"/>`];
    return [
      '<?xml version="1.0" encoding="UTF-8"?>',
      `<scenario name="${escape(name)}">`,
      ...this.#steps,
      ...kept,
      '</scenario>',
      '',
    ].join('\n');
  }

  /** Starts sipp with the scenario. */
  play(name = this.#user, options = {}) {
    const path = evidencePath(`${name}.xml`);
    writeFileSync(path, this.xml(name));
    const log = evidencePath(`sipp-${name}-marks.log`);
    writeFileSync(log, '');
    const played = startSipp(this.#server, path, {
      ...options,
      options: ['-trace_logs', '-log_file', log, ...(options.options ?? [])],
    });
    /** Waits until the scenario has come to a mark, and returns its text. */
    const reached = (mark) =>
      until(
        `sipp ${name} to reach ${mark}`,
        () => {
          if (!played.isRunning()) return played.succeeded().then(() => found(mark));
          return found(mark);
        },
        { seen: () => played.output().slice(-800) },
      ).then(([, text]) => text);
    const found = (mark) => new RegExp(`^${mark}=(.*)$`, 'm').exec(readFileSync(log, 'utf8'));
    return { ...played, reached };
  }

  #lastMethod() {
    const last = this.#received.any;
    return Object.keys(this.#received).find((method) => method !== 'any' && this.#received[method] === last);
  }

  #variable(name) {
    const variable = `${name}${this.#variables.length}`;
    this.#variables.push(variable);
    return variable;
  }

  #checks(has, lacks, keep) {
    for (const name of Object.keys(keep)) this.#variables.push(name);
    return [
      ...has.map((check) => search(check, { variable: this.#variable('has') })),
      ...lacks.map((check) => search(check, { variable: this.#variable('lacks'), inverse: true })),
      ...Object.entries(keep).map(([variable, check]) => search(check, { variable })),
    ];
  }

  #receive(what, actions) {
    const inner = actions.length === 0 ? '' : `<action>\n${actions.join('\n')}\n</action>`;
    this.#steps.push(`<recv ${what}>${inner}</recv>`);
    return this;
  }

  #request(method, { headers, body, hops }) {
    this.#cseq += 1;
    if (method === 'INVITE') this.#cseqOfInvite = this.#cseq;
    const { uri, to } = this.#remote;
    this.#invited = uri;
    return this.#message(
      `${method} ${uri} SIP/2.0`,
      [
        ...this.#hop(hops),
        `From:${this.#local}`,
        `To:${to}`,
        'Call-ID: [call_id]',
        `CSeq: ${this.#cseq} ${method}`,
        ...headers,
      ],
      { body },
    );
  }

  #hop(hops = 70) {
    return [
      'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport',
      `Max-Forwards: ${hops}`,
    ];
  }

  #message(start, headers, { body, retrans = true } = {}) {
    const lines = [start, ...headers];
    if (body !== undefined) lines.push(`Content-Type: ${body.type}`);
    lines.push('Content-Length: [len]', '', body?.text ?? '');
    this.#steps.push(`<send${retrans ? ' retrans="500"' : ''}><![CDATA[\n${lines.join('\n')}\n]]></send>`);
    return this;
  }
}

const REASONS = {
  100: 'Trying',
  180: 'Ringing',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  302: 'Moved Temporarily',
  422: 'Session Interval Too Small',
  430: 'Flow Failed',
  480: 'Temporarily Unavailable',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  491: 'Request Pending',
  603: 'Decline',
};
