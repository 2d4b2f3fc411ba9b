// Pages that have signed in to a kamailio of their own through a tap, and what they do there.
import assert from 'node:assert/strict';

import { startChromium } from './chromium.mjs';
import { assertHearEachOther } from './conversation.mjs';
import { startKamailio } from './kamailio.mjs';
import { openPlainPage, servePlainPage } from './plain-page.mjs';
import { reservePorts } from './ports.mjs';
import { startTap } from './tap.mjs';
import { TONES } from './tones.mjs';

/** Two browsers, and what opens the pages in them. */
export async function tapPeople() {
  const ports = await reservePorts();
  const url = await servePlainPage('jssip');
  const browsers = await Promise.all([startChromium(TONES.first), startChromium(TONES.second)]);

  /** A tap that leads over `transport` to a kamailio of its own. */
  const tapTo = async (transport, { identity, ...options } = {}) => {
    const kamailio = await startKamailio(ports, { identity });
    return { kamailio, tap: await startTap(ports.one(), kamailio.url(transport), options) };
  };
  return {
    tapTo,
    /** Where pages go to sign in at a kamailio through a tap. */
    through: ({ kamailio, tap }) => ({
      wsUrl: tap.wsUrl,
      aor: (user) => kamailio.aor(user),
      password: (user) => kamailio.password(user),
    }),
    /** Alice and then Bob, who have signed in: browsers 1 and 2 of the tap. */
    async people(transport, options) {
      const both = await tapTo(transport, options);
      const server = this.through(both);
      const alice = await openPlainPage(browsers[0], url, server, 'alice');
      const bob = await openPlainPage(browsers[1], url, server, 'bob');
      return { tap: both.tap, alice, bob };
    },
    /** A page that tries to sign in. */
    open: (server, user) => openPlainPage(browsers[0], url, server, user),
  };
}

/** Alice calls Bob, they hear each other, and the ladder of the tap shows all of it. */
export async function callsThrough({ tap, alice, bob }) {
  await tap.row(1, /REGISTER ─+▶/);
  await tap.row(1, /◀─+ 401 Unauthorized/);
  await tap.row(1, /◀─+ 200 OK .* REGISTER alice/);
  await alice.dial('bob');
  await bob.call('incoming');
  await alice.call('ringing');
  await bob.accept();
  await alice.call('active');
  await bob.call('active');
  await assertHearEachOther([alice, TONES.first], [bob, TONES.second]);
  await bob.hangUp();
  await alice.call('ended');
  for (const [browser, patterns] of [
    [1, [/ INVITE SDP ─+▶│/, /│◀─+ 180 Ringing /, /│◀─+ 200 OK SDP /, / ACK ─+▶│/, /│◀─+ BYE /]],
    [2, [/│◀─+ INVITE SDP /, / 180 Ringing ─+▶│/, / 200 OK SDP ─+▶│/, /│◀─+ ACK /, / BYE ─+▶│/]],
  ])
    for (const pattern of patterns) await tap.row(browser, pattern);
}
