// A flood from somebody who is not known: those who are known do not notice it, and it is cut off.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';

import { scenario } from './harness/evidence.mjs';
import { atEnd } from './harness/lifetime.mjs';
import { OWN_ADDRESS, enterOwnNetwork } from './harness/netns.mjs';
import { startServer } from './harness/server.mjs';
import { openSipClient, write } from './harness/sip-client.mjs';
import { until } from './harness/waiting.mjs';

await enterOwnNetwork(import.meta.filename);

/** Datagrams of the flood, and how many of them leave between two looks at the user. */
const FLOOD = 20_000;
const WAVE = 500;

async function openFlood(server) {
  const socket = createSocket('udp4');
  atEnd('the flood', () => socket.close());
  await new Promise((resolve) => socket.bind(0, OWN_ADDRESS, resolve));
  let sent = 0;
  return function wave() {
    for (let i = 0; i < WAVE; i += 1) {
      sent += 1;
      const via = `SIP/2.0/UDP ${OWN_ADDRESS}:${socket.address().port};branch=z9hG4bKflood${sent};rport`;
      const headers = {
        Via: via,
        'Max-Forwards': 70,
        From: `<sip:user${sent}@${server.address}>;tag=${sent}`,
        To: `<sip:user${sent}@${server.address}>`,
        'Call-ID': `flood-${sent}`,
        CSeq: '1 REGISTER',
        Contact: `<sip:user${sent}@${OWN_ADDRESS}>`,
        'Content-Length': 0,
      };
      socket.send(
        write(`REGISTER sip:${server.address} SIP/2.0`, headers),
        server.listen.sip_udp,
        OWN_ADDRESS,
      );
    }
  };
}

scenario('who is signed in is served while a stranger floods the server', async () => {
  const server = await startServer({ bind: '0.0.0.0' });
  const alice = await openSipClient(server);
  assert.equal((await alice.register('alice')).status, 200);
  const wave = await openFlood(server);
  let asked = 0;
  for (let sent = 0; sent < FLOOD; sent += WAVE) {
    wave();
    // A registration needs its challenge answered: two requests, each in its turn.
    assert.equal((await alice.register('alice')).status, 200, `after ${sent} datagrams`);
    asked += 1;
  }
  assert.equal(asked, FLOOD / WAVE);
  let dropped = 0;
  await until(
    'the flood to be cut off',
    async () => (dropped = await server.metric('ringback_sip_total', 'messages_over_budget')) > FLOOD / 2,
    { within: 5_000, seen: () => dropped },
  );
});
