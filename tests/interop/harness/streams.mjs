// Pages that publish a stream over WHIP and watch one over WHEP: plain RTCPeerConnection and fetch, as any client has them.
import assert from 'node:assert/strict';

import { listen, openPage } from './page.mjs';
import { until } from './waiting.mjs';

/** How long a peer connection may take on a busy machine. */
const CONNECTED_WITHIN = 30_000;

/** A page of the server's own origin without scripts of ours. */
export async function openStreamPage(browser, server, name, { url = server.httpUrl } = {}) {
  const options = { selfContained: true, before: [[withExchange]] };
  return new StreamPage(await openPage(browser, `${url}healthz`, name, options), name);
}

class StreamPage {
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

  /** Publishes a tone and a picture; what the server answered. */
  publish(endpoint, key, options = {}) {
    return this.page.evaluate(publish, { endpoint, key, ...options });
  }

  /** Watches what is published; what the server answered. */
  watch(endpoint, key) {
    return this.page.evaluate(watch, { endpoint, key });
  }

  /** The state of the page's peer connection. */
  state() {
    return this.page.evaluate(() => globalThis.streamConnection.connectionState);
  }

  async connected() {
    await until(`${this.#name} to be connected`, async () => (await this.state()) === 'connected', {
      within: CONNECTED_WITHIN,
      seen: () => this.state(),
    });
  }

  /** A request for the resource of the session. */
  ask(method, { headers = {}, body } = {}) {
    return this.page.evaluate(
      async ({ method, headers, body }) => {
        const response = await fetch(globalThis.streamResource, { method, headers, body });
        return { status: response.status, text: await response.text() };
      },
      { method, headers, body },
    );
  }

  /** Waits until the picture moves. */
  async sees() {
    const frames = () =>
      this.page.evaluate(() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames);
    const from = await frames();
    await until(`${this.#name} to see the stream`, async () => (await frames()) >= from + 5, {
      within: CONNECTED_WITHIN,
    });
  }

  /** What is heard. */
  listen() {
    return listen(this.page, 'video', `the stream at ${this.#name}`);
  }
}

/** POSTs an offer by hand. */
export async function post(url, { key, body = 'v=0', type = 'application/sdp', headers = {} } = {}) {
  const authorization = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': type, ...authorization, ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** That a request was refused with a sentence. */
export function assertRefused({ status, text }, expected, pattern) {
  assert.equal(status, expected, text);
  assert.match(text, pattern);
}

/** Runs in the page. */
async function publish({ endpoint, key, codec = null }) {
  const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  globalThis.streamConnection = connection;
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    video: { width: 320, height: 240 },
  });
  for (const track of media.getTracks()) {
    const transceiver = connection.addTransceiver(track, { direction: 'sendonly', streams: [media] });
    if (codec !== null && track.kind === 'video') {
      const { codecs } = RTCRtpReceiver.getCapabilities('video');
      transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === codec));
    }
  }
  return globalThis.exchangeDescriptions(connection, endpoint, key);
}

/** Runs in the page. */
async function watch({ endpoint, key }) {
  const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  globalThis.streamConnection = connection;
  const video = document.createElement('video');
  [video.autoplay, video.playsInline] = [true, true];
  document.body.append(video);
  connection.ontrack = ({ streams: [stream] }) => (video.srcObject = stream);
  connection.addTransceiver('audio', { direction: 'recvonly' });
  connection.addTransceiver('video', { direction: 'recvonly' });
  return globalThis.exchangeDescriptions(connection, endpoint, key);
}

/** Runs in the page before all else: what publishing and watching have in common. */
function withExchange() {
  globalThis.exchangeDescriptions = async (connection, endpoint, key) => {
    await connection.setLocalDescription();
    const offer = connection.localDescription.sdp;
    const authorization = key === undefined ? {} : { Authorization: `Bearer ${key}` };
    const headers = { 'Content-Type': 'application/sdp', ...authorization };
    const response = await fetch(endpoint, { method: 'POST', headers, body: offer });
    const text = await response.text();
    const answered = Object.fromEntries(response.headers);
    if (response.status === 201) {
      globalThis.streamResource = answered.location;
      await connection.setRemoteDescription({ type: 'answer', sdp: text });
    }
    const [, fragment] = /a=ice-ufrag:(\S+)/.exec(offer);
    return { status: response.status, headers: answered, text, fragment };
  };
}
