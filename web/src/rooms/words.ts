import type { Path } from './path';

/** How another member is reached, in a few words. */
export function pathWords(path: Path): string {
  switch (path.kind) {
    case 'connecting':
      return 'Connecting…';
    case 'lost':
      return 'Connection lost, trying again';
    case 'direct':
      return 'Direct';
    case 'stun':
      return 'Direct, found by STUN';
    case 'relay':
      return path.by === undefined
        ? 'Relayed at the other side'
        : `Relayed by TURN over ${path.by.toUpperCase()}`;
  }
}

export function sizeWords(bytes: number): string {
  if (bytes < 1000) return `${String(bytes)} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes / 1000, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`;
}
