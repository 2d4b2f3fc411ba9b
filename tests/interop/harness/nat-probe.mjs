// Runs behind a NAT: sends from one socket to each destination, and prints from where something comes to it.
//
//   nat-probe.mjs ADDRESS:PORT...
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
socket.on('message', (_, { address, port }) => console.log(`${address}:${port}`));
for (const destination of process.argv.slice(2)) {
  const [address, port] = destination.split(':');
  socket.send('from inside', Number(port), address);
}
