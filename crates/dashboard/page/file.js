// "Try a file": the start with its drop zone, and then what was found in the file.

import { urlOption } from './api.js';
import { CsvError, decode, read } from './csv.js';
import { csv, EXAMPLES } from './examples.js';
import { bytes } from './format.js';
import { button, copyButton, fill, h, icon, patiently, toast, token } from './ui.js';

/** The largest file, in bytes: what the API takes as a body. */
const LARGEST = 64 * 1024 * 1024;

/** The file that is being looked at, for as long as the page is open. */
let current = null;

/** Shows the file that was dropped, or where to drop one. */
export async function render(root, context) {
  const { signal } = context;
  const open = async (name, text, more = {}) => {
    const file = {
      name: name.replace(/\.(csv|tsv|txt)$/i, ''),
      fileName: name,
      text,
      points: read(text),
      options: {},
      ...more,
    };
    const module = await import('./result.js');
    current = file;
    taker = null;
    if (!signal.aborted)
      await module.render(root, file, {
        ...context,
        another: () => {
          current = null;
          start(root, open, context);
        },
      });
  };
  droppable(signal, async (file) => {
    try {
      await open(file.name, decode(new Uint8Array(await file.arrayBuffer())));
    } catch (error) {
      toast(`This file cannot be judged. ${error.message}`);
    }
  });
  taker = null;
  if (current) {
    const module = await import('./result.js');
    return module.render(root, current, {
      ...context,
      another: () => {
        current = null;
        start(root, open, context);
      },
    });
  }
  return start(root, open, context);
}

/** Who takes what is dropped: the drop zone, or nobody that shows it. */
let taker = null;

/** The whole window takes a file, so that a near miss does not open it in the browser. */
function droppable(signal, take) {
  let inside = 0;
  const over = (by) => {
    inside = Math.max(0, inside + by);
    taker?.over(inside > 0);
  };
  const acts = {
    dragenter: () => over(1),
    dragleave: () => over(-1),
    dragover: () => {},
    drop: (e) => {
      over(-inside);
      (taker?.take ?? take)(e.dataTransfer?.files[0]);
    },
  };
  for (const [name, act] of Object.entries(acts)) {
    addEventListener(
      name,
      (e) => {
        e.preventDefault();
        act(e);
      },
      { signal },
    );
  }
}

/** The start: a drop zone, examples, and how to send points from anywhere. */
export function start(root, open, { signal, title }) {
  title('Try a file');
  const refused = h('div');
  const input = h('input', {
    type: 'file',
    accept: '.csv,.tsv,.txt,text/csv,text/plain',
    class: 'off-screen',
    tabindex: '-1',
    'aria-hidden': 'true',
    onchange: () => take(input.files[0]),
  });
  const label = h('span', 'Drop a CSV here');
  const zone = h(
    'div.drop',
    h('canvas', { 'aria-hidden': 'true' }),
    h(
      'div.words',
      icon('upload'),
      h('p.lead', label),
      h(
        'p',
        'or ',
        button('choose a file', { kind: 'link', onclick: () => input.click() }),
        '. One column of times, one of numbers.',
      ),
    ),
    input,
  );

  const refuse = (reason) =>
    fill(
      refused,
      h(
        'div.notice.error',
        { role: 'alert' },
        icon('warning'),
        h('div', h('p', h('strong', 'This file cannot be judged.'), ' ', reason)),
      ),
    );
  async function take(file) {
    input.value = '';
    if (!file) return;
    fill(refused);
    if (file.size > LARGEST) {
      refuse(`It has ${bytes(file.size)}; the server takes ${bytes(LARGEST)} at most.`);
      return;
    }
    await attempt(async () => open(file.name, decode(new Uint8Array(await file.arrayBuffer()))));
  }
  async function attempt(work) {
    try {
      await patiently(work(), () => {
        label.textContent = 'Judging it';
      });
    } catch (error) {
      label.textContent = 'Drop a CSV here';
      if (error.name === 'AbortError') return;
      refuse(
        error instanceof CsvError || error.status
          ? error.message
          : `It cannot be read: ${error.message}`,
      );
    }
  }

  taker = { take, over: (is) => zone.classList.toggle('over', is) };
  fill(
    root,
    h(
      'div.start',
      h('h1', 'See what is unusual in your data'),
      h(
        'p.lead',
        'Drop a file and see it judged, point by point, as if each had just arrived. It stays between your browser and this server, and nothing is kept until you say so.',
      ),
      refused,
      zone,
      examples((example) =>
        attempt(() => open(example.file, csv(example.make()), { example: true })),
      ),
      elsewhere(),
    ),
  );
  faint(zone.querySelector('canvas'), signal);
}

function examples(choose) {
  return h(
    'div.examples',
    EXAMPLES.map((example) => {
      const canvas = h('canvas', { 'aria-hidden': 'true' });
      requestAnimationFrame(() => sketch(canvas, example.make().values));
      return h(
        'button.example',
        { type: 'button', onclick: () => choose(example) },
        canvas,
        h('span', h('strong', example.name), h('span.hint', example.text)),
      );
    }),
  );
}

function context2d(canvas) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const ctx = canvas.getContext('2d');
  ctx.scale(ratio, ratio);
  return { ctx, width, height };
}

function sketch(canvas, values) {
  if (!canvas.isConnected) return;
  const { ctx, width, height } = context2d(canvas);
  const every = Math.ceil(values.length / 130);
  const few = values.filter((_, i) => i % every === 0);
  const [low, high] = [Math.min(...few), Math.max(...few)];
  ctx.strokeStyle = token('accent');
  ctx.lineWidth = 1.2;
  ctx.beginPath();
  few.forEach((v, i) =>
    ctx.lineTo(
      (i / (few.length - 1)) * width,
      height - 2 - ((v - low) / (high - low)) * (height - 4),
    ),
  );
  ctx.stroke();
}

/** A judged chart behind the words of the drop zone: it says what will happen. */
function faint(canvas, signal) {
  const draw = () => {
    if (!canvas.isConnected) return;
    const { ctx, width, height } = context2d(canvas);
    const normal = (x) =>
      height *
      (0.52 -
        0.2 * Math.sin((x / 197 + 0.11) * 2 * Math.PI) -
        0.06 * Math.sin((x / 98.5) * 2 * Math.PI));
    let state = 5;
    const noise = () => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state / 2147483648 - 0.5;
    };
    const [odd1, odd2] = [width * 0.107, width * 0.892];
    for (const [x, span, colour] of [
      [odd1, 26, 'medium'],
      [odd2, 42, 'high'],
    ]) {
      ctx.fillStyle = `color-mix(in srgb, ${token(colour)} 14%, transparent)`;
      ctx.fillRect(x - span / 2, 0, span, height);
    }
    ctx.fillStyle = token('range');
    ctx.beginPath();
    for (let x = 0; x <= width; x += 4) ctx.lineTo(x, normal(x) - 32);
    for (let x = width; x >= -4; x -= 4) ctx.lineTo(x, normal(x) + 38);
    ctx.fill();
    ctx.strokeStyle = token('accent');
    ctx.globalAlpha = 0.8;
    ctx.lineWidth = 1.3;
    ctx.beginPath();
    for (let x = 0; x <= width; x += 4) {
      const up = Math.abs(x - odd1) < 8 ? -70 : 0;
      const down = Math.max(0, 1 - Math.abs(x - odd2 - 3) / 16) * 110;
      ctx.lineTo(x, Math.min(height - 40, normal(x) + noise() * 20 + up + down));
    }
    ctx.stroke();
    for (const [x, y, up, colour] of [
      [odd1, normal(odd1) - 88, -1, 'medium'],
      [odd2 + 3, height - 34, 1, 'high'],
    ]) {
      ctx.fillStyle = token(colour);
      ctx.beginPath();
      ctx.moveTo(x - 6, y);
      ctx.lineTo(x + 6, y);
      ctx.lineTo(x, y + up * 11);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  };
  const sizes = new ResizeObserver(draw);
  sizes.observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw, { signal });
  signal.addEventListener('abort', () => sizes.disconnect());
}

/** Three lines that send a point, ask what became of it, and show the series. */
function elsewhere() {
  const { origin } = location;
  const lines = [
    [
      'Send a point',
      `curl ${origin}/observe/cpu -d "{\\"timestamp\\":$(date +%s),\\"value\\":22.5}"`,
    ],
    ['Ask what it has learned', `curl ${origin}/v1/series/cpu/stream`],
    ['See the series here', `${origin}/#/series/cpu`],
  ];
  return h(
    'section',
    { 'aria-labelledby': 'elsewhere' },
    h('h2.rule', { id: 'elsewhere' }, 'Or send points from anywhere'),
    h(
      'ol.card.lines',
      lines.map(([name, command], i) =>
        h(
          'li',
          h('span.step', String(i + 1)),
          h('span', name),
          h('code', { tabindex: '0' }, command),
          copyButton(command, name.toLowerCase()),
        ),
      ),
    ),
    h(
      'p.hint',
      'With the command line: ',
      h('code', `anomaly detect temperatures.csv --plot judged.png${urlOption()}`),
    ),
  );
}
