// The pages of pages/: other people's SIP libraries as npm has them, bundled and served by the test itself.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';

import { atEnd } from './lifetime.mjs';
import { listen, openPage } from './page.mjs';
import { until } from './waiting.mjs';

const PAGES = join(import.meta.dirname, '../pages');

/** Serves the page of `library`, the name of a script in `pages/`, on loopback, which browsers take for a secure place. */
export async function servePlainPage(library) {
  const bundle = await build({
    entryPoints: [join(PAGES, `${library}.js`)],
    bundle: true,
    write: false,
    format: 'esm',
    logLevel: 'error',
    define: { global: 'globalThis' },
  });
  const html = readFileSync(join(PAGES, 'page.html'));
  const server = createServer((request, response) => {
    const isScript = request.url.startsWith('/page.js');
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? bundle.outputFiles[0].contents : html);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(
    `the page of ${library}`,
    () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  );
  return `http://127.0.0.1:${server.address().port}/`;
}

/**
 * What is in the query of a page that asks `server` for its address, by STUN. Without it, SIP.js asks the Internet, and
 * waits five seconds for each offer and answer.
 */
export const stunOf = (server, address = server.address) => ({
  stun: `stun:${address}:${server.listen.webrtc}`,
});

/** Opens a page of `servePlainPage`, with `more` in its query, and waits until it has signed in. */
export async function openPlainPage(browser, url, server, user, more = {}) {
  const query = new URLSearchParams({
    ws: server.wsUrl,
    uri: server.aor(user),
    password: server.password(user),
    ...more,
  });
  const opened = await openPage(browser, `${url}?${query}`, user);
  const page = new PlainPage(opened, server, user);
  await page.told('registration', 'registered');
  return page;
}

class PlainPage {
  #opened;
  #server;
  #user;

  constructor(opened, server, user) {
    this.#opened = opened;
    this.#server = server;
    this.#user = user;
  }

  dial = (number) => this.dialUri(this.#server.aor(number));
  dialUri = (uri) => this.#do('dial', uri);
  accept = () => this.#do('accept');
  hangUp = () => this.#do('hangUp');
  reject = () => this.#do('reject');
  hold = () => this.#do('hold');
  resume = () => this.#do('resume');
  press = (key) => this.#do('press', key);
  transfer = (number) => this.#do('transfer', this.#server.aor(number));
  join = () => this.#do('join');
  confer = () => this.#do('confer');
  /** Calls another function of the page, by its name. */
  do = (what, argument) => this.#do(what, argument);

  /** Waits until the page says `value` of `what`: `registration`, `call` or `key`. */
  async told(what, value) {
    let last;
    await until(
      `${what} of the page of ${this.#user} to be ${value}`,
      async () => {
        last = await this.#opened.page.evaluate(() => ({ ...document.documentElement.dataset }));
        return last[what] === value;
      },
      { seen: () => last },
    );
  }

  call = (state) => this.told('call', state);

  /** What the page says of `what`. */
  said = (what) => this.#opened.page.evaluate((name) => document.documentElement.dataset[name], what);

  /** The SIP messages that it `sent` or `received`, oldest first, over all of its WebSockets. */
  messages = (way) => this.#opened.sockets.flatMap((passed) => passed[way]);

  /** The responses to its requests of `method`. */
  answersTo = (method) =>
    this.messages('received').filter((message) => new RegExp(`^CSeq: *\\d+ ${method}`, 'im').test(message));

  /** How many WebSockets it has opened. */
  get sockets() {
    return this.#opened.sockets.length;
  }

  close = () => this.#opened.close();

  listen(window) {
    return listen(this.#opened.page, '#far', `the page of ${this.#user}`, window);
  }

  #do(what, argument) {
    return this.#opened.page.evaluate(([name, value]) => window.phone[name](value), [what, argument]);
  }
}
