// Dates and times of day as files write them. The command line reads them by the same rules.

const MONTH = '(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*';
const WEEKDAY = '(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?';
const full = (year) => (year.length > 2 ? Number(year) : Number(year) + (year < 50 ? 2000 : 1900));
const monthOf = (name) =>
  'janfebmaraprmayjunjulaugsepoctnovdec'.indexOf(name.toLowerCase()) / 3 + 1;
/** How dates begin, and their year, month and day. */
const HEADS = [
  // 2024.05 is a number.
  [
    /^(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?/,
    (m) => (m[4] || m[2] !== '.') && [m[1], m[3], m[4] ?? 1],
  ],
  [
    /^(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})/,
    (m, order) => (order === 'mdy' ? [full(m[4]), m[1], m[3]] : [full(m[4]), m[3], m[1]]),
  ],
  [
    `${WEEKDAY}(\\d{1,2})[-/ .]+${MONTH}\\.?[-/ ,]+(\\d{4}|\\d{2})`,
    (m) => [full(m[3]), monthOf(m[2]), m[1]],
  ],
  [
    `${WEEKDAY}${MONTH}\\.? +(\\d{1,2})(?:st|nd|rd|th)?,? +(\\d{4})`,
    (m) => [m[3], monthOf(m[1]), m[2]],
  ],
  [`${MONTH}\\.?[-/ ,]+(\\d{4}|\\d{2})$`, (m) => [full(m[2]), monthOf(m[1]), 1]],
  [`(\\d{4})[-/ ]${MONTH}\\.?(?:[-/ ](\\d{1,2}))?`, (m) => [m[1], monthOf(m[2]), m[3] ?? 1]],
  [/^(\d{4})[- ]?Q([1-4])$/i, (m) => [m[1], m[2] * 3 - 2, 1]],
  [/^Q([1-4])[-/ ]?(\d{4})$/i, (m) => [m[2], m[1] * 3 - 2, 1]],
  [
    /^(\d{4})-?W(\d{2})(?:-?([1-7]))?$/i,
    (m) => week(Number(m[1]), Number(m[2]), Number(m[3] ?? 1)),
  ],
  [/^(\d{1,2})-(\d{2})$/, (m) => [full(m[1]), m[2], 1]],
].map(([regex, read]) => [new RegExp(regex.source ?? `^${regex}`, 'i'), read]);
/** How dates end: the time of day and the zone. */
const TAIL =
  /^(?:(?:T|[ ,:_]+)(\d{1,2})(?:[:.h](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9})\d*)?)?)?\s*(?:([ap])\.?m\.?)?)?\s*(?:(Z|UTC|GMT)|(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?)?(?:\[[^\]]*\])?$/i;
const COMPACT = /^(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?)?(Z)?$/i;

/** `[seconds, nanoseconds, hasClock]` of a date; in UTC where it names no zone. `order` is `dmy` or `mdy`. */
export function date(text, order = 'dmy') {
  for (const [head, read] of HEADS) {
    const m = head.exec(text);
    const day = m && read(m, order);
    const midnight = day ? dayOf(...day) : undefined;
    const tail = midnight !== undefined && TAIL.exec(text.slice(m[0].length));
    const clock = tail && timeOfDay(tail);
    if (clock) {
      const offset = tail[7]
        ? (tail[8] * 3600 + (tail[9] ?? 0) * 60) * (tail[7] === '-' ? -1 : 1)
        : 0;
      return [midnight + clock[0] - offset, clock[1], tail[1] !== undefined];
    }
  }
  const m = COMPACT.exec(text);
  const midnight = m ? dayOf(m[1], m[2], m[3]) : undefined;
  const second = m && secondOfDay(m[4], m[5], m[6]);
  return midnight === undefined || second === undefined
    ? undefined
    : [midnight + second, 0, m[4] !== undefined];
}

/** `[seconds, nanoseconds]` of a time of day without a date. */
export function clock(text) {
  const m = TAIL.exec(` ${text}`);
  // An hour alone is a number.
  return m?.[2] === undefined ? undefined : timeOfDay(m);
}

function timeOfDay([, hour, minute, second, fraction = '', half]) {
  if (half && !(hour >= 1 && hour <= 12)) return undefined;
  const full = half ? (hour % 12) + (/p/i.test(half) ? 12 : 0) : hour;
  const of = secondOfDay(full, minute, second);
  return of === undefined ? undefined : [of, Number(fraction.padEnd(9, '0'))];
}

/** 24:00 is the end of the day, and a leap second the next minute. */
export function secondOfDay(hour = 0, minute = 0, second = 0) {
  const of = hour * 3600 + minute * 60 + Number(second);
  return minute < 60 && second <= 60 && of <= 86_400 ? of : undefined;
}

/** The second at which a day begins, if there is such a day. */
export function dayOf(year, month, day) {
  const moment = new Date(0);
  moment.setUTCFullYear(Number(year), month - 1, Number(day));
  return moment.getUTCDate() === Number(day) && moment.getUTCMonth() === month - 1
    ? moment.getTime() / 1000
    : undefined;
}

/** The day of a week by ISO 8601. */
function week(year, number, day) {
  const fourth = new Date(Date.UTC(year, 0, 4));
  const monday = fourth.getTime() - ((fourth.getUTCDay() + 6) % 7) * 864e5;
  const at = new Date(monday + ((number - 1) * 7 + day - 1) * 864e5);
  const thursday = new Date(monday + ((number - 1) * 7 + 3) * 864e5);
  return (
    number > 0 &&
    thursday.getUTCFullYear() === year && [
      at.getUTCFullYear(),
      at.getUTCMonth() + 1,
      at.getUTCDate(),
    ]
  );
}

/** Which of day and month comes first in a date of two short numbers: `dmy`, `mdy`, `/` or `.` if that is open; else nothing. */
export function orderIn(text) {
  const m = HEADS[1][0].exec(text);
  return m && (m[1] > 12 ? 'dmy' : m[3] > 12 ? 'mdy' : m[2] === '/' ? '/' : '.');
}
