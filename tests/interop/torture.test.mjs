// The messages of RFC 4475 and RFC 5118 by every way into a running server: each is answered as its row says, and the
// server is there after each.
import assert from 'node:assert/strict';
import { before } from 'node:test';

import { scenario } from './harness/evidence.mjs';
import { startServer } from './harness/server.mjs';
import { WAYS, answerTo, messages } from './harness/torture.mjs';

/** A stream that cannot be framed any more is answered, where it says whom to answer, and closed (RFC 3261 §18.3). */
const unframed = (datagram, stream) => ({ UDP: datagram, TCP: stream, TLS: stream, WSS: datagram });

/** What is not whole on a stream is waited for until limits end that; on a datagram it is an error. */
const waited = (datagram) => ({ ...unframed(datagram, 'nothing closed'), waits: ['TCP', 'TLS'] });

/**
 * What comes back to each message: by every way, or by each. The challenge comes before whatever only who is signed in is
 * told (an extension nobody has, a body that cannot be read, a Contact that is none). OPTIONS to a user is one of these.
 */
const ROWS = {
  rfc4475: {
    wsinv: '481', // its To has a tag
    intmeth: '407', // a method that nobody knows, to a user: it would be sent on
    esc01: '407',
    escnull: '401',
    esc02: '405', // `RE%47IST%45R` is a method of its own, and to us
    lwsdisp: '407',
    longreq: '407',
    // The first request is answered; on a stream the second one is a request, and what follows that is none.
    dblreq: unframed('401', '401 407 closed'),
    semiuri: '407',
    transports: '407',
    mpart01: '407',
    unreason: 'nothing', // responses that nobody waits for
    noreason: 'nothing',
    bigcode: 'nothing',
    bcast: 'nothing',
    scalarlg: 'nothing',
    badinv01: '400',
    clerr: waited('400'),
    ncl: unframed('400', '400 closed'),
    scalar02: '400',
    quotbal: '400',
    ltgtruri: '400',
    lwsruri: '400',
    lwsstart: '400',
    trws: '400',
    escruri: '400',
    baddate: '407',
    regbadct: '401',
    badaspec: '400',
    baddn: waited('400'), // it was published without its empty line
    badvers: '505',
    mismatch01: '400',
    mismatch02: '400',
    badbranch: '407',
    insuf: '400',
    unkscm: '416',
    novelsc: '416',
    unksm2: '401',
    bext01: '407',
    invut: '407',
    regaut01: '401',
    multi01: '400',
    mcl01: unframed('400', '400 closed'),
    zeromf: '200', // for us: it goes no further
    cparam01: '401',
    cparam02: '401',
    regescrt: '401',
    sdp01: '407',
    inv2543: unframed('407', '400 closed'), // no Content-Length
    test: unframed('nothing', 'nothing closed'), // no Via: nobody to answer
  },
  rfc5118: {
    'ipv6-good': '401',
    'ipv6-bad': '400',
    'port-ambiguous': '401',
    'port-unambiguous': '401',
    'via-received-param-with-delim': '481',
    'via-received-param-no-delim': '200',
    'ipv6-in-sdp': '407',
    'mult-ip-in-header': '481',
    'mult-ip-in-sdp': '407',
    'ipv4-mapped-ipv6': '407',
    'ipv6-bug-abnf-3-colons': '407',
    'ipv6-correct-abnf-2-colons': '407',
  },
};

let server;
before(async () => {
  server = await startServer();
});

for (const [folder, rows] of Object.entries(ROWS)) {
  scenario(`${folder} has a row for each message`, async () => {
    assert.deepEqual(Object.keys(rows).sort(), [...messages(folder).keys()].sort());
  });
  for (const way of Object.keys(WAYS)) {
    scenario(`${folder} over ${way}`, async () => {
      for (const [name, message] of messages(folder)) {
        const row = rows[name];
        const alone = row.waits?.includes(way) ?? false;
        assert.equal(await answerTo(server, way, message, { alone }), row[way] ?? row, name);
        assert.equal(await server.readiness(), 200, `after ${name}`);
      }
    });
  }
}
