// Elements, icons and the small components that all pages share.
// All text goes in as text nodes: ids, labels and reasons are strangers' words.

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an element: `h('div.card', {onclick}, 'text', child)`. Styles are set by property. */
export function h(name, ...rest) {
  const [tag, ...classes] = name.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length) node.className = classes.join(' ');
  const [first] = rest;
  if (first && typeof first === 'object' && !(first instanceof Node) && !Array.isArray(first))
    set(node, rest.shift());
  add(node, rest);
  return node;
}

function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'style')
      for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (key === 'value' || key === 'checked' || key === 'disabled' || key === 'selected')
      node[key] = value;
    else if (key === 'class') node.classList.add(...value.split(' ').filter(Boolean));
    else node.setAttribute(key, value === true ? '' : value);
  }
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces the children of `node`. */
export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

/** Text of strangers, kept from reordering what stands around it. */
export const bdi = (text) => h('bdi', text);

const PATHS = {
  upload:
    'M8 10V3m0 0L5.2 5.8M8 3l2.8 2.8M2.8 10.5v1.7c0 .7.6 1.3 1.3 1.3h7.8c.7 0 1.3-.6 1.3-1.3v-1.7',
  copy: 'M5.5 5.5V3.7c0-.7.5-1.2 1.2-1.2h5.6c.7 0 1.2.5 1.2 1.2v5.6c0 .7-.5 1.2-1.2 1.2h-1.8M3.7 5.5h5.6c.7 0 1.2.5 1.2 1.2v5.6c0 .7-.5 1.2-1.2 1.2H3.7c-.7 0-1.2-.5-1.2-1.2V6.7c0-.7.5-1.2 1.2-1.2z',
  check: 'M3 8.5 6.2 12 13 4.5',
  cross: 'M4 4l8 8M12 4l-8 8',
  chevron: 'M6 3.5 10.5 8 6 12.5',
  search: 'M7 12.2A5.2 5.2 0 1 0 7 1.8a5.2 5.2 0 0 0 0 10.4zM10.8 10.8l3.4 3.4',
  list: 'M2.5 4h1M2.5 8h1M2.5 12h1M6 4h7.5M6 8h7.5M6 12h7.5',
  bell: 'M3.5 11.5c1-1 1-2 1-4a3.5 3.5 0 0 1 7 0c0 2 0 3 1 4zM6.7 13.5c.6.7 2 .7 2.6 0',
  mute: 'M3.5 11.5c1-1 1-2 1-4 0-.6.2-1.2.4-1.7M6.7 4.25A3.5 3.5 0 0 1 11.5 7.5c0 2 0 3 1 4H6M6.7 13.5c.6.7 2 .7 2.6 0M2 2l12 12',
  pulse: 'M1.5 8.5h3l2-5.5 3 10 2-4.5h3',
  download: 'M8 2.5v7m0 0 3-3m-3 3-3-3M2.8 11v1.2c0 .7.6 1.3 1.3 1.3h7.8c.7 0 1.3-.6 1.3-1.3V11',
  undo: 'M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 7H6',
  external:
    'M6.5 3H4.2C3.5 3 3 3.5 3 4.2v7.6c0 .7.5 1.2 1.2 1.2h7.6c.7 0 1.2-.5 1.2-1.2V9.5M9.5 2.5h4v4M13.2 2.8 7.5 8.5',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.2v9.6L12.5 8z',
  dots: 'M3 8h.01M8 8h.01M13 8h.01',
  warning: 'M8 2.3 14.3 13H1.7zM8 6.5v3M8 11.2v.1',
  level: 'M1.5 10.5H5l1.5-5M9.5 5.5H14M6.5 12.5l3-9',
  gap: 'M1.5 8h4M10.5 8h4M5 5.5l1.5 5M9.5 5.5l1.5 5',
  rows: 'M2.5 4h11M2.5 8h6M2.5 12h11M11 7l2 2M13 7l-2 2',
};

/** A line icon of 16 px. */
export function icon(name, attributes = {}) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  for (const [k, v] of Object.entries({
    viewBox: '0 0 16 16',
    class: `icon i-${name}`,
    'aria-hidden': 'true',
    ...attributes,
  }))
    svg.setAttribute(k, v);
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

function shape(svg, name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
  svg.append(node);
}

/** Severity as three bars, or a filled square with a mark for critical. The word stands beside it or is its label. */
export function severityIcon(severity, { label = false } = {}) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `severity s-${severity ?? 'none'}`);
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', severity ?? 'normal');
  } else svg.setAttribute('aria-hidden', 'true');
  if (severity === 'critical') {
    shape(svg, 'rect', { x: 1, y: 1, width: 14, height: 14, rx: 3.5, class: 'on' });
    shape(svg, 'path', { d: 'M8 4.2v4.6M8 11.3v.3', class: 'bang' });
    return svg;
  }
  const lit = { low: 1, medium: 2, high: 3 }[severity] ?? 0;
  [
    [1.5, 10, 4],
    [6.2, 6.5, 7.5],
    [11, 3, 11],
  ].forEach(([x, y, height], i) => {
    shape(svg, 'rect', { x, y, width: 3.2, height, rx: 1, class: i < lit ? 'on' : 'off' });
  });
  return svg;
}

/** A button. `kind`: plain, primary, ghost, icon or danger. */
export const button = (label, { kind = 'plain', small = false, icon: name, ...rest } = {}) =>
  h(
    `button.button.${kind}`,
    { type: 'button', ...(small && { class: 'small' }), ...rest },
    name && icon(name),
    label,
  );

/** A button that is an icon only; `label` is its name. */
export const iconButton = (name, label, rest = {}) =>
  h(
    'button.button.icon-only',
    { type: 'button', 'aria-label': label, title: label, ...rest },
    icon(name),
  );

let group = 0;
/** A group of radio buttons that looks like one control. `options`: pairs of value and label. */
export function segmented(label, options, value, onchange, rest = {}) {
  const name = `segment-${(group += 1)}`;
  return h(
    'div.segmented',
    { role: 'radiogroup', 'aria-label': label, ...rest },
    options.map(([key, text]) =>
      h(
        'label',
        h('input', {
          type: 'radio',
          name,
          value: key,
          checked: key === value,
          onchange: () => onchange(key),
        }),
        h('span', text),
      ),
    ),
  );
}

/** A select of pairs of value and label. */
export const select = (label, options, value, onchange, rest = {}) =>
  h(
    'select',
    { 'aria-label': label, onchange: (e) => onchange(e.target.value), ...rest },
    options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)),
  );

/** A command with a button that copies it as it is. */
export function code(command, label = 'command') {
  return h(
    'div.code',
    h('code', { tabindex: '0', role: 'region', 'aria-label': label }, command),
    copyButton(command, label),
  );
}

/** A button that copies `text`. */
export const copyButton = (text, label) =>
  iconButton('copy', `Copy ${label}`, {
    onclick: async (e) => {
      const node = e.currentTarget;
      await copy(typeof text === 'function' ? text() : text);
      fill(node, icon('check'));
      announce('Copied.');
      setTimeout(() => fill(node, icon('copy')), 1500);
    },
  });

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Pages over plain HTTP from another machine have no clipboard of that kind.
  const area = h('textarea', { 'aria-hidden': 'true', class: 'off-screen' });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** Says `text` to screen readers. */
export function announce(text) {
  document.getElementById('live').textContent = text;
}

/** A word of what has happened, at the foot of the page; with `undo` it has a button. */
export function toast(text, undo) {
  const host = document.getElementById('toasts');
  const node = h(
    'div.toast',
    h('span', text),
    undo &&
      button('Undo', {
        kind: 'ghost',
        small: true,
        onclick: () => {
          node.remove();
          undo();
        },
      }),
  );
  host.append(node);
  setTimeout(() => node.remove(), undo ? 9000 : 5000);
}

let open;
/** Closes the popover that is open, if one is. */
export function closePopover() {
  open?.();
}

/** A dialog beside `anchor`, or in the middle without one. `content` gets `close`. It takes the focus and gives it back. */
export function popover(anchor, label, content) {
  closePopover();
  const before = document.activeElement;
  const node = h('div.popover', { role: 'dialog', 'aria-modal': 'true', 'aria-label': label });
  const shade = h('div.shade', { class: anchor ? 'clear' : '' });
  const close = () => {
    open = undefined;
    node.remove();
    shade.remove();
    removeEventListener('resize', close);
    (before?.isConnected ? before : document.getElementById('main'))?.focus?.();
  };
  open = close;
  shade.addEventListener('pointerdown', close);
  addEventListener('resize', close);
  node.addEventListener('keydown', (e) => {
    if (e.key === 'Escape') {
      e.stopPropagation();
      close();
    }
    if (e.key === 'Tab') trap(node, e);
  });
  add(node, [content(close)].flat());
  document.body.append(shade, node);
  if (anchor) place(node, anchor);
  else node.classList.add('centred');
  (
    ['[autofocus]', 'input:checked', 'input', 'button']
      .map((wish) => node.querySelector(wish))
      .find(Boolean) ?? node
  ).focus();
  return close;
}

function trap(node, event) {
  const all = [
    ...node.querySelectorAll('a[href], button, input, select, textarea, [tabindex="0"]'),
  ].filter((n) => !n.disabled && n.offsetParent);
  const [first, last] = [all[0], all.at(-1)];
  if (event.shiftKey && document.activeElement === first) {
    event.preventDefault();
    last.focus();
  }
  if (!event.shiftKey && document.activeElement === last) {
    event.preventDefault();
    first.focus();
  }
}

function place(node, anchor) {
  const [a, n] = [anchor.getBoundingClientRect(), node.getBoundingClientRect()];
  const left = Math.max(8, Math.min(innerWidth - n.width - 8, a.right - n.width));
  const below = a.bottom + 6;
  const top = below + n.height > innerHeight - 8 ? Math.max(8, a.top - n.height - 6) : below;
  node.style.setProperty('left', `${left}px`);
  node.style.setProperty('top', `${top}px`);
}

/** Asks once before something goes. `text` names what. */
export function confirmIn(anchor, { title, text, action, danger = true }, act) {
  popover(anchor, title, (close) => [
    h('h2', title),
    h('p.hint', text),
    h(
      'div.actions',
      button('Cancel', { kind: 'ghost', onclick: close }),
      button(action, {
        kind: danger ? 'danger' : 'primary',
        autofocus: true,
        onclick: () => {
          close();
          act();
        },
      }),
    ),
  ]);
}

/** A card. */
export const card = (heading, aside, ...body) =>
  h(
    'section.card',
    { 'aria-label': typeof heading === 'string' ? heading : null },
    h('header', h('h2', heading), aside),
    ...body,
  );

/** Nothing is here: what that means, and what to do. */
export const empty = (heading, text, ...actions) =>
  h(
    'div.empty',
    h('h2', heading),
    text && h('p', text),
    actions.length > 0 && h('div.actions', ...actions),
  );

/** What failed, why, and a button to try it now. */
export function failure(what, error, retry, wait) {
  return h(
    'div.notice.error',
    { role: 'alert' },
    icon('warning'),
    h(
      'div',
      h('p', h('strong', what), ' ', error.message),
      (wait || error.requestId) &&
        h(
          'p.hint',
          wait && `Trying again in ${wait} s. `,
          error.requestId && ['Request ', bdi(error.requestId), '.'],
        ),
    ),
    retry && button('Try now', { small: true, onclick: retry }),
  );
}

/** Bars in the place of text that is still to come. */
export const bone = (width, height = 14) =>
  h('span.bone', {
    style: { width: typeof width === 'number' ? `${width}px` : width, height: `${height}px` },
  });

/** Runs `show` if `work` takes more than 150 ms. */
export async function patiently(work, show) {
  const timer = setTimeout(show, 150);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

/** A colour of the theme. */
export const token = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
