// Our phone, driven by the `data-testid`s that web/README.md promises.
import assert from 'node:assert/strict';

import { listen, openPage } from './page.mjs';
import { WITHIN_MS, bounded, until } from './waiting.mjs';

/** Opens the phone of `server` and signs in. */
export async function openPhone(browser, server, user, { url = server.httpUrl, before } = {}) {
  const phone = await openSignIn(browser, url, user, before);
  await phone.signIn(user, server.password(user));
  await phone.registration('registered');
  return phone;
}

/** Opens the phone at `url` without signing in. */
export async function openSignIn(browser, url, name, before) {
  return new Phone(await openPage(browser, url, name, { selfContained: true, before }), name);
}

class Phone {
  #opened;
  #name;

  constructor(opened, name) {
    this.#opened = opened;
    this.#name = name;
  }

  get page() {
    return this.#opened.page;
  }

  close() {
    return this.#opened.close();
  }

  /** Ends the page's process, so that nothing of it can say goodbye. */
  async crash() {
    const crashed = new Promise((resolve) => this.page.once('crash', resolve));
    const devtools = await this.page.context().newCDPSession(this.page);
    // It is never answered: who would answer is gone.
    devtools.send('Page.crash').catch(() => {});
    await bounded('the page to crash', crashed);
  }

  async signIn(user, password) {
    await this.part('name').fill(user);
    await this.part('password').fill(password);
    await this.part('sign-in').click();
  }

  part(id) {
    return this.page.getByTestId(id);
  }

  /** Waits for a state of the registration. */
  registration(state) {
    return this.#state('status', state);
  }

  /** Waits for a state of the call. */
  call(state, within) {
    return this.#state('call-state', state, within);
  }

  /** Waits for the end of the call, and asserts its cause. */
  async ended(cause) {
    await this.call('ended');
    assert.equal(
      await this.part('call-state').getAttribute('data-cause'),
      cause,
      `why the call of ${this.#name} ended`,
    );
  }

  async dial(number) {
    await this.part('dial-input').fill(number);
    await this.part('dial').click();
  }

  accept = () => this.part('accept').click();
  reject = () => this.part('reject').click();
  hangUp = () => this.part('hangup').click();

  async hold() {
    await this.part('hold').click();
    await this.call('held');
  }

  /** Takes its own hold back. `state` is `held` when the far side still holds. */
  async resume(state = 'active') {
    await this.part('hold').click();
    await this.#pressed('hold', 'false');
    await this.call(state);
  }

  async press(key) {
    const id = { '*': 'star', '#': 'hash' }[key] ?? key;
    await this.part(`keypad-${id}`).click();
  }

  /**
   * Does what sends an INVITE, and waits until that is answered. JsSIP says that it holds before the other side has agreed,
   * and ends the call when an offer of that side comes between.
   */
  async agreed(action) {
    const answers = () =>
      this.messages('received').filter((text) => /^SIP\/2\.0 [2-6][^]*?^CSeq: *\d+ INVITE/m.test(text))
        .length;
    const before = answers();
    await action();
    await until('the INVITE to be answered', () => answers() > before, { seen: answers });
  }

  /** The SIP messages that it `sent` or `received`, oldest first, over all of its WebSockets. */
  messages = (way) => this.#opened.sockets.flatMap((passed) => passed[way]);

  text(id) {
    return this.part(id).innerText();
  }

  /** What the page plays from now on. */
  listen(window) {
    return listen(this.page, '[data-testid=remote-audio]', `the phone of ${this.#name}`, window);
  }

  #pressed(id, value) {
    return until(`${id} to be ${value}`, async () => (await this.part(id).getAttribute('data-on')) === value);
  }

  async #state(id, state, within = WITHIN_MS) {
    let last;
    await until(
      `${id} of ${this.#name} to be ${state}`,
      async () => {
        const part = this.part(id);
        last = (await part.count()) === 0 ? undefined : await part.getAttribute('data-state');
        return last === state;
      },
      { within, seen: () => last },
    );
  }
}
