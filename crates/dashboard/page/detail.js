// Level of detail: what of a series is drawn on so many pixels. Extremes never disappear.

import { index } from './data.js';

/** Points a pixel up to which the line itself is drawn. */
const LINE = 3;
/** Pixels of a season for which each is one step: its lowest, mean and highest. */
const SEASON = [4, 9];

/**
 * The columns to draw of `data` from `a` to `b` on `width` pixels: `x`, `lowest`, `highest`, `mean`, `lower`, `upper`,
 * `expected`, `from` (the first point of each) and `breaks`. `kind` is `line`, `pixel` or `season`.
 */
export function detail(data, a, b, width) {
  const first = Math.max(0, index(data.x, a) - 1);
  const last = Math.min(data.x.length - 1, index(data.x, b) + 1);
  const density = (last - first) / Math.max(1, width);
  if (data.low) return { kind: 'season', density, ...plain(data, first, last) };
  if (density <= LINE) return { kind: 'line', density, ...plain(data, first, last) };
  const perPixel = (b - a) / width;
  const season = data.season / perPixel;
  if (season >= SEASON[0] && season <= SEASON[1])
    return { kind: 'season', density, ...gathered(data, first, last, data.season) };
  return { kind: 'pixel', density, ...gathered(data, first, last, perPixel) };
}

function plain(data, first, last) {
  const cut = (list) => list.subarray(first, last + 1);
  const from = Int32Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  const y = cut(data.y);
  return {
    x: cut(data.x),
    lowest: data.low ? cut(data.low) : y,
    highest: data.high ? cut(data.high) : y,
    mean: y,
    lower: cut(data.lower),
    upper: cut(data.upper),
    expected: cut(data.expected),
    from,
    breaks: cut(data.breaks),
    last,
  };
}

/** The points from `first` to `last` in steps of `width`. */
export function gathered(data, first, last, width) {
  const out = {
    x: [],
    lowest: [],
    highest: [],
    mean: [],
    lower: [],
    upper: [],
    expected: [],
    from: [],
    breaks: [],
    last,
  };
  const start = data.x[first];
  let bin = -1;
  let count = 0;
  for (let i = first; i <= last; i += 1) {
    const here = Math.floor((data.x[i] - start) / width);
    const at = out.x.length - 1;
    if (here !== bin) {
      bin = here;
      count = 1;
      out.x.push(start + (here + 0.5) * width);
      out.from.push(i);
      out.breaks.push(data.breaks[i]);
      out.lowest.push(data.y[i]);
      out.highest.push(data.y[i]);
      out.mean.push(data.y[i]);
      out.lower.push(data.lower[i]);
      out.upper.push(data.upper[i]);
      out.expected.push(data.expected[i]);
      continue;
    }
    count += 1;
    const y = data.y[i];
    if (y < out.lowest[at]) out.lowest[at] = y;
    if (y > out.highest[at]) out.highest[at] = y;
    out.mean[at] += (y - out.mean[at]) / count;
    out.breaks[at] |= data.breaks[i] && width > 3 * data.step ? 0 : data.breaks[i];
    // A limit that is absent stays absent only where the whole step has none.
    if (!(data.lower[i] >= out.lower[at]))
      out.lower[at] = Number.isNaN(data.lower[i]) ? out.lower[at] : data.lower[i];
    if (!(data.upper[i] <= out.upper[at]))
      out.upper[at] = Number.isNaN(data.upper[i]) ? out.upper[at] : data.upper[i];
  }
  return out;
}

/** The span of the y-axis: the values in view and 7 %; the range adds at most 35 % of their span on either side, and nothing below 0 where no value is. */
export function axis(columns) {
  let [min, max, lower, upper] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < columns.x.length; i += 1) {
    if (columns.lowest[i] < min) min = columns.lowest[i];
    if (columns.highest[i] > max) max = columns.highest[i];
    if (columns.lower[i] < lower) lower = columns.lower[i];
    if (columns.upper[i] > upper) upper = columns.upper[i];
  }
  if (!(min <= max)) return [0, 1];
  const span = max - min || Math.abs(max) * 0.2 || 1;
  const low = Math.max(Math.min(lower, min), min - 0.35 * span);
  const high = Math.min(Math.max(upper, max), max + 0.35 * span);
  const pad = 0.07 * (high - low || span);
  return [min >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
}
