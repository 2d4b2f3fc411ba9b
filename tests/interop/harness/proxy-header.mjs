// The header of the PROXY protocol, version 2, by hand: right ones and wrong ones.

/** What it begins with. */
export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/**
 * The header of a connection of `address` and `port`, over IPv4, to a proxy somewhere.
 *
 * @param {object} [options]
 * @param {string} [options.address]
 * @param {number} [options.port]
 * @param {number} [options.version]
 * @param {number} [options.command] 0 LOCAL, 1 PROXY
 * @param {Buffer} [options.tlvs] what follows the addresses
 */
export function proxyHeader({
  address = '203.0.113.7',
  port = 4_321,
  version = 2,
  command = 1,
  tlvs = Buffer.alloc(0),
} = {}) {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(port);
  ports.writeUInt16BE(5_060, 2);
  const rest = Buffer.concat([v4(address), v4('192.0.2.1'), ports, tlvs]);
  const head = Buffer.from([(version << 4) | command, 0x11, rest.length >> 8, rest.length & 0xff]);
  return Buffer.concat([SIGNATURE, head, rest]);
}

const v4 = (address) => Buffer.from(address.split('.').map(Number));
