// A series as charts draw it: columns of numbers, and what was found in them.

import { perSecond, unitOf } from './format.js';

/** The largest size that an axis can show. */
const LARGEST = 1e300;

/** A column of numbers; what is absent is NaN. */
const column = (list, length) => {
  const out = new Float64Array(length).fill(NaN);
  if (list)
    list.forEach((v, i) => {
      if (v !== null && v !== undefined) out[i] = Math.max(-LARGEST, Math.min(LARGEST, v));
    });
  return out;
};

/**
 * Makes a chart's data. `timestamps` rise; the other columns are as long. `alarms` have `at`, the timestamp of the
 * point that they are about. x counts seconds, or plain numbers where timestamps have no unit.
 */
export function build(given) {
  const {
    timestamps,
    values,
    alarms = [],
    episodes = [],
    changePoints = [],
    fits = [],
    learned = 0,
  } = given;
  const unit = timestamps.length ? unitOf(timestamps.at(-1)) : null;
  const k = perSecond(unit);
  const n = timestamps.length;
  const x = Float64Array.from(timestamps, (t) => t / k);
  const step = given.step ? given.step / k : usual(x);
  const breaks = new Uint8Array(n);
  for (let i = 1; i < n; i += 1) breaks[i] = step > 0 && x[i] - x[i - 1] > 2.5 * step ? 1 : 0;
  const data = {
    unit,
    k,
    x,
    step,
    breaks,
    timestamps,
    values,
    y: column(values, n),
    expected: column(given.expected, n),
    lower: column(given.lower, n),
    upper: column(given.upper, n),
    low: given.low ? column(given.low, n) : null,
    high: given.high ? column(given.high, n) : null,
    season: given.period > 1 ? given.period * step : null,
    period: given.period,
    bucket: given.bucket ?? null,
    learned: learned > 0 && n ? x[Math.min(learned, n) - 1] : null,
    fits: fits.map((fit) => ({ ...fit, x: fit.timestamp / k })),
    changePoints: changePoints.map((c) => ({ ...c, x: c.timestamp / k })),
    episodes: episodes.map((e) => ({
      ...e,
      x0: (e.began ?? e.start) / k,
      x1: (e.end ?? e.start) / k,
    })),
  };
  data.alarms = alarms
    .map((alarm) => {
      const i = index(timestamps, alarm.at);
      return { ...alarm, i, x: x[i], points: alarm.cause?.points ?? 0 };
    })
    .filter((alarm) => alarm.i >= 0);
  return data;
}

/** The place of the last of `sorted` that is at most `wanted`; -1 if there is none. */
export function index(sorted, wanted) {
  let [a, b] = [0, sorted.length];
  while (a < b) {
    const m = (a + b) >> 1;
    if (sorted[m] <= wanted) a = m + 1;
    else b = m;
  }
  return a - 1;
}

/** The usual step: the median of the differences. */
function usual(x) {
  if (x.length < 2) return 0;
  const every = Math.max(1, Math.floor(x.length / 2000));
  const steps = [];
  for (let i = 1; i < x.length; i += every) if (x[i] > x[i - 1]) steps.push(x[i] - x[i - 1]);
  steps.sort((a, b) => a - b);
  return steps[steps.length >> 1] ?? 0;
}

/** An alarm as a mark: at the point that its cause is about, in the direction of that point. */
function marked(alarm) {
  const { cause } = alarm;
  const at = cause?.at ?? alarm.about ?? alarm.timestamp;
  if (cause?.kind === 'beyond')
    return { ...alarm, at, direction: cause.value >= cause.expected ? 'above' : 'below' };
  return {
    ...alarm,
    at,
    direction: ['unseen', 'stuck'].includes(cause?.kind) ? 'pattern' : alarm.direction,
  };
}

/** The reply of `POST /v1/detect` in columns as a chart's data. `sent` are the points. */
export function judged(reply, sent) {
  const pad = (list) => [...new Array(reply.train).fill(null), ...list];
  return build({
    ...sent,
    alarms: reply.alarms.map(marked),
    expected: pad(reply.expected),
    lower: pad(reply.lower),
    upper: pad(reply.upper),
    learned: reply.train,
    episodes: reply.episodes,
    changePoints: reply.change_points,
    period: reply.period,
  });
}

/** The reply of `GET /v1/series/{id}/points` as a chart's data, with `anomalies` as the series has them now. */
export function kept(reply, anomalies) {
  return build({
    timestamps: reply.timestamp,
    values: reply.value,
    low: reply.low,
    high: reply.high,
    expected: reply.expected,
    lower: reply.lower,
    upper: reply.upper,
    // Alarms whose anomaly is not kept any more have no severity.
    alarms: reply.alarms
      .filter((alarm) => alarm.severity)
      .map((alarm) => marked({ ...alarm, ...ratioOf(alarm, anomalies) })),
    episodes: anomalies.filter((a) => a.kind === 'value'),
    changePoints: reply.change_points,
    bucket: reply.bucket,
    step: reply.bucket ?? reply.step,
    fits: reply.fits,
    learned: reply.learned_until === null ? 0 : index(reply.timestamp, reply.learned_until) + 1,
  });
}

/** The strength of an alarm is that of its anomaly. */
const ratioOf = ({ about }, anomalies) => ({
  ratio: anomalies.find((a) => a.peak === about)?.ratio ?? null,
});
