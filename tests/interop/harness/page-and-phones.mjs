// A page with somebody else's library, and SIP phones, at one server: how calls between them begin, and who hears whom.
//
// For a network of one's own: after a hold, the wire is what a SIP phone hears.
import { before } from 'node:test';

import { startBaresip } from './baresip.mjs';
import { startChromium } from './chromium.mjs';
import { assertAllHear, assertHearEachOther, assertSilence } from './conversation.mjs';
import { OWN_ADDRESS } from './netns.mjs';
import { openPlainPage, servePlainPage, stunOf } from './plain-page.mjs';
import { startServer } from './server.mjs';
import { TONES } from './tones.mjs';
import { startWire } from './wire.mjs';

/** What is there for the pages of `libraries`, from the first scenario on. */
export function pageAndPhones(libraries) {
  const house = new House();
  before(() => house.open(libraries));
  return house;
}

class House {
  server;
  #browser;
  #urls = {};
  #wire;

  async open(libraries) {
    this.server = await startServer({ bind: '0.0.0.0', users: ['alice', 'bob', 'carol'] });
    for (const library of libraries) this.#urls[library] = await servePlainPage(library);
    this.#browser = await startChromium(TONES.first);
    this.#wire = await startWire();
  }

  /** The page of Alice, who has signed in. It asks the server for its address, unless the query says something else. */
  openAlice = (library, { server = this.server, ...query } = {}) =>
    openPlainPage(this.#browser, this.#urls[library], server, 'alice', {
      ...stunOf(server, OWN_ADDRESS),
      ...query,
    });

  /** The page of Alice with whatever its library does about its address by itself. */
  openAliceByDefault = (library, query = {}) =>
    openPlainPage(this.#browser, this.#urls[library], this.server, 'alice', query);

  startBob = ({ server = this.server, ...options } = {}) =>
    startBaresip(server, 'bob', { tone: TONES.second, address: OWN_ADDRESS, ...options });

  startCarol = () =>
    startBaresip(this.server, 'carol', { tone: TONES.third, address: OWN_ADDRESS, answers: true });

  /** What a SIP phone hears. */
  earOf = (phone) => ({ listen: () => this.#wire.listen(phone) });

  bothHear = (page, phone, tone = TONES.second) =>
    assertHearEachOther([page, TONES.first], [this.earOf(phone), tone]);

  /** Bob and Carol hear each other. */
  phonesHear = (bob, carol) =>
    assertHearEachOther([this.earOf(bob), TONES.second], [this.earOf(carol), TONES.third]);

  /** Each hears the two others. */
  allHear = (page, bob, carol) =>
    assertAllHear([page, TONES.first], [this.earOf(bob), TONES.second], [this.earOf(carol), TONES.third]);

  nobodyHears = (page, phone) => assertSilence(page, this.earOf(phone));

  /** The page calls, and the SIP phone rings. */
  async ring(page, phone) {
    await page.dial('bob');
    await phone.incoming();
  }

  /** The page calls, and the SIP phone answers. */
  async talk(page, phone) {
    await this.ring(page, phone);
    await phone.accept();
    await page.call('active');
    await phone.established();
  }

  /** The SIP phone calls, and the page rings. */
  async ringPage(phone, page) {
    await phone.dial('alice');
    await page.call('incoming');
  }

  /** The SIP phone calls, and the page answers. */
  async talkToPage(phone, page) {
    await this.ringPage(phone, page);
    await page.accept();
    await phone.established();
    await page.call('active');
  }
}
