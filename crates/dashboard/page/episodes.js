// Lists of episodes: when, how long, why.

import { sentence } from './format.js';
import { bdi, h, severityIcon } from './ui.js';

/** An entry: a button that lights the episode while it is pointed at, and chooses it. */
export function entry(episode, { when, length, open = false, light, choose }) {
  return h(
    'button.episode',
    {
      type: 'button',
      onclick: () => choose(episode),
      onpointerenter: () => light(episode),
      onpointerleave: () => light(null),
      onfocus: () => light(episode),
      onblur: () => light(null),
    },
    severityIcon(episode.severity, { label: true }),
    h(
      'span',
      h(
        'span.between',
        h('strong', { class: open ? `t-${episode.severity}` : '' }, when),
        h('span.hint', length),
      ),
      bdi(sentence(episode.reason)),
    ),
  );
}

/** A list in which j and k, or arrows, move; `act` gets other keys and the place of the entry. */
export function listed(items, act = () => {}) {
  const list = h('ol.episodes', items);
  list.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key.length === 1 && localStorage.getItem('shortcuts') === 'off') return;
    const all = [...list.querySelectorAll('.episode')];
    const here = items.findIndex((item) => item.contains(document.activeElement));
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
    if (!by) {
      act(e.key, here);
      return;
    }
    e.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, here + by))].focus();
  });
  return list;
}
