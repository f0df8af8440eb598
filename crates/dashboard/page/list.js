// The list of all series: those that need attention first.

import { get, path } from './api.js';
import { alarms } from './alarms.js';
import { at, count, SEVERITIES, title as word } from './format.js';
import { listen, watch } from './live.js';
import { loaded } from './loading.js';
import { cells, skeleton } from './rows.js';
import {
  announce,
  bone,
  button,
  empty,
  failure,
  fill,
  h,
  icon,
  select,
  severityIcon,
} from './ui.js';
import { VirtualList } from './virtual.js';

/** Rows of a page. */
const PAGE = 100;
const GROUPS = ['Open incidents', 'Alarms in the last 24 hours', 'Quiet'];
const TIMES = [
  ['', 'Any time'],
  ['1', 'Last hour'],
  ['6', 'Last 6 hours'],
  ['24', 'Last 24 hours'],
  ['168', 'Last 7 days'],
];
const HOUR = 3_600_000;

/** Shows the list; the start where there is no series yet. */
export async function render(root, context) {
  const { signal, query, title } = context;
  title('Series');
  const list = new SeriesList(root, query, signal);
  await loaded(root, {
    signal,
    what: 'The list could not be loaded.',
    load: () => list.load(),
    skeleton,
  });
  if (signal.aborted) return;
  if (list.total === 0 && !list.filtered) {
    const file = await import('./file.js');
    await file.render(root, context);
    listen(
      'counts',
      (counts) => {
        if (Object.values(counts).some((n) => n > 0))
          dispatchEvent(new HashChangeEvent('hashchange'));
      },
      signal,
    );
    return;
  }
  list.mount();
}

class SeriesList {
  constructor(root, query, signal) {
    Object.assign(this, {
      root,
      signal,
      rows: [],
      next: null,
      loading: null,
      counts: null,
      changed: 0,
      chosen: -1,
    });
    this.filters = {
      q: query.get('q') ?? '',
      severity: new Set((query.get('severity') ?? '').split(',').filter(Boolean)),
      hours: query.get('hours') ?? '',
      from: query.get('from'),
      to: query.get('to'),
    };
  }

  get filtered() {
    const { q, severity, hours, from } = this.filters;
    return Boolean(q || severity.size || hours || from);
  }

  get total() {
    return this.counts ? this.counts.open + this.counts.recent + this.counts.quiet : 0;
  }

  query(more) {
    const { q, severity, hours, from, to } = this.filters;
    const label = /^[^=\s]+=.*/.test(q) ? q : '';
    return {
      q: label ? '' : q,
      label,
      severity: [...severity].join(','),
      limit: PAGE,
      ...more,
      ...(from
        ? { from: from / 1000, to: to / 1000 }
        : hours
          ? { from: Math.floor((Date.now() - hours * HOUR) / 1000) }
          : {}),
    };
  }

  /** Loads the first page. */
  async load() {
    const reply = await get('/v1/overview', this.query(), { signal: this.signal });
    Object.assign(this, { rows: reply.rows, next: reply.next, counts: reply.counts, changed: 0 });
  }

  /** Loads pages until row `last` is there. */
  async reach(last) {
    if (this.loading || !this.next || last < this.rows.length) return;
    this.loading = get(
      '/v1/overview',
      this.query({
        after: this.next,
        limit: Math.min(1000, Math.max(PAGE, last - this.rows.length + PAGE)),
      }),
      { signal: this.signal },
    );
    try {
      const reply = await this.loading;
      const known = new Set(this.rows.map((row) => row.series_id));
      this.rows.push(...reply.rows.filter((row) => !known.has(row.series_id)));
      this.next = reply.next;
    } catch {
      // It is asked for again when the list is scrolled.
    } finally {
      this.loading = null;
    }
    this.show();
  }

  mount() {
    const { signal } = this;
    this.list = new VirtualList({
      label: 'Series',
      need: (last) => {
        this.reach(this.ranks?.[last] ?? this.rows.length + last - this.list.items.length + 1);
        this.watched();
      },
    });
    signal.addEventListener('abort', () => this.list.sizes.disconnect());
    this.figures = h('div.figures');
    this.tally = h('span.hint');
    this.again = button('', {
      kind: 'ghost',
      small: true,
      hidden: true,
      onclick: () => this.refresh(true),
    });
    this.none = h('div', { hidden: true });
    const head = h(
      'div.row.heads',
      { 'aria-hidden': 'true' },
      [
        '',
        'Series',
        'Last 24 hours',
        'Last value',
        'Expected',
        'State',
        'Last alarm',
        'Model',
        'Points/min',
      ].map((name, i) => h(`span.c${i}`, name)),
    );
    this.alarms = alarms({
      signal,
      picked: () => this.filters,
      pick: (from, to) => {
        Object.assign(this.filters, { from, to, hours: '' });
        this.filter();
      },
    });
    fill(
      this.root,
      h('h1.off-screen', 'Series'),
      h('section.card.overview', { 'aria-label': 'Overview' }, this.figures, this.alarms.node),
      this.filterRow(),
      h('section.card.table', { 'aria-label': 'All series' }, head, this.list.node, this.none),
    );
    this.show();
    this.alarms.load();
    listen('rows', (rows) => this.update(rows), signal);
    listen('anomaly', () => this.reorder(), signal);
    listen(
      'counts',
      (counts) => {
        this.counts = { ...this.counts, ...counts };
        this.numbers();
      },
      signal,
    );
    listen('tick', () => this.refresh(), signal);
    this.list.node.addEventListener('pointerleave', () => {
      if (this.changed) this.refresh();
    });
    addEventListener('keydown', (e) => this.key(e), { signal });
    const timer = setInterval(() => this.show(), 30_000);
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      watch([]);
    });
    dispatchEvent(new Event('search-ready'));
  }

  filterRow() {
    const { filters } = this;
    let typing;
    const search = h('input', {
      type: 'search',
      placeholder: 'Search by name or label, e.g. team=core',
      'aria-label': 'Search by name or label',
      value: filters.q,
      oninput: () => {
        clearTimeout(typing);
        typing = setTimeout(() => {
          filters.q = search.value.trim();
          this.filter();
        }, 150);
      },
    });
    this.search = search;
    this.time = select(
      'Time of the last alarm',
      [...TIMES, ['picked', 'Picked below']].slice(0, filters.from ? 6 : 5),
      filters.from ? 'picked' : filters.hours,
      (value) => {
        if (value !== 'picked') Object.assign(filters, { hours: value, from: null, to: null });
        this.filter();
      },
    );
    const severities = SEVERITIES.toReversed().map((severity) =>
      h(
        'button.button.ghost.toggle',
        {
          type: 'button',
          'aria-pressed': String(filters.severity.has(severity)),
          onclick: (e) => {
            if (!filters.severity.delete(severity)) filters.severity.add(severity);
            e.currentTarget.setAttribute('aria-pressed', String(filters.severity.has(severity)));
            this.filter();
          },
        },
        severityIcon(severity),
        word(severity),
      ),
    );
    return h(
      'div.filters',
      { role: 'search' },
      h('div.search', icon('search'), search, h('kbd', { 'aria-hidden': 'true' }, '/')),
      this.time,
      h('div.toggles', { role: 'group', 'aria-label': 'Severity' }, severities),
      h('span.grow'),
      this.again,
      this.tally,
    );
  }

  /** Loads what the filters leave, and writes them into the address. */
  async filter() {
    const { q, severity, hours, from, to } = this.filters;
    const next = new URLSearchParams(
      Object.entries({
        q,
        severity: [...severity].join(','),
        hours,
        from: from ?? '',
        to: to ?? '',
      }).filter(([, v]) => v),
    );
    history.replaceState({ own: true }, '', `#/${next.size ? `?${next}` : ''}`);
    if (this.time.options.length > 5 && !from) {
      this.time.remove(5);
      this.time.value = hours;
    }
    if (from && this.time.options.length === 5) {
      this.time.append(
        h('option', { value: 'picked' }, `${at(from / 1000, 's')} to ${at(to / 1000, 's')}`),
      );
    }
    if (from) this.time.value = 'picked';
    this.alarms.draw();
    try {
      await this.load();
      this.list.node.scrollTop = 0;
      this.show();
      announce(`${count(this.rows.length)}${this.next ? ' or more' : ''} series.`);
    } catch (error) {
      if (error.name !== 'AbortError') this.fault(error);
    }
  }

  fault(error) {
    this.none.hidden = false;
    fill(
      this.none,
      failure('The list could not be loaded.', error, () => this.filter()),
    );
  }

  get calm() {
    return !this.list.node.matches(':hover') && !this.list.node.contains(document.activeElement);
  }

  /** The order has changed: rows move only while nobody points at them. */
  reorder() {
    this.alarms.load();
    if (this.calm) return this.refresh();
    this.changed += 1;
    this.again.textContent = `${this.changed} changed · sort again`;
    this.again.hidden = false;
    return undefined;
  }

  async refresh(anyway = false) {
    if (!anyway && !this.calm) return;
    if (this.refreshing) return;
    this.refreshing = true;
    try {
      const far = this.rows.length;
      const reply = await get(
        '/v1/overview',
        this.query({ limit: Math.min(1000, Math.max(PAGE, far)) }),
        { signal: this.signal },
      );
      Object.assign(this, { rows: reply.rows, next: reply.next, counts: reply.counts, changed: 0 });
      this.again.hidden = true;
      this.show();
      this.alarms.load();
    } catch {
      // The connection's state says it; what was shown stays.
    } finally {
      this.refreshing = false;
    }
  }

  /** Changed rows, in place. */
  update(changed) {
    const list = changed.rows ?? changed;
    let moved = false;
    for (const row of list) {
      const i = this.rows.findIndex((old) => old.series_id === row.series_id);
      if (i < 0) continue;
      moved ||= this.rows[i].state !== row.state || this.rows[i].severity !== row.severity;
      this.rows[i] = { ...this.rows[i], ...row };
    }
    this.show();
    if (moved) this.reorder();
  }

  watched() {
    clearTimeout(this.watching);
    this.watching = setTimeout(
      () =>
        watch(this.list.visible.map((i) => this.rows[this.ranks?.[i]]?.series_id).filter(Boolean)),
      300,
    );
  }

  numbers() {
    const { counts } = this;
    const figures = [
      [counts.open, 'open incidents'],
      [counts.alarms_24h, 'alarms in 24 h'],
      [this.total, 'series'],
      [counts.points_per_minute, 'points a minute'],
    ];
    fill(
      this.figures,
      figures.map(([value, name]) =>
        h('div', h('strong', Number.isFinite(value) ? count(value) : '–'), h('span', name)),
      ),
    );
    this.tally.textContent = this.filtered
      ? `${count(this.rows.length)}${this.next ? '+' : ''} of ${count(this.total)}`
      : `${count(this.total)} series`;
  }

  show() {
    this.numbers();
    const items = [];
    const ranks = [];
    let group = -1;
    const high = innerWidth <= 640 ? 64 : 46;
    this.rows.forEach((row, i) => {
      const own = Math.max(group, groupOf(row));
      if (own !== group) {
        group = own;
        const inside = this.filtered
          ? ''
          : count([this.counts.open, this.counts.recent, this.counts.quiet][own]);
        items.push({
          key: `group ${own}`,
          height: 32,
          make: () => h('div.group'),
          update: (node) => fill(node, h('h2', GROUPS[own]), ' ', inside),
        });
        ranks.push(i);
      }
      items.push({
        key: `row ${row.series_id}`,
        height: high,
        make: () => h('a.row', { href: path`#/series/${row.series_id}` }),
        update: (node) => cells(node, row),
      });
      ranks.push(i);
    });
    const more = this.filtered
      ? this.next
        ? PAGE
        : 0
      : Math.max(0, this.total - this.rows.length);
    for (let i = 0; i < more && this.next; i += 1) {
      items.push({
        key: `bone ${i}`,
        height: high,
        make: () =>
          h(
            'div.row',
            { 'aria-hidden': 'true' },
            h('span'),
            bone(120 + ((i * 37) % 90)),
            bone(200, 20),
          ),
      });
      ranks.push(this.rows.length + i);
    }
    this.ranks = ranks;
    const nothing = this.rows.length === 0;
    this.none.hidden = !nothing;
    this.list.node.hidden = nothing;
    if (nothing)
      fill(
        this.none,
        empty(
          'No series matches',
          'Nothing is called that, and no label is.',
          button('Clear the filters', { onclick: () => this.clear() }),
        ),
      );
    this.list.show(items);
  }

  clear() {
    Object.assign(this.filters, { q: '', hours: '', from: null, to: null });
    this.filters.severity.clear();
    this.root
      .querySelectorAll('.toggle')
      .forEach((node) => node.setAttribute('aria-pressed', 'false'));
    this.search.value = '';
    this.filter();
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
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
    const inside = this.list.node.contains(document.activeElement);
    if (!by || (e.key.startsWith('Arrow') && !inside)) return;
    if (localStorage.getItem('shortcuts') === 'off' && e.key.length === 1) return;
    e.preventDefault();
    let i = inside ? Number(document.activeElement.dataset.place ?? -1) : -1;
    do i += by;
    while (this.list.items[i] && !this.list.items[i].key.startsWith('row'));
    if (this.list.items[i]) this.list.focus(i);
  }
}

/** The groups by their names in the API. */
const groupOf = (row) => ['open', 'recent', 'quiet'].indexOf(row.group);
