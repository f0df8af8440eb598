// The range in view, in the address: `?from=…&to=…` in the unit of the timestamps.

/** The range that `query` names, in seconds (or plain numbers), if it names one. */
export function range(query, data) {
  const [from, to] = ['from', 'to'].map((name) => query.get(name));
  if (from === null || to === null || !(Number(to) > Number(from))) return null;
  return [Number(from) / data.k, Number(to) / data.k];
}

/** Writes the range in view into the address, without a new page. */
export function remember(range, data) {
  const [where, query] = location.hash.split('?');
  const next = new URLSearchParams(query);
  next.delete('from');
  next.delete('to');
  if (range) {
    next.set('from', String(Math.floor(range[0] * data.k)));
    next.set('to', String(Math.ceil(range[1] * data.k)));
  }
  const text = next.toString();
  history.replaceState({ own: true }, '', `${where || '#/'}${text ? `?${text}` : ''}`);
}
