// A row of the list: what a series does, in words and as a sparkline.

import { ago, at, count, number, roughly, short, title as word } from './format.js';
import { sparkline } from './spark.js';
import { bdi, bone, fill, h, severityIcon } from './ui.js';

const HOUR = 3_600_000;

/** What a series does, in words. */
export function stateOf(row) {
  const since = row.since ? Date.parse(row.since) : null;
  const time = (ms) =>
    at(ms / 1000, 's').replace(/^.*, /, Math.abs(ms - Date.now()) < 20 * HOUR ? '' : '$&');
  switch (row.state) {
    case 'open':
      return h(
        'span.badge',
        { class: `b-${row.severity}` },
        h(`span.t-${row.severity}`, word(row.severity)),
        h('small', `· open${since ? ` ${roughly((Date.now() - since) / 1000)}` : ''}`),
      );
    case 'over':
      return `${word(row.severity)}, over`;
    case 'learning':
      return row.learning
        ? `Learning, ${count(row.learning.points)} of ${count(row.learning.of)}`
        : 'Learning';
    case 'silent':
      return since ? `No data for ${roughly((Date.now() - since) / 1000)}` : 'No data';
    case 'silenced':
      return row.until ? `Silenced until ${time(Date.parse(row.until))}` : 'Silenced';
    default:
      return 'Normal';
  }
}

/** Fills the row `node` of the list. */
export function cells(node, row) {
  const label = Object.entries(row.labels ?? {})[0];
  const canvas = node.querySelector('canvas') ?? h('canvas', { 'aria-hidden': 'true' });
  const last = row.last_alarm ? Date.parse(row.last_alarm) : null;
  fill(
    node,
    h(
      'span.c0',
      row.severity && ['open', 'over'].includes(row.state) ? severityIcon(row.severity) : '',
    ),
    h(
      'span.c1',
      h('bdi.name', row.series_id),
      label && h('span.chip', bdi(`${label[0]}=${label[1]}`)),
    ),
    canvas,
    h('span.c3', short(row.value)),
    h('span.c4', short(row.expected)),
    h('span.c5', stateOf(row)),
    h('span.c6', last ? ago(last) : ''),
    h('span.c7', [row.serving, row.detector].filter(Boolean).join(' · ')),
    h(
      'span.c8',
      Number.isFinite(row.points_per_minute)
        ? number(row.points_per_minute, row.points_per_minute < 1 ? 1 : 3)
        : '',
    ),
  );
  if (canvas.spark !== row.spark) {
    canvas.spark = row.spark;
    requestAnimationFrame(() => {
      if (canvas.isConnected) sparkline(canvas, row.spark);
    });
  }
}

/** The list while its rows are still to come. */
export const skeleton = () => [
  h(
    'div.card.overview',
    h(
      'div.figures',
      [0, 1, 2, 3].map(() => h('div', bone(56, 22), bone(88, 12))),
    ),
    bone('100%', 84),
  ),
  h('div.filters', bone(320, 32)),
  h(
    'div.card',
    h(
      'div.bones',
      Array.from({ length: 10 }, () =>
        h('div', bone(16, 16), bone(150), bone(236, 28), bone(70), bone(110), bone(60)),
      ),
    ),
  ),
];
