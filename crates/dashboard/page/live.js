// What changes by itself: a stream of events where the server has one, else questions every few seconds.

import { call, credentials, get, onAnswer, Problem, renewKey } from './api.js';

/** Milliseconds after which a lost connection is tried again. */
const AGAIN = 3000;
/** Milliseconds between two questions where there is no stream of events. */
const POLL = 5000;

/** What the shell and the pages listen to: `counts`, `rows`, `point`, `anomaly`, `connection`, `tick`. */
export const live = new EventTarget();

/** The state of the connection. `since` is when it was lost, in milliseconds since 1970. */
export const connection = { up: true, since: null, counts: null };

let wanted = [];
let stream = null;

function emit(name, detail) {
  live.dispatchEvent(Object.assign(new Event(name), { detail }));
}

function set(up) {
  if (connection.up === up) return;
  Object.assign(connection, { up, since: up ? null : Date.now() });
  emit('connection', up);
  if (up) emit('tick');
}

onAnswer((answered) => set(answered));

/** Hears of `name` until `signal` is aborted. */
export const listen = (name, hear, signal) => live.addEventListener(name, (e) => hear(e.detail), { signal });

/** Says which series the page shows: their rows come as they change. */
export function watch(ids) {
  const next = [...ids].slice(0, 200);
  if (next.join('\n') === wanted.join('\n')) return;
  wanted = next;
  stream?.abort();
}

/** Begins to listen, for as long as the page is open. */
export async function start() {
  let last = null;
  for (;;) {
    stream = new AbortController();
    let pause = AGAIN;
    try {
      last = await events(last, stream.signal);
    } catch (error) {
      if (error.name === 'AbortError') pause = 0;
      else if (error instanceof Problem && [404, 405].includes(error.status)) {
        await poll();
        pause = POLL;
      } else if (error instanceof Problem && error.status === 401) pause = (await renewKey()) ? 0 : POLL;
      else {
        set(false);
        await probe();
      }
    }
    await new Promise((resolve) => { setTimeout(resolve, document.hidden ? pause * 2 : pause); });
  }
}

/** Without a stream of events: asks how many incidents are open, and lets pages ask for theirs. */
async function poll() {
  try {
    const { incidents } = await get('/v1/incidents', { status: 'open', limit: 1000 });
    connection.counts = { ...connection.counts, open: incidents.length };
    emit('counts', connection.counts);
    emit('tick');
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

/** Reads the stream of events until it ends; the id of the last one. */
async function events(last, signal) {
  const query = wanted.length ? `?series=${wanted.map(encodeURIComponent).join(',')}` : '';
  let response;
  try {
    response = await fetch(`/v1/events${query}`, { signal, cache: 'no-store', headers: { accept: 'text/event-stream', ...credentials(), ...(last && { 'last-event-id': last }) } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('lost');
  }
  if (!response.ok) throw new Problem('refused', { status: response.status });
  set(true);
  emit('tick');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let id = last;
  for (;;) {
    const { value, done } = await reader.read().catch((error) => { throw signal.aborted ? error : new Problem('lost'); });
    if (done) throw new Problem('ended');
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
  if (name === 'counts') connection.counts = detail;
  emit(name, detail);
}
