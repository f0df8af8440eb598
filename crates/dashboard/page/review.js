// Whether an anomaly was one: confirmed, dismissed, and both undone.

import { path, send } from './api.js';
import { button, h, icon, iconButton, toast } from './ui.js';

const SAID = {
  confirmed: 'Confirmed. The next fit leaves these points out.',
  dismissed: 'Dismissed. For 30 days you hear only of stronger ones here.',
};

/** Says `verdict` of `anomaly`; null takes it back. */
export async function review(anomaly, verdict, changed) {
  const before = anomaly.feedback?.verdict ?? null;
  const where = path`/v1/anomalies/${anomaly.anomaly_id}/feedback`;
  try {
    if (verdict) await send('PUT', where, { verdict });
    else await send('DELETE', where);
    anomaly.feedback = verdict ? { verdict } : null;
    toast(
      verdict ? SAID[verdict] : 'Taken back.',
      verdict ? () => review(anomaly, before, changed) : undefined,
    );
    changed();
  } catch (error) {
    toast(error.status === 403 ? `This key may not do that. ${error.message}` : error.message);
  }
}

/** The buttons of an anomaly, or what was said of it. `words`: with their names beside the icons. */
export function reviewed(anomaly, { changed, words = false }) {
  if (anomaly.feedback === undefined) return null;
  const said = anomaly.feedback?.verdict;
  if (said)
    return h(
      'div.said',
      icon(said === 'confirmed' ? 'check' : 'cross'),
      said === 'confirmed' ? 'Confirmed' : 'Dismissed',
      button('Undo', { kind: 'ghost', small: true, onclick: () => review(anomaly, null, changed) }),
    );
  const say = (verdict) => () => review(anomaly, verdict, changed);
  if (words)
    return h(
      'div.said',
      button('Confirm', { small: true, icon: 'check', onclick: say('confirmed') }),
      button('Dismiss', { small: true, icon: 'cross', onclick: say('dismissed') }),
    );
  return h(
    'div.marks',
    iconButton('check', 'Confirm', { onclick: say('confirmed') }),
    iconButton('cross', 'Dismiss', { onclick: say('dismissed') }),
  );
}
