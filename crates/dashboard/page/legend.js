// The legend of a chart: what its lines, areas and marks mean. Only what the chart has is named.

import { fill, h } from './ui.js';

const ENTRIES = [
  ['value', 'value', () => true],
  ['expected', 'expected', (d) => d.expected.some((v) => !Number.isNaN(v))],
  ['range', 'normal range', () => true],
  ['above', 'too high', () => true],
  ['below', 'too low', () => true],
  ['pattern', 'odd shape', () => true],
  ['episode', 'episode', () => true],
  ['gap', 'no data', (d) => d.breaks.includes(1)],
  ['fit', 'model fitted', (d) => d.fits.length > 0],
];

/** A legend: `node`, and `update(data)`. */
export function legend() {
  const node = h('ul.legend', { 'aria-label': 'Legend' });
  return {
    node,
    update: (data) =>
      fill(
        node,
        ENTRIES.filter(([, , has]) => has(data)).map(([key, name]) =>
          h('li', { class: `l-${key}` }, h(`i.k-${key}`, { 'aria-hidden': 'true' }), name),
        ),
      ),
  };
}
