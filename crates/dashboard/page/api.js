// Calls to the API. Failures are problems (RFC 9457) with a sentence for people.

const KEYED = 'keyed';
/** The API key, if it is not in the cookie. */
let key = null;

/** A call that failed: `status` (0: no answer), `code`, `requestId`, `wait` (seconds until it may be tried again). */
export class Problem extends Error {
  constructor(detail, rest) {
    super(detail);
    Object.assign(this, { status: 0, code: '', errors: [], wait: null }, rest);
  }
}

/** Asks the reader for an API key, or for another one; set by the shell. */
let ask = async () => null;
let asking = null;
/** Says how to ask for an API key. */
export function onKey(how) {
  ask = how;
}

/** Headers of every call: a key that is not in the cookie. */
export const credentials = () => (key ? { authorization: `Bearer ${key}` } : {});

/** Whether calls need a key here: commands that are copied name the variable with it then. */
const isKeyed = () => Boolean(key) || sessionStorage.getItem(KEYED) === 'yes';

/** Asks once for a key, whoever is waiting for one, and keeps it. Whether there is one now. */
export async function renewKey() {
  asking ??= ask()
    .then(keep)
    .finally(() => {
      asking = null;
    });
  return asking;
}

/** Keeps a key in a cookie that no script can read; in this page where it may not have a session. */
async function keep(given) {
  if (!given) return false;
  key = given;
  sessionStorage.setItem(KEYED, 'yes');
  const reply = await fetch('/v1/session', { method: 'POST', headers: credentials() }).catch(
    () => null,
  );
  if (reply?.ok) key = null;
  return true;
}

/** The path of a call with ids in it: path`/v1/series/${id}`. */
export const path = (parts, ...ids) =>
  parts.reduce(
    (text, part, i) => text + part + (i < ids.length ? encodeURIComponent(ids[i]) : ''),
    '',
  );

const listeners = new Set();
/** Hears of each call whether the server answered. */
export const onAnswer = (hear) => listeners.add(hear);

/** Makes a call. The reply, if it is a success; else it throws a `Problem`. */
export async function call(method, where, { query, body, headers, signal } = {}) {
  const url = new URL(where, location.origin);
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== '') url.searchParams.set(key, value);
  }
  let response;
  try {
    response = await fetch(url, {
      method,
      signal,
      cache: 'no-store',
      headers: { ...credentials(), ...headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    listeners.forEach((hear) => hear(false));
    throw new Problem('The service does not answer. Is it still running?', { code: 'no_answer' });
  }
  listeners.forEach((hear) => hear(true));
  if (response.ok || response.status === 304) return response;
  if (response.status === 401 && (await renewKey()))
    return call(method, where, { query, body, headers, signal });
  throw await problem(response);
}

async function problem(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // A proxy in between has answered.
  }
  const errors = (said.errors ?? [])
    .map((error) => error.detail)
    .filter((detail) => detail && detail !== said.detail);
  const first = said.detail || `The answer is ${response.status} ${response.statusText}.`;
  const stop = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
  return new Problem([first, ...errors].map(stop).join(' '), {
    status: response.status,
    code: said.code ?? '',
    requestId: said.request_id ?? response.headers.get('x-request-id'),
    errors: said.errors ?? [],
    wait: Number(response.headers.get('retry-after')) || null,
  });
}

/** The JSON of a GET. */
export const get = async (where, query, options) =>
  (await call('GET', where, { query, ...options })).json();

/** The JSON of a call with a body. */
export async function send(method, where, body, options) {
  const response = await call(method, where, { body, ...options });
  return response.status === 204 ? null : response.json();
}

/** Whether a call may succeed when it is made again. */
export const passes = (error) =>
  error instanceof Problem &&
  (error.status === 0 || [408, 429, 502, 503, 504].includes(error.status));

/** Makes a call again for as long as it may still succeed, as late as the server asks. `onwait` hears of each pause. */
export async function persist(make, { onwait = () => {}, signal } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await make();
    } catch (error) {
      if (!passes(error) || signal?.aborted) throw error;
      const wait = error.wait ?? Math.min(8, 2 ** attempt);
      const now = new Promise((resolve) => {
        onwait(error, wait, resolve);
        setTimeout(resolve, wait * 1000);
        signal?.addEventListener('abort', resolve, { once: true });
      });
      await now;
      if (signal?.aborted) throw error;
    }
  }
}

/** A string as a shell takes it. */
export const quoted = (text) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** The options of `anomaly` that name this server. */
export const urlOption = () =>
  location.origin === 'http://localhost:8080' ? '' : ` --url ${quoted(location.origin)}`;

/** `curl` with this server's address and a path, and the variable with the key where one is in use. */
export function curl(where, options = '') {
  const header = isKeyed() ? ' -H "x-api-key: $ANOMALY_API_KEY"' : '';
  return `curl -sS${header}${options} ${quoted(location.origin + where)}`;
}
