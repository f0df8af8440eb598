// Small drawings: the last day of a series in a row, alarms of all series over time.

import { SEVERITIES, weight } from './format.js';
import { faded } from './layers.js';
import { token } from './ui.js';

/** A canvas of its size on the page, ready to draw on in CSS pixels. */
export function surface(canvas) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  const ctx = canvas.getContext('2d');
  ctx.scale(ratio, ratio);
  return { ctx, width, height };
}

/** The sparkline of a row: normal range, line, the peaks of anomalies. */
export function sparkline(canvas, spark) {
  const { ctx, width, height } = surface(canvas);
  if (!spark) return;
  const { v, lo, hi, a } = spark;
  const known = v.filter((y) => y !== null);
  if (known.length === 0) return;
  let [min, max] = [Math.min(...known), Math.max(...known)];
  const span = max - min || Math.abs(max) || 1;
  const limits = [...lo, ...hi].filter(
    (y) => y !== null && y >= min - 0.35 * span && y <= max + 0.35 * span,
  );
  [min, max] = [Math.min(min, ...limits), Math.max(max, ...limits)];
  if (max === min) [min, max] = [min - 1, max + 1];
  const X = (i) => 3 + (i / Math.max(1, v.length - 1)) * (width - 6);
  const Y = (y) =>
    Math.max(1, Math.min(height - 1, height - 7 - ((y - min) / (max - min)) * (height - 14)));
  ctx.fillStyle = token('range');
  ctx.beginPath();
  const with2 = v.map((_, i) => i).filter((i) => lo[i] !== null || hi[i] !== null);
  for (const i of with2) ctx.lineTo(X(i), hi[i] === null ? 0 : Y(hi[i]));
  for (const i of with2.toReversed()) ctx.lineTo(X(i), lo[i] === null ? height : Y(lo[i]));
  ctx.fill();
  ctx.strokeStyle = token('accent');
  ctx.lineWidth = 1.25;
  ctx.lineJoin = 'round';
  ctx.beginPath();
  let drawn = false;
  v.forEach((y, i) => {
    if (y === null) {
      drawn = false;
      return;
    }
    if (drawn) ctx.lineTo(X(i), Y(y));
    else {
      ctx.moveTo(X(i), Y(y));
      ctx.lineTo(X(i) + 0.5, Y(y));
    }
    drawn = true;
  });
  ctx.stroke();
  for (const [i, severity, direction] of [...(a ?? [])].sort(
    (p, q) => weight(p[1]) - weight(q[1]),
  )) {
    const [x, y] = [X(i), Y(v[i] ?? known.at(-1))];
    ctx.fillStyle = token(severity);
    ctx.strokeStyle = token('surface');
    ctx.lineWidth = 2;
    ctx.beginPath();
    if (direction === 'above' || direction === 'below') {
      const up = direction === 'above' ? -1 : 1;
      const base = Math.max(7, Math.min(height - 7, y + up));
      ctx.moveTo(x - 4, base);
      ctx.lineTo(x + 4, base);
      ctx.lineTo(x, base + up * 7);
    } else {
      ctx.moveTo(x, y - 4.5);
      ctx.lineTo(x + 4.5, y);
      ctx.lineTo(x, y + 4.5);
      ctx.lineTo(x - 4.5, y);
    }
    ctx.closePath();
    ctx.stroke();
    ctx.fill();
  }
}

/** Bars of alarms by severity over time; `picked` are the first and the last bar of a choice, or null. */
export function histogram(canvas, data, picked) {
  const { ctx, width, height } = surface(canvas);
  const n = data.low.length;
  const step = width / n;
  const thick = Math.max(2, Math.min(9, step * 0.62));
  const floor = height - 1;
  const totals = data.low.map((_, i) => SEVERITIES.reduce((sum, s) => sum + data[s][i], 0));
  const most = Math.max(2, ...totals);
  if (picked) {
    ctx.fillStyle = faded(token('accent'), 0.14);
    ctx.fillRect(picked[0] * step, 0, (picked[1] - picked[0] + 1) * step, height);
  }
  for (let i = 0; i < n; i += 1) {
    const x = i * step + (step - thick) / 2;
    ctx.fillStyle = token('line');
    ctx.fillRect(x, floor - 1, thick, 2);
    let y = floor;
    for (const severity of SEVERITIES) {
      const count = data[severity][i];
      if (!count) continue;
      const tall = Math.max(3, (count / most) * (height - 4));
      ctx.fillStyle = token(severity);
      ctx.beginPath();
      ctx.roundRect(x, y - tall, thick, Math.max(2, tall - 1), 1);
      ctx.fill();
      y -= tall;
    }
  }
}

/** A line over the last hour with the area under it, and a second thinner line. */
export function area(canvas, first, second) {
  const { ctx, width, height } = surface(canvas);
  const all = [...first, ...(second ?? [])].filter((v) => v !== null && Number.isFinite(v));
  // One sample is no line yet.
  if (all.length === 0 || first.length < 2) return;
  const top = Math.max(...all) * 1.08 || 1;
  const line = (list, close) => {
    ctx.beginPath();
    let open = false;
    list.forEach((v, i) => {
      if (v === null) {
        open = false;
        return;
      }
      const [x, y] = [
        (i / Math.max(1, list.length - 1)) * width,
        height - 1 - (v / top) * (height - 3),
      ];
      if (open) ctx.lineTo(x, y);
      else ctx.moveTo(x, y);
      open = true;
    });
    if (close) {
      ctx.lineTo(width, height);
      ctx.lineTo(0, height);
      ctx.fill();
    } else ctx.stroke();
  };
  ctx.fillStyle = token('range');
  line(first, true);
  ctx.lineWidth = 1.1;
  ctx.strokeStyle = token('expected');
  if (second) line(second);
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = token('accent');
  line(first);
}
