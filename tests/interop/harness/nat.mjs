// The internet, and networks behind NATs. For a test file in a network of its own: its machine is the internet, which carries
// packets from NAT to NAT and has addresses that are global. A NAT is a machine with one address of the internet, and the
// computers behind it have private ones.
//
// What a NAT does is said in the words of RFC 4787, and is not believed: `nat-behaviour.mjs` finds it out.
import { CHROMIUM } from './chromium.mjs';
import { HERE, layCable, startMachine } from './machine.mjs';

/** Addresses of the internet: where servers are. */
export const [SERVER_ADDRESS, OTHER_ADDRESS] = ['11.0.0.1', '11.0.0.2'];
const OUTSIDE = 'outside';
const INSIDE = 'inside';
/** What rules are about: what goes to the internet, and what comes from it. */
const LEAVING = ['-o', OUTSIDE, '-p', 'udp'];
const COMING = ['-i', OUTSIDE, '-p', 'udp'];

const INDEPENDENT = 'endpoint-independent';
const BY_ADDRESS = 'address-dependent';
const BY_PORT = 'address-and-port-dependent';

/**
 * The kinds of NAT, by the names of RFC 3489: on whom it depends which port of the NAT is taken for a port behind it (RFC 4787
 * §4.1), and who reaches that port from outside (§5).
 */
export const NATS = {
  'full-cone': { mapping: INDEPENDENT, filtering: INDEPENDENT },
  'address-restricted': { mapping: INDEPENDENT, filtering: BY_ADDRESS },
  'port-restricted': { mapping: INDEPENDENT, filtering: BY_PORT },
  symmetric: { mapping: BY_PORT, filtering: BY_PORT },
};

/** Makes this machine the internet. Before its servers start: an address that comes later is none of theirs. */
export function openInternet() {
  for (const address of [SERVER_ADDRESS, OTHER_ADDRESS])
    HERE.run('ip', 'address', 'add', `${address}/32`, 'dev', 'ringback0');
  HERE.forward();
  HERE.run('iptables', '-A', 'FORWARD', '-p', 'udp');
  HERE.run('iptables', '-A', 'INPUT', '-i', 'nat+');
}

/** How many bytes have passed so far: from NAT to NAT, and to the servers of this machine. */
export function bytesPassed() {
  return {
    across: HERE.counted('FORWARD', '-p udp').bytes,
    toServers: HERE.counted('INPUT', '-i nat\\+').bytes,
  };
}

let built = 0;

/** Builds a NAT of one of the kinds above, which is on the internet. */
export async function buildNat(kind) {
  const number = (built += 1);
  const nat = new Nat(kind, number, await startMachine(`nat-${number}`));
  nat.build();
  return nat;
}

class Nat {
  kind;
  /** Its address on the internet. */
  address;
  #number;
  #router;
  #computers = 0;

  constructor(kind, number, router) {
    this.kind = kind;
    this.address = `11.0.${number}.1`;
    this.#number = number;
    this.#router = router;
  }

  build() {
    const run = (...command) => this.#router.run(...command);
    const cable = `nat${this.#number}`;
    layCable(
      { machine: HERE, name: cable },
      { machine: this.#router, name: OUTSIDE, address: `${this.address}/32` },
    );
    HERE.run('ip', 'route', 'add', `${this.address}/32`, 'dev', cable);
    run('ip', 'route', 'add', 'default', 'via', SERVER_ADDRESS, 'dev', OUTSIDE, 'onlink');
    run('ip', 'link', 'add', INSIDE, 'type', 'bridge');
    run('ip', 'link', 'set', INSIDE, 'addrgenmode', 'none');
    run('ip', 'address', 'add', `${this.#inside(1)}/24`, 'dev', INSIDE);
    run('ip', 'link', 'set', INSIDE, 'up');
    this.#router.forward();
    this.#translate();
  }

  #translate() {
    const rule = (table, chain, ...args) => this.#router.run('iptables', '-t', table, '-A', chain, ...args);
    const { mapping, filtering } = NATS[this.kind];
    // Linux keeps the port where it can, to whomever a packet goes; at random it takes another one for each connection.
    const random = mapping === BY_PORT ? ['--random-fully'] : [];
    rule('nat', 'POSTROUTING', '-o', OUTSIDE, '-j', 'MASQUERADE', ...random);
    // What nobody has asked for is for the first computer, from everybody or from an address that was sent something.
    const first = ['-j', 'DNAT', '--to-destination', this.#inside(2)];
    const sentTo = ['-m', 'recent', '--name', 'sent_to'];
    if (filtering === INDEPENDENT) rule('nat', 'PREROUTING', ...COMING, ...first);
    if (filtering === BY_ADDRESS) {
      // Of all ports behind it together; that is enough where one computer is.
      rule('filter', 'FORWARD', ...LEAVING, ...sentTo, '--set', '--rdest');
      rule('nat', 'PREROUTING', ...COMING, ...sentTo, '--rcheck', '--rsource', ...first);
    }
    // Else it is for the NAT itself. Were it not lost there, it would be remembered as a connection of the NAT, and a port
    // behind would be given another one towards its sender.
    rule('filter', 'INPUT', ...COMING, '-j', 'DROP');
  }

  /** How many packets in UDP it has let nobody have. */
  get lost() {
    return this.#router.counted('INPUT', COMING.join(' '), 'DROP').packets;
  }

  /** A computer behind it. What a NAT lets in that nobody has asked for is for its first one. */
  async computer() {
    const number = (this.#computers += 1);
    const name = `computer${number}`;
    const machine = await startMachine(`${name}-behind-nat-${this.#number}`);
    const address = this.#inside(1 + number);
    layCable({ machine: this.#router, name }, { machine, name: 'eth0', address: `${address}/24` });
    this.#router.run('ip', 'link', 'set', name, 'master', INSIDE);
    machine.run('ip', 'route', 'add', 'default', 'via', this.#inside(1));
    return { machine, address, nat: this, chromium: machine.program(CHROMIUM) };
  }

  /** An address behind it. */
  #inside(host) {
    return `192.168.${10 + this.#number}.${host}`;
  }
}
