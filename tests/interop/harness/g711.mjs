// ITU-T G.711: samples of 16 bits in a byte each.

/** ITU-T G.711 μ-law. */
export function fromMuLaw(byte) {
  const bits = ~byte & 0xff;
  const magnitude = (((bits & 15) << 3) + 0x84) << ((bits >> 4) & 7);
  return bits & 0x80 ? 0x84 - magnitude : magnitude - 0x84;
}

/** ITU-T G.711 A-law. */
export function fromALaw(byte) {
  const bits = byte ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = ((bits & 15) << 4) + 8;
  const magnitude = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1);
  return bits & 0x80 ? magnitude : -magnitude;
}

/** The byte of μ-law whose sample is the nearest to one between -1 and 1. */
export function toMuLaw(sample) {
  const distance = (byte) => Math.abs(fromMuLaw(byte) - sample * 32_768);
  let nearest = 0;
  for (let byte = 1; byte < 256; byte += 1) if (distance(byte) < distance(nearest)) nearest = byte;
  return nearest;
}
