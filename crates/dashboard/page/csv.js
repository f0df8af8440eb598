// Files of points: separators, quotes, decimal commas, dates, units. What it guesses, it tells.
// The table of cases in ../cases/csv.json says what comes of which file.

import { clock, date, dayOf, orderIn, secondOfDay } from './dates.js';

/** Names of columns of times, the likeliest first; the first eight are the names of nothing else. */
const TIME_NAMES =
  'timestamp timestamps time date datetime date_time ts ds t month day period unix epoch year week quarter'.split(
    ' ',
  );
const SURE_TIME_NAMES = TIME_NAMES.slice(0, 8);
const VALUE_NAMES = ['value', 'values', 'y', 'v', 'count', 'cnt'];
const HOUR_NAMES = ['hour', 'hours', 'hr', 'h', 'time'];
const PART_NAMES = ['year', 'month', 'day', 'hour', 'minute', 'second'];
const MONTH_NAMES = ['month', 'period', 'date', 'yearmonth', 'year_month'];
const MISSING =
  /^(|-|–|--|\.|\?|<?na>?|n\/a|-?nan|\(?null\)?|none|nil|undefined|missing|#n\/?a|#null!|#value!|#div\/0!)$/i;
/** The most rows that are looked at to describe columns. */
const SAMPLE = 400;
/** The share of the filled cells of a column that its kind must fit. */
const MOST = 0.8;

/** The fewest points that can be judged: three to learn from, and one. */
const FEWEST = 4;

/** A file that cannot be judged; the message says why. */
export class CsvError extends Error {}

/** The text of a file: UTF-8 or UTF-16, or else Windows-1252. */
export function decode(bytes) {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe) || (a && b === 0 && c && d === 0))
    return new TextDecoder('utf-16le').decode(bytes);
  if ((a === 0xfe && b === 0xff) || (a === 0 && b && c === 0 && d))
    return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/**
 * Reads `text`: `{columns, time, value, timestamps, values, skipped, firstBad, separator, decimal, header}`.
 * `columns` are names and kinds (`date`, `clock`, `number`, `text`); `choice` may name `time` and `value` by index; with `any`,
 * however few points are a file.
 * Timestamps are integers in the coarsest unit that keeps every fraction; rows come back in the order of time.
 */
export function read(text, choice = {}) {
  const table = parse(text);
  if (table.rows.length === 0) throw new CsvError('It has no rows with points.');
  const columns = describe(table);
  const source = choice.time === undefined ? times(columns, table) : timesIn(columns, choice.time);
  const value = choice.value ?? valueColumn(columns, source);
  if (value === undefined) throw new CsvError(noNumbers(columns, source, table));
  const result = points(table, columns, source, value);
  if (result.values.length === 0)
    throw new CsvError(`No row has both a time and a number. ${result.why}`);
  if (choice.any !== true && result.values.length < FEWEST)
    throw new CsvError(
      `It has ${result.values.length === 1 ? 'one point' : `${result.values.length} points`}; at least four are needed.`,
    );
  return {
    columns,
    time: source.date ?? source.number ?? source.clock ?? source.parts?.[0],
    value,
    ...result,
    separator: table.separator,
    decimal: columns[value].decimal,
    header: table.header,
  };
}

/** The rows of cells, with the number of the line that each begins at. */
function parse(text) {
  let body = text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const named = /^sep=(.)\n/i.exec(body);
  if (named) body = body.slice(named[0].length);
  const separator = named?.[1] ?? sniff(body);
  let { rows, lines } = cells(body, separator);
  const start = titles(rows);
  const first = rows[start] ?? [];
  // The first row names the columns where none of its cells is a time or a number.
  const header = first.every((cell) => names(trim(cell)));
  const skip = start + (header ? 1 : 0);
  rows = rows.slice(skip);
  lines = lines.slice(skip).map((line) => line + (named ? 1 : 0));
  return {
    rows,
    lines,
    names: first.map((cell, i) => (header && trim(cell)) || `column ${i + 1}`),
    header,
    separator,
  };
}

const trim = (cell = '') => cell.trim().replace(/^"+|"+$/g, '');
const names = (cell) =>
  number(cell) === undefined &&
  number(cell, ',') === undefined &&
  date(cell) === undefined &&
  date(cell, 'mdy') === undefined;

/** The number of rows of a title above a table: those of one cell, where the next have several. */
function titles(rows) {
  const few = rows.slice(0, 20);
  const wide = few.findIndex((row) => row.length > 1);
  return wide > 0 && few.length > wide + 1 ? wide : 0;
}

/** The separator that cuts most of the first lines into the same number of cells, at least two. */
function sniff(text) {
  const sample = text.slice(0, 20_000);
  let best = [',', 0];
  for (const separator of [',', ';', '\t', '|']) {
    const share = sameWidth(cells(sample, separator, false).rows);
    const worth = share && share + (separator === ',' ? 0 : 0.05);
    if (worth > best[1]) best = [separator, worth];
  }
  return best[1] === 0 && sameWidth(cells(sample, ' ', false).rows) >= 0.9 ? ' ' : best[0];
}

/** The share of the first rows that have the most common width, or 0 if that is 1. */
function sameWidth(rows) {
  const widths = rows.slice(0, 20).map((row) => row.length);
  const times = (width) => widths.filter((w) => w === width).length;
  const common = widths.reduce((a, b) => ((times(b) - times(a) || b - a) > 0 ? b : a), 0);
  return common > 1 ? times(common) / widths.length : 0;
}

/** Cuts `text`; a quote opens only at the start of a cell, and a doubled one within quotes is a quote. */
function cells(text, separator, whole = true) {
  const rows = [];
  const lines = [];
  let line = 0;
  let at = 0;
  while (at < text.length) {
    line += 1;
    const start = line;
    let end = text.indexOf('\n', at);
    if (end < 0) end = text.length;
    let row = text.slice(at, end);
    at = end + 1;
    if (row.startsWith('#') || row.trim() === '') continue;
    if (separator === ' ') row = row.trim().replace(/\s+/g, ' ');
    let out = split(row, separator);
    // A quoted cell may hold line breaks.
    while (out === undefined && at < text.length) {
      end = text.indexOf('\n', at);
      if (end < 0) end = text.length;
      row += `\n${text.slice(at, end)}`;
      at = end + 1;
      line += 1;
      out = split(row, separator);
    }
    if (out === undefined) {
      if (whole) throw new CsvError(`On line ${start} a quote begins and does not end.`);
      continue;
    }
    if (out.every((cell) => cell.trim() === '')) continue;
    rows.push(out);
    lines.push(start);
  }
  return { rows, lines };
}

/** The cells of a row, or nothing if a quote is open at its end. */
function split(row, separator) {
  if (!row.includes('"')) return row.split(separator);
  const out = [];
  for (let at = 0; at <= row.length;) {
    let cell = '';
    if (row[at] === '"') {
      const quoted = /"((?:[^"]|"")*)"(?!")/y;
      quoted.lastIndex = at;
      const m = quoted.exec(row);
      if (m === null) return undefined;
      cell = m[1].replaceAll('""', '"');
      at = quoted.lastIndex;
    }
    const next = row.indexOf(separator, at);
    const end = next < 0 ? row.length : next;
    out.push(cell + row.slice(at, end));
    at = end + 1;
  }
  return out;
}

/** A number in the form of programs, after its sign: `1.234,5` becomes `1234.5`. */
function plain(text, decimal) {
  const m = /^([\d.,' \u00a0\u202f’]*)(e[+-]?\d+)?$/i.exec(text);
  if (m === null) return undefined;
  const [whole, fraction = '', ...more] = m[1].split(decimal);
  const by = /[^\d]/.exec(whole)?.[0];
  if (more.length || !/^\d*$/.test(fraction) || (whole === '' && fraction === '')) return undefined;
  if (by) {
    const [first, ...groups] = whole.split(by);
    if (!/^[1-9]\d{0,2}$/.test(first) || !groups.every((g) => /^\d{3}$/.test(g))) return undefined;
  }
  return `0${by ? whole.replaceAll(by, '') : whole}.${fraction}0${m[2] ?? ''}`;
}

const unsigned = (text) => text.replace(/^[-−+]/, '').replace(/^[$€£¥]+\s*/, '');
/** The unit behind a number: short, without digits. */
const unitOf = (cell) => /[\d.]\s*([\p{L}%‰°$€£¥][^\d.,;]{0,11})$/u.exec(cell)?.[1];

/** The number that a cell holds, or undefined. */
export function number(cell, decimal = '.', unit = '') {
  let text = cell;
  if (unit && text.endsWith(unit)) text = text.slice(0, -unit.length).trimEnd();
  const size = plain(unsigned(text), decimal);
  const value = size === undefined ? NaN : Number(size);
  return Number.isFinite(value) ? (/^[-−]/.test(text) ? -value : value) : undefined;
}

/** What a cell says of the decimal sign: `,` or `.` if only that makes a number of it, `?` if both do. */
function evidence(cell) {
  const unit = unitOf(cell) ?? '';
  const text = unsigned(cell.slice(0, cell.length - unit.length).trimEnd()).replace(
    /[ '\u00a0\u202f’]/g,
    '',
  );
  const [point, comma] = [plain(text, '.') !== undefined, plain(text, ',') !== undefined];
  if (point !== comma) return /[.,]/.test(text) ? (point ? '.' : ',') : '';
  return point && text.includes(',') ? '?' : '';
}

/** Names, kinds and forms of the columns, from some of the rows. */
function describe({ rows, names, separator }) {
  const every = Math.max(1, Math.ceil(rows.length / SAMPLE));
  const sample = rows.filter((_, i) => i % every === 0);
  const filled = names.map((_, i) =>
    sample.map((row) => trim(row[i])).filter((cell) => !MISSING.test(cell)),
  );
  const decimals = decimalSigns(filled, separator);
  return names.map((name, i) => column(name, filled[i], decimals[i], every, () => order(rows, i)));
}

/** The decimal sign of each column: as its cells tell, or else those of all. Semicolons come with decimal commas. */
function decimalSigns(filled, separator) {
  const told = filled.map((list) => {
    const signs = list.map(evidence);
    return [',', '.', '?'].map((sign) => signs.filter((s) => s === sign).length);
  });
  const [commas, points, either] = [0, 1, 2].map((k) => told.reduce((sum, t) => sum + t[k], 0));
  const common =
    commas > points || (commas === points && either > 0 && separator === ';') ? ',' : '.';
  return told.map(([comma, point]) => (comma > point ? ',' : point > 0 ? '.' : common));
}

function column(name, list, decimal, every, orderOf) {
  const units = list.map(unitOf).filter(Boolean);
  const times = (unit) => units.filter((u) => u === unit).length;
  const unit = [...new Set(units)].reduce((a, b) => (times(b) > times(a) ? b : a), '');
  const toNumber = (cell) => number(cell, decimal, unit);
  const plainOne = plainName(name);
  const digits = (length) =>
    list.length > 0 && list.every((c) => c.length === length && /^\d+$/.test(c));
  const form =
    plainOne === 'year' && digits(4)
      ? 'year'
      : MONTH_NAMES.includes(plainOne) && digits(6)
        ? 'month'
        : undefined;
  const share = (test) => (list.length ? list.filter(test).length / list.length : 0);
  const dates = share((cell) =>
    form ? dated(cell, form) : (date(cell) ?? date(cell, 'mdy')) !== undefined,
  );
  const numbers = share((cell) => toNumber(cell) !== undefined);
  const clocks = share((cell) => clock(cell) !== undefined);
  const compact =
    list.length > 0 &&
    list.every((c) => /^(19|20)(\d{6}|\d{12})$/.test(c) && date(c) !== undefined);
  const kind =
    dates >= MOST && (dates > numbers || form || compact)
      ? 'date'
      : clocks >= MOST && clocks > numbers
        ? 'clock'
        : numbers >= MOST
          ? 'number'
          : 'text';
  const values = kind === 'number' ? list.map(toNumber).filter((v) => v !== undefined) : [];
  const all = (test) => values.length > 0 && values.every(test);
  return {
    name,
    kind,
    decimal,
    unit,
    form: form ?? (kind === 'date' ? orderOf() : undefined),
    timed: kind === 'date' && list.some((cell) => dated(cell, form ?? 'dmy')?.[2]),
    rising: all((v, i) => i === 0 || v >= values[i - 1]),
    // Numbers of rows, of which some are looked at.
    counts:
      values.length > 1 &&
      all((v, i) => Number.isInteger(v) && (i === 0 || v - values[i - 1] === every)),
    hours: all((v) => Number.isInteger(v) && v >= 0 && v <= 24),
    // Seconds, milli-, micro- or nanoseconds since 1970, by their size.
    stamps: all((v) => v >= 1e17 || [8, 11, 14].some((k) => v >= 10 ** k && v < 10 ** (k + 2))),
  };
}

/** The date in a cell of a column of this form: an order of day and month, `year` or `month`. */
function dated(cell, form) {
  if (form === 'year') return date(`${cell}-01`);
  if (form === 'month') return date(`${cell.slice(0, 4)}-${cell.slice(4)}`);
  return date(cell, form);
}

/** Whether day or month stands first: as the numbers over 12 tell, else as the separator does. */
function order(rows, index) {
  let slash = false;
  for (const row of rows) {
    const found = orderIn(trim(row[index]));
    if (found?.length > 1) return found;
    slash ||= found === '/';
  }
  return slash ? 'mdy' : 'dmy';
}

const plainName = (name) => name.split(/[([]/)[0].trim().toLowerCase().replace(/[ -]/g, '_');

/** Where the times are: `{date, clock}`, `{number}`, `{clock}` or `{parts}`, columns all; or nothing. */
function times(columns, { rows, lines }) {
  const named = (test) =>
    TIME_NAMES.map((name) => columns.findIndex((c) => plainName(c.name) === name && test(c))).find(
      (i) => i >= 0,
    ) ?? -1;
  const first = (...found) => found.map((find) => find()).find((i) => i >= 0);
  const isDate = (c) => c.kind === 'date' && c.form !== 'year';
  const isNumber = (c) => c.kind === 'number';
  const index = first(
    () => named(isDate),
    () => named((c) => isNumber(c) && c.stamps),
    () => columns.findIndex(isDate),
  );
  if (index !== undefined) return timesIn(columns, index);
  const parts = PART_NAMES.map((name) =>
    columns.findIndex((c) => plainName(c.name) === name && (isNumber(c) || c.form === 'year')),
  );
  if (parts[0] >= 0 && parts[1] >= 0) return { parts };
  const other = first(
    () => columns.findIndex((c) => c.kind === 'date'),
    () => named(isNumber),
    // A column of numbers alone is values without times.
    () =>
      columns.filter(isNumber).length > 1 ? columns.findIndex((c) => isNumber(c) && c.rising) : -1,
    () => columns.findIndex((c) => c.kind === 'clock'),
  );
  if (other !== undefined) return timesIn(columns, other);
  const unread = columns.findIndex((c) => SURE_TIME_NAMES.includes(plainName(c.name)));
  if (unread >= 0)
    throw new CsvError(`${bad(lines[0], columns[unread], rows[0][unread], 'a time')}.`);
  return {};
}

/** The times in one column, and in that of the time of day beside it. */
function timesIn(columns, index) {
  const { kind, timed, form } = columns[index];
  if (kind === 'clock') return { clock: index };
  if (kind !== 'date') return { number: index };
  const beside = timed || form === 'year' || form === 'month' ? [] : columns;
  let clock = beside.findIndex((c) => c.kind === 'clock');
  if (clock < 0) clock = beside.findIndex((c) => c.hours && HOUR_NAMES.includes(plainName(c.name)));
  return { date: index, clock: clock < 0 ? undefined : clock };
}

const taken = ({ date, clock, number, parts = [] }) => [date, clock, number, ...parts];

/** The column of values: by its name, else the first of numbers that do not only count. */
function valueColumn(columns, source) {
  const fits = (c, i) => c.kind === 'number' && !taken(source).includes(i);
  return [
    ...VALUE_NAMES.map((name) =>
      columns.findIndex((c, i) => fits(c, i) && plainName(c.name) === name),
    ),
    columns.findIndex((c, i) => fits(c, i) && !c.counts),
    columns.findIndex(fits),
  ].find((i) => i >= 0);
}

const bad = (line, { name }, cell, wanted) =>
  `Line ${line}, column ${name}: "${trim(cell)}" is ${MISSING.test(trim(cell)) ? 'no value' : `not ${wanted}`}`;

function noNumbers(columns, source, { rows, lines }) {
  const free = columns.map((_, i) => i).filter((i) => !taken(source).includes(i));
  const i = free.find((i) => VALUE_NAMES.includes(plainName(columns[i].name))) ?? free[0];
  const c = columns[i];
  const at = c
    ? rows.findIndex((row) => number(trim(row[i]), c.decimal, c.unit) === undefined)
    : -1;
  return `No column holds numbers only. ${at < 0 ? '' : `${bad(lines[at], c, rows[at][i], 'a number')}.`}`;
}

/** `[whole, nanos]` of a cell that holds a number; nanos are billionths of a unit. */
function numberTime(text, c) {
  const m = /^([+-]?\d+)(?:\.(\d+))?$/.exec(text);
  const value = m ? Number(m[1]) : number(text, c.decimal, c.unit);
  if (m === null) return Number.isInteger(value) ? [value, 0] : undefined;
  // Nanoseconds are finer than a page can hold: they become microseconds.
  if (m[1].length >= 18 && !m[2]) return [Number(m[1].slice(0, -3)), 0];
  const nanos = Number((m[2] ?? '').padEnd(9, '0').slice(0, 9));
  return text.startsWith('-') && nanos > 0 ? [value - 1, 1e9 - nanos] : [value, nanos];
}

/** Reads the times of rows, in their order: `[whole, nanos]`, or the column that has none. */
function clockwork(columns, source) {
  const { date: day, clock: time, number: index, parts } = source;
  let last = 0;
  const hours = (cell) => {
    const value = number(cell, columns[time].decimal, columns[time].unit);
    return value >= 0 && value <= 24 ? [Math.floor(value * 3600), 0] : undefined;
  };
  return (row, i) => {
    const cell = (k) => trim(row[k]);
    if (parts) {
      const [y, mo, d, h, mi, s] = parts.map((k, n) =>
        k < 0 ? [0, 1, 1, 0, 0, 0][n] : number(cell(k)),
      );
      const midnight = dayOf(y, mo, d);
      const second = [h, mi, s].every(Number.isInteger) ? secondOfDay(h, mi, s) : undefined;
      return midnight === undefined || second === undefined
        ? parts.findLast((k) => k >= 0)
        : [midnight + second, 0];
    }
    if (day !== undefined) {
      const at = dated(cell(day), columns[day].form);
      if (at === undefined || time === undefined) return at ?? day;
      const more = clock(cell(time)) ?? hours(cell(time));
      return more ? [at[0] + more[0], more[1]] : time;
    }
    if (time !== undefined) {
      // A time before the last one is of the next day.
      const more = clock(cell(time));
      if (more === undefined) return time;
      const at = Math.floor(last / 86_400) * 86_400 + more[0];
      last = at < last ? at + 86_400 : at;
      return [last, more[1]];
    }
    // Without a column of times, rows are counted.
    return index === undefined ? [i, 0] : (numberTime(cell(index), columns[index]) ?? index);
  };
}

function points({ rows, lines, names }, columns, source, value) {
  const at = clockwork(columns, source);
  const { decimal, unit } = columns[value];
  const found = [];
  let skipped = 0;
  let firstBad;
  let why = '';
  let digits = 0;
  rows.forEach((row, i) => {
    const time = at(row, i);
    const y = number(trim(row[value]), decimal, unit);
    // A number may be cut in two where the row has more cells than the first one.
    const cut = value === names.length - 1 && row.slice(names.length).some((cell) => trim(cell));
    if (!Array.isArray(time) || y === undefined || cut || Math.abs(time[0]) > 9.2e18) {
      skipped += 1;
      firstBad ??= lines[i];
      why ||= Array.isArray(time)
        ? `${bad(lines[i], columns[value], row[value], cut ? 'all: the row has more cells than the first one' : 'a number')}.`
        : `${bad(lines[i], columns[time], row[time], 'a time')}.`;
      return;
    }
    const [whole, nanos] = time;
    if (nanos > 0) digits = Math.max(digits, nanos % 1e6 === 0 ? 3 : 6);
    found.push([whole, nanos, y]);
  });
  const scale = 10 ** digits;
  const sorted = found.map(([whole, nanos, y]) => [
    whole * scale + Math.floor(nanos / 10 ** (9 - digits)),
    y,
  ]);
  if (sorted.some((p, i) => i > 0 && p[0] < sorted[i - 1][0])) sorted.sort((a, b) => a[0] - b[0]);
  return {
    timestamps: sorted.map((p) => p[0]),
    values: sorted.map((p) => p[1]),
    skipped,
    firstBad,
    why,
  };
}
