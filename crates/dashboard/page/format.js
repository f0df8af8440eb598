// Numbers, times and durations as people read them.

const nf = new Intl.NumberFormat('en-US', { maximumFractionDigits: 20 });

/** A number with at most `digits` significant digits, its whole part grouped: 7,369,100 or 65.26. */
export function number(value, digits = 5) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-5)
    return value
      .toExponential(Math.min(digits, 4) - 1)
      .replace('e+', 'e')
      .replace(/\.?0+e/, 'e');
  const whole = Math.floor(Math.log10(size)) + 1;
  const decimals = Math.min(12, Math.max(0, digits - whole));
  return nf.format(Number(value.toFixed(decimals)));
}

/** A short number for axes and tables: 12,500, 125 k, 27.6 M. */
export function short(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e15) return number(value, 3);
  for (const [scale, unit] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
  ]) {
    if (size >= scale) return `${number(value / scale, 3)} ${unit}`;
  }
  return size >= 1e5 ? `${number(value / 1e3, 4)} k` : number(value, digits);
}

/** A count, grouped. */
export const count = (value) => nf.format(Math.round(value));

/** `1 episode`, `7 episodes`. */
export const plural = (value, one, many = `${one}s`) =>
  `${count(value)} ${value === 1 ? one : many}`;

/** Bytes: 442 MB. */
export function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  for (const [scale, unit] of [
    [2 ** 30, 'GB'],
    [2 ** 20, 'MB'],
    [2 ** 10, 'KB'],
  ]) {
    if (value >= scale) return `${number(value / scale, 3)} ${unit}`;
  }
  return `${value} B`;
}

/** Milliseconds: 0.56 ms, 26 ms, 1.4 s. */
export const millis = (value) =>
  !Number.isFinite(value)
    ? '–'
    : value >= 10_000
      ? `${number(value / 1000, 3)} s`
      : `${number(value, value < 10 ? 2 : 3)} ms`;

/** Seconds as a length of time: 45 s, 80 min, 5 h 30 min, 2.6 days, 9.7 weeks. */
export function duration(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return `${number(size * 1000, 3)} ms`;
  if (size < 100) return `${number(size, 2)} s`;
  const minutes = Math.round(size / 60);
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 600) {
    const rest = minutes % 60;
    return rest ? `${Math.floor(minutes / 60)} h ${rest} min` : `${minutes / 60} h`;
  }
  const hours = size / 3600;
  if (hours < 36) return `${Math.round(hours)} h`;
  const days = hours / 24;
  if (days < 60)
    return `${number(days, days < 10 ? 2 : days < 30 ? 3 : 2).replace(/\.0$/, '')} days`;
  return days < 730 ? `${number(days / 7, 2)} weeks` : `${number(days / 365.25, 2)} years`;
}

/** As `duration`, in its largest unit alone: 2 h. */
export const roughly = (seconds) => duration(seconds).replace(/ h \d+ min$/, ' h');

const UTC_KEY = 'utc';

/** The zone that times are shown in: the browser's, or UTC where the reader has asked for it. */
export const zone = {
  get utc() {
    return localStorage.getItem(UTC_KEY) === 'yes';
  },
  set utc(yes) {
    localStorage.setItem(UTC_KEY, yes ? 'yes' : 'no');
    formats.clear();
    dispatchEvent(new Event('zone'));
  },
  /** Its short name at `ms`: UTC, CET, GMT+2. */
  short(ms) {
    return this.utc ? 'UTC' : zoneShort(ms);
  },
  get name() {
    return this.utc ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
  },
};

const formats = new Map();
function format(name, options) {
  if (!formats.has(name)) {
    const timeZone = zone.name;
    formats.set(name, new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', ...options }));
  }
  return formats.get(name);
}

const DATE = 86_400_000;
/** British dates, with months of three letters throughout. */
const three = (text) => text.replace('Sept', 'Sep');
const valid = (ms) => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;

/** `22 Nov, 15:05`; the year stands where it is not this one's. `ms` since 1970. */
export function moment(ms, { year = false } = {}) {
  if (!valid(ms)) return '–';
  const other = year && new Date(ms).getUTCFullYear() !== new Date().getUTCFullYear();
  const day = format(other ? 'dmy' : 'dm', {
    day: 'numeric',
    month: 'short',
    ...(other && { year: 'numeric' }),
  }).format(ms);
  const sub = ms % 60_000 !== 0;
  const time = format(sub ? 'hms' : 'hm', {
    hour: '2-digit',
    minute: '2-digit',
    ...(sub && { second: '2-digit' }),
  }).format(ms);
  return `${three(day)}, ${time}`;
}

/** `1 Jul 2014`. */
export const day = (ms) =>
  valid(ms)
    ? three(format('day', { day: 'numeric', month: 'short', year: 'numeric' }).format(ms))
    : '–';

/** `Sun 22 Dec 2013, 02:00 UTC`. */
export function full(ms) {
  if (!valid(ms)) return '–';
  const sub = ms % 60_000 !== 0;
  const date = format('full', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' })
    .format(ms)
    .replace(',', '');
  const milli = ms % 1000 !== 0;
  const time = format(`t${sub}${milli}`, {
    hour: '2-digit',
    minute: '2-digit',
    ...(sub && { second: '2-digit' }),
    ...(milli && { fractionalSecondDigits: 3 }),
  }).format(ms);
  return `${three(date)}, ${time} ${zone.utc ? 'UTC' : zoneShort(ms)}`;
}

/** The short name of the zone at a time: CET, GMT+2. */
const zoneShort = (ms) =>
  format('zone', { timeZoneName: 'short' })
    .formatToParts(ms)
    .find((p) => p.type === 'timeZoneName')?.value ?? '';

/** `09:41:12`. */
export const clock = (ms) =>
  format('clock', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(ms);

/** `80 min ago`. */
export function ago(ms, now = Date.now()) {
  const seconds = (now - ms) / 1000;
  return seconds < 5 ? 'just now' : `${roughly(seconds)} ago`;
}

const UNITS = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };

/** The unit of a timestamp by its size: `s`, `ms`, `us`, `ns`, or null for a plain number. */
export function unitOf(timestamp) {
  if (timestamp >= 1e17) return 'ns';
  if (timestamp >= 1e14) return 'us';
  if (timestamp >= 1e11) return 'ms';
  return timestamp >= 1e8 ? 's' : null;
}

/** Timestamps in `unit` a second; 1 for plain numbers. */
export const perSecond = (unit) => UNITS[unit] ?? 1;

/** Milliseconds since 1970 of a timestamp in `unit`. */
export const toMs = (timestamp, unit) => (timestamp / perSecond(unit)) * 1000;

/** A timestamp in `unit` as people read it in a list; plain numbers stay numbers. */
export const at = (timestamp, unit, options) =>
  unit ? moment(toMs(timestamp, unit), options) : number(timestamp, 15);

/** A timestamp as a heading of a tooltip. */
export const atFull = (timestamp, unit) =>
  unit ? full(toMs(timestamp, unit)) : `at ${number(timestamp, 15)}`;

/** A length in `unit`; plain numbers stay numbers. */
export const span = (length, unit) =>
  unit ? duration(length / perSecond(unit)) : number(length, 6);

export { DATE };

/** A sentence of the API: a capital first letter, long numbers grouped, without `n points ago`. */
export function sentence(reason, { drop = true } = {}) {
  if (!reason) return '';
  let text = drop ? reason.replace(/,? \d+ points? ago/g, '') : reason;
  text = text.replace(/(?<![\d.,:-])\d{4,}(?![\d:-])/g, (digits) => nf.format(Number(digits)));
  text = text.trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Severities from none to critical, by weight. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'];
/** 0 for low to 3 for critical, -1 for none. */
export const weight = (severity) => SEVERITIES.indexOf(severity);
/** `Critical`. */
export const title = (word) => (word ? word.charAt(0).toUpperCase() + word.slice(1) : '');
