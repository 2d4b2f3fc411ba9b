// The page of rooms, driven by the `data-testid`s that web/README.md promises.
import assert from 'node:assert/strict';

import { listen, openPage } from './page.mjs';
import { until } from './waiting.mjs';

/** How long a peer connection may take on a busy machine. */
export const CONNECTED_WITHIN = 30_000;

/** Opens the page of rooms for `name`; nothing is entered yet. */
export async function openRoomPage(browser, server, name, { room = '', url = server.httpUrl, before } = {}) {
  return new RoomPage(
    await openPage(browser, `${url}r/${room}`, name, { selfContained: true, before }),
    name,
  );
}

/** Somebody who has made a room; its name is `person.room`. */
export async function makeRoom(browser, server, name, options = {}) {
  const person = await openRoomPage(browser, server, name, options);
  await person.enter(options);
  await person.inside();
  return person;
}

/** Somebody who has come into a room. */
export async function joinRoom(browser, server, name, room, options = {}) {
  const person = await openRoomPage(browser, server, name, { room, ...options });
  await person.enter(options);
  await person.inside();
  return person;
}

class RoomPage {
  room = '';
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

  /** What the page has `sent` to the server or `received` from it, parsed. */
  messages(way) {
    return this.#opened.sockets.flatMap((passed) => passed[way]).map((text) => JSON.parse(text));
  }

  part(id) {
    return this.page.getByTestId(id);
  }

  /** Fills the form and sends it. */
  async enter({
    as = this.#name,
    pin,
    asksPin = false,
    knock = false,
    camera = true,
    microphone = true,
  } = {}) {
    await this.part('name').fill(as);
    await this.part('with-camera').setChecked(camera);
    await this.part('with-microphone').setChecked(microphone);
    if (asksPin) await this.part('with-pin').check();
    if (knock) await this.part('with-knock').check();
    if (pin !== undefined) await this.part('pin').fill(pin);
    await this.part('enter').click();
  }

  async inside() {
    await this.state('inside');
    this.room = await this.part('room').getAttribute('data-room');
  }

  /** Waits for what the page shows: `entry`, `waiting`, `inside` or `over`. */
  state(state) {
    const room = this.part('room');
    return until(`the room of ${this.#name} to be ${state}`, async () => {
      return (await room.getAttribute('data-state')) === state;
    });
  }

  /** The sentence of a failure. */
  async trouble() {
    await this.part('error').first().waitFor();
    return this.part('error').first().textContent();
  }

  /** Opens what stands beside the tiles. */
  async open(tab) {
    const button = this.part(`tab-${tab}`);
    if ((await button.getAttribute('aria-expanded')) !== 'true') await button.click();
  }

  /** The tile of somebody else, by name. */
  tile(name) {
    return this.page
      .locator('[data-testid=tile][data-kind=person]')
      .filter({ has: this.page.getByText(name, { exact: true }) });
  }

  /** Waits until somebody is reached in one of these ways; the words that the page has for it. */
  async reaches(name, kinds = ['direct']) {
    const path = this.tile(name).getByTestId('path');
    await until(
      `${this.#name} to reach ${name}`,
      async () => (await path.count()) === 1 && kinds.includes(await path.getAttribute('data-path')),
      { within: CONNECTED_WITHIN },
    );
    return path.textContent();
  }

  /** The ways in which the others are reached, by name; all at once, where there are many. */
  async paths() {
    const tiles = this.page.locator('[data-testid=tile][data-kind=person]');
    return Object.fromEntries(
      await tiles.evaluateAll((found) => {
        const part = (tile, id) => tile.querySelector(`[data-testid=${id}]`);
        return found.map((tile) => [part(tile, 'member-name').textContent, part(tile, 'path')?.dataset.path]);
      }),
    );
  }

  /** What is heard of somebody. */
  async listen(name) {
    const member = await this.tile(name).getAttribute('data-member');
    const selector = `[data-kind=person][data-member="${member}"] audio`;
    return listen(this.page, selector, `${name} at ${this.#name}`, { patience: CONNECTED_WITHIN });
  }

  /** Waits until the picture of somebody moves. */
  sees(name) {
    return this.#moves(this.tile(name).locator('video'), `${this.#name} to see ${name}`);
  }

  /** Waits until the screen of somebody moves. */
  seesScreen() {
    const screen = this.page.locator('[data-testid=tile][data-kind=screen] video');
    return this.#moves(screen, `${this.#name} to see a screen`);
  }

  /** What the host is told about streams: the addresses and the keys. */
  async streamKeys() {
    await this.open('people');
    await this.part('stream-key').click();
    const value = (id) => this.part(id).inputValue();
    const [whip, publish] = [await value('whip-url'), await value('whip-key')];
    return { whip, publish, whep: await value('whep-url'), view: await value('whep-key') };
  }

  /** Waits until the stream into the room moves. */
  async seesStream(name) {
    const tile = this.page.locator('[data-testid=tile][data-kind=stream]');
    await tile.getByText(name, { exact: true }).waitFor({ timeout: CONNECTED_WITHIN });
    await this.#moves(tile.locator('video'), `${this.#name} to see the stream`);
  }

  /** What is heard of the stream into the room. */
  listenToStream() {
    return listen(this.page, '[data-kind=stream] audio', `the stream at ${this.#name}`);
  }

  async #moves(video, what) {
    await video.first().waitFor();
    const frames = () =>
      video.first().evaluate((element) => element.getVideoPlaybackQuality().totalVideoFrames);
    let seen = 0;
    const from = await frames();
    await until(what, async () => (seen = await frames()) >= from + 5, {
      within: CONNECTED_WITHIN,
      seen: () => seen - from,
    });
  }

  async say(text) {
    await this.open('chat');
    await this.part('chat-input').fill(text);
    await this.part('send').click();
  }

  /** Waits for a line of chat; the text of the element that shows it. */
  async reads(text) {
    await this.open('chat');
    const line = this.part('line-text').filter({ hasText: text });
    await line.first().waitFor();
    assert.equal(await line.first().textContent(), text);
  }

  async offer(name, bytes, type = 'application/octet-stream') {
    await this.open('chat');
    await this.part('file-input').setInputFiles({ name, mimeType: type, buffer: bytes });
  }

  /** Takes the file that is offered, saves it, and gives its name and bytes. */
  async take() {
    await this.open('chat');
    await this.part('accept').first().click();
    const save = this.part('save').first();
    await save.waitFor({ timeout: CONNECTED_WITHIN });
    const [download] = await Promise.all([this.page.waitForEvent('download'), save.click()]);
    const stream = await download.createReadStream();
    const parts = [];
    for await (const part of stream) parts.push(part);
    return { name: download.suggestedFilename(), bytes: Buffer.concat(parts) };
  }

  /** What the browser itself says of the connections of the page, as they were made. */
  connections() {
    return this.page.evaluate(async () => {
      const found = [];
      for (const connection of globalThis.ringbackConnections ?? []) {
        if (connection.connectionState !== 'connected') continue;
        const stats = await connection.getStats();
        const transport = [...stats.values()].find(({ type }) => type === 'transport');
        const pair = stats.get(transport.selectedCandidatePairId);
        const local = stats.get(pair.localCandidateId);
        const remote = stats.get(pair.remoteCandidateId);
        const description = connection.localDescription.sdp;
        found.push({
          local: local.candidateType,
          remote: remote.candidateType,
          address: `${local.address}:${local.port}`,
          remoteAddress: `${remote.address}:${remote.port}`,
          // It changes when ICE begins anew.
          fragment: /a=ice-ufrag:(\S+)/.exec(description)[1],
        });
      }
      return found;
    });
  }
}

/** Runs in a page before its own scripts: keeps its peer connections where a test finds them. */
export const keepConnections = [
  () => {
    const made = [];
    globalThis.ringbackConnections = made;
    const Made = globalThis.RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Made {
      constructor(...options) {
        super(...options);
        made.push(this);
      }
    };
  },
];

/** Runs in the page before its own scripts: nothing but TURN is used, and of that the URLs that match. */
export function onlyBy(pattern) {
  const Original = window.RTCPeerConnection;
  const only = (configuration) => {
    const servers = configuration?.iceServers ?? [];
    const turn = servers.map((it) => ({ ...it, urls: [it.urls].flat().filter((url) => url.match(pattern)) }));
    window.told = servers;
    return {
      ...configuration,
      iceServers: turn.filter(({ urls }) => urls.length > 0),
      iceTransportPolicy: 'relay',
    };
  };
  window.RTCPeerConnection = class extends Original {
    constructor(configuration) {
      super(only(configuration));
    }
    setConfiguration(configuration) {
      super.setConfiguration(only(configuration));
    }
  };
}
