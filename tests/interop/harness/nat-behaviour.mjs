// What a NAT does, found out from both of its sides as RFC 5780 §4 has it.
import { createSocket } from 'node:dgram';
import { join } from 'node:path';

import { first } from './child.mjs';
import { atEnd } from './lifetime.mjs';
import { OTHER_ADDRESS, SERVER_ADDRESS } from './nat.mjs';
import { until } from './waiting.mjs';

const PROBE = join(import.meta.dirname, 'nat-probe.mjs');

/** The behaviour of `nat`, as the kinds of `nat.mjs` have it, towards its only computer, which does nothing else meanwhile. */
export async function behaviourOf(nat, { machine }) {
  // Two ports of one address, and another address.
  const outside = await Promise.all([SERVER_ADDRESS, SERVER_ADDRESS, OTHER_ADDRESS].map(openSocket));
  const probe = (...sockets) => {
    const destinations = sockets.map((socket) => `${socket.address().address}:${socket.address().port}`);
    return machine.start('probe', process.execPath, PROBE, ...destinations);
  };
  const seen = async (socket) => (await first(socket, 'message'))[1];

  const [asked, samePlace, elsewhere] = outside;
  const mapped = seen(asked);
  const inside = probe(asked);
  const { address, port } = await mapped;
  const lost = nat.lost;
  for (const socket of [elsewhere, samePlace, asked]) socket.send('from outside', port, address);
  const come = () => inside.stdout.split('\n').filter((line) => line !== '');
  // What is let in is told, and what is not is counted.
  await until('all to have come or to be lost', () => come().length + nat.lost - lost === outside.length, {
    seen: () => ({ come: come(), lost: nat.lost - lost }),
  });
  const comes = (socket) => come().includes(`${socket.address().address}:${socket.address().port}`);
  if (!comes(asked)) throw new Error('an answer was lost at the NAT');
  const filtering = dependence([true, comes(samePlace), comes(elsewhere)]);

  // After that, since it sends to all of them.
  const mappings = Promise.all(outside.map(seen));
  probe(...outside);
  const mapping = dependence((await mappings).map((it) => it.port));
  return { mapping, filtering };
}

/** On what it depends which of these is: they are of two ports of an address, and of another address. */
function dependence([here, otherPort, elsewhere]) {
  if (here !== otherPort) return 'address-and-port-dependent';
  return here === elsewhere ? 'endpoint-independent' : 'address-dependent';
}

async function openSocket(address) {
  const socket = createSocket('udp4');
  atEnd('a socket of the internet', () => void socket.close());
  socket.bind(0, address);
  await first(socket, 'listening');
  return socket;
}
