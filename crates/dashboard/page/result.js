// What was found in a file: chart, episodes, and the settings that change them.

import { persist, quoted, send, path, urlOption } from './api.js';
import { SeriesChart } from './chart.js';
import { read } from './csv.js';
import { judged } from './data.js';
import { at, bytes, count, day, duration, number, plural, sentence, span, toMs } from './format.js';
import { Strip } from './strip.js';
import { bdi, button, card, code, fill, h, icon, popover, segmented, select, severityIcon, toast } from './ui.js';
import { legend } from './legend.js';
import { range, remember } from './range.js';

/** The rates of the slider's ten steps, as "1 in so many". */
const STEPS = [100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100];
/** Where the slider stands while the detector keeps its own level. */
const OWN = 5;
/** Milliseconds from a change to the next judgement. */
const SETTLE = 60;

/** Shows `file`: name, points, options. `another` starts over. */
export async function render(root, file, context) {
  const { signal, title, query, another } = context;
  const { options } = file;
  title(file.name);
  const head = h('div.head');
  const failed = h('div');
  const notes = h('div');
  const list = h('div');
  const terminal = h('div');
  const aside = h('span.hint');
  const plot = h('div.chart');
  const strip = h('div.strip-row');
  const names = legend();
  const chart = new SeriesChart(plot, {
    signal, onrange: (to) => { under.follow(); remember(to, file.data); all.hidden = !to; step(); }, onpoint: (episode) => mark(episode), onepisode: (found) => focus(found), ondraw: () => step(),
  });
  const under = new Strip(strip, chart, { signal });
  const all = button('Show all', { kind: 'ghost', small: true, icon: 'undo', hidden: true, onclick: () => chart.zoom(null) });
  const rows = new Map();

  function mark(episode) {
    for (const [own, row] of rows) row.classList.toggle('lit', own === episode);
  }
  function focus(found) {
    const [from, to] = [Math.min(...found.map((e) => e.x0)), Math.max(...found.map((e) => e.x1))];
    const room = Math.max(to - from, file.data.step * 40) * 1.5;
    chart.zoom([from - room, to + room]);
    rows.get(found[0])?.scrollIntoView({ block: 'nearest' });
  }
  function step() {
    const { columns, data } = chart;
    aside.textContent = columns?.kind === 'season' && data?.season ? `Each step is ${span(data.season * data.k, data.unit)}: lowest, mean, highest` : '';
  }

  let running = false;
  let wanted = false;
  /** Judges with the present options. One request at a time; a reply that is no longer wanted is dropped. */
  async function judge() {
    wanted = true;
    if (running) return;
    running = true;
    try {
      while (wanted) {
        wanted = false;
        const { points } = file;
        const begun = performance.now();
        const reply = await persist(() => send('POST', '/v1/detect', body(file), { signal }), { signal, onwait: (error, wait) => fill(failed, busy(error, wait)) });
        if (wanted || signal.aborted) continue;
        file.took = performance.now() - begun;
        file.reply = reply;
        file.data = judged(reply, points);
        fill(failed);
        draw();
      }
    } finally {
      running = false;
    }
  }
  let settling;
  const change = () => {
    clearTimeout(settling);
    settling = setTimeout(() => judge().catch((error) => { if (error.name !== 'AbortError') fill(failed, refusal(error)); }), SETTLE);
  };

  function draw() {
    const { data, reply } = file;
    heading(head, file, { another, change, keep: (anchor) => keep(anchor, file) });
    chart.show(data);
    const wish = range(query, data);
    if (wish && !file.ranged) chart.zoom(wish, { tell: false });
    file.ranged = true;
    under.draw();
    step();
    all.hidden = !chart.range;
    names.update(data);
    fill(notes, remarks(file));
    rows.clear();
    fill(list, episodes(data, rows, { light: (e) => chart.light(e), choose: (e) => focus([e]) }));
    fill(terminal, sameFromTerminal(file));
    hint.textContent = about(file, reply);
  }

  const { controls, hint } = settings(file, change);
  await judge();
  fill(root, head, failed, controls, h('div.columns',
    h('div', h('section.card', { 'aria-label': 'Chart' }, h('header', names.node, h('div.actions', aside, all)), plot, strip), notes),
    h('div', list, terminal)));
  draw();
}

/** Points under which a share of them is too few to learn from: then three are learned from. */
const FEW = 20;

/** The body of the request for `file` with its options. */
function body({ points, options }) {
  return {
    form: 'columns', timestamps: points.timestamps, values: points.values, ...(points.values.length < FEW && { train: 3 }),
    ...(options.step !== undefined && { false_alarm_rate: 1 / STEPS[options.step] }), ...(options.direction && { direction: options.direction }), ...(options.least > 0 && { min_deviation: options.least }),
    ...(options.detector && options.detector !== 'auto' && { detector: options.detector }),
  };
}

const busy = (error, wait) => h('div.notice', icon('warning'), h('p', error.status ? `The server is busy, trying again in ${wait} s.` : `${error.message} Trying again in ${wait} s.`));
const refusal = (error) => h('div.notice.error', { role: 'alert' }, icon('warning'), h('div', h('p', h('strong', 'This cannot be judged.'), ' ', error.message)));

function heading(head, file, { another, change, keep }) {
  const { points, data, reply, took } = file;
  const judgedPoints = data.x.length - reply.train;
  const choose = (role) => select(role === 'time' ? 'Column of times' : 'Column of values', points.columns.map((c, i) => [String(i), c.name]), String(points[role] ?? ''), (value) => {
    try {
      file.points = read(file.text, { time: points.time, value: points.value, [role]: Number(value) });
      file.ranged = true;
      change();
    } catch (error) {
      toast(error.message);
    }
  }, { class: 'bare' });
  const { unit } = data;
  const ends = unit ? `${day(toMs(data.timestamps[0], unit))} to ${day(toMs(data.timestamps.at(-1), unit))}` : `${number(data.timestamps[0], 12)} to ${number(data.timestamps.at(-1), 12)}`;
  const every = data.step ? `, every ${spell(data.step * data.k, unit)}` : '';
  const season = data.season ? `, season of ${span(data.season * data.k, unit)}` : '';
  fill(head, h('div', h('nav.crumbs', { 'aria-label': 'File' }, h('a', { href: '#/file', onclick: (e) => { e.preventDefault(); another(); } }, 'Try a file'), icon('chevron'), bdi(file.name),
    points.time !== undefined && [h('span', 'times'), choose('time')], h('span', 'values'), choose('value')),
  h('h1.big', data.episodes.length ? `${plural(data.episodes.length, 'episode')} in ${plural(judgedPoints, 'judged point')}` : `Nothing unusual in ${plural(judgedPoints, 'judged point')}`),
  h('p', `Learned from the first ${plural(reply.train, 'point')}, then judged the rest one by one, in ${took < 1000 ? `${Math.round(took)} ms` : `${number(took / 1000, 2)} s`}. ${ends}${every}${season}.`)),
  h('div.actions', button('Another file', { onclick: another }), button('Keep as a series', { kind: 'primary', onclick: (e) => keep(e.currentTarget) })));
}

const spell = (length, unit) => span(length, unit).replace(/^60 min$/, 'hour').replace(/^24 h$/, 'day').replace(/^60 s$/, 'minute').replace(/^1 s$/, 'second');

function settings(file, change) {
  const { options } = file;
  const value = h('strong');
  const hint = h('p.hint');
  const reset = button('Reset', { kind: 'ghost', small: true, onclick: () => { delete options.step; show(); change(); } });
  const slider = h('input', { type: 'range', min: '0', max: '9', step: '1', id: 'rate', value: String(options.step ?? OWN), oninput: () => { options.step = Number(slider.value); show(); change(); } });
  function show() {
    const step = options.step ?? OWN;
    slider.value = String(step);
    slider.style.setProperty('--filled', `${(step / 9) * 100}%`);
    value.textContent = options.step === undefined ? 'The detector\u2019s own level' : `1 in ${count(STEPS[step])} normal points`;
    slider.setAttribute('aria-valuetext', value.textContent);
    reset.hidden = options.step === undefined;
  }
  show();
  const least = h('input.input', {
    id: 'least', inputmode: 'decimal', placeholder: '0', value: options.least ?? '',
    oninput: () => { const n = Number(least.value.replace(',', '.')); const ok = Number.isFinite(n) && n >= 0; least.setAttribute('aria-invalid', String(!ok)); if (ok) { options.least = n; change(); } },
  });
  const detectors = ['auto', 'sigma', 'robust', 'seasonal', 'ewma'];
  const controls = h('section.card.controls', { 'aria-label': 'Settings' },
    h('div.field', h('div.between', h('label', { for: 'rate' }, 'Alarms on normal points'), h('span', value, reset)), slider, hint),
    h('div.field', h('span.label', 'Which side'), segmented('Which side', [['both', 'Both'], ['above', 'Too high'], ['below', 'Too low']], options.direction ?? 'both', (side) => { options.direction = side; change(); })),
    h('div.field', h('label', { for: 'least' }, 'Ignore differences under'), least),
    h('div.field', h('span.label', 'Detector'), select('Detector', detectors.map((d) => [d, d]), options.detector ?? 'auto', (name) => { options.detector = name; change(); })));
  return { controls, hint };
}

/** How many false alarms a rate makes of normal points. */
function about({ options, data }, reply) {
  if (options.step === undefined) return 'Left for fewer alarms, right for more.';
  const judgedPoints = data.x.length - reply.train;
  const alarms = judgedPoints / STEPS[options.step];
  const round = alarms < 1 ? 'Less than one false alarm' : `About ${plural(Math.round(alarms), 'false alarm')}`;
  const length = data.x.at(-1) - data.x[0];
  const each = data.unit ? `: one every ${duration(length / alarms)}` : '';
  return `${round} in this file${each}.`;
}

function remarks({ data, reply, points }) {
  const { unit } = data;
  const lines = [];
  for (const change of data.changePoints.slice(0, 4)) lines.push(['level', `The level moved from ${number(change.from, 4)} to ${number(change.to, 4)} on ${at(change.timestamp, unit, { year: true })}.`]);
  if (data.changePoints.length > 4) lines.push(['level', `It moved ${data.changePoints.length - 4} more times.`]);
  for (const warning of reply.warnings ?? []) lines.push([/gap/.test(warning) ? 'gap' : 'warning', sentence(/[.!?]$/.test(warning) ? warning : `${warning}.`, { drop: false })]);
  if (points.skipped) lines.push(['rows', `${plural(points.skipped, 'row')} ${points.skipped === 1 ? 'was' : 'were'} left out, the first on line ${count(points.firstBad)}.`]);
  if (points.time === undefined) lines.push(['rows', 'There is no column of times: rows are counted.']);
  if (points.decimal === ',') lines.push(['rows', 'Commas were read as decimal commas.']);
  return lines.length > 0 && h('ul.card.notes', lines.map(([symbol, text]) => h('li', icon(symbol), h('span', text))));
}

function episodes(data, rows, { light, choose }) {
  const { episodes: all, unit } = data;
  if (all.length === 0) {
    return card('No episodes', h('span', 'by time'), h('div.empty', h('h2', 'All of it looks normal'), h('p', 'Move the slider to the right to see what comes closest to an alarm.')));
  }
  return card('Episodes', h('span', 'by time'), h('ol.episodes', all.map((episode) => {
    const began = episode.began ?? episode.start;
    const row = h('button.episode', {
      type: 'button', onclick: () => choose(episode), onpointerenter: () => light(episode), onpointerleave: () => light(null), onfocus: () => light(episode), onblur: () => light(null),
    }, severityIcon(episode.severity, { label: true }), h('span', h('span.between', h('strong', at(began, unit, { year: true })), h('span.hint', span(episode.end - began + (data.step * data.k || 0), unit))), bdi(sentence(episode.reason))));
    rows.set(episode, row);
    return h('li', row);
  })));
}

function sameFromTerminal(file) {
  const { options, points } = file;
  const column = (role) => points.columns[points[role]]?.name;
  const command = [
    'anomaly detect', quoted(file.fileName), points.header && points.time !== undefined && `--time-column ${quoted(column('time'))}`, points.header && `--value-column ${quoted(column('value'))}`,
    points.skipped > 0 && '--skip-bad', options.step !== undefined && `--false-alarm-rate ${1 / STEPS[options.step]}`, options.direction && options.direction !== 'both' && `--direction ${options.direction}`,
    options.least > 0 && `--min-deviation ${options.least}`, options.detector && options.detector !== 'auto' && `--detector ${options.detector}`, '--plot judged.png',
  ].filter(Boolean).join(' ') + urlOption();
  const save = file.example && h('p', 'This file was made in your browser. ', button(`Save ${file.fileName} (${bytes(file.text.length)})`, { kind: 'link', onclick: () => download(file.fileName, file.text) }));
  return card('The same from a terminal', null, h('div.pad', code(command), save));
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function keep(anchor, file) {
  const { points, options } = file;
  popover(anchor, 'Keep as a series', (close) => {
    const name = h('input.input', { id: 'keep', value: file.name.replaceAll(/[/\p{Cc}]/gu, '_'), required: true, maxlength: '200', autocomplete: 'off', autofocus: true });
    const fault = h('p.hint.t-high', { role: 'alert' });
    const submit = h('button.button.primary', { type: 'submit' }, 'Keep it');
    return h('form', {
      onsubmit: async (e) => {
        e.preventDefault();
        submit.disabled = true;
        try {
          const { least, step, ...rest } = options;
          const fitted = await send('POST', path`/fit/${name.value.trim()}`, { timestamps: points.timestamps, values: points.values, ...(step !== undefined && { false_alarm_rate: 1 / STEPS[step] }), ...rest });
          close();
          toast(`${fitted.series_id} ${fitted.version} is fitted on ${plural(fitted.points_used, 'point')}.`);
          location.hash = path`#/series/${fitted.series_id}`;
        } catch (error) {
          fault.textContent = error.message;
          submit.disabled = false;
        }
      },
    }, h('h2', 'Keep as a series'), h('p.hint', `Fits a model on all ${plural(points.values.length, 'point')} and adds the series to the overview.`),
    h('div.field', h('label', { for: 'keep' }, 'Name'), name), fault, h('div.actions', button('Cancel', { kind: 'ghost', onclick: close }), submit));
  });
}

