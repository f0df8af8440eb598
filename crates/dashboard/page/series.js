// One series: its chart, what was found in it, its models, and what to do about it.

import { get, path, Problem } from './api.js';
import { SeriesChart } from './chart.js';
import { kept } from './data.js';
import { count, day, number, roughly, span, title as word, toMs, unitOf } from './format.js';
import { legend } from './legend.js';
import { listen, watch } from './live.js';
import { loaded } from './loading.js';
import { judgeCard, Models } from './models.js';
import { range, remember } from './range.js';
import { stateOf } from './rows.js';
import { fitAgain, menu, terminal } from './series-menu.js';
import { anomaliesCard, falseAlarmsCard } from './series-side.js';
import { silence } from './silence.js';
import { Strip } from './strip.js';
import { bdi, bone, button, empty, fill, h, icon, segmented, severityIcon } from './ui.js';

/** The most points that are loaded at once. */
const MOST = 10_000;
const SPANS = { '1h': 3600, '6h': 21_600, '24h': 86_400, '7d': 604_800 };
/** Milliseconds between two looks for new points. */
const LOOK = 1000;

const absent = (error) => {
  if (error instanceof Problem && error.status === 404) return null;
  throw error;
};

/** Shows the series `id`. */
export async function render(root, { id, signal, query, title }) {
  title(id);
  const view = new SeriesView(root, id, query, signal);
  await loaded(root, {
    signal,
    what: 'The series could not be loaded.',
    load: () => view.load(),
    skeleton: () => [crumbs(), h('div.card.pad', bone('100%', 360))],
  });
  if (signal.aborted) return;
  if (view.known) view.mount();
  else nothing(root, id);
}

const crumbs = (...rest) =>
  h(
    'nav.crumbs',
    { 'aria-label': 'Breadcrumb' },
    h('a', { href: '#/' }, 'Series'),
    icon('chevron'),
    rest,
  );

function nothing(root, id) {
  fill(
    root,
    crumbs(bdi(id)),
    h('h1.off-screen', 'No such series'),
    h(
      'div.card',
      empty(
        ['There is no series called ', bdi(id)],
        'It was deleted, or it is spelled otherwise.',
        h('a.button', { href: '#/' }, 'All series'),
        h('a.button.primary', { href: '#/file' }, 'Try a file'),
      ),
    ),
  );
}

class SeriesView {
  constructor(root, id, query, signal) {
    Object.assign(this, {
      root,
      id,
      query,
      signal,
      playing: true,
      models: null,
      reply: null,
      anomalies: [],
      stream: null,
      summary: null,
    });
    this.path = (rest = '') => path`/v1/series/${id}` + rest;
  }

  async load() {
    const options = { signal: this.signal };
    // What the series has, before it is asked for: a stream, models, or both. One that has just begun is not listed yet.
    const { series } = await get('/v1/series', { prefix: this.id, limit: 1 }, options);
    const summary = series.find((one) => one.series_id === this.id) ?? { models: 0, stream: 'new' };
    const stream = summary.stream
      ? await get(this.path('/stream'), {}, options).catch(absent)
      : null;
    const [points, found] = await Promise.all([
      stream || summary.models ? this.points() : null,
      stream && get(this.path('/anomalies'), { limit: 200 }, options),
    ]);
    Object.assign(this, {
      summary,
      stream,
      reply: points,
      anomalies: found?.anomalies ?? points?.anomalies ?? [],
    });
    if (summary.models > 0) {
      const again =
        points?.timestamp.length > 2 && !points.bucket ? (anchor) => fitAgain(anchor, this) : null;
      this.models = new Models(this.id, { signal: this.signal, again, changed: () => this.head() });
      await this.models.load();
    }
    this.known = summary.models > 0 || stream;
  }

  points(more = {}) {
    return get(this.path('/points'), { max: MOST, ...more }, { signal: this.signal }).catch(absent);
  }

  get last() {
    return (
      this.reply?.timestamp.at(-1) ??
      this.stream?.last_timestamp ??
      this.models?.serving?.last_timestamp ??
      null
    );
  }

  get open() {
    return this.anomalies.find((a) => a.status === 'open');
  }

  mount() {
    const { signal } = this;
    this.about = h('div');
    this.names = legend();
    this.plot = h('div.chart');
    const strip = h('div.strip-row');
    this.side = h('div');
    this.alarms = h('div');
    this.note = h('p.hint.under', { hidden: true });
    this.all = button('Show all', {
      kind: 'ghost',
      small: true,
      icon: 'undo',
      hidden: true,
      onclick: () => this.preset('All'),
    });
    this.aside = h('span.hint');
    const chartCard = h(
      'section.card',
      { 'aria-label': 'Chart' },
      h('header', this.names.node, h('div.actions', this.aside, this.all)),
      this.plot,
      strip,
      this.note,
    );
    this.chart = new SeriesChart(this.plot, {
      signal,
      onrange: (to) => this.ranged(to),
      onepisode: (found) => this.focus(found),
      onpoint: (e) => this.marks?.(e),
      ondraw: () => this.step(),
    });
    this.strip = new Strip(strip, this.chart, { signal });
    const blank = h(
      'div.card',
      empty(
        'There are no points to show',
        'The model was imported, or its points are kept no more. Points that are sent to /observe are shown here.',
      ),
    );
    this.chartPlace = h('div.stack16');
    const own = [
      this.models?.models.length ? this.models.node : null,
      this.models?.serving && judgeCard(this.id, this.last),
    ];
    fill(
      this.root,
      h('div.head', this.about, this.bar()),
      h(
        'div.columns',
        h('div', this.reply?.timestamp.length ? chartCard : blank, own),
        h('div', this.side, this.alarms, terminal(this)),
      ),
    );
    this.head();
    this.draw();
    const wish = this.chart.data && range(this.query, this.chart.data);
    if (wish) this.chart.zoom(wish);
    else if (SPANS[this.query.get('last')]) this.preset(this.query.get('last'));
    watch([this.id]);
    listen('point', () => this.look(), signal);
    listen(
      'rows',
      (rows) => {
        this.row = rows.find((row) => row.series_id === this.id) ?? this.row;
        this.head();
      },
      signal,
    );
    listen(
      'tick',
      () => {
        this.look();
        if (this.stream) this.refound().catch(() => {});
      },
      signal,
    );
    listen(
      'anomaly',
      (event) => {
        if ((event.anomaly ?? event).series_id === this.id) this.refound();
      },
      signal,
    );
    const timer = setInterval(() => this.head(), 30_000);
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      clearTimeout(this.looking);
      watch([]);
    });
  }

  head() {
    const { stream, reply, models } = this;
    const labels = Object.entries(stream?.labels ?? {})
      .map(([k, v]) => `${k}=${v}`)
      .join(', ');
    const i = (reply?.timestamp.length ?? 0) - 1;
    const unit = this.last === null ? null : unitOf(this.last);
    const step = reply?.step ?? stream?.usual_step;
    const serving = models?.serving;
    const sentences = [
      i >= 0 &&
        `Last value ${number(reply.value[i], 4)}${reply.expected[i] !== null ? `, expected ${number(reply.expected[i], 4)}` : ''}.`,
      step && `One point every ${span(step, unit)}${serving ? '' : '.'}`,
      serving &&
        `${step ? ', judged' : 'Judged'} by ${serving.version} (${serving.detector}) since ${day(Date.parse(serving.created_at))}.`,
    ]
      .filter(Boolean)
      .join(' ')
      .replaceAll(' , ', ', ');
    fill(
      this.about,
      crumbs(bdi(labels || 'no labels')),
      h('div.title', h('h1', bdi(this.id)), this.state()),
      h('p', sentences),
    );
    const choice = this.chart?.range ? (this.chosen ?? '') : 'All';
    for (const radio of this.actions.querySelectorAll('input'))
      radio.checked = radio.value === choice;
    this.live.setAttribute('aria-pressed', String(!this.playing));
    fill(this.live, icon(this.playing ? 'pause' : 'play'), this.playing ? 'Live' : 'Paused');
  }

  /** What can be done with the series; made once, so that it keeps the focus. */
  bar() {
    const pause = () => {
      this.playing = !this.playing;
      this.head();
      this.look();
    };
    this.live = button('Live', { kind: 'ghost', onclick: pause });
    const choices = [...Object.keys(SPANS), 'All'].map((k) => [k, k]);
    const dated = this.reply?.timestamp.length > 1 && unitOf(this.last);
    this.actions = h(
      'div.actions',
      this.stream && this.live,
      dated && segmented('Range', choices, 'All', (k) => this.preset(k)),
      button('Silence', { icon: 'mute', onclick: (e) => silence(e.currentTarget, [this.id]) }),
      h(
        'button.button',
        {
          type: 'button',
          'aria-label': 'More',
          'aria-haspopup': 'dialog',
          onclick: (e) => menu(e.currentTarget, this),
        },
        icon('dots'),
      ),
    );
    return this.actions;
  }

  state() {
    const { open, row } = this;
    if (open) {
      const since = toMs(open.began ?? open.start, unitOf(open.began ?? open.start));
      return h(
        'span.badge',
        { class: `b-${open.severity}` },
        severityIcon(open.severity),
        h(`span.t-${open.severity}`, word(open.severity)),
        h(
          'small',
          `· open ${roughly((Date.now() - (Number.isFinite(since) && unitOf(open.start) ? since : Date.parse(open.opened_at))) / 1000)}`,
        ),
      );
    }
    return h('span.chip', row ? stateOf(row) : 'Normal');
  }

  draw() {
    const { reply } = this;
    if (reply?.timestamp.length) {
      this.chart.show(kept(reply, this.anomalies));
      this.strip.draw();
      this.names.update(this.chart.data);
      this.step();
    }
    const counts = this.stream?.counts ?? {};
    const left = [
      [counts.late, 'late'],
      [counts.duplicate, 'sent twice'],
      [counts.conflict, 'with another value for the same time'],
      [counts.implausible, 'too far ahead'],
    ].filter(([n]) => n > 0);
    this.note.hidden = left.length === 0;
    this.note.textContent = `Not learned: ${left.map(([n, why]) => `${count(n)} ${why}`).join(', ')}.`;
    const side = anomaliesCard(this.anomalies, {
      step: reply?.step ?? 0,
      light: (a) => this.chart.light(a && this.shown(a)),
      choose: (a) => this.focus([this.shown(a)].filter(Boolean)),
      changed: () => this.refound(),
    });
    this.marks = side.mark;
    fill(this.side, side.node);
    if (this.stream)
      fill(
        this.alarms,
        falseAlarmsCard(this.id, this.stream, (stream) => {
          this.stream = stream;
        }),
      );
  }

  /** The episode of an anomaly in the chart. */
  shown(anomaly) {
    return this.chart.data?.episodes.find(
      (e) => e.began === anomaly.began && e.kind === anomaly.kind,
    );
  }

  step() {
    const { columns, data } = this.chart;
    this.aside.textContent = data?.bucket
      ? `Each step is ${span(data.bucket, data.unit)}: lowest, mean, highest`
      : columns?.kind === 'season' && data?.season
        ? `Each step is ${span(data.season * data.k, data.unit)}: lowest, mean, highest`
        : '';
  }

  ranged(to) {
    this.strip.follow();
    this.all.hidden = !to;
    if (!this.presetting) this.chosen = '';
    remember(to, this.chart.data);
    this.head();
  }

  preset(name) {
    if (!this.chart.data) return;
    this.chosen = name;
    this.presetting = true;
    const end = this.chart.full[1];
    this.chart.zoom(SPANS[name] ? [end - SPANS[name], end] : null);
    this.presetting = false;
  }

  focus(found) {
    if (found.length === 0) return;
    const [from, to] = [Math.min(...found.map((e) => e.x0)), Math.max(...found.map((e) => e.x1))];
    const room = Math.max(to - from, this.chart.data.step * 40) * 1.5;
    this.chart.zoom([from - room, to + room]);
  }

  /** Looks for points that have come since, at most once a second. */
  look() {
    if (this.looking || !this.playing || !this.stream) return;
    this.looking = setTimeout(() => {
      this.looking = null;
      this.fetchNew().catch(() => {});
    }, LOOK);
  }

  async fetchNew() {
    const { reply } = this;
    if (!reply || reply.bucket) this.reply = (await this.points()) ?? reply;
    else {
      const more = await this.points({ from: reply.timestamp.at(-1) + 1 });
      if (!more?.timestamp.length) return;
      for (const name of [
        'timestamp',
        'value',
        'expected',
        'lower',
        'upper',
        'alarms',
        'change_points',
        'fits',
      ])
        reply[name] = [...reply[name], ...more[name]];
    }
    const end = this.chart.range?.[1] >= this.chart.full?.[1] ? this.chosen : null;
    this.draw();
    this.head();
    if (end && SPANS[end]) this.preset(end);
  }

  async refound() {
    const [found, stream] = await Promise.all([
      get(this.path('/anomalies'), { limit: 200 }, { signal: this.signal }).catch(absent),
      get(this.path('/stream'), {}, { signal: this.signal }).catch(absent),
    ]);
    Object.assign(this, { anomalies: found?.anomalies ?? [], stream: stream ?? this.stream });
    this.draw();
    this.head();
  }
}
