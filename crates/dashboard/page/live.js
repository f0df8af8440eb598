// What changes by itself: the stream of events. A page that nobody sees has none.

import { call, credentials, get, onAnswer, Problem, renewKey } from './api.js';

/** Milliseconds after which a lost connection is tried again. */
const AGAIN = 3000;
/** Milliseconds after which a hidden page gives its stream back: a browser has few connections to a server. */
const HIDDEN = 30_000;

/** What the shell and the pages listen to: `counts`, `rows`, `point`, `anomaly`, `connection`, `tick`. */
export const live = new EventTarget();

/** The state of the connection. `since` is when it was lost, in milliseconds since 1970. */
export const connection = { up: true, since: null, counts: null };

let wanted = [];
/** Whether the stream ends only to follow other series: nothing was missed. */
let renewed = false;
let stream = null;

function emit(name, detail) {
  live.dispatchEvent(Object.assign(new Event(name), { detail }));
}

function set(up) {
  if (connection.up === up) return;
  Object.assign(connection, { up, since: up ? null : Date.now() });
  emit('connection', up);
}

onAnswer((answered) => set(answered));

/** Hears of `name` until `signal` is aborted. */
export const listen = (name, hear, signal) =>
  live.addEventListener(name, (e) => hear(e.detail), { signal });

/** Says which series the page shows: their rows come as they change. */
export function watch(ids) {
  const next = [...ids].slice(0, 200);
  if (next.join('\n') === wanted.join('\n')) return;
  wanted = next;
  renewed = true;
  stream?.abort();
}

/** Begins to listen, for as long as the page is open. */
export async function start() {
  let last = null;
  for (;;) {
    await shown();
    stream = new AbortController();
    let pause = AGAIN;
    try {
      last = await events(last, stream.signal);
    } catch (error) {
      last = error.last ?? last;
      if (error.name === 'AbortError') pause = 0;
      else if (error.status === 401) pause = (await renewKey()) ? 0 : AGAIN;
      else if (!error.status) {
        set(false);
        await probe();
      }
    }
    await new Promise((resolve) => {
      setTimeout(resolve, pause);
    });
  }
}

/** Resolves when the page is seen. */
const shown = () =>
  new Promise((resolve) => {
    if (!document.hidden) resolve();
    else document.addEventListener('visibilitychange', () => resolve(), { once: true });
  });

let hiding;
document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(() => stream?.abort(), HIDDEN);
});

/** Pages ask for what they may have missed, and the shell for its counts. */
async function refresh() {
  emit('tick');
  try {
    const { counts } = await get('/v1/overview', { limit: 1, spark: false });
    tell('counts', counts);
  } catch {
    // The connection's state says it.
  }
}

async function probe() {
  try {
    await call('GET', '/livez');
  } catch {
    // Still away.
  }
}

/** Reads the stream of events until it ends; the id of the last one, by which the next begins with what was missed. */
async function events(last, signal) {
  const query = wanted.length
    ? `?series=${encodeURIComponent(wanted.map(encodeURIComponent).join(','))}`
    : '';
  let response;
  try {
    response = await fetch(`/v1/events${query}`, {
      signal,
      cache: 'no-store',
      headers: {
        accept: 'text/event-stream',
        ...credentials(),
        ...(last && { 'last-event-id': last }),
      },
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('lost');
  }
  if (!response.ok) throw new Problem('refused', { status: response.status });
  set(true);
  if (!renewed) refresh();
  renewed = false;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let id = last;
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw Object.assign(signal.aborted ? error : new Problem('lost'), { last: id });
    });
    if (done) return id;
    text += value;
    const parts = text.split(/\r?\n\r?\n/);
    text = parts.pop();
    for (const part of parts) {
      const event = parse(part);
      id = event.id ?? id;
      if (event.data) hear(event.name, event.data);
    }
  }
}

function parse(part) {
  const event = { name: 'message', data: '', id: null };
  for (const line of part.split(/\r?\n/)) {
    const [field, ...rest] = line.split(':');
    const value = rest.join(':').replace(/^ /, '');
    if (field === 'event') event.name = value;
    if (field === 'data') event.data += value;
    if (field === 'id') event.id = value;
  }
  return event;
}

function hear(name, data) {
  let detail;
  try {
    detail = JSON.parse(data);
  } catch {
    return;
  }
  tell(name, detail);
}

function tell(name, detail) {
  if (name === 'counts') connection.counts = detail;
  emit(name, detail);
}
