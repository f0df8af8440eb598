// The right side of a series: what was found in it, and how often it may tell of false alarms.

import { path, send } from './api.js';
import { entry, listed } from './episodes.js';
import { at, count, duration, number, span, toMs, unitOf } from './format.js';
import { bdi, button, card, fill, h, popover, segmented, toast } from './ui.js';
import { review, reviewed } from './review.js';

/** The list of anomalies, open ones first: `node`, and `mark(episode)` that lights one. */
export function anomaliesCard(anomalies, { step, light, choose, changed }) {
  const told = anomalies.filter((a) => a.kind !== 'level');
  const sorted = told.toSorted(
    (a, b) =>
      (b.status === 'open') - (a.status === 'open') || (b.began ?? b.start) - (a.began ?? a.start),
  );
  const rows = new Map();
  const items = sorted.map((anomaly) => {
    const began = anomaly.began ?? anomaly.start;
    const unit = unitOf(began);
    const open = anomaly.status === 'open';
    const row = entry(anomaly, {
      when: `${open ? 'Open since ' : ''}${at(began, unit)}`,
      length: length(anomaly, unit, open, step),
      open,
      light,
      choose,
    });
    rows.set(began, row);
    return h(
      'li',
      row,
      anomaly.held_back && h('p.hint.held', HELD[anomaly.held_back]),
      reviewed(anomaly, { changed, words: open }),
    );
  });
  const since = sorted.length ? Math.min(...sorted.map((a) => a.began ?? a.start)) : null;
  const aside =
    since !== null && unitOf(since)
      ? `${count(sorted.length)} in ${duration(Date.now() / 1000 - toMs(since, unitOf(since)) / 1000)}`
      : count(sorted.length);
  const node = card(
    'Incidents',
    h('span', sorted.length ? aside : ''),
    sorted.length
      ? listed(items, (key, i) => {
          const verdict = { c: 'confirmed', d: 'dismissed' }[key];
          if (verdict && sorted[i]?.feedback !== undefined) review(sorted[i], verdict, changed);
        })
      : h(
          'div.empty',
          h('h2', 'All of it looks normal'),
          h('p', 'Nothing unusual was found in this series.'),
        ),
  );
  return {
    node,
    mark: (episode) => {
      for (const [id, row] of rows) row.classList.toggle('lit', id === episode?.began);
    },
  };
}

/** Why nobody was told of an anomaly. */
const HELD = {
  dismissed: 'Nobody was told: it is no stronger than one that was dismissed.',
  budget: 'Nobody was told: more than you asked for.',
};

function length(anomaly, unit, open, step) {
  const began = anomaly.began ?? anomaly.start;
  if (open && unit) return duration(Math.max(0, Date.now() - toMs(began, unit)) / 1000);
  return span(Math.max(0, anomaly.end - began) + step, unit);
}

const BUDGETS = [
  ['1 day', 'one a day'],
  ['3 week', 'three a week'],
  ['1 week', 'one a week'],
  ['1 month', 'one a month'],
];

/** How many people are told of, against how many they asked for; and what counts. `done` gets the new stream. */
export function falseAlarmsCard(id, stream, done) {
  const { options = {}, false_alarms: told } = stream;
  const put = async (change) => {
    try {
      const next = await send('PUT', path`/v1/series/${id}/stream`, { ...options, ...change });
      done(next);
      fill(node, content(next));
      toast('It holds from the next point on.');
    } catch (error) {
      toast(error.message);
    }
  };
  const least = h('input.input.short', {
    id: 'series-least',
    inputmode: 'decimal',
    placeholder: '0',
    value: options.min_deviation ?? '',
    onchange: () => {
      const n = Number(least.value.replace(',', '.'));
      if (Number.isFinite(n) && n >= 0) put({ min_deviation: n });
    },
  });
  const content = () => [
    told && asked(told, put),
    h(
      'div.line',
      h('span', 'Which side'),
      segmented(
        'Which side',
        [
          ['both', 'Both'],
          ['above', 'High'],
          ['below', 'Low'],
        ],
        options.direction ?? 'both',
        (direction) => put({ direction }),
      ),
    ),
    h('div.line', h('label', { for: 'series-least' }, 'Ignore differences under'), least),
  ];
  const node = h('div.pad.stack12', content());
  return card('False alarms', null, node);
}

function asked(told, put) {
  const { asked: budget, per_week: perWeek } = told;
  const key = budget ? `${budget.alarms} ${budget.per}` : '';
  const options = [
    ...(key && !BUDGETS.some(([k]) => k === key)
      ? [[key, `${budget.alarms} a ${budget.per}`]]
      : key
        ? []
        : [['', 'as many as there are']]),
    ...BUDGETS,
  ];
  const limit = budget ? budget.alarms * { day: 7, week: 1, month: 7 / 30.44 }[budget.per] : null;
  const most = Math.max(perWeek ?? 0, limit ?? 0) * 1.2 || 1;
  const over = limit !== null && perWeek > limit;
  const select = h(
    'select',
    {
      'aria-label': 'Tell me at most',
      onchange: (e) => {
        const [alarms, per] = e.target.value.split(' ');
        put({ budget: per ? { alarms: Number(alarms), per } : undefined });
      },
    },
    options.map(([k, text]) => h('option', { value: k, selected: k === key }, text)),
  );
  const days = told.since ? (Date.now() - Date.parse(told.since)) / 86_400_000 : null;
  return [
    h('div.line', h('span', 'Tell me at most'), select),
    limit !== null &&
      h(
        'div.meter',
        { class: over ? 'over' : '' },
        h('i', { style: { width: `${((perWeek ?? 0) / most) * 100}%` } }),
        h('b', { style: { left: `${(limit / most) * 100}%` } }),
      ),
    h(
      'div.line',
      h('span', h('strong', `${number(perWeek ?? 0, 2)} a week`), ' so far'),
      limit !== null && h('span.hint', 'asked'),
    ),
    h(
      'p.hint',
      `${count(told.told)} told${days ? ` in ${duration(days * 86_400)}` : ''}, ${count(told.dismissed)} of them dismissed.`,
      told.over_budget > 0 && ` ${count(told.over_budget)} more were kept back.`,
    ),
  ];
}

/** Changes the labels of a stream: `name=value` a line. */
export function labelsForm(anchor, id, stream, done) {
  popover(anchor, 'Labels', (close) => {
    const area = h('textarea.input.lines-input', { id: 'labels', rows: '4', autofocus: true });
    area.value = Object.entries(stream.labels ?? {})
      .map(([k, v]) => `${k}=${v}`)
      .join('\n');
    const fault = h('p.hint.t-high', { role: 'alert' });
    return h(
      'form',
      {
        onsubmit: async (e) => {
          e.preventDefault();
          const labels = Object.fromEntries(
            area.value
              .split('\n')
              .map((line) => line.trim())
              .filter(Boolean)
              .map((line) => {
                const [k, ...v] = line.split('=');
                return [k.trim(), v.join('=').trim()];
              }),
          );
          try {
            await send('PUT', path`/v1/series/${id}/stream`, { ...stream.options, labels });
            close();
            done();
          } catch (error) {
            fault.textContent = error.message;
          }
        },
      },
      h('h2', 'Labels of ', bdi(id)),
      h('div.field', h('label', { for: 'labels' }, 'One a line: name=value'), area),
      fault,
      h(
        'div.actions',
        button('Cancel', { kind: 'ghost', onclick: close }),
        h('button.button.primary', { type: 'submit' }, 'Save'),
      ),
    );
  });
}
