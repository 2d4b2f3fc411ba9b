// Other machines than that of a test in a network of its own: each has a network namespace, and cables to others.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './child.mjs';
import { atEnd, atExit } from './lifetime.mjs';
import { until } from './waiting.mjs';

class Machine {
  pid;
  #inside;

  /** @param {number} pid a process in its network, which may be this one */
  constructor(pid) {
    this.pid = pid;
    this.#inside = pid === process.pid ? [] : ['nsenter', '--target', `${pid}`, '--net', '--'];
  }

  /** Runs a command on it to its end, and returns what it prints. */
  run(...command) {
    const [program, ...args] = [...this.#inside, ...command];
    return execFileSync(program, args, { stdio: 'pipe', encoding: 'utf8' });
  }

  /** Starts a process on it that ends with the scenario. */
  start(name, ...command) {
    const [program, ...args] = [...this.#inside, ...command];
    const child = new Child(name, program, args);
    atEnd(name, () => child.kill('SIGKILL'));
    return child;
  }

  /** The path of a program that is `path` on this machine: it can be spoken with by pipes. */
  program(path) {
    const folder = mkdtempSync(join(tmpdir(), 'ringback-machine-'));
    atExit(() => rmSync(folder, { recursive: true, force: true }));
    const script = join(folder, 'program');
    writeFileSync(script, `#!/bin/sh\nexec ${this.#inside.join(' ')} '${path}' "$@"\n`);
    chmodSync(script, 0o755);
    return script;
  }

  /** Passes packets on that are for others. */
  forward() {
    this.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  }

  /** How many packets and bytes have come to a rule of iptables, which is written as iptables writes it. */
  counted(chain, match, target = '') {
    const rules = this.run('iptables', '-vS', chain);
    const rule = new RegExp(`^-A ${chain} ${match} -c (\\d+) (\\d+)${target && ` -j ${target}`}$`, 'm');
    const [, packets, bytes] = rule.exec(rules);
    return { packets: Number(packets), bytes: Number(bytes) };
  }
}

/** The machine of the test: what it starts without more ado is here. */
export const HERE = new Machine(process.pid);

/** A machine without any cable. For a test in a network of its own. */
export async function startMachine(name) {
  const network = new Child(`network-of-${name}`, 'unshare', ['--net', 'sleep', 'infinity']);
  atEnd(`the network of ${name}`, () => void network.kill('SIGKILL'));
  const machine = new Machine(network.pid);
  // Until then `unshare` is in our network still.
  await until('a network of its own', () => !machine.run('ip', '-o', 'link').includes('ringback0'));
  machine.run('ip', 'link', 'set', 'lo', 'up');
  return machine;
}

/**
 * Lays a cable between two machines. Either end has the name of its interface, and may have an address with the length of its
 * prefix. Before browsers start: they take it for a change of the network.
 */
export function layCable(one, other) {
  const peer = ['peer', 'name', other.name, 'netns', `${other.machine.pid}`];
  one.machine.run('ip', 'link', 'add', one.name, 'type', 'veth', ...peer);
  for (const { machine, name, address } of [one, other]) {
    // An address that comes to be valid later is a change of the network, too, and such are those that IPv6 makes by itself.
    machine.run('ip', 'link', 'set', name, 'addrgenmode', 'none');
    if (address !== undefined) machine.run('ip', 'address', 'add', address, 'dev', name);
    machine.run('ip', 'link', 'set', name, 'up');
  }
}
