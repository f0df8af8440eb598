// The layers of a chart, from the back to the front, on a canvas.

import { token } from './ui.js';
import { weight } from './format.js';

/** The colours of the theme, read again when it changes. */
export function palette() {
  const names = [
    'text',
    'text-3',
    'line',
    'line-2',
    'surface',
    'raised',
    'accent',
    'expected',
    'range',
    'edge',
    'veil',
    'low',
    'medium',
    'high',
    'critical',
  ];
  return Object.fromEntries(names.map((name) => [name, token(name)]));
}

/** A colour with a transparency from 0 to 1. */
export const faded = (colour, share) =>
  `color-mix(in srgb, ${colour} ${Math.round(share * 100)}%, transparent)`;

/** Thickness of a bar in the lane, and size of a mark, by severity. */
export const THICK = [5, 7, 9, 11];
const SIZE = [9, 10, 11.5, 13];

/** The frame that layers draw in: canvas, places and pixels. `u` is a chart of uPlot. */
export function frame(u, data, colours) {
  const { left, top, width, height } = u.bbox;
  const { min: x0, max: x1 } = u.scales.x;
  const { min: y0, max: y1 } = u.scales.y;
  return {
    ctx: u.ctx,
    data,
    colours,
    left,
    top,
    width,
    height,
    x0,
    x1,
    ratio: devicePixelRatio || 1,
    X: (x) => left + ((x - x0) / (x1 - x0)) * width,
    Y: (y) => top + height - ((y - y0) / (y1 - y0)) * height,
  };
}

function clipped(f, draw) {
  f.ctx.save();
  f.ctx.beginPath();
  f.ctx.rect(f.left, f.top, f.width, f.height);
  f.ctx.clip();
  draw();
  f.ctx.restore();
}

/** What lies behind the grid: the learned part, episodes, gaps, the normal range. */
export function back(f, columns, lit) {
  clipped(f, () => {
    veil(f);
    for (const episode of f.data.episodes) band(f, episode, episode === lit);
    gaps(f);
    range(f, columns);
    if (columns.kind === 'season') spread(f, columns);
  });
}

function veil(f) {
  if (f.data.learned === null) return;
  const end = f.X(f.data.learned);
  if (end <= f.left) return;
  f.ctx.fillStyle = f.colours.veil;
  f.ctx.fillRect(f.left, f.top, end - f.left, f.height);
  f.ctx.fillStyle = f.colours['line-2'];
  f.ctx.fillRect(end, f.top, f.ratio, f.height);
}

/** Where an episode lies, in pixels of the canvas, at least 3 wide. */
function extent(f, { x0, x1, open }) {
  const a = f.X(x0);
  const b = open ? f.X(Math.max(x1, f.data.x.at(-1))) : f.X(x1);
  const missing = Math.max(0, 3 * f.ratio - (b - a));
  return [a - missing / 2, b + missing / 2];
}

function band(f, episode, lit) {
  const [a, b] = extent(f, episode);
  if (b < f.left || a > f.left + f.width) return;
  const colour = f.colours[episode.severity] ?? f.colours.low;
  const fade = f.ctx.createLinearGradient(0, f.top, 0, f.top + f.height);
  fade.addColorStop(0, faded(colour, lit ? 0.36 : 0.2));
  fade.addColorStop(1, faded(colour, lit ? 0.18 : 0.05));
  f.ctx.fillStyle = fade;
  f.ctx.fillRect(a, f.top, b - a, f.height);
  f.ctx.fillStyle = colour;
  f.ctx.fillRect(a, f.top, b - a, 2 * f.ratio);
}

function gaps(f) {
  const { x, breaks } = f.data;
  const { ctx } = f;
  ctx.strokeStyle = f.colours['line-2'];
  ctx.lineWidth = f.ratio;
  for (let i = 1; i < x.length; i += 1) {
    if (!breaks[i] || x[i] < f.x0 || x[i - 1] > f.x1) continue;
    const [a, b] = [Math.max(f.left, f.X(x[i - 1])), Math.min(f.left + f.width, f.X(x[i]))];
    if (b - a < 2) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(a, f.top, b - a, f.height);
    ctx.clip();
    ctx.beginPath();
    for (let s = a - f.height; s < b; s += 7 * f.ratio) {
      ctx.moveTo(s, f.top + f.height);
      ctx.lineTo(s + f.height, f.top);
    }
    ctx.stroke();
    ctx.restore();
  }
}

/** Runs of columns without a break for which `has` holds. */
function* runs(columns, has) {
  let start = -1;
  for (let i = 0; i <= columns.x.length; i += 1) {
    const ends = i === columns.x.length || !has(i) || (columns.breaks[i] && start >= 0);
    if (ends && start >= 0) {
      yield [start, i];
      start = -1;
    }
    if (i < columns.x.length && has(i) && start < 0) start = i;
  }
}

function range(f, c) {
  const { ctx } = f;
  const [floor, roof] = [f.top + f.height + 4, f.top - 4];
  // A side without a limit is normal to its end.
  const low = (i) => (Number.isNaN(c.lower[i]) ? floor : Math.min(floor, f.Y(c.lower[i])));
  const high = (i) => (Number.isNaN(c.upper[i]) ? roof : Math.max(roof, f.Y(c.upper[i])));
  for (const [a, b] of runs(c, (i) => !Number.isNaN(c.lower[i]) || !Number.isNaN(c.upper[i]))) {
    ctx.beginPath();
    for (let i = a; i < b; i += 1) ctx.lineTo(f.X(c.x[i]), high(i));
    for (let i = b - 1; i >= a; i -= 1) ctx.lineTo(f.X(c.x[i]), low(i));
    ctx.fillStyle = f.colours.range;
    ctx.fill();
    ctx.strokeStyle = f.colours.edge;
    ctx.lineWidth = f.ratio;
    for (const side of [high, low]) {
      ctx.beginPath();
      for (let i = a; i < b; i += 1) ctx.lineTo(f.X(c.x[i]), side(i));
      ctx.stroke();
    }
  }
}

/** From the lowest to the highest value of each step. */
function spread(f, c, a = 0, b = c.x.length, colour = f.colours.accent, share = 0.3) {
  const { ctx } = f;
  for (const [s, e] of runs(c, (i) => i >= a && i < b && !Number.isNaN(c.mean[i]))) {
    ctx.beginPath();
    for (let i = s; i < e; i += 1) ctx.lineTo(f.X(c.x[i]), f.Y(c.highest[i]));
    for (let i = e - 1; i >= s; i -= 1) ctx.lineTo(f.X(c.x[i]), f.Y(c.lowest[i]));
    ctx.closePath();
    ctx.fillStyle = faded(colour, share);
    ctx.fill();
    ctx.strokeStyle = faded(colour, 0.55);
    ctx.lineWidth = f.ratio;
    ctx.stroke();
  }
}

/** The line: each column from its highest to its lowest, whichever is nearer to where the line comes from. */
function trace(f, c, a, b) {
  const { ctx } = f;
  ctx.beginPath();
  let before = NaN;
  for (let i = a; i < b; i += 1) {
    if (Number.isNaN(c.mean[i])) {
      before = NaN;
      continue;
    }
    const x = f.X(c.x[i]);
    if (c.kind === 'season') {
      if (Number.isNaN(before) || c.breaks[i]) ctx.moveTo(x, f.Y(c.mean[i]));
      else ctx.lineTo(x, f.Y(c.mean[i]));
      before = c.mean[i];
      continue;
    }
    const up = Math.abs(before - c.highest[i]) < Math.abs(before - c.lowest[i]);
    const [one, two] = up ? [c.highest[i], c.lowest[i]] : [c.lowest[i], c.highest[i]];
    if (Number.isNaN(before) || c.breaks[i]) ctx.moveTo(x, f.Y(one));
    else ctx.lineTo(x, f.Y(one));
    if (one !== two) ctx.lineTo(x, f.Y(two));
    before = two;
    // A point alone between two gaps is seen as a dot.
    if (c.breaks[i] !== 0 && (i + 1 >= b || c.breaks[i + 1])) ctx.lineTo(x + f.ratio, f.Y(two));
  }
  ctx.stroke();
}

/** What lies before the grid: expected, value, odd shapes, level moves, flags, marks, the lane. */
export function front(f, columns, lit) {
  const { ctx } = f;
  ctx.lineJoin = 'round';
  clipped(f, () => {
    if (columns.density < 0.35) expected(f, columns);
    ctx.strokeStyle = f.colours.accent;
    ctx.lineWidth = 1.5 * f.ratio;
    trace(f, columns, 0, columns.x.length);
    if (columns.x.length === 1) dot(f, f.X(columns.x[0]), f.Y(columns.mean[0]), f.colours.accent);
    for (const alarm of f.data.alarms) if (alarm.direction === 'pattern') odd(f, columns, alarm);
    for (const change of f.data.changePoints) level(f, change);
  });
  for (const fit of f.data.fits) flag(f, fit);
  marks(f);
  for (const episode of f.data.episodes) bar(f, episode, episode === lit);
}

function expected(f, c) {
  f.ctx.strokeStyle = f.colours.expected;
  f.ctx.lineWidth = f.ratio;
  f.ctx.setLineDash([3 * f.ratio, 3 * f.ratio]);
  for (const [a, b] of runs(c, (i) => !Number.isNaN(c.expected[i]))) {
    f.ctx.beginPath();
    for (let i = a; i < b; i += 1) f.ctx.lineTo(f.X(c.x[i]), f.Y(c.expected[i]));
    f.ctx.stroke();
  }
  f.ctx.setLineDash([]);
}

/** The stretch of the line that an odd shape is about, in its colour. */
function odd(f, c, alarm) {
  const first = alarm.i - Math.max(1, alarm.points) + 1;
  let [a, b] = [c.from.length, 0];
  for (let i = 0; i < c.from.length; i += 1) {
    const next = i + 1 < c.from.length ? c.from[i + 1] : c.last + 1;
    if (next <= first || c.from[i] > alarm.i) continue;
    a = Math.min(a, i);
    b = Math.max(b, i + 1);
  }
  if (a >= b) return;
  const colour = f.colours[alarm.severity] ?? f.colours.low;
  if (c.kind === 'season') spread(f, c, a, b, colour, 0.65);
  f.ctx.strokeStyle = colour;
  f.ctx.lineWidth = 2 * f.ratio;
  trace(f, c, a, b);
}

/** The level before a lasting move, and after it. */
function level(f, { x, from, to }) {
  const reach = 22 * f.ratio;
  const at = f.X(x);
  f.ctx.strokeStyle = f.colours.text;
  f.ctx.lineWidth = 1.25 * f.ratio;
  f.ctx.beginPath();
  f.ctx.moveTo(at - reach, f.Y(from));
  f.ctx.lineTo(at, f.Y(from));
  f.ctx.lineTo(at, f.Y(to));
  f.ctx.lineTo(at + reach, f.Y(to));
  f.ctx.stroke();
}

/** Where a model was fitted: a dotted line with its version at the foot. */
function flag(f, { x, version }) {
  const at = Math.round(f.X(x));
  if (at < f.left || at > f.left + f.width) return;
  const { ctx, ratio } = f;
  ctx.strokeStyle = f.colours['text-3'];
  ctx.lineWidth = ratio;
  ctx.setLineDash([2 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(at, f.top);
  ctx.lineTo(at, f.top + f.height);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.font = `${11 * ratio}px Inter, system-ui, sans-serif`;
  const width = ctx.measureText(version).width + 12 * ratio;
  const left = Math.min(at, f.left + f.width - width);
  ctx.beginPath();
  ctx.roundRect(left, f.top + f.height - 18 * ratio, width, 17 * ratio, 4 * ratio);
  ctx.fillStyle = f.colours.surface;
  ctx.fill();
  ctx.strokeStyle = f.colours['line-2'];
  ctx.stroke();
  ctx.fillStyle = f.colours['text-3'];
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillText(version, left + 6 * ratio, f.top + f.height - 9 * ratio);
}

/** The marks in view, the strongest first; of those closer than 16 pixels only the strongest. */
export function visible(f) {
  const inside = f.data.alarms.filter((a) => a.x >= f.x0 && a.x <= f.x1);
  inside.sort((a, b) => weight(b.severity) - weight(a.severity) || (b.ratio ?? 0) - (a.ratio ?? 0));
  const taken = [];
  return inside.filter((alarm) => {
    const x = f.X(alarm.x);
    const free = taken.every((other) => Math.abs(other - x) >= 16 * f.ratio);
    if (free) taken.push(x);
    return free;
  });
}

function dot(f, x, y, colour) {
  f.ctx.beginPath();
  f.ctx.arc(x, y, 2.5 * f.ratio, 0, 7);
  f.ctx.fillStyle = colour;
  f.ctx.fill();
}

function marks(f) {
  const { ctx, ratio } = f;
  for (const alarm of visible(f)) {
    const colour = f.colours[alarm.severity] ?? f.colours.low;
    const size = (SIZE[weight(alarm.severity)] ?? SIZE[0]) * ratio;
    const [x, y] = [f.X(alarm.x), f.Y(f.data.y[alarm.i])];
    ctx.lineWidth = 4 * ratio;
    ctx.strokeStyle = f.colours.surface;
    ctx.beginPath();
    if (alarm.direction === 'above' || alarm.direction === 'below') {
      const up = alarm.direction === 'above' ? -1 : 1;
      const base = y + up * 6 * ratio;
      const half = size * 0.58;
      ctx.moveTo(x - half, base);
      ctx.lineTo(x + half, base);
      ctx.lineTo(x, base + up * size);
      ctx.closePath();
      ctx.stroke();
      ctx.fillStyle = colour;
      ctx.fill();
      dot(f, x, y, colour);
    } else {
      const half = size * 0.6;
      ctx.moveTo(x, y - half);
      ctx.lineTo(x + half, y);
      ctx.lineTo(x, y + half);
      ctx.lineTo(x - half, y);
      ctx.closePath();
      ctx.stroke();
      ctx.fillStyle = f.colours.surface;
      ctx.fill();
      ctx.strokeStyle = colour;
      ctx.lineWidth = 2 * ratio;
      ctx.stroke();
    }
  }
}

/** The bar of an episode in the lane under the plot, at least 5 pixels long. */
function bar(f, episode, lit) {
  const [a, b] = extent(f, episode);
  if (b < f.left || a > f.left + f.width) return;
  const { ctx, ratio } = f;
  const thick = (THICK[weight(episode.severity)] ?? THICK[0]) * ratio;
  const missing = Math.max(0, 5 * ratio - (b - a));
  const [from, to] = [
    Math.max(f.left, a - missing / 2),
    Math.min(f.left + f.width, b + missing / 2),
  ];
  ctx.fillStyle = f.colours[episode.severity] ?? f.colours.low;
  ctx.globalAlpha = lit ? 1 : 0.9;
  ctx.beginPath();
  ctx.roundRect(
    from,
    f.top + f.height + 11 * ratio - thick / 2,
    Math.max(5 * ratio, to - from),
    thick,
    2.5 * ratio,
  );
  ctx.fill();
  ctx.globalAlpha = 1;
}
