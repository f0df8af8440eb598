// Incidents: what people are told of together. Open ones, and those of the last week, as lanes and as a list.

import { get, path } from './api.js';
import { ago, count, duration, moment, plural, sentence, toMs, unitOf, weight } from './format.js';
import { lanes } from './lanes.js';
import { listen } from './live.js';
import { loaded } from './loading.js';
import { review, reviewed } from './review.js';
import { holds, silence, silencesButton } from './silence.js';
import { bdi, bone, button, empty, fill, h, iconButton, segmented, severityIcon } from './ui.js';

const WEEK = 7 * 86_400_000;
/** Incidents that began within this time of each other stand under one heading. */
const TOGETHER = 40 * 60_000;
/** Pages of a thousand anomalies that are read. */
const PAGES = 3;
/** Milliseconds from a change to its picture, so that many together are one. */
const SOON = 250;

/** Shows the incidents. */
export async function render(root, { signal, query, title }) {
  title('Incidents');
  const view = new Incidents(root, query.get('show') === 'week', signal);
  await loaded(root, {
    signal,
    what: 'The incidents could not be loaded.',
    load: () => view.load(),
    skeleton,
  });
  if (!signal.aborted) view.mount();
}

const skeleton = () => [
  h('div.head', h('div', bone(220, 28), h('p', bone(320))), bone(240, 32)),
  h('div.card.pad', bone('100%', 260)),
  h(
    'div.card.bones',
    [1, 2, 3, 4].map(() => h('div', bone(16, 16), bone(160), bone(320), bone(120))),
  ),
];

class Incidents {
  constructor(root, week, signal) {
    Object.assign(this, { root, week, signal, incidents: [], silences: [], changed: 0 });
  }

  async load() {
    const since = new Date(Date.now() - WEEK).toISOString();
    const [recent, open, { silences }] = await Promise.all([
      this.all({ since }),
      this.all({ status: 'open' }),
      get('/v1/silences', {}, { signal: this.signal }),
    ]);
    const anomalies = new Map([...recent, ...open].map((a) => [a.anomaly_id, a]));
    this.incidents = together([...anomalies.values()]);
    this.silences = silences.filter(holds);
  }

  async all(query) {
    const found = [];
    let after;
    for (let page = 0; page < PAGES; page += 1) {
      const reply = await get(
        '/v1/anomalies',
        { ...query, limit: 1000, after },
        { signal: this.signal },
      );
      found.push(...reply.anomalies);
      after = reply.next;
      if (!after) break;
    }
    return found;
  }

  get open() {
    return this.incidents.filter((one) => one.open);
  }

  mount() {
    const { signal } = this;
    this.header = h('div.head');
    this.picture = h('div');
    this.list = h('div');
    this.again = button('', {
      kind: 'ghost',
      small: true,
      hidden: true,
      onclick: () => this.refresh(true),
    });
    fill(this.root, this.header, this.picture, h('div.right', this.again), this.list);
    this.draw();
    listen('anomaly', () => this.refresh(), signal);
    listen('tick', () => this.refresh(), signal);
    this.list.addEventListener('pointerleave', () => {
      if (this.changed) this.refresh();
    });
    addEventListener('keydown', (e) => this.key(e), { signal });
    const timer = setInterval(() => {
      if (this.calm) this.draw();
    }, 30_000);
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      this.lanes?.stop();
    });
  }

  /** Whether nobody points at what may move, and nothing in it has the focus. */
  get calm() {
    const still = (node) => !node.matches(':hover') && !node.contains(document.activeElement);
    return still(this.list) && still(this.header) && !document.querySelector('.popover');
  }

  /** Something has changed: it is shown while nobody points at the list, else counted. */
  refresh(anyway = false) {
    clearTimeout(this.soon);
    this.soon = setTimeout(async () => {
      try {
        await this.load();
      } catch {
        // The connection's state says it; what was shown stays.
        return;
      }
      if (!anyway && !this.calm) {
        this.changed += 1;
        this.again.textContent = `${plural(this.changed, 'change')} · show`;
        this.again.hidden = false;
        return;
      }
      this.changed = 0;
      this.again.hidden = true;
      this.draw();
    }, SOON);
  }

  draw() {
    const { open, incidents } = this;
    const series = new Set(incidents.flatMap((one) => one.series));
    const said = incidents.flatMap((one) => one.anomalies).filter((a) => a.feedback?.verdict);
    const confirmed = said.filter((a) => a.feedback.verdict === 'confirmed').length;
    const last = Math.max(...incidents.map((one) => one.end), 0);
    const heading = open.length ? plural(open.length, 'open incident') : 'No open incidents';
    const verdicts =
      said.length === 1
        ? ` The one that was reviewed was ${said[0].feedback.verdict}.`
        : ` ${count(confirmed)} of ${count(said.length)} reviewed ones were confirmed.`;
    const week = `${count(incidents.length)} in the last 7 days, in ${plural(series.size, 'series', 'series')}.`;
    const text = incidents.length
      ? week + (said.length ? verdicts : '')
      : 'None in the last 7 days.';
    const choose = (to) => {
      this.week = to === 'week';
      history.replaceState({ own: true }, '', `#/incidents${this.week ? '?show=week' : ''}`);
      this.draw();
    };
    fill(
      this.header,
      h('div', h('h1', heading), h('p', text)),
      h(
        'div.actions',
        segmented(
          'Show',
          [
            ['open', 'Open'],
            ['week', 'Last 7 days'],
          ],
          this.week ? 'week' : 'open',
          choose,
        ),
        silencesButton(this.silences.length, () => this.refresh(true)),
      ),
    );
    this.lanes?.stop();
    this.lanes = incidents.length ? lanes(incidents) : null;
    fill(this.picture, this.lanes?.node);
    const shown = this.week ? incidents : open;
    fill(
      this.list,
      shown.length
        ? h(
            'section.card.incidents',
            { 'aria-label': 'Incidents' },
            groups(shown).map((group) => this.group(group)),
          )
        : h(
            'div.card',
            empty(
              'No open incidents',
              `All series look normal.${last ? ` The last incident ended ${ago(last)}.` : ''}`,
              incidents.length > 0 &&
                button('Show the last 7 days', { onclick: () => choose('week') }),
            ),
          ),
    );
  }

  group(group) {
    if (group.length === 1) return h('ul', this.row(group[0]));
    const series = [...new Set(group.flatMap((one) => one.series))];
    const still = group.some((one) => one.open);
    return h(
      'div.together',
      h(
        'div.heading',
        h('h2', `${plural(series.length, 'series', 'series')} within 40 minutes`),
        h('span', `· ${moment(floor(group[0].began))}${still ? ', still open' : ''}`),
        button('Silence all', {
          kind: 'ghost',
          small: true,
          icon: 'mute',
          onclick: (e) => silence(e.currentTarget, series, () => this.refresh(true)),
        }),
      ),
      h(
        'ul',
        group.map((one) => this.row(one)),
      ),
    );
  }

  row(one) {
    const { worst } = one;
    const link = h(
      'a.name',
      { href: path`#/series/${worst.series_id}` },
      bdi(one.series.length > 1 ? `${one.name} (${one.series.length} series)` : worst.series_id),
    );
    link.incident = one;
    return h(
      'li.incident',
      severityIcon(one.severity, { label: true }),
      link,
      h('bdi.reason', sentence(worst.reason)),
      h(
        'span.when',
        one.open && [h(`span.t-${one.severity}`, 'Open'), ' · '],
        moment(floor(one.began)),
      ),
      h('span.length', duration(((one.open ? Date.now() : one.end) - one.began) / 1000)),
      h(
        'span.does',
        reviewed(worst, { changed: () => this.draw() }),
        iconButton('mute', `Silence ${one.name}`, {
          onclick: (e) => silence(e.currentTarget, one.series, () => this.refresh(true)),
        }),
      ),
    );
  }

  key(e) {
    if (
      e.defaultPrevented ||
      e.ctrlKey ||
      e.metaKey ||
      e.altKey ||
      /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) ||
      document.querySelector('.popover')
    )
      return;
    if (localStorage.getItem('shortcuts') === 'off' && e.key.length === 1) return;
    const all = [...this.list.querySelectorAll('a.name')];
    const at = all.findIndex((node) => node.closest('li').contains(document.activeElement));
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
    if (by && (at >= 0 || e.key.length === 1)) {
      e.preventDefault();
      all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
    }
    const verdict = { c: 'confirmed', d: 'dismissed' }[e.key];
    if (verdict && at >= 0 && all[at].incident.worst.feedback !== undefined) {
      e.preventDefault();
      review(all[at].incident.worst, verdict, () => this.draw());
    }
  }
}

const floor = (ms) => Math.floor(ms / 60_000) * 60_000;

/** Milliseconds since 1970 of a time of an anomaly: the time of the point, or when it was found. */
function time(timestamp, found) {
  const unit = unitOf(timestamp);
  return unit ? toMs(timestamp, unit) : Date.parse(found);
}

/** Incidents of the anomalies that people are told of, the latest first. */
function together(anomalies) {
  const groups = Map.groupBy(
    anomalies.filter((a) => a.incident_id && a.kind !== 'level'),
    (a) => a.incident_id,
  );
  const all = [...groups].map(([id, list]) => {
    const worst = list.reduce((a, b) =>
      ((b.status === 'open') - (a.status === 'open') ||
        weight(b.severity) - weight(a.severity) ||
        b.ratio - a.ratio) > 0
        ? b
        : a,
    );
    const series = [...new Set(list.map((a) => a.series_id))];
    return {
      id,
      anomalies: list,
      worst,
      series,
      name: series.length > 1 ? `${series[0]} and others` : series[0],
      severity: worst.severity,
      open: list.some((a) => a.status === 'open'),
      began: Math.min(...list.map((a) => time(a.began ?? a.start, a.opened_at))),
      end: Math.max(...list.map((a) => time(a.end, a.closed_at ?? a.opened_at))),
    };
  });
  return all
    .filter((one) => one.open || one.end >= Date.now() - WEEK)
    .sort((a, b) => b.began - a.began);
}

/** Incidents that began within 40 minutes of the one before, together. */
function groups(incidents) {
  const out = [];
  for (const one of incidents) {
    const last = out.at(-1);
    if (last && last.at(-1).began - one.began <= TOGETHER && last[0].began - one.began <= TOGETHER)
      last.push(one);
    else out.push([one]);
  }
  return out;
}
