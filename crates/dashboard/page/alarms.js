// The alarms of all series over the last day, as bars; dragging over them filters the list.

import { get } from './api.js';
import { moment } from './format.js';
import { histogram } from './spark.js';
import { bone, fill, h } from './ui.js';

const STEP = 900;
const BARS = 96;

/** The histogram: `node`, `load()`, `draw()`. `pick(from, to)` hears of a choice, in milliseconds; `picked()` gives it back. */
export function alarms({ signal, picked, pick }) {
  const canvas = h('canvas', { 'aria-hidden': 'true' });
  const axis = h('div.ticks', { 'aria-hidden': 'true' });
  const label = h('p.hint', 'Alarms, all series, per 15 minutes');
  const node = h('div.alarms', label, bone('100%', 60), axis);
  let data = null;
  let drag = null;

  const chosen = () => {
    if (drag) return [Math.min(...drag), Math.max(...drag)];
    const { from, to } = picked();
    if (!from || !data) return null;
    return [
      Math.floor((from / 1000 - data.from) / data.step),
      Math.ceil((to / 1000 - data.from) / data.step) - 1,
    ];
  };
  function draw() {
    if (!data) return;
    if (!canvas.isConnected) node.replaceChild(canvas, node.children[1]);
    histogram(canvas, data, chosen());
    ticks();
  }
  function ticks() {
    const all = [];
    const hours = canvas.clientWidth < 500 ? 6 : 3;
    for (let i = 0; i < data.low.length * (hours > 3 ? 0.88 : 0.94); i += 1) {
      const text = moment((data.from + i * data.step) * 1000).split(', ')[1];
      if (text?.endsWith(':00') && Number(text.slice(0, 2)) % hours === 0)
        all.push(h('span', { style: { left: `${((i + 0.5) / data.low.length) * 100}%` } }, text));
    }
    fill(axis, all, h('span.now', 'now'));
  }
  async function load() {
    const to = (Math.floor(Date.now() / 1000 / STEP) + 1) * STEP;
    try {
      data = await get(
        '/v1/alarms/histogram',
        { from: to - BARS * STEP, to, step: STEP },
        { signal },
      );
      draw();
    } catch {
      // The list says what is wrong; bars of before stay.
    }
  }

  const bar = (e) => {
    const box = canvas.getBoundingClientRect();
    return Math.max(
      0,
      Math.min(
        data.low.length - 1,
        Math.floor(((e.clientX - box.left) / box.width) * data.low.length),
      ),
    );
  };
  canvas.addEventListener('pointerdown', (down) => {
    if (!data) return;
    canvas.setPointerCapture(down.pointerId);
    drag = [bar(down), bar(down)];
    const move = (e) => {
      drag[1] = bar(e);
      draw();
    };
    canvas.addEventListener('pointermove', move);
    const end = () => {
      canvas.removeEventListener('pointermove', move);
      const [a, b] = [Math.min(...drag), Math.max(...drag)];
      drag = null;
      pick((data.from + a * data.step) * 1000, (data.from + (b + 1) * data.step) * 1000);
    };
    canvas.addEventListener('pointerup', end, { once: true });
  });
  canvas.addEventListener('dblclick', () => pick(null, null));
  const sizes = new ResizeObserver(draw);
  sizes.observe(node);
  signal.addEventListener('abort', () => sizes.disconnect());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw, { signal });
  return { node, load, draw };
}
