// Users whose telephones sipp plays, over UDP or TCP, registered before their scenario begins.
import { connect } from 'node:net';
import { before } from 'node:test';

import { scenario, sideBySide } from './evidence.mjs';
import { atEnd } from './lifetime.mjs';
import { portsInUse } from './ports.mjs';
import { hostOf, startServer } from './server.mjs';
import { openSipClient, write } from './sip-client.mjs';
import { Dialog } from './sipp-dialog.mjs';
import { until } from './waiting.mjs';

const USERS = ['alice', 'bob', 'carol', 'dave'];

/**
 * Defines the same scenarios over UDP and over TCP, side by side, each at a server of its own that has `options`. Each is
 * given the people who are played in it, and the server.
 *
 * @param {Parameters<typeof startServer>[0]} options
 * @param {(test: (name: string, body: (people: People, server: import('./server.mjs').Server) => Promise<void>) => void, transport: string) => void} define
 */
export function overUdpAndTcp(options, define) {
  sideBySide(['udp', 'tcp'], (transport) => {
    let server;
    before(async () => {
      server = await startServer({ users: USERS, ...options });
    });
    const test = (name, body) =>
      scenario(`${name}, over ${transport.toUpperCase()}`, () => body(new People(server, transport), server));
    define(test, transport);
  });
}

/** The people of one scenario. */
class People {
  /** How many ports for media have been given out in this scenario: those of an earlier one are free again. */
  #playing = 0;
  #server;
  #transport;
  #present = new Set();

  constructor(server, transport) {
    this.#server = server;
    this.#transport = transport;
  }

  /** People whose telephones reach the server at another one of its addresses. */
  at = (address) => new People(this.#server.at(address), this.#transport);

  /** One side of a dialog, to be written. */
  dialog = (user) => new Dialog(this.#server, user);

  /** Plays a scenario that begins with a message of its own. */
  calls = (dialog, name, options) => this.#play(dialog, name, options);

  /** Takes away every contact that `user` has from earlier scenarios. */
  async signOut(user) {
    this.#present.add(user);
    const client = await openSipClient(this.#server, this.#transport);
    await client.request('REGISTER', user, { headers: { Contact: '*', Expires: 0 } });
    await client.close();
  }

  /**
   * Registers `user` and plays a scenario that begins with what is sent there. `prompt` of what it returns has the
   * scenario go on after its `prompted`.
   *
   * @param {string} user
   * @param {Dialog} dialog
   * @param {object} [options]
   * @param {string} [options.parameters] of its Contact
   * @param {Record<string, string> | ((port: number) => Record<string, string>)} [options.headers] more ones of the
   *   REGISTER; sipp has that port
   * @param {string} [options.host] in its Contact
   */
  async answers(user, dialog, options = {}) {
    const {
      parameters = '',
      headers = {},
      name = user,
      host = hostOf(this.#server.address),
      ...more
    } = options;
    const transport = this.#transport;
    if (!this.#present.has(user)) await this.signOut(user);
    const port = this.#server.ports.one();
    const play = () => this.#play(dialog, name, { ...more, port });
    const register = async (client) => {
      const Contact = `<sip:${user}@${host}:${port};transport=${transport}>${parameters}`;
      const response = await client.request('REGISTER', user, {
        headers: { Contact, Expires: 600, ...(typeof headers === 'function' ? headers(port) : headers) },
      });
      if (response.status !== 200) throw new Error(`${user} is not registered: ${response.text}`);
    };
    if (transport === 'udp') {
      const client = await openSipClient(this.#server, 'udp', { port });
      await register(client);
      await client.close();
      const played = play();
      // What comes before would come again half a second later, and half a second is long here.
      await until(`sipp ${name} to listen`, () => portsInUse().includes(port));
      const prompt = async () => {
        const prompter = await openSipClient(this.#server, 'udp');
        prompter.sendTo(port, promptIn(await played.reached('prompted')));
      };
      return { ...played, prompt };
    }
    // sipp accepts a connection, and the server makes none: the one that was registered over leads to sipp.
    const client = await openSipClient(this.#server, 'tcp');
    const played = play();
    const socket = await until(`sipp ${name} to listen`, () => tryConnect(port, this.#server.address));
    atEnd('the connection to sipp', () => socket.destroy());
    client.shareWith(socket);
    await register(client);
    return { ...played, prompt: async () => void socket.write(promptIn(await played.reached('prompted'))) };
  }

  /**
   * Registers everybody in `callees` and then plays what `caller` begins, until everyone has played its part.
   *
   * @param {Dialog} caller
   * @param {Record<string, Dialog>} callees by the names of the users
   */
  async meet(caller, callees) {
    const played = [];
    for (const [user, dialog] of Object.entries(callees)) played.push(await this.answers(user, dialog));
    await everyone(this.calls(caller), ...played);
  }

  #play(dialog, name, options) {
    const ranges = MEDIA.get(this.#server) ?? [];
    MEDIA.set(this.#server, ranges);
    const media = (ranges[this.#playing] ??= this.#server.ports.range(6));
    this.#playing += 1;
    return dialog.play(name, { transport: this.#transport, media, ...options });
  }
}

/** The ports for media that were given out at each server. */
const MEDIA = new WeakMap();

/** What `prompted` of a dialog waits for, in the dialog with that Call-ID. */
const promptIn = (callId) =>
  write('PROMPT sip:test SIP/2.0', {
    Via: 'SIP/2.0/UDP test.invalid;branch=z9hG4bKprompt',
    From: '<sip:test@test.invalid>;tag=1',
    To: '<sip:test@test.invalid>',
    'Call-ID': callId,
    CSeq: '1 PROMPT',
    'Content-Length': 0,
  });

/** Waits until everyone has played its part. */
export const everyone = (...played) => Promise.all(played.map((one) => one.succeeded()));

function tryConnect(port, host) {
  return new Promise((resolve) => {
    const socket = connect({ port, host }, () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}
