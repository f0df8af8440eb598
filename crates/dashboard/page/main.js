// The shell: bar, tabs, routes, the keyboard, the state of the connection.

import { onKey } from './api.js';
import { clock, count, zone } from './format.js';
import { connection, listen, live, start } from './live.js';
import { announce, button, closePopover, empty, failure, fill, h, icon, popover } from './ui.js';

const TABS = [
  ['#/', 'Series', 'list', 's'],
  ['#/incidents', 'Incidents', 'bell', 'i'],
  ['#/system', 'System', 'pulse', 'y'],
  ['#/file', 'Try a file', 'upload', 't'],
];
/** Pages by the first word of the route, and the tab that is lit. */
const PAGES = {
  '': [() => import('./list.js'), 0],
  series: [() => import('./series.js'), 0],
  incidents: [() => import('./incidents.js'), 1],
  system: [() => import('./system.js'), 2],
  file: [() => import('./file.js'), 3],
};
const main = document.getElementById('main');
const badge = h('span.count', { hidden: true });
const tabs = TABS.map(([href, name, symbol], i) =>
  h('a', { href }, icon(symbol), name, i === 1 && badge),
);
fill(document.querySelector('.tabs'), tabs);

let leaving = new AbortController();

/** The parts of the address: `#/series/ID?from=1` is `['series', 'ID']` and its query. */
function route() {
  const [where, query] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = where.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { parts, query: new URLSearchParams(query) };
}

let shown = null;
async function show({ focus = true } = {}) {
  const { parts, query } = route();
  // A change of the range in view, made by the page itself, is not a new page.
  const key = parts.join('/');
  if (key === shown && history.state?.own) return;
  shown = key;
  leaving.abort();
  leaving = new AbortController();
  closePopover();
  const { signal } = leaving;
  const page = PAGES[parts[0]];
  tabs.forEach((tab, i) => {
    if (page?.[1] === i) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  });
  const root = h('div.page');
  try {
    if (!page) throw new Error('There is no such page.');
    const { render } = await page[0]().catch(absent(signal));
    if (signal.aborted) return;
    fill(main, root);
    scrollTo(0, 0);
    await render(root, { id: parts[1], query, signal, title });
  } catch (error) {
    if (signal.aborted || error.name === 'AbortError') return;
    title('Not found');
    fill(
      main,
      page
        ? failure('The page could not be loaded.', error, () => location.reload())
        : empty(
            'There is no such page',
            'It is spelled otherwise.',
            h('a.button', { href: '#/' }, 'All series'),
          ),
    );
  }
  if (focus && !signal.aborted && !main.contains(document.activeElement))
    main.focus({ preventScroll: true });
}

/** A module that could not be fetched is not asked for twice: the page is loaded anew once the server is back. */
const absent = (signal) => () => {
  listen('connection', (up) => up && location.reload(), signal);
  throw new Error('The service does not answer. Is it still running?');
};

/** Names the page in the window's title. */
function title(text) {
  document.title = text ? `${text} · Anomaly` : 'Anomaly';
}

addEventListener('hashchange', () => show());
addEventListener('zone', () => {
  shown = null;
  show({ focus: false });
});

// The state of the connection.
const status = document.getElementById('status');
function state() {
  const { up, since, counts } = connection;
  const speed = counts?.points_per_minute;
  fill(
    status,
    h('span.dot', { class: up ? 'ok' : '' }),
    up
      ? h('span', h('b', 'Live'), speed > 0 && ` · ${count(speed)} points a minute`)
      : h(
          'span',
          h('b', 'Not connected, trying again'),
          h('span.wide', ` · as of ${clock(since)}`),
        ),
  );
  const open = counts?.open ?? 0;
  badge.hidden = !open;
  badge.textContent = count(open);
  badge.setAttribute('aria-label', `${count(open)} open`);
}
listen('connection', (up) => {
  state();
  announce(up ? 'Live again.' : 'Not connected, trying again.');
});
live.addEventListener('counts', state);

// A key, where the platform wants one.
onKey(
  () =>
    new Promise((resolve) => {
      const field = h('input.input', {
        type: 'password',
        autocomplete: 'off',
        'aria-label': 'API key',
        autofocus: true,
      });
      let done = null;
      const close = popover(null, 'API key', (shut) =>
        h(
          'form',
          {
            onsubmit: (e) => {
              e.preventDefault();
              done = field.value.trim();
              shut();
            },
          },
          h('h2', 'This platform needs an API key'),
          h(
            'p.hint',
            'It is kept in a cookie until you close the browser. The scopes read and predict show everything; fit and admin let you change it.',
          ),
          field,
          h(
            'div.actions',
            button('Cancel', { kind: 'ghost', onclick: () => close() }),
            h('button.button.primary', { type: 'submit' }, 'Use it'),
          ),
        ),
      );
      const gone = new MutationObserver(() => {
        if (field.isConnected) return;
        gone.disconnect();
        resolve(done);
      });
      gone.observe(document.body, { childList: true });
    }),
);

// The keyboard.
const SHORTCUTS = 'shortcuts';
const single = () => localStorage.getItem(SHORTCUTS) !== 'off';
let went = 0;
addEventListener('keydown', (e) => {
  const field =
    /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) &&
    !['radio', 'range', 'checkbox'].includes(e.target.type);
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
  if (field) {
    if (e.key === 'Escape') e.target.blur();
    return;
  }
  if (document.querySelector('.popover') || !single()) return;
  if (e.key === '?') {
    e.preventDefault();
    help();
    return;
  }
  if (e.key === '/') {
    e.preventDefault();
    const search = document.querySelector('input[type="search"]');
    if (search) search.focus();
    else {
      location.hash = '#/';
      addEventListener(
        'search-ready',
        () => document.querySelector('input[type="search"]')?.focus(),
        { once: true },
      );
    }
    return;
  }
  if (e.key === 'g') {
    went = Date.now();
    return;
  }
  const tab = TABS.find(([, , , key]) => key === e.key);
  if (tab && Date.now() - went < 1500) {
    e.preventDefault();
    location.hash = tab[0];
  }
  went = 0;
});

const KEYS = [
  [['/'], 'search; Esc leaves it'],
  [['j', 'k', 'Enter'], 'move in a list, open'],
  [['g', 's'], 'Series'],
  [['g', 'i'], 'Incidents'],
  [['g', 'y'], 'System'],
  [['g', 't'], 'Try a file'],
  [['←', '→'], 'chart: from point to point, with Shift ten; strip: move the window'],
  [['n', 'p'], 'chart: next, previous alarm'],
  [['+', '-', '0'], 'chart and strip: zoom, all'],
  [['c', 'd'], 'incident: confirm, dismiss'],
  [['?'], 'this table'],
];
function help() {
  popover(null, 'Keyboard', (close) => {
    const keys = h('input', {
      type: 'checkbox',
      checked: single(),
      onchange: () => localStorage.setItem(SHORTCUTS, keys.checked ? 'on' : 'off'),
    });
    const utc = h('input', {
      type: 'checkbox',
      checked: zone.utc,
      onchange: () => {
        zone.utc = utc.checked;
      },
    });
    return [
      h('h2', 'Keyboard'),
      h(
        'dl.keys',
        KEYS.map(([list, text]) => [
          h(
            'dt',
            list.map((key) => h('kbd', key)),
          ),
          h('dd', text),
        ]),
      ),
      h('div.stack', h('label', keys, ' Single keys work'), h('label', utc, ' Times in UTC')),
      h('div.actions', button('Close', { onclick: close })),
    ];
  });
}
document.querySelector('.bar').append(
  h(
    'a.button.ghost.small.wide',
    { href: '/docs', title: 'The HTTP API: every call, every field' },
    'API',
  ),
  h(
    'button.button.icon-only.wide',
    {
      type: 'button',
      'aria-label': 'Keyboard and time zone',
      title: 'Keyboard and time zone',
      onclick: help,
    },
    '?',
  ),
);

state();
show({ focus: false });
start();
// The other pages, so that they open at once, and when the server is away.
const rest = () => Object.values(PAGES).forEach(([load]) => load().catch(() => {}));
addEventListener('load', () => setTimeout(rest, 1000));
if (document.readyState === 'complete') setTimeout(rest, 1000);
