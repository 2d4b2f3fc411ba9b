// Figures beside their targets.
import { argv } from 'node:process';
import { pathToFileURL } from 'node:url';

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {string} unit
 * @property {number} [target] what the value must not exceed
 * @property {number} value
 * @property {string} [note]
 */

/** Whether the module is what Node was asked to run. */
export function isMain(meta) {
  return argv[1] !== undefined && meta.url === pathToFileURL(argv[1]).href;
}

/** Writes a table in Markdown. */
export function print(figures) {
  console.log('| figure | target | measured | unit | met | note |\n|---|---:|---:|---|---|---|');
  for (const { name, unit, target, value, note = '' } of figures) {
    const met = target === undefined ? '' : value <= target ? 'yes' : '**no**';
    console.log(`| ${name} | ${target ?? ''} | ${digits(value)} | ${unit} | ${met} | ${note} |`);
  }
}

function digits(value) {
  return value.toFixed(value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
