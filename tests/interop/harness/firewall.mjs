// A firewall between a browser and everybody else, as they stand before offices: pages are let through, and nothing else.
// The browser has a network of its own, and a cable from it to ours.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { CHROMIUM } from './chromium.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { until } from './waiting.mjs';

/** Where a browser behind the firewall finds us. */
export const OUR_ADDRESS = '10.79.0.1';
const ITS_ADDRESS = '10.79.0.2';
const OUR_END = 'firewall0';
const ITS_END = 'firewall1';

/**
 * Builds the firewall, and the way to it. For a test file in a network of its own, before its servers start: an address that
 * comes later is none of theirs.
 */
export async function buildFirewall() {
  const network = new Child('network-behind-the-firewall', 'unshare', ['--net', 'sleep', 'infinity']);
  atEnd('the network behind the firewall', () => void network.kill('SIGKILL'));
  const inside = ['--target', `${network.pid}`, '--net', '--'];
  const there = (...command) => execFileSync('nsenter', [...inside, ...command], { stdio: 'pipe' });
  const here = (command, ...args) => execFileSync(command, args, { stdio: 'pipe' });
  // Until then `unshare` is in our network still.
  await until('a network of its own', () => !there('ip', '-o', 'link').includes('ringback0'));
  here('ip', 'link', 'add', OUR_END, 'type', 'veth', 'peer', 'name', ITS_END);
  here('ip', 'link', 'set', ITS_END, 'netns', `${network.pid}`);
  here('ip', 'address', 'add', `${OUR_ADDRESS}/24`, 'dev', OUR_END);
  here('ip', 'link', 'set', OUR_END, 'up');
  there('ip', 'link', 'set', 'lo', 'up');
  there('ip', 'address', 'add', `${ITS_ADDRESS}/24`, 'dev', ITS_END);
  there('ip', 'link', 'set', ITS_END, 'up');
  there('ip', 'route', 'add', 'default', 'via', OUR_ADDRESS);
  // What is kept back is lost on arrival: a rule for leaving would tell the sender.
  const rule = (...args) => here('iptables', args[0], 'INPUT', '-i', OUR_END, ...args.slice(1));
  rule('-A', '-p', 'udp', '-j', 'DROP');
  rule('-A', '-p', 'tcp', '-j', 'DROP');
  there('iptables', '-A', 'INPUT', '-i', ITS_END, '-p', 'udp', '-j', 'DROP');
  // An address that comes to be valid later is a change of the network, and Chromium drops its connections at one.
  const tentative = () => [here, there].map((at) => at('ip', '-6', 'address', 'show', 'tentative').length);
  await until('addresses that are settled', () => tentative().every((length) => length === 0));
  return {
    /** The path of a Chromium that is behind it. */
    chromium: chromiumIn(inside),
    /** Lets connections to this port of ours through. */
    letThrough: (port) => rule('-I', '-p', 'tcp', '--dport', `${port}`, '-j', 'ACCEPT'),
    /** How many packets of the browser it has kept back, of a protocol. */
    keptBack(protocol) {
      const rules = here('iptables', '-vS', 'INPUT').toString();
      return Number(new RegExp(`-p ${protocol} -c (\\d+) \\d+ -j DROP`).exec(rules)[1]);
    },
  };
}

/** A program that is Chromium in that network; it is spoken with by pipes. */
function chromiumIn(inside) {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-firewall-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, 'chromium');
  writeFileSync(script, `#!/bin/sh\nexec nsenter ${inside.join(' ')} '${CHROMIUM}' "$@"\n`);
  chmodSync(script, 0o755);
  return script;
}
