// One series: its chart, what was found in it, its models, and what to do about it.

import { curl, get, path, persist, Problem, send } from './api.js';
import { SeriesChart } from './chart.js';
import { kept } from './data.js';
import { count, day, number, perSecond, roughly, span, title as word, toMs, unitOf } from './format.js';
import { legend } from './legend.js';
import { listen, watch } from './live.js';
import { judgeCard, Models } from './models.js';
import { range, remember } from './range.js';
import { anomaliesCard, falseAlarmsCard, labelsForm } from './series-side.js';
import { silence } from './silence.js';
import { Strip } from './strip.js';
import { bdi, bone, button, card, code, confirmIn, empty, failure, fill, h, icon, patiently, popover, segmented, severityIcon, toast } from './ui.js';

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
  try {
    await patiently(persist(() => view.load(), { signal, onwait: (error, wait, now) => fill(root, failure('The series could not be loaded.', error, now, wait)) }), () => fill(root, crumbs(), h('div.card.pad', bone('100%', 360))));
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  if (signal.aborted) return;
  if (view.known) view.mount(); else nothing(root, id);
}

const crumbs = (...rest) => h('nav.crumbs', { 'aria-label': 'Breadcrumb' }, h('a', { href: '#/' }, 'Series'), icon('chevron'), rest);

function nothing(root, id) {
  fill(root, crumbs(bdi(id)), h('h1.off-screen', 'No such series'), h('div.card', empty(['There is no series called ', bdi(id)], 'It was deleted, or it is spelled otherwise.', h('a.button', { href: '#/' }, 'All series'), h('a.button.primary', { href: '#/file' }, 'Try a file'))));
}

class SeriesView {
  constructor(root, id, query, signal) {
    Object.assign(this, { root, id, query, signal, playing: true, models: null, reply: null, anomalies: [], stream: null, summary: null });
    this.path = (rest = '') => path`/v1/series/${id}` + rest;
  }

  async load() {
    const options = { signal: this.signal };
    // What the series has, before it is asked for: a stream, models, or both. One that has just begun is not listed yet.
    const { series } = await get('/v1/series', { prefix: this.id, limit: 1 }, options);
    const summary = series.find((one) => one.series_id === this.id) ?? { models: 0, stream: 'new' };
    const stream = summary.stream ? await get(this.path('/stream'), {}, options).catch(absent) : null;
    const [points, found] = stream ? await Promise.all([this.points(), get(this.path('/anomalies'), { limit: 200 }, options)]) : [];
    Object.assign(this, { summary, stream, reply: points ?? null, anomalies: found?.anomalies ?? [] });
    if (summary.models > 0) {
      const again = points?.timestamp.length > 2 && !points.bucket ? (anchor) => this.fitAgain(anchor) : null;
      this.models = new Models(this.id, { signal: this.signal, again, changed: () => this.head() });
      await this.models.load();
    }
    this.known = summary.models > 0 || stream;
  }

  points(more = {}) {
    return get(this.path('/points'), { max: MOST, ...more }, { signal: this.signal }).catch(absent);
  }

  get last() { return this.reply?.timestamp.at(-1) ?? this.stream?.last_timestamp ?? this.models?.serving?.last_timestamp ?? null; }

  get open() { return this.anomalies.find((a) => a.status === 'open'); }

  mount() {
    const { signal } = this;
    this.header = h('div.head');
    this.names = legend();
    this.plot = h('div.chart');
    const strip = h('div.strip-row');
    this.side = h('div');
    this.alarms = h('div');
    this.note = h('p.hint.under', { hidden: true });
    this.all = button('Show all', { kind: 'ghost', small: true, icon: 'undo', hidden: true, onclick: () => this.preset('All') });
    this.aside = h('span.hint');
    const chartCard = h('section.card', { 'aria-label': 'Chart' }, h('header', this.names.node, h('div.actions', this.aside, this.all)), this.plot, strip, this.note);
    this.chart = new SeriesChart(this.plot, { signal, onrange: (to) => this.ranged(to), onepisode: (found) => this.focus(found), onpoint: (e) => this.marks?.(e), ondraw: () => this.step() });
    this.strip = new Strip(strip, this.chart, { signal });
    const blank = h('div.card', empty('No points are kept', 'Models judge, and keep no points to look at. Points that are sent to /observe are kept.'));
    this.chartPlace = h('div.stack16');
    const own = [this.models?.models.length ? this.models.node : null, this.models?.serving && judgeCard(this.id, this.last)];
    fill(this.root, this.header, h('div.columns', h('div', this.reply?.timestamp.length ? chartCard : blank, own), h('div', this.side, this.alarms, this.terminal())));
    this.head();
    this.draw();
    const wish = this.chart.data && range(this.query, this.chart.data);
    if (wish) this.chart.zoom(wish); else if (SPANS[this.query.get('last')]) this.preset(this.query.get('last'));
    watch([this.id]);
    listen('point', () => this.look(), signal);
    listen('tick', () => { this.look(); if (this.stream) this.refound().catch(() => {}); }, signal);
    listen('anomaly', (event) => { if ((event.anomaly ?? event).series_id === this.id) this.refound(); }, signal);
    const timer = setInterval(() => this.head(), 30_000);
    signal.addEventListener('abort', () => { clearInterval(timer); clearTimeout(this.looking); watch([]); });
  }

  head() {
    const { stream, reply, models } = this;
    const labels = Object.entries(stream?.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(', ');
    const i = (reply?.timestamp.length ?? 0) - 1;
    const unit = this.last === null ? null : unitOf(this.last);
    const step = stream?.usual_step ?? reply?.step;
    const serving = models?.serving;
    const sentences = [
      i >= 0 && `Last value ${number(reply.value[i], 4)}${reply.expected[i] !== null ? `, expected ${number(reply.expected[i], 4)}` : ''}.`,
      step && `One point every ${span(step, unit)}${serving ? '' : '.'}`,
      serving && `${step ? ', judged' : 'Judged'} by ${serving.version} (${serving.detector}) since ${day(Date.parse(serving.created_at))}.`,
    ].filter(Boolean).join(' ').replaceAll(' , ', ', ');
    const live = button(this.playing ? 'Live' : 'Paused', { kind: 'ghost', icon: this.playing ? 'pause' : 'play', 'aria-pressed': String(!this.playing), onclick: () => { this.playing = !this.playing; this.head(); this.look(); } });
    const choice = this.chart?.range ? this.chosen ?? '' : 'All';
    fill(this.header, h('div', crumbs(bdi(labels || 'no labels')), h('div.title', h('h1', bdi(this.id)), this.state()), h('p', sentences)),
      h('div.actions', stream && live, reply?.timestamp.length > 1 && unit && segmented('Range', [...Object.keys(SPANS), 'All'].map((k) => [k, k]), choice, (k) => this.preset(k)),
        button('Silence', { icon: 'mute', onclick: (e) => silence(e.currentTarget, [this.id]) }), h('button.button', { type: 'button', 'aria-label': 'More', 'aria-haspopup': 'dialog', onclick: (e) => this.menu(e.currentTarget) }, icon('dots'))));
  }

  state() {
    const { open, stream } = this;
    if (open) {
      const since = toMs(open.began ?? open.start, unitOf(open.began ?? open.start));
      return h('span.badge', { class: `b-${open.severity}` }, severityIcon(open.severity), h(`span.t-${open.severity}`, word(open.severity)), h('small', `· open ${roughly((Date.now() - (Number.isFinite(since) && unitOf(open.start) ? since : Date.parse(open.opened_at))) / 1000)}`));
    }
    if (stream?.state === 'learning') return h('span.chip', stream.learning ? `Learning, ${count(stream.learning.points ?? stream.points)} of ${count(stream.learning.of ?? 750)}` : 'Learning');
    return h('span.chip', stream?.state === 'silent' ? 'No data' : 'Normal');
  }

  draw() {
    const { reply } = this;
    if (reply?.timestamp.length) {
      const fits = reply.fits ?? (this.models?.models ?? []).map((m) => ({ version: m.version, timestamp: m.last_timestamp })).filter((fit) => fit.timestamp > reply.timestamp[0] && fit.timestamp <= reply.timestamp.at(-1));
      this.chart.show(kept({ ...reply, fits }, this.anomalies));
      this.strip.draw();
      this.names.update(this.chart.data);
      this.step();
    }
    const counts = this.stream?.counts ?? {};
    const left = [[counts.late, 'late'], [counts.duplicate, 'sent twice'], [counts.conflict, 'with another value for the same time'], [counts.implausible, 'too far ahead']].filter(([n]) => n > 0);
    this.note.hidden = left.length === 0;
    this.note.textContent = `Not learned: ${left.map(([n, why]) => `${count(n)} ${why}`).join(', ')}.`;
    const side = anomaliesCard(this.anomalies, { light: (a) => this.chart.light(a && this.chart.data?.episodes.find((e) => e.anomaly_id === a.anomaly_id)), choose: (a) => this.focus([this.chart.data?.episodes.find((e) => e.anomaly_id === a.anomaly_id)].filter(Boolean)), changed: () => this.refound() });
    this.marks = side.mark;
    fill(this.side, side.node);
    if (this.stream) fill(this.alarms, falseAlarmsCard(this.id, this.stream, (stream) => { this.stream = stream; }));
  }

  step() {
    const { columns, data } = this.chart;
    this.aside.textContent = data?.bucket ? `Each step is ${span(data.bucket, data.unit)}: lowest, mean, highest` : columns?.kind === 'season' && data?.season ? `Each step is ${span(data.season * data.k, data.unit)}: lowest, mean, highest` : '';
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
    this.looking = setTimeout(() => { this.looking = null; this.fetchNew().catch(() => {}); }, LOOK);
  }

  async fetchNew() {
    const { reply } = this;
    if (!reply || reply.bucket) this.reply = (await this.points()) ?? reply;
    else {
      const more = await this.points({ from: reply.timestamp.at(-1) + 1 });
      if (!more?.timestamp.length) return;
      for (const name of ['timestamp', 'value', 'expected', 'lower', 'upper', 'alarms', 'anomalies']) reply[name] = [...reply[name], ...more[name]];
    }
    const end = this.chart.range?.[1] >= this.chart.full?.[1] ? this.chosen : null;
    this.draw();
    this.head();
    if (end && SPANS[end]) this.preset(end);
  }

  async refound() {
    const [found, stream] = await Promise.all([get(this.path('/anomalies'), { limit: 200 }, { signal: this.signal }).catch(absent), get(this.path('/stream'), {}, { signal: this.signal }).catch(absent)]);
    Object.assign(this, { anomalies: found?.anomalies ?? [], stream: stream ?? this.stream });
    this.draw();
    this.head();
  }

  terminal() {
    const show = this.stream ? curl(this.path('/anomalies')) : curl(this.path('/models'));
    const unit = this.last === null ? 's' : unitOf(this.last);
    const now = unit === 's' ? '$(date +%s)' : unit === 'ms' ? '$(date +%s000)' : unit === null ? String((this.last ?? 0) + 1) : `$(date +%s)${'0'.repeat(Math.log10(perSecond(unit)))}`;
    const value = this.reply?.value.at(-1) ?? 22.5;
    return card('The same from a terminal', null, h('div.pad.stack8', code(show, 'command that lists'), code(`${curl(path`/observe/${this.id}`)} -d "{\\"timestamp\\":${now},\\"value\\":${value}}"`, 'command that sends a point')));
  }

  menu(anchor) {
    popover(anchor, `More for ${this.id}`, (close) => {
      const then = (act) => () => { close(); act(); };
      return h('div.menu', this.models?.again && button('Fit again', { onclick: then(() => this.fitAgain(anchor)) }), this.stream && button('Rename labels', { onclick: then(() => labelsForm(anchor, this.id, this.stream, () => this.refound())) }),
        button('Delete', { onclick: then(() => this.remove(anchor)) }));
    });
  }

  remove(anchor) {
    const what = [this.models?.models.length && `${count(this.models.models.length)} models`, this.stream && 'its stream', 'its points and anomalies'].filter(Boolean).join(', ');
    confirmIn(anchor, { title: `Delete ${this.id}`, text: `This removes ${what}. It cannot be undone.`, action: 'Delete' }, async () => {
      try {
        await send('DELETE', this.path());
        toast(`${this.id} is deleted.`);
        location.hash = '#/';
      } catch (error) {
        toast(error.message);
      }
    });
  }

  fitAgain(anchor) {
    const points = this.reply;
    confirmIn(anchor, { title: 'Fit again', text: `Fits a new version on the ${count(points.timestamp.length)} points that are kept.`, action: 'Fit', danger: false }, async () => {
      try {
        const fitted = await send('POST', path`/fit/${this.id}`, { timestamps: points.timestamp, values: points.value });
        toast(`${fitted.version} is fitted on ${count(fitted.points_used)} points.`);
        dispatchEvent(new Event('zone'));
      } catch (error) {
        toast(error.message);
      }
    });
  }
}
