// Media engines that speak the ng protocol: Debian's rtpengine, without its kernel module.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { Child } from './child.mjs';
import { atEnd } from './lifetime.mjs';
import { until } from './waiting.mjs';

/** The rtpengine that is run. */
export const RTPENGINE = '/usr/bin/rtpengine';

/** Starts rtpengine and waits until it answers. */
export async function startRtpengine(ports) {
  const [port, media] = [ports.one(), ports.range(100)];
  const common = [
    '--config-file=none',
    '-f',
    '-E',
    '-L',
    '4',
    '-t',
    '-1',
    '--num-threads=2',
    '-i',
    '127.0.0.1',
  ];
  const range = ['-m', media.first, '-M', media.last].map(String);
  return answering(new Child('rtpengine', RTPENGINE, [...common, '-n', `127.0.0.1:${port}`, ...range]), port);
}

/** Waits until an engine that was started answers a ping, and ends it with the scenario. */
async function answering(child, port) {
  atEnd('a media engine', () => child.stop());
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let answer;
  socket.on('message', (datagram) => (answer = `${datagram}`));
  await until('the media engine answers a ping', () => {
    socket.send('ready d7:command4:pinge', port, '127.0.0.1');
    return answer?.includes('pong');
  });
  socket.close();
  return { port, pid: child.pid, child };
}
