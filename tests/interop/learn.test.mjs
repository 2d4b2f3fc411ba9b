// The page to learn from: the handshake by copy and paste without a server, and step by step in one page.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { request } from './harness/http.mjs';
import { openLearnPage } from './harness/learn.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

const MARKUP = '<img src=x onerror="document.title=1">';

let browsers;
before(async () => {
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

scenario('two browsers connect by copy and paste while the server is stopped', async () => {
  const server = await startServer();
  const ada = await openLearnPage(browsers[0], server, 'Ada', 'paste');
  const grace = await openLearnPage(browsers[1], server, 'Grace', 'paste');
  await server.stop();
  await assert.rejects(fetch(server.httpUrl), 'the server is gone');

  const offer = await ada.offer();
  assert.match(offer, /^ringback-offer:[\w-]+$/);
  assert.equal(await ada.machine('signaling'), 'have-local-offer');
  await grace.part('have-offer').click();
  await grace.take(offer);
  const answer = await grace.ownText();
  assert.match(answer, /^ringback-answer:[\w-]+$/);
  await ada.take(answer);
  await Promise.all([ada.talks(), grace.talks()]);

  await ada.say(MARKUP);
  await grace.reads(MARKUP);
  await grace.say('I hear you');
  await ada.reads('I hear you');
  for (const side of [ada, grace]) {
    await side.showsChosenPair();
    for (const machine of ['ice', 'dtls', 'sctp', 'connection']) {
      assert.match(await side.machine(machine), /^(connected|completed)$/, machine);
    }
    assert.match(await side.fact('dtls'), /DTLS 1\.[23]/);
    assert.match(await side.fact('other-certificate'), /The same as the a=fingerprint/);
    assert.equal(await side.part('way').getAttribute('data-up'), 'true');
    // Both have read both descriptions, to the last line.
    assert.ok(Number(await side.part('offer').getAttribute('data-lines')) > 15);
    assert.ok(Number(await side.part('answer').getAttribute('data-lines')) > 15);
    assert.equal(await side.page.locator('main img').count(), 0);
    assert.notEqual(await side.page.title(), '1');
  }
  // One offers and controls, the other answers and begins DTLS.
  assert.match(await ada.fact('ice-role'), /controlling/);
  assert.match(await grace.fact('ice-role'), /controlled/);
  assert.match(await grace.fact('dtls-role'), /client/);
});

scenario('what is pasted and not due gets a sentence, and the right text still works', async () => {
  const server = await startServer();
  const ada = await openLearnPage(browsers[0], server, 'Ada', 'paste');
  const grace = await openLearnPage(browsers[1], server, 'Grace', 'paste');
  const offer = await ada.offer();

  assert.match(await ada.refuses(''), /There is nothing in the field/);
  assert.match(await ada.refuses(MARKUP), /This is no answer/);
  assert.match(await ada.refuses(offer), /the offer that this page has made itself/);
  assert.match(await ada.refuses(offer.slice(0, -20)), /A part of the answer is missing/);
  assert.match(await ada.refuses('x'.repeat(70_000)), /far too long/);
  await grace.part('have-offer').click();
  await grace.take(offer);
  const answer = await grace.ownText();
  const eve = await openLearnPage(browsers[1], server, 'Eve', 'paste');
  assert.match(await ada.refuses(await eve.offer()), /This is an offer, and what is due here is an answer/);
  assert.match(await eve.refuses(answer), /This answer belongs to another offer/);
  await eve.part('restart').click();
  await eve.part('have-offer').click();
  assert.match(await eve.refuses(answer), /This is an answer, and what is due here is an offer/);
  const silent = { type: 'offer', sdp: 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n' };
  assert.match(await eve.refuses(JSON.stringify(silent)), /no section for data channels/);
  // A browser refuses what nobody else does, and says why.
  silent.sdp +=
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\na=fingerprint:sha-256 z\r\n';
  assert.match(
    await eve.refuses(JSON.stringify(silent)),
    /The browser does not take this offer: .+Start over/,
  );

  await ada.take(answer);
  await Promise.all([ada.talks(), grace.talks()]);
  await grace.say('At last');
  await ada.reads('At last');
});

scenario('both sides in one page go through the handshake step by step', async () => {
  const server = await startServer();
  const page = await openLearnPage(browsers[0], server, 'Ada', 'page');
  const step = async (signaling) => {
    const done = Number(await page.part('walk').getAttribute('data-done'));
    await page.part('next').click();
    await until('the step to be done', async () => {
      return Number(await page.part('walk').getAttribute('data-done')) === done + 1;
    });
    const shown = [await page.machine('signaling', 'Ada'), await page.machine('signaling', 'Grace')];
    assert.deepEqual(shown, signaling);
  };
  await step(['stable', 'stable']);
  await step(['stable', 'stable']);
  await step(['have-local-offer', 'stable']);
  await step(['have-local-offer', 'have-remote-offer']);
  await step(['have-local-offer', 'have-remote-offer']);
  await step(['have-local-offer', 'stable']);
  await step(['stable', 'stable']);
  // Descriptions are there, and no candidate has passed: no pair can be.
  assert.equal(await page.part('pair').count(), 0);
  await page.part('run').click();
  await Promise.all([page.talks('Ada'), page.talks('Grace')]);
  await page.reads('Hello, Grace!', 'Grace');
  await page.reads('Hello, Ada!', 'Ada');
  await page.showsChosenPair('Ada', 0);
  await page.showsChosenPair('Grace', 1);

  // Each line of both descriptions explains itself.
  for (const description of ['offer', 'answer']) {
    const part = page.part(description);
    await part.getByTestId('explain-all').click();
    assert.equal(await part.getByTestId('explained').count(), Number(await part.getAttribute('data-lines')));
    await part.getByText('Fingerprint of the certificate').first().waitFor();
    assert.equal(await part.getByText('Another line').count(), 0);
  }
  const events = await page.part('event-what').allTextContents();
  const order = ['Signaling: have-local-offer', 'ICE: checking', 'DTLS: connected', 'Data channel: open'];
  const found = order.map((what) => events.indexOf(what));
  assert.ok(
    found.every((at) => at >= 0),
    JSON.stringify(events),
  );
  assert.deepEqual(
    found,
    [...found].sort((one, other) => one - other),
  );

  await page.part('restart').click();
  assert.equal(await page.part('walk').getAttribute('data-done'), '0');
  assert.equal(await page.part('event').count(), 0);
});

scenario('a picture goes beside the messages, by the server that is typed or none', async () => {
  const server = await startServer();
  const page = await openLearnPage(browsers[0], server, 'Ada', 'page');
  await page.part('settings').locator('summary').click();
  await page.part('server-url').fill('http://example.com');
  await page.part('next').click();
  await page.part('error').getByText('is not the URL of a STUN or TURN server').waitFor();
  // Our own STUN server, which needs no password.
  await page.part('server-url').fill(`stun:127.0.0.1:${server.listen.turn}`);
  await page.part('media').selectOption('picture');
  await page.part('run').click();
  await Promise.all([page.talks('Ada'), page.talks('Grace')]);
  for (const name of ['Ada', 'Grace']) {
    const video = page.side(name).getByTestId('picture');
    await until(`${name} to see a picture`, () => video.evaluate((element) => element.videoWidth > 0));
    assert.match(await page.fact('srtp', name), /SRTP|AEAD|AES/);
  }

  // By TURN alone: what is shown is that both ends are allocations.
  await page.part('restart').click();
  await page.part('server-url').fill(`turn:127.0.0.1:${server.listen.turn}`);
  await page.part('relay-only').check();
  await page.part('next').click();
  await page.part('error').getByText('type both').waitFor();
  await page.part('server-user').fill('alice');
  await page.part('server-password').fill('alice-secret');
  await page.part('run').click();
  await Promise.all([page.talks('Ada'), page.talks('Grace')]);
  await page.showsChosenPair('Ada', 2);
  assert.equal(await page.part('way-words').textContent(), 'By a TURN server');
  assert.equal(await page.page.locator('[data-testid=candidate]:not([data-kind=relay])').count(), 0);
  assert.ok((await server.metric('ringback_turn_allocations')) > 0);
});

scenario('the page is served with the policy of all pages, and says where it is', async () => {
  const server = await startServer();
  for (const path of ['/learn', '/learn/']) {
    const { status, text, headers } = await request(server, path);
    assert.equal(status, 200);
    assert.match(text, /How two browsers find each other/);
    assert.match(headers.get('content-security-policy'), /^default-src 'self'/);
  }
  const page = await openLearnPage(browsers[0], server, 'Ada', 'page');
  await page.page.goto(`${server.httpUrl}r/`);
  await page.part('learn-link').click();
  await page.part('learn').waitFor();
});
