// A firewall between a browser and everybody else, as they stand before offices: pages are let through, and nothing else.
// The browser has a network of its own, and a cable from it to ours.
import { CHROMIUM } from './chromium.mjs';
import { HERE, layCable, startMachine } from './machine.mjs';

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
  const office = await startMachine('the-office');
  layCable(
    { machine: HERE, name: OUR_END, address: `${OUR_ADDRESS}/24` },
    { machine: office, name: ITS_END, address: `${ITS_ADDRESS}/24` },
  );
  office.run('ip', 'route', 'add', 'default', 'via', OUR_ADDRESS);
  // What is kept back is lost on arrival: a rule for leaving would tell the sender.
  const rule = (way, ...args) => HERE.run('iptables', way, 'INPUT', '-i', OUR_END, ...args);
  rule('-A', '-p', 'udp', '-j', 'DROP');
  rule('-A', '-p', 'tcp', '-j', 'DROP');
  office.run('iptables', '-A', 'INPUT', '-i', ITS_END, '-p', 'udp', '-j', 'DROP');
  return {
    /** The path of a Chromium that is behind it. */
    chromium: office.program(CHROMIUM),
    /** Lets connections to this port of ours through. */
    letThrough: (port) => rule('-I', '-p', 'tcp', '--dport', `${port}`, '-j', 'ACCEPT'),
    /** How many packets of the browser it has kept back, of a protocol. */
    keptBack: (protocol) => HERE.counted('INPUT', `-i ${OUR_END} -p ${protocol}`, 'DROP').packets,
  };
}
