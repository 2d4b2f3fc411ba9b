// A phone that answers at once, in a process of its own, so that its work is not the caller's.
//
// As a program, `node callee.mjs PORT USER`: it registers over UDP, says so to its parent, answers every INVITE with 200
// without ringing, and talks on each call until it is hung up.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { argv } from 'node:process';

import { open } from './datagrams.mjs';
import { read, write } from './message.mjs';
import { register } from './registration.mjs';
import { mediaPort, phoneSdp } from './sdp.mjs';
import { isMain } from './table.mjs';
import { Talker } from './talker.mjs';

/** Starts the program and waits until it is registered. With `talk` it sends a packet each 20 ms on every call. */
export async function startCallee(server, user, { talk = false } = {}) {
  const child = fork(import.meta.filename, [String(server.udpPort), user, ...(talk ? ['talk'] : [])]);
  const ended = once(child, 'exit');
  const failed = ended.then(() => Promise.reject(new Error('the callee did not start')));
  await Promise.race([once(child, 'message'), failed]);
  failed.catch(() => {});
  return {
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

async function main([port, user, talk]) {
  const connection = await open(Number(port));
  const contact = `sip:${user}@127.0.0.1:${connection.port}`;
  await register(connection, { user, contact, via: `UDP 127.0.0.1:${connection.port}` });
  const talker = await Talker.open();
  connection.onMessage = (text) => {
    const request = read(text);
    if (request.method === undefined || request.method === 'ACK') return;
    const echoed = ['via', 'record-route', 'from', 'call-id', 'cseq'];
    const headers = echoed.flatMap((name) => request.values(name).map((value) => [name, value]));
    const to = request.value('to');
    headers.push(['To', /;tag=/.test(to) ? to : `${to};tag=callee`]);
    if (request.method !== 'INVITE') return connection.send(write('SIP/2.0 200 OK', headers));
    headers.push(['Contact', `<${contact}>`], ['Content-Type', 'application/sdp']);
    connection.send(write('SIP/2.0 200 OK', headers, phoneSdp(talker.port)));
    if (talk) talker.talkTo(mediaPort(request.body));
  };
  process.send('registered');
  process.once('disconnect', () => process.exit());
}

if (isMain(import.meta)) await main(argv.slice(2));
