// The page to learn from, driven by the `data-testid`s that web/README.md promises.
import assert from 'node:assert/strict';

import { openPage } from './page.mjs';
import { keepConnections } from './room.mjs';
import { until } from './waiting.mjs';

/** How long a handshake may take on a busy machine. */
const CONNECTED_WITHIN = 30_000;

/** Opens the page; `mode` is `page` for both sides in it, `paste` for one. It may ask nobody but its server. */
export async function openLearnPage(browser, server, name, mode) {
  const before = [keepConnections];
  const opened = await openPage(browser, `${server.httpUrl}learn`, name, { selfContained: true, before });
  const page = new LearnPage(opened, name);
  await page.part(`mode-${mode}`).click();
  return page;
}

class LearnPage {
  #opened;
  #name;

  constructor(opened, name) {
    this.#opened = opened;
    this.#name = name;
  }

  get page() {
    return this.#opened.page;
  }

  part(id) {
    return this.page.getByTestId(id);
  }

  /** The card of one side. */
  side(name) {
    return this.page.locator(`[data-testid=peer][data-name="${name}"]`);
  }

  /** Makes an offer; its text. */
  async offer() {
    await this.part('make-offer').click();
    return this.ownText();
  }

  /** What is to be carried to the other browser. */
  async ownText() {
    await this.part('own-text').waitFor();
    return this.part('own-text').inputValue();
  }

  /** Pastes what the other browser has made. */
  async take(text) {
    await this.part('paste').fill(text);
    await this.part('take').click();
  }

  /** Pastes what is not due; the sentence that says why. */
  async refuses(text) {
    const error = this.part('error');
    await this.take(text);
    let says = '';
    await until(
      `${this.#name} to refuse it`,
      async () => {
        says = (await error.count()) === 1 ? await error.textContent() : '';
        return says !== '' && (await this.part('take').isEnabled());
      },
      { seen: () => says },
    );
    return says;
  }

  /** Waits until messages can be sent. */
  async talks(name = 'This browser') {
    const side = this.side(name);
    let seen;
    await until(
      `${name} of ${this.#name} to be connected`,
      async () => (seen = await side.getAttribute('data-channel')) === 'open',
      { within: CONNECTED_WITHIN, seen: () => seen },
    );
  }

  async say(text, name = 'This browser') {
    await this.side(name).getByTestId('chat-input').fill(text);
    await this.side(name).getByTestId('send').click();
  }

  /** Waits for a message of the other side, as text. */
  async reads(text, name = 'This browser') {
    const line = this.side(name).locator('[data-testid=line][data-own=false]').filter({ hasText: text });
    await line.first().waitFor();
    assert.equal(await line.first().getByTestId('line-text').textContent(), text);
  }

  /** The state that a machine of one side shows. */
  machine(machine, name = 'This browser') {
    return this.side(name).locator(`[data-machine=${machine}]`).getAttribute('data-state');
  }

  fact(fact, name = 'This browser') {
    return this.page.locator(`[data-testid=facts][data-side="${name}"] [data-fact="${fact}"]`).textContent();
  }

  /**
   * Waits until the one pair that is marked as chosen is the one that the browser's own statistics name, for the
   * connection that was made as the `index`th.
   */
  async showsChosenPair(name = 'This browser', index = 0) {
    const chosen = this.page.locator(
      `[data-testid=pairs][data-side="${name}"] [data-testid=pair][data-chosen=true]`,
    );
    let seen;
    await until(
      `${this.#name} to show the chosen pair of ${name}`,
      async () => {
        const [shown, said] = await Promise.all([
          chosen.evaluateAll((pairs) => pairs.map((pair) => [pair.dataset.id, pair.textContent])),
          this.page.evaluate(selectedPair, index),
        ]);
        seen = { shown, said };
        return (
          shown.length === 1 && shown[0][0] === said.id && said.ends.every((end) => shown[0][1].includes(end))
        );
      },
      { seen: () => seen },
    );
    assert.equal(seen.said.state, 'succeeded');
    return seen.said;
  }
}

/** Runs in the page. */
async function selectedPair(index) {
  const stats = await globalThis.ringbackConnections[index].getStats();
  const transport = [...stats.values()].find(({ type }) => type === 'transport');
  const pair = stats.get(transport.selectedCandidatePairId);
  const ends = [pair.localCandidateId, pair.remoteCandidateId].map((id) => `:${stats.get(id).port} (`);
  return { id: pair.id, state: pair.state, ends };
}
