// The strip under a chart: all of the series, and a window on it.

import { gathered } from './detail.js';
import { faded, palette } from './layers.js';
import { fill, h } from './ui.js';
import { number } from './format.js';

const HEIGHT = 44;
/** Pixels around an edge that take hold of it. */
const EDGE = 8;

/** The strip of a chart in `host`; it moves the chart's range, and follows it. */
export class Strip {
  constructor(host, chart, { signal } = {}) {
    this.chart = chart;
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.window = h('div.window', { hidden: true }, h('i'), h('i'));
    this.box = h(
      'div.strip',
      {
        role: 'slider',
        tabindex: '0',
        'aria-label': 'Window on the series',
        'aria-valuemin': '0',
        'aria-valuemax': '100',
        'aria-valuenow': '0',
      },
      this.canvas,
      this.window,
    );
    fill(host, this.box);
    const sizes = new ResizeObserver(() => this.draw());
    sizes.observe(this.box);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw(), {
      signal,
    });
    signal?.addEventListener('abort', () => sizes.disconnect());
    this.box.addEventListener('pointerdown', (e) => this.grab(e));
    this.box.addEventListener('dblclick', () => chart.zoom(null));
    this.box.addEventListener('keydown', (e) => this.key(e));
  }

  draw() {
    const { data } = this.chart;
    const width = this.box.clientWidth;
    if (!data || data.x.length === 0 || width === 0) return;
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * ratio, height: HEIGHT * ratio });
    const ctx = this.canvas.getContext('2d');
    ctx.scale(ratio, ratio);
    const colours = palette();
    const [a, b] = this.chart.full;
    const X = (x) => ((x - a) / (b - a)) * width;
    for (const { x0, x1, severity } of data.episodes) {
      const [from, to] = [X(x0), Math.max(X(x0) + 2, X(x1))];
      ctx.fillStyle = faded(colours[severity] ?? colours.low, 0.35);
      ctx.fillRect(from, 0, to - from, HEIGHT);
      ctx.fillStyle = colours[severity] ?? colours.low;
      ctx.fillRect(from, 0, to - from, 2);
    }
    const columns = gathered(data, 0, data.x.length - 1, (b - a) / width);
    let [low, high] = [Infinity, -Infinity];
    columns.lowest.forEach((v) => {
      if (v < low) low = v;
    });
    columns.highest.forEach((v) => {
      if (v > high) high = v;
    });
    const Y = (y) => HEIGHT - 6 - ((y - low) / (high - low || 1)) * (HEIGHT - 14);
    ctx.strokeStyle = colours.accent;
    ctx.beginPath();
    columns.x.forEach((x, i) => {
      const at = X(x);
      if (i === 0) ctx.moveTo(at, Y(columns.lowest[i]));
      else ctx.lineTo(at, Y(columns.lowest[i]));
      ctx.lineTo(at, Y(columns.highest[i]));
    });
    ctx.stroke();
    this.follow();
  }

  /** Moves the window to the chart's range. */
  follow() {
    const { range } = this.chart;
    this.window.hidden = !range;
    if (!this.chart.data) return;
    const [a, b] = this.chart.full;
    const [from, to] = this.chart.view;
    const share = (x) => ((x - a) / (b - a)) * 100;
    this.window.style.setProperty('left', `${share(from)}%`);
    this.window.style.setProperty('right', `${100 - share(to)}%`);
    this.box.setAttribute('aria-valuenow', String(Math.round(share((from + to) / 2))));
    this.box.setAttribute(
      'aria-valuetext',
      range
        ? `${number(share(to) - share(from), 2)} % of the series in view`
        : 'all of the series in view',
    );
  }

  /** Inside the window a drag moves it, at an edge it resizes it, outside it starts anew. */
  grab(down) {
    if (!this.chart.data || down.button !== 0) return;
    const box = this.box.getBoundingClientRect();
    const [a, b] = this.chart.full;
    const at = (e) =>
      a + (Math.max(0, Math.min(box.width, e.clientX - box.left)) / box.width) * (b - a);
    const start = at(down);
    const [from, to] = this.chart.view;
    const edge = (EDGE / box.width) * (b - a);
    const whole = !this.chart.range;
    const mode =
      !whole && Math.abs(start - from) < edge
        ? 'from'
        : !whole && Math.abs(start - to) < edge
          ? 'to'
          : !whole && start > from && start < to
            ? 'move'
            : 'new';
    const onto = {
      from: (x) => [Math.min(x, to), Math.max(x, to)],
      to: (x) => [Math.min(x, from), Math.max(x, from)],
      move: (x) => {
        const by = Math.max(a - from, Math.min(b - to, x - start));
        return [from + by, to + by];
      },
      new: (x) => [Math.min(start, x), Math.max(start, x)],
    }[mode];
    this.box.setPointerCapture(down.pointerId);
    const drag = (e) => {
      const range = onto(at(e));
      if (range[1] - range[0] > (b - a) * 0.002) this.chart.zoom(range);
    };
    this.box.addEventListener('pointermove', drag);
    const end = () => this.box.removeEventListener('pointermove', drag);
    this.box.addEventListener('pointerup', end, { once: true });
    this.box.addEventListener('pointercancel', end, { once: true });
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || !this.chart.data) return;
    const [from, to] = this.chart.view;
    const width = to - from;
    const by = (share) => {
      const [a, b] = this.chart.full;
      const step = Math.max(a - from, Math.min(b - to, width * share));
      this.chart.zoom([from + step, to + step]);
    };
    const acts = {
      ArrowLeft: () => by(e.shiftKey ? -1 : -0.1),
      ArrowRight: () => by(e.shiftKey ? 1 : 0.1),
      '+': () => this.chart.zoom([from + width / 4, to - width / 4]),
      '=': () => this.chart.zoom([from + width / 4, to - width / 4]),
      '-': () => this.chart.zoom([from - width / 2, to + width / 2]),
      0: () => this.chart.zoom(null),
      Escape: () => this.chart.zoom(null),
    };
    if (!acts[e.key]) return;
    e.preventDefault();
    e.stopPropagation();
    acts[e.key]();
  }
}
