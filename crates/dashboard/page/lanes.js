// A week of incidents by series: a lane each, the most severe first.

import { moment, plural, weight } from './format.js';
import { bdi, fill, h } from './ui.js';
import { path } from './api.js';

const WEEK = 7 * 86_400_000;
const DAY = 86_400_000;
/** The most lanes; the rest is in the list. */
const MOST = 9;
const THICK = [5, 7, 9, 12];

/** The picture of `incidents`: `node`, and `stop()`. */
export function lanes(incidents) {
  const now = Date.now();
  const from = now - WEEK;
  const all = new Map();
  for (const one of incidents)
    for (const series of one.series) all.set(series, [...(all.get(series) ?? []), one]);
  const worth = (list) =>
    list.reduce((most, one) => Math.max(most, (one.open ? 100 : 0) + weight(one.severity) * 10), 0);
  const rows = [...all]
    .sort((a, b) => worth(b[1]) - worth(a[1]) || b[1][0].began - a[1][0].began)
    .slice(0, MOST);
  const share = (ms) => `${(Math.max(0, Math.min(WEEK, ms - from)) / WEEK) * 100}%`;
  const axis = h('div.lane-axis', { 'aria-hidden': 'true' });
  const grid = h('div.lane-grid', { 'aria-hidden': 'true' });
  for (let t = Math.ceil(from / DAY) * DAY; t < now; t += DAY) {
    if (now - t > DAY / 2)
      axis.append(h('span', { style: { left: share(t) } }, moment(t).split(',')[0]));
    grid.append(h('i', { style: { left: share(t) } }));
  }
  axis.append(h('span.now', 'now'));
  grid.append(h('i.now'));
  const bar = (one) =>
    h('i.bar-of', {
      class: one.open ? 'open' : '',
      style: {
        left: `min(${share(one.began)}, 100% - 5px)`,
        width: `max(5px, calc(${share(one.open ? now : one.end)} - ${share(one.began)}))`,
        height: `${THICK[weight(one.severity)] ?? 5}px`,
        background: `var(--${one.severity})`,
      },
    });
  const list = h(
    'ul',
    rows.map(([series, list]) =>
      h(
        'li',
        h(
          'a',
          {
            href: path`#/series/${series}`,
            'aria-label': `${series}: ${plural(list.length, 'incident')}, ${list.some((one) => one.open) ? 'one is open' : 'none is open'}`,
          },
          bdi(series),
        ),
        h('div.track', { 'aria-hidden': 'true' }, list.toReversed().map(bar)),
      ),
    ),
  );
  const node = h(
    'section.card.lanes',
    { 'aria-label': 'Last 7 days' },
    h(
      'div.between',
      h('h2', 'Last 7 days'),
      h(
        'span.hint',
        `${rows.length < all.size ? `${rows.length} of ` : ''}${plural(all.size, 'series', 'series')}, the most severe first`,
      ),
    ),
    h('div.field-of-lanes', axis, grid, list),
  );
  return { node, stop: () => fill(axis) };
}
