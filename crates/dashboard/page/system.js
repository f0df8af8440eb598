// The platform itself: how much it does, how fast, and what is behind.

import { get, Problem } from './api.js';
import { bytes, count, duration, millis, number, title as word } from './format.js';
import { listen } from './live.js';
import { loaded } from './loading.js';
import { area } from './spark.js';
import { bdi, bone, card, copyButton, fill, h, icon } from './ui.js';

/** Milliseconds between two looks. */
const LOOK = 5000;
/** Which part of the platform stands still when a service does. */
const MEANS = {
  gateway: 'Requests may be refused.',
  predictor: 'Predictions and detections fail.',
  trainer: 'Fits, plots and changes of models fail. Predictions go on.',
  observer: 'Points of streams are kept and judged later.',
  notifier: 'People are told later. Nothing is lost.',
  'metrics-consumer': 'Figures are old. Predictions do not wait for it.',
  'training-data-consumer': 'New fits are stored later. Predictions do not wait for it.',
};

/** Shows the platform's figures. */
export async function render(root, { signal, title }) {
  title('System');
  let state = await loaded(root, {
    signal,
    what: 'The figures could not be loaded.',
    load: () => load(signal),
    skeleton,
  });
  if (signal.aborted) return;
  let draw = () => {};
  const show = () => {
    draw = fillPage(root, state);
    draw();
  };
  show();
  const look = async () => {
    try {
      state = await load(signal);
      if (!root.contains(document.activeElement)) show();
    } catch {
      // The connection's state says it; the figures of before stay.
    }
  };
  const timer = setInterval(look, LOOK);
  signal.addEventListener('abort', () => clearInterval(timer));
  listen('tick', look, signal);
  addEventListener('resize', () => draw(), { signal });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => draw(), { signal });
}

const skeleton = () => [
  h('div.head', h('div', bone(240, 28), h('p', bone(360)))),
  h(
    'div.tiles',
    [1, 2, 3, 4].map(() => h('div.card.tile', bone(80), bone(140, 24), bone('100%', 40))),
  ),
];

async function load(signal) {
  const options = { signal };
  const [system, health] = await Promise.all([
    get('/v1/system', {}, options),
    get('/healthcheck', {}, options).catch((error) => {
      if (error instanceof Problem) return null;
      throw error;
    }),
  ]);
  return { ...system, health };
}

/** Fills the page; what it gives draws the small charts. */
function fillPage(root, state) {
  const { services, dependencies, history } = state;
  const { heading, text } = verdict(services, dependencies);
  const canvases = [];
  const chart = (first, second) => {
    const canvas = h('canvas', { 'aria-hidden': 'true' });
    canvases.push(() => area(canvas, first, second));
    return canvas;
  };
  const last = (list) => list?.findLast((v) => v !== null) ?? null;
  const perMinute = last(history.predictions) ?? 0;
  const busy = perMinute >= 600;
  const memory =
    last(history.memory) ?? services.reduce((sum, s) => sum + (s.memory_bytes ?? 0), 0);
  const predictor = services.find((s) => s.name === 'predictor');
  const [p50, p99] = [
    last(history.p50_ms) ?? predictor?.p50_ms,
    last(history.p99_ms) ?? predictor?.p99_ms,
  ];
  const [size, unit] = bytes(memory).split(' ');
  const tile = (name, value, rest, ...lists) =>
    h(
      'section.card.tile',
      { 'aria-label': name },
      h('h2', name),
      h('p', h('strong', value), ' ', rest),
      chart(...lists),
    );
  fill(
    root,
    h('div.head', h('div', h('h1', heading), h('p', text)), links(state)),
    h(
      'div.tiles',
      tile(
        'Predictions',
        number(busy ? perMinute / 60 : perMinute, 5),
        busy ? 'a second' : 'a minute',
        history.predictions,
      ),
      tile(
        'Latency',
        p50 === null || p50 === undefined ? '–' : number(p50, 2),
        p99 ? `ms p50 · ${number(p99, 3)} ms p99` : 'ms p50',
        history.p50_ms,
        history.p99_ms,
      ),
      tile(
        state.form === 'distributed' ? 'Kafka lag' : 'Waiting',
        count(last(history.lag) ?? 0),
        'messages',
        history.lag,
      ),
      tile('Memory', size, unit, history.memory),
    ),
    serviceTable(services),
    h(
      'div.columns',
      h('div', busiest(state.health)),
      h('div', dependencyCard(dependencies), about(state)),
    ),
  );
  return () => canvases.forEach((drawOne) => drawOne());
}

/** The worst fact, and what it means for users. */
function verdict(services, dependencies) {
  const down = services.find((s) => s.status === 'down');
  if (down)
    return {
      heading: `${word(down.name)} ${down.up === 0 ? 'does not answer' : 'answers in part only'}`,
      text: `${dot(down.detail)} ${MEANS[down.name] ?? ''}`.trim(),
    };
  const away = dependencies.find((d) => !d.ok);
  if (away)
    return {
      heading: `${word(away.name)} cannot be reached`,
      text: `${away.kind} does not answer. What needs it fails until it is back.`,
    };
  const behind = services.filter((s) => s.status === 'behind');
  if (behind.length) {
    const [one] = behind;
    return {
      heading: `Working, ${behind.length === 1 ? 'one part is' : `${behind.length} parts are`} behind`,
      text: `${one.name}: ${dot(one.detail || `${count(one.lag_messages ?? 0)} messages wait`)} ${MEANS[one.name] ?? ''}`.trim(),
    };
  }
  return { heading: 'Everything works', text: 'All services answer, and none is behind.' };
}

const dot = (text) => (text && !/[.!?]$/.test(text) ? `${text}.` : text);

function links({ admin_url: admin }) {
  if (admin)
    return h(
      'div.actions',
      h(
        'a.button',
        { href: `${admin}/metrics`, rel: 'noreferrer' },
        'Prometheus metrics',
        icon('external'),
      ),
    );
  const command = `curl -sS ${location.hostname}:9090/metrics`;
  return h(
    'div.actions.metrics',
    h('span.hint', 'Prometheus metrics'),
    h('code', command),
    copyButton(command, 'command'),
  );
}

function serviceTable(services) {
  const names = ['Service', 'Running', 'p99', 'Memory', 'CPU', 'Doing'];
  const rows = services.map((s) =>
    h(
      'tr',
      h('td', h('span.dot', { class: s.status, role: 'img', 'aria-label': s.status }), s.name),
      h('td', `${s.up} of ${s.of}`),
      h('td.num', s.p99_ms === null ? '–' : millis(s.p99_ms)),
      h('td.num', s.memory_bytes === null ? '–' : bytes(s.memory_bytes)),
      h(
        'td.num',
        s.cpu_percent === null ? '–' : `${number(s.cpu_percent, s.cpu_percent < 10 ? 1 : 2)} %`,
      ),
      h('td', { class: s.status === 'ok' ? '' : 't-medium' }, doing(s)),
    ),
  );
  return h(
    'div.services',
    card(
      'Services',
      h('span', 'last 5 minutes'),
      h(
        'div.scroll',
        { tabindex: '0', role: 'region', 'aria-label': 'Table of services' },
        h(
          'table',
          h(
            'thead',
            h(
              'tr',
              names.map((n, i) =>
                h('th', { class: i >= 2 && i <= 4 ? 'num' : '', scope: 'col' }, n),
              ),
            ),
          ),
          h('tbody', rows),
        ),
      ),
    ),
  );
}

function doing(s) {
  if (s.status !== 'ok' && s.detail) return s.detail;
  const parts = [
    s.in_flight !== null && `${count(s.in_flight)} in flight`,
    s.lag_messages !== null &&
      `${count(s.lag_messages)} behind${s.lag_s ? `, ${duration(s.lag_s)}` : ''}`,
  ].filter(Boolean);
  return parts.join(' · ');
}

function busiest(health) {
  const all = Object.entries(health?.model_usage ?? {})
    .map(([id, n]) => [id, Number(n)])
    .sort((a, b) => b[1] - a[1])
    .slice(0, 5);
  const most = all[0]?.[1] ?? 1;
  return card(
    'Busiest series',
    h('span', 'predictions, last 5 minutes'),
    all.length === 0
      ? h('p.pad.hint', 'No predictions in the last five minutes.')
      : h(
          'ol.busiest',
          all.map(([id, n]) =>
            h(
              'li',
              h('div.between', bdi(id), h('span', count(n))),
              h('div.meter', h('i', { style: { width: `${(n / most) * 100}%` } })),
            ),
          ),
        ),
  );
}

function dependencyCard(dependencies) {
  const rows = dependencies.map((d) =>
    h(
      'tr',
      h(
        'td',
        h('span.dot', {
          class: d.ok ? 'ok' : 'down',
          role: 'img',
          'aria-label': d.ok ? 'ok' : 'down',
        }),
        word(d.name),
      ),
      h('td', d.kind),
      h('td.num', d.ms === null ? '–' : millis(d.ms)),
    ),
  );
  return card('Dependencies', null, h('table.plain', h('tbody', rows)));
}

function about(state) {
  const rows = [
    ['Version', `${state.version}${state.commit ? `, ${state.commit.slice(0, 7)}` : ''}`],
    ['Running for', duration(state.uptime_s)],
    ['Form', state.form],
    ['Series trained', state.health ? count(state.health.series_trained) : '–'],
    ['HTTP API', h('a', { href: '/docs' }, 'Every call and field')],
  ];
  return h(
    'section.card',
    { 'aria-label': 'About' },
    h(
      'dl.facts',
      rows.map(([name, value]) => [h('dt', name), h('dd', value)]),
    ),
  );
}
