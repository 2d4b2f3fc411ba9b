// Video: between two pages over a network that loses packets, and between a page and a SIP video phone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before } from 'node:test';

import { startBaresip } from './harness/baresip.mjs';
import { startChromium } from './harness/chromium.mjs';
import { scenario } from './harness/evidence.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { seesMore } from './harness/pictures.mjs';
import { openPlainPage, servePlainPage } from './harness/plain-page.mjs';
import { startServer } from './harness/server.mjs';
import { TONES } from './harness/tones.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);

let server;
let browsers;
let url;
before(async () => {
  server = await startServer({ bind: '0.0.0.0', users: ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'] });
  url = await servePlainPage('jssip');
  browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);
});

const openPage = (browser, user, query = { video: '' }) => openPlainPage(browser, url, server, user, query);

/** Loses one in twenty of the packets that come to the media port, and of those that leave from it. */
function losePackets() {
  const port = String(server.listen.webrtc);
  for (const side of ['--sport', '--dport']) {
    const chance = ['-m', 'statistic', '--mode', 'random', '--probability', '0.05'];
    execFileSync('/usr/sbin/iptables', ['-A', 'INPUT', '-p', 'udp', side, port, ...chance, '-j', 'DROP']);
  }
  return () => execFileSync('/usr/sbin/iptables', ['-F', 'INPUT']);
}

scenario('two pages see each other, also when one packet in twenty is lost', async () => {
  const alice = await openPage(browsers[0], 'alice');
  const bob = await openPage(browsers[1], 'bob');
  await alice.dial('bob');
  await bob.call('incoming');
  await bob.accept();
  await Promise.all([alice.call('active'), bob.call('active')]);
  await Promise.all([seesMore(alice, 'alice', 30), seesMore(bob, 'bob', 30)]);

  const mend = losePackets();
  try {
    await Promise.all([seesMore(alice, 'alice', 100), seesMore(bob, 'bob', 100)]);
  } finally {
    mend();
  }
  const [a, b] = [await alice.do('video'), await bob.do('video')];
  for (const { in: seen, out } of [a, b]) {
    const told = JSON.stringify({ seen, out });
    assert.ok(seen.nackCount > 0, `it missed packets and asked for them: ${told}`);
    assert.ok((seen.retransmittedPacketsReceived ?? 0) > 0, `it got some again: ${told}`);
    assert.ok(out.nackCount > 0, `packets of it were missed before us, and it was asked for them: ${told}`);
    assert.ok(out.pliCount + out.firCount > 0, `it was asked for a whole picture: ${told}`);
  }
  // Without loss pictures go on as before.
  await Promise.all([seesMore(alice, 'alice', 30), seesMore(bob, 'bob', 30)]);
  await alice.hangUp();
  await bob.call('ended');
});

scenario('a page and a SIP video phone see each other', async () => {
  const carol = await openPage(browsers[0], 'carol');
  const dave = await startBaresip(server, 'dave', { address: OWN_ADDRESS, video: true, tone: TONES.second });
  await carol.dial('dave');
  await dave.incoming();
  await dave.accept();
  await carol.call('active');
  await dave.established();
  await seesMore(carol, 'carol', 30);
  await until('baresip to get video', () => dave.output.includes("incoming rtp for 'video' established"));
  const { out } = await carol.do('video');
  assert.ok(out.packetsSent > 30, JSON.stringify(out));
  await carol.hangUp();
  await dave.closed();
});

scenario('video comes and goes in the middle of a call', async () => {
  const erin = await openPage(browsers[0], 'erin', {});
  const frank = await startBaresip(server, 'frank', {
    address: OWN_ADDRESS,
    video: true,
    tone: TONES.second,
  });
  await erin.dial('frank');
  await frank.incoming();
  await frank.accept();
  await erin.call('active');
  await frank.established();
  await erin.do('addVideo');
  await seesMore(erin, 'erin', 20);
  await erin.do('removeVideo');
  // It still sees, and is seen no more: so it says, and so it is answered.
  const section = (message) => /^m=video [^]*/m.exec(message)?.[0];
  assert.match(
    section(erin.messages('sent').findLast((message) => message.includes('m=video'))),
    /^a=recvonly/m,
  );
  assert.match(section(erin.answersTo('INVITE').at(-1)), /^a=sendonly/m);
  const { out } = await erin.do('video');
  await seesMore(erin, 'erin', 20);
  assert.equal((await erin.do('video')).out.packetsSent, out.packetsSent, 'pictures that it sends');
  await erin.hangUp();
  await frank.closed();
});
