// What was found in a file: chart, episodes, and the settings that change them.

import { persist, send } from './api.js';
import { SeriesChart } from './chart.js';
import { read } from './csv.js';
import { judged } from './data.js';
import { entry, listed } from './episodes.js';
import { at, count, day, number, plural, sentence, span, toMs } from './format.js';
import { keep, sameFromTerminal } from './keep.js';
import { Strip } from './strip.js';
import { legend } from './legend.js';
import { range, remember } from './range.js';
import { about, body, settings } from './settings.js';
import { bdi, button, card, fill, h, icon, select, toast } from './ui.js';

/** Milliseconds from a change to the next judgement. */
const SETTLE = 60;

/** Shows `file`: name, points, options. `another` starts over. */
export async function render(root, file, context) {
  const { signal, title, query, another } = context;
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
    signal,
    onrange: (to) => {
      under.follow();
      remember(to, file.data);
      all.hidden = !to;
      step();
    },
    onpoint: (episode) => mark(episode),
    onepisode: (found) => focus(found),
    ondraw: () => step(),
  });
  const under = new Strip(strip, chart, { signal });
  const all = button('Show all', {
    kind: 'ghost',
    small: true,
    icon: 'undo',
    hidden: true,
    onclick: () => chart.zoom(null),
  });
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
    aside.textContent =
      columns?.kind === 'season' && data?.season
        ? `Each step is ${span(data.season * data.k, data.unit)}: lowest, mean, highest`
        : '';
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
        const reply = await persist(() => send('POST', '/v1/detect', body(file), { signal }), {
          signal,
          onwait: (error, wait) => fill(failed, busy(error, wait)),
        });
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
    settling = setTimeout(
      () =>
        judge().catch((error) => {
          if (error.name !== 'AbortError') fill(failed, refusal(error));
        }),
      SETTLE,
    );
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
  fill(
    root,
    head,
    failed,
    controls,
    h(
      'div.columns',
      h(
        'div',
        h(
          'section.card',
          { 'aria-label': 'Chart' },
          h('header', names.node, h('div.actions', aside, all)),
          plot,
          strip,
        ),
        notes,
      ),
      h('div', list, terminal),
    ),
  );
  draw();
}

const busy = (error, wait) =>
  h(
    'div.notice',
    icon('warning'),
    h(
      'p',
      error.status
        ? `The server is busy, trying again in ${wait} s.`
        : `${error.message} Trying again in ${wait} s.`,
    ),
  );
const refusal = (error) =>
  h(
    'div.notice.error',
    { role: 'alert' },
    icon('warning'),
    h('div', h('p', h('strong', 'This cannot be judged.'), ' ', error.message)),
  );

function heading(head, file, { another, change, keep }) {
  const { points, data, reply, took } = file;
  const judgedPoints = data.x.length - reply.train;
  const choose = (role) =>
    select(
      role === 'time' ? 'Column of times' : 'Column of values',
      points.columns.map((c, i) => [String(i), c.name]),
      String(points[role] ?? ''),
      (value) => {
        try {
          const choice = { ...file.choice, [role]: Number(value) };
          file.points = read(file.text, choice);
          file.choice = choice;
          file.ranged = true;
          change();
        } catch (error) {
          toast(error.message);
        }
      },
      { class: 'bare' },
    );
  const { unit } = data;
  const ends = unit
    ? `${day(toMs(data.timestamps[0], unit))} to ${day(toMs(data.timestamps.at(-1), unit))}`
    : `${number(data.timestamps[0], 12)} to ${number(data.timestamps.at(-1), 12)}`;
  const every = data.step ? `, every ${spell(data.step * data.k, unit)}` : '';
  const season = data.season ? `, season of ${span(data.season * data.k, unit)}` : '';
  fill(
    head,
    h(
      'div',
      h(
        'nav.crumbs',
        { 'aria-label': 'File' },
        h(
          'a',
          {
            href: '#/file',
            onclick: (e) => {
              e.preventDefault();
              another();
            },
          },
          'Try a file',
        ),
        icon('chevron'),
        bdi(file.name),
        points.time !== undefined && [h('span', 'times'), choose('time')],
        h('span', 'values'),
        choose('value'),
      ),
      h(
        'h1.big',
        data.episodes.length
          ? `${plural(data.episodes.length, 'episode')} in ${plural(judgedPoints, 'judged point')}`
          : `Nothing unusual in ${plural(judgedPoints, 'judged point')}`,
      ),
      h(
        'p',
        `Learned from the first ${plural(reply.train, 'point')}, then judged the rest one by one, in ${took < 1000 ? `${Math.round(took)} ms` : `${number(took / 1000, 2)} s`}. ${ends}${every}${season}.`,
      ),
    ),
    h(
      'div.actions',
      button('Another file', { onclick: another }),
      button('Keep as a series', { kind: 'primary', onclick: (e) => keep(e.currentTarget) }),
    ),
  );
}

const spell = (length, unit) =>
  span(length, unit)
    .replace(/^60 min$/, 'hour')
    .replace(/^24 h$/, 'day')
    .replace(/^60 s$/, 'minute')
    .replace(/^1 s$/, 'second');

function remarks({ data, reply, points }) {
  const { unit } = data;
  const lines = [];
  for (const change of data.changePoints.slice(0, 4))
    lines.push([
      'level',
      `The level moved from ${number(change.from, 4)} to ${number(change.to, 4)} on ${at(change.timestamp, unit, { year: true })}.`,
    ]);
  if (data.changePoints.length > 4)
    lines.push(['level', `It moved ${data.changePoints.length - 4} more times.`]);
  for (const warning of reply.warnings ?? [])
    lines.push([
      /gap/.test(warning) ? 'gap' : 'warning',
      sentence(/[.!?]$/.test(warning) ? warning : `${warning}.`, { drop: false }),
    ]);
  if (points.skipped)
    lines.push([
      'rows',
      `${plural(points.skipped, 'row')} ${points.skipped === 1 ? 'was' : 'were'} left out, the first on line ${count(points.firstBad)}.`,
    ]);
  if (points.time === undefined)
    lines.push(['rows', 'There is no column of times: rows are counted.']);
  if (points.decimal === ',') lines.push(['rows', 'Commas were read as decimal commas.']);
  return (
    lines.length > 0 &&
    h(
      'ul.card.notes',
      lines.map(([symbol, text]) => h('li', icon(symbol), h('span', text))),
    )
  );
}

function episodes(data, rows, { light, choose }) {
  const { episodes: all, unit } = data;
  if (all.length === 0) {
    return card(
      'No episodes',
      h('span', 'by time'),
      h(
        'div.empty',
        h('h2', 'All of it looks normal'),
        h('p', 'Move the slider to the right to see what comes closest to an alarm.'),
      ),
    );
  }
  return card(
    'Episodes',
    h('span', 'by time'),
    listed(
      all.map((episode) => {
        const began = episode.began ?? episode.start;
        const row = entry(episode, {
          when: at(began, unit, { year: true }),
          length: span(episode.end - began + (data.step * data.k || 0), unit),
          light,
          choose,
        });
        rows.set(episode, row);
        return h('li', row);
      }),
    ),
  );
}
