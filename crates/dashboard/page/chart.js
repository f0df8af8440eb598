// The chart of a series: uPlot draws axes, cursor and zoom; the rest is in layers.js.

import { index } from './data.js';
import { axis, detail } from './detail.js';
import {
  at,
  atFull,
  number,
  plural,
  sentence,
  short,
  span,
  title,
  toMs,
  weight,
  zone,
} from './format.js';
import { back, frame, front, palette, visible } from './layers.js';
import { announce, bdi, fill, h, severityIcon } from './ui.js';

/** Times of the x-axis, by the distance of the ticks; dates stand below hours, years below months. */
const TIMES = [
  [31_536_000, '{YYYY}', null, null, null, null, null, null, 1],
  [2_419_200, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [86_400, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
  [
    0.001,
    ':{ss}.{fff}',
    '\n{D} {MMM} {YYYY} {HH}:{mm}',
    null,
    '\n{D} {MMM} {HH}:{mm}',
    null,
    '\n{HH}:{mm}',
    null,
    1,
  ],
];
/** Pixels within which the cursor goes to a mark. */
const SNAP = 8;

/** A chart in `host`. `onrange(from, to)` hears of zooms (null, null: all of it); `onpoint(episode)` of the one under the cursor. */
export class SeriesChart {
  constructor(
    host,
    {
      onrange = () => {},
      onpoint = () => {},
      onepisode = () => {},
      ondraw = () => {},
      signal,
    } = {},
  ) {
    Object.assign(this, {
      onrange,
      onpoint,
      onepisode,
      ondraw,
      range: null,
      lit: null,
      colours: palette(),
    });
    this.plot = h('div.plot', { role: 'img', tabindex: '0', 'aria-label': 'Chart' });
    this.lane = h('div.lane');
    this.tip = h('div.tip', { hidden: true });
    this.zone = h('span.zone', { 'aria-hidden': 'true' });
    fill(host, this.plot, this.lane, this.zone, this.tip);
    this.host = host;
    this.plot.addEventListener('keydown', (e) => this.key(e));
    this.plot.addEventListener('blur', () => this.leave());
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(host);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => this.theme(), { signal });
    addEventListener('zone', () => this.data && this.show(this.data), { signal });
    document.fonts?.ready.then(() => this.u?.redraw(false, true));
    signal?.addEventListener('abort', () => {
      sizes.disconnect();
      this.u?.destroy();
      this.u = null;
    });
  }

  /** Shows `data`, and keeps the range in view. */
  show(data) {
    this.data = data;
    const label = `${plural(data.x.length, 'point')}, ${plural(data.episodes.length, 'episode')}. Arrow keys move from point to point, n and p between alarms, plus and minus zoom.`;
    this.plot.setAttribute('aria-label', `Chart of ${label}`);
    this.u?.destroy();
    this.u = null;
    this.zone.textContent = data.unit ? zone.short(toMs(data.timestamps.at(-1), data.unit)) : '';
    this.leave();
    if (data.x.length === 0) return;
    this.u = new uPlot(this.options(), [data.x, data.y], this.plot);
  }

  get full() {
    const { x } = this.data;
    const [a, b] = [x[0], x.at(-1)];
    return b > a ? [a, b] : [a - (this.data.step || 1), b + (this.data.step || 1)];
  }

  get view() {
    return this.range ?? this.full;
  }

  size() {
    const style = getComputedStyle(this.host);
    return {
      width: Math.max(
        200,
        this.host.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight),
      ),
      height: Math.max(300, Math.min(420, Math.round(innerHeight * 0.42))),
    };
  }

  resize() {
    if (!this.u) return;
    const { width, height } = this.size();
    if (width !== this.u.width || height !== this.u.height) this.u.setSize({ width, height });
  }

  theme() {
    this.colours = palette();
    if (this.u) this.show(this.data);
  }

  options() {
    const { colours, data } = this;
    const font = '11px Inter, system-ui, sans-serif';
    const text = {
      stroke: colours['text-3'],
      font,
      ticks: { show: false },
      border: { show: false },
    };
    return {
      ...this.size(),
      padding: [10, 14, 0, 0],
      legend: { show: false },
      tzDate: (seconds) =>
        zone.utc ? uPlot.tzDate(new Date(seconds * 1e3), 'Etc/UTC') : new Date(seconds * 1e3),
      scales: {
        x: { time: data.unit !== null, range: () => this.view },
        y: { range: () => this.fit() },
      },
      axes: [
        {
          ...text,
          grid: { show: false },
          gap: 22,
          size: 62,
          space: 86,
          values: data.unit === null ? (u, list) => list.map((v) => number(v, 12)) : TIMES,
        },
        {
          ...text,
          grid: { stroke: colours.line, width: 1 },
          gap: 8,
          space: 44,
          values: (u, list) => list.map((v) => short(v, 7)),
          size: (u, list) => 24 + 6.4 * Math.max(2, ...(list ?? []).map((s) => s.length)),
        },
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      cursor: {
        drag: { x: true, y: false, setScale: false, dist: 4 },
        y: false,
        points: { size: 9, width: 2, fill: colours.accent, stroke: colours.surface },
        move: (u, left, top) => [this.snap(left), top],
        bind: {
          dblclick: () => () => {
            this.zoom(null);
            return null;
          },
        },
      },
      hooks: {
        drawClear: [(u) => back(this.frame(u), this.columns, this.lit)],
        draw: [
          (u) => {
            front(this.frame(u), this.columns, this.lit);
            this.lanes(u);
            this.ondraw();
          },
        ],
        setSelect: [(u) => this.select(u)],
        setCursor: [(u) => this.point(u)],
      },
    };
  }

  frame(u) {
    return frame(u, this.data, this.colours);
  }

  /** The y-axis for what is in view; the columns that are drawn come of it. */
  fit() {
    const width =
      (this.u?.bbox.width ?? this.size().width * (devicePixelRatio || 1)) / (devicePixelRatio || 1);
    this.columns = detail(this.data, ...this.view, width || 800);
    return axis(this.columns);
  }

  /** Shows from `range[0]` to `range[1]`; null shows all. */
  zoom(range, { tell = true } = {}) {
    if (!this.data) return;
    const [a, b] = this.full;
    let next = range && [Math.max(a, range[0]), Math.min(b, range[1])];
    if (next && (next[1] - next[0] >= (b - a) * 0.999 || !(next[1] > next[0]))) next = null;
    this.range = next;
    if (this.u) {
      const [min, max] = this.view;
      this.u.setScale('x', { min, max });
      this.u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    }
    if (tell) this.onrange(next);
  }

  select(u) {
    const { left, width } = u.select;
    if (width < 4) return;
    this.zoom([u.posToVal(left, 'x'), u.posToVal(left + width, 'x')]);
  }

  /** Lights an episode; null puts it out. */
  light(episode) {
    if (this.lit === episode) return;
    this.lit = episode;
    this.u?.redraw(false, false);
  }

  /** The place of the mark within eight pixels, else of the nearest point. */
  snap(left) {
    const { u, data } = this;
    if (!u || left < 0) return left;
    const near = visible(this.frame(u))
      .map((a) => u.valToPos(a.x, 'x'))
      .filter((x) => Math.abs(x - left) <= SNAP);
    if (near.length)
      return near.reduce((a, b) => (Math.abs(b - left) < Math.abs(a - left) ? b : a));
    const x = u.posToVal(left, 'x');
    const i = this.nearest(x);
    const place = u.valToPos(data.x[i], 'x');
    return Math.abs(place - left) < 40 && place >= 0 && place <= u.over.clientWidth ? place : left;
  }

  nearest(x) {
    const { x: all } = this.data;
    const i = Math.max(0, index(all, x));
    return i + 1 < all.length && all[i + 1] - x < x - all[i] ? i + 1 : i;
  }

  point(u) {
    const { left, idx } = u.cursor;
    if (left === undefined || left < 0 || idx === null || idx === undefined) return this.leave();
    this.idx = idx;
    this.tell(idx);
    return undefined;
  }

  leave() {
    this.tip.hidden = true;
    this.onpoint(null);
  }

  /** The alarm at a point, and the episode around it. */
  found(i) {
    const x = this.data.x[i];
    const alarms = this.data.alarms.filter((a) => a.i === i);
    const pad = this.data.step / 2;
    const episode = this.data.episodes.find(
      (e) => x >= e.x0 - pad && x <= (e.open ? Infinity : e.x1 + pad),
    );
    return { alarm: alarms.sort((a, b) => (b.ratio ?? 0) - (a.ratio ?? 0))[0], episode };
  }

  tell(i) {
    const { data, u } = this;
    const { alarm, episode } = this.found(i);
    const shown = alarm ?? episode;
    const row = (name, value) => h('div.pair', h('span', name), h('span', value));
    const digits = (v) => number(v, 4);
    const limits = rangeText(data.lower[i], data.upper[i]);
    fill(
      this.tip,
      h('p.hint', atFull(data.timestamps[i], data.unit)),
      h('p.large', number(data.values[i], 6)),
      data.low && row('lowest to highest', `${digits(data.low[i])} to ${digits(data.high[i])}`),
      !Number.isNaN(data.expected[i]) && row('expected', digits(data.expected[i])),
      limits && row('normal range', limits),
      shown &&
        h(
          'div.why',
          severityIcon(shown.severity),
          h(
            'div',
            h(`p.t-${shown.severity}`, `${title(shown.severity)}${strength(shown)}`),
            h('p', bdi(sentence(shown.reason))),
          ),
        ),
    );
    this.tip.hidden = false;
    const [width, height] = [this.tip.offsetWidth, this.tip.offsetHeight];
    const left = u.over.offsetLeft + u.cursor.left;
    const fits = left + 18 + width < this.host.clientWidth;
    this.tip.style.setProperty('left', `${Math.max(4, fits ? left + 18 : left - width - 18)}px`);
    this.tip.style.setProperty(
      'top',
      `${Math.max(4, Math.min(this.plot.offsetTop + u.over.offsetTop + u.over.clientHeight - height - 6, this.plot.offsetTop + 80))}px`,
    );
    this.onpoint(episode ?? null);
  }

  move(i) {
    const { u, data } = this;
    const next = Math.max(0, Math.min(data.x.length - 1, i));
    const [a, b] = this.view;
    if (data.x[next] < a || data.x[next] > b) {
      const half = (b - a) / 2;
      this.zoom([data.x[next] - half, data.x[next] + half]);
    }
    this.idx = next;
    u.setCursor({ left: u.valToPos(data.x[next], 'x'), top: u.over.clientHeight / 2 });
    const { alarm, episode } = this.found(next);
    const why = alarm ?? episode;
    announce(
      `${atFull(data.timestamps[next], data.unit)}, ${number(data.values[next], 6)}.${why ? ` ${title(why.severity)}. ${sentence(why.reason)}` : ''}`,
    );
  }

  key(e) {
    if (!this.u || e.ctrlKey || e.metaKey || e.altKey) return;
    const here = this.idx ?? this.nearest((this.view[0] + this.view[1]) / 2);
    const step = Math.max(1, Math.round((this.columns?.density ?? 1) / 2)) * (e.shiftKey ? 10 : 1);
    const alarms = [...new Set(this.data.alarms.map((a) => a.i))].sort((a, b) => a - b);
    const [a, b] = this.view;
    const middle = this.idx === undefined ? (a + b) / 2 : this.data.x[here];
    const scale = (by) => this.zoom([middle - (middle - a) * by, middle + (b - middle) * by]);
    const acts = {
      ArrowLeft: () => this.move(here - step),
      ArrowRight: () => this.move(here + step),
      n: () => this.move(alarms.find((i) => i > (this.idx ?? -1)) ?? alarms[0] ?? here),
      p: () =>
        this.move(alarms.findLast((i) => i < (this.idx ?? Infinity)) ?? alarms.at(-1) ?? here),
      '+': () => scale(0.5),
      '=': () => scale(0.5),
      '-': () => scale(2),
      0: () => this.zoom(null),
      Escape: () => this.zoom(null),
    };
    if (!acts[e.key]) return;
    e.preventDefault();
    e.stopPropagation();
    acts[e.key]();
  }

  /** Buttons over the lane, one for episodes that lie closer than 24 pixels. */
  lanes(u) {
    const groups = [];
    const [a, b] = this.view;
    for (const episode of [...this.data.episodes].sort((p, q) => p.x0 - q.x0)) {
      if (episode.x1 < a || episode.x0 > b) continue;
      const left = Math.max(0, u.valToPos(Math.max(a, episode.x0), 'x'));
      const right = Math.max(left, u.valToPos(Math.min(b, episode.open ? b : episode.x1), 'x'));
      const last = groups.at(-1);
      if (last && left < last.left + Math.max(24, last.right - last.left)) {
        last.all.push(episode);
        last.right = Math.max(last.right, right);
      } else groups.push({ left, right, all: [episode] });
    }
    const top = u.over.offsetTop + u.over.clientHeight - 1 + this.plot.offsetTop;
    const edge = u.over.clientWidth;
    fill(
      this.lane,
      groups.map(({ left, right, all }) => {
        const width = Math.max(24, right - left);
        const x = Math.min(edge - width + 8, (left + right) / 2 - width / 2);
        const button = h('button', {
          type: 'button',
          'aria-label': this.laneLabel(all),
          title: this.laneLabel(all),
          style: { left: `${u.over.offsetLeft + x}px`, top: `${top}px`, width: `${width}px` },
          onclick: () => this.onepisode(all),
          onpointerenter: () => this.light(all[0]),
          onpointerleave: () => this.light(null),
        });
        return button;
      }),
    );
  }

  laneLabel(all) {
    const { unit } = this.data;
    const from = at(all[0].began ?? all[0].start, unit);
    const worst = all.reduce((p, q) => (weight(q.severity) > weight(p.severity) ? q : p));
    if (all.length === 1)
      return `${title(worst.severity)}, ${from}, ${span(worst.end - (worst.began ?? worst.start), unit)}: ${sentence(worst.reason)}`;
    return `${all.length} episodes, ${from} to ${at(all.at(-1).began ?? all.at(-1).start, unit)}; ${worst.severity}: ${sentence(worst.reason)}`;
  }
}

/** `, 14.3 × what an alarm takes`. */
export const strength = ({ ratio }) =>
  ratio >= 1 ? `, ${number(ratio, 3)} × what an alarm takes` : '';

/** `26.09 to 35.79`, `up to 5`, `from 3`, or nothing. */
export function rangeText(lower, upper) {
  const digits = (v) => number(v, 4);
  const [low, high] = [Number.isFinite(lower), Number.isFinite(upper)];
  if (low && high) return `${digits(lower)} to ${digits(upper)}`;
  return high ? `up to ${digits(upper)}` : low ? `from ${digits(lower)}` : '';
}
