// Files of points: separators, quotes, decimal commas, dates, units. What it guesses, it tells.
// The table of cases in ../cases/csv.json says what comes of which file.

const TIME_NAMES = [
  'timestamp',
  'timestamps',
  'time',
  'date',
  'datetime',
  'date_time',
  'ts',
  'ds',
  't',
  'month',
  'day',
  'period',
];
const VALUE_NAMES = ['value', 'values', 'y', 'v', 'count', 'cnt'];
const MISSING = /^(|-|–|na|n\/a|nan|null|none|nil|#n\/a)$/i;
/** The most rows that are looked at to choose columns. */
const SAMPLE = 400;

/** The fewest points that can be judged: three to learn from, and one. */
const FEWEST = 4;

/** A file that cannot be judged; the message says why. */
export class CsvError extends Error {}

/** The text of a file: UTF-8, or UTF-16 by its byte-order mark. */
export function decode(bytes) {
  const [a, b] = bytes;
  const encoding =
    a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * Reads `text`: `{columns, time, value, timestamps, values, skipped, firstBad, separator, decimal, header}`.
 * `columns` are names and kinds (`time`, `number`, `text`); `choice` may name `time` and `value` by index; with `any`, however few
 * points are a file.
 * Timestamps are integers in the coarsest unit that keeps every fraction; rows come back in the order of time.
 */
export function read(text, choice = {}) {
  const table = parse(text);
  if (table.rows.length === 0) throw new CsvError('It has no rows.');
  const columns = describe(table);
  const time = choice.time ?? chosen(columns, 'time', TIME_NAMES);
  const value = choice.value ?? chosen(columns, 'number', VALUE_NAMES, time);
  if (value === undefined)
    throw new CsvError(
      'No column holds numbers only. A file needs one column of times and one of numbers.',
    );
  const result = points(table, columns[time], time, value);
  if (result.values.length === 0) throw new CsvError('No row has both a time and a number.');
  if (choice.any !== true && result.values.length < FEWEST)
    throw new CsvError(
      `It has ${result.values.length === 1 ? 'one point' : `${result.values.length} points`}; at least four are needed.`,
    );
  return {
    columns,
    time,
    value,
    ...result,
    separator: table.separator,
    decimal: table.decimal,
    header: table.header,
  };
}

/** The rows of cells, with the number of the line that each begins at. */
function parse(text) {
  const separator = sniff(text);
  const { rows, lines } = cells(text, separator);
  const decimal =
    separator !== ',' &&
    rows.slice(0, SAMPLE).some((row) => row.some((cell) => /^\s*-?[\d.]*\d,\d+\s*$/.test(cell)))
      ? ','
      : '.';
  const first = rows[0] ?? [];
  // The first line names the columns where none of its cells is a time or a number.
  const header = first.every((cell) => number(cell, decimal) === undefined && !looksLikeTime(cell));
  const names = header
    ? first.map((cell, i) => cell.trim() || `column ${i + 1}`)
    : first.map((_, i) => `column ${i + 1}`);
  return {
    rows: header ? rows.slice(1) : rows,
    lines: header ? lines.slice(1) : lines,
    names,
    header,
    separator,
    decimal,
  };
}

/** The separator that cuts the first lines into the same number of cells, at least two. */
function sniff(text) {
  const sample = text.slice(0, 20_000);
  let best = [',', 0];
  for (const separator of [',', ';', '\t', '|']) {
    const widths = cells(sample, separator)
      .rows.slice(0, 20)
      .map((row) => row.length);
    const width = widths[1] ?? widths[0] ?? 0;
    const same = widths.filter((w) => w === width).length / Math.max(1, widths.length);
    const worth = width > 1 ? same + (separator === ';' || separator === '\t' ? 0.05 : 0) : 0;
    if (worth > best[1]) best = [separator, worth];
  }
  return best[0];
}

function cells(text, separator) {
  const rows = [];
  const lines = [];
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const quoted = body.includes('"');
  let line = 1;
  let at = 0;
  while (at < body.length) {
    const start = line;
    let end = body.indexOf('\n', at);
    if (end < 0) end = body.length;
    let row = body.slice(at, end);
    if (quoted) {
      // A quoted cell may hold line breaks: go on until quotes are even.
      while ((row.split('"').length - 1) % 2 === 1 && end < body.length) {
        line += 1;
        const next = body.indexOf('\n', end + 1);
        end = next < 0 ? body.length : next;
        row = body.slice(at, end);
      }
    }
    at = end + 1;
    line += 1;
    if (row.endsWith('\r')) row = row.slice(0, -1);
    if (row.trim() === '' || row.startsWith('#') || /^sep=.$/i.test(row)) continue;
    rows.push(quoted && row.includes('"') ? split(row, separator) : row.split(separator));
    lines.push(start);
  }
  return { rows, lines };
}

/** The cells of a row with quotes; a doubled quote is a quote. */
function split(row, separator) {
  const out = [];
  let cell = '';
  let inside = false;
  for (let i = 0; i < row.length; i += 1) {
    const c = row[i];
    if (inside) {
      if (c !== '"') cell += c;
      else if (row[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else inside = false;
    } else if (c === '"') inside = true;
    else if (c === separator) {
      out.push(cell);
      cell = '';
    } else cell += c;
  }
  out.push(cell);
  return out;
}

const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The number that a cell holds, or undefined. */
export function number(cell, decimal = '.') {
  let text = cell.trim();
  if (decimal === ',') text = text.replace(/\.(?=\d{3}(\D|$))/g, '').replace(',', '.');
  else if (/^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$/.test(text)) text = text.replaceAll(',', '');
  if (!PLAIN.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const ISO =
  /^(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$/i;
const DAY_FIRST =
  /^(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(AM|PM)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?$/i;
const YEAR_FIRST = /^(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?$/;
const COMPACT = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?Z?)$/;

const looksLikeTime = (cell) => date(cell.trim()) !== undefined;

/** `[seconds, nanoseconds]` of a date; in UTC where it names no zone. `order` is `dmy` or `mdy`. */
export function date(text, order = 'dmy') {
  let m = ISO.exec(text);
  if (m) return build(m[1], m[2], m[3] ?? 1, m[4], m[5], m[6], m[7], m[8]);
  m = DAY_FIRST.exec(text);
  if (m) {
    const [day, month] = order === 'mdy' ? [m[3], m[1]] : [m[1], m[3]];
    let hour = m[5];
    if (m[9]) {
      if (Number(hour) > 12) return undefined;
      hour = (Number(hour) % 12) + (/pm/i.test(m[9]) ? 12 : 0);
    }
    return build(m[4], month, day, hour, m[6], m[7], m[8], m[10]);
  }
  m = YEAR_FIRST.exec(text) ?? COMPACT.exec(text);
  return m ? build(m[1], m[2], m[3], m[4], m[5], m[6]) : undefined;
}

function build(year, month, day, hour = 0, minute = 0, second = 0, fraction = '', zone = '') {
  const parts = [month, day, hour, minute, second].map(Number);
  if (
    parts[0] < 1 ||
    parts[0] > 12 ||
    parts[1] < 1 ||
    parts[1] > 31 ||
    parts[2] > 24 ||
    parts[3] > 59 ||
    parts[4] > 60
  )
    return undefined;
  const moment = new Date(0);
  moment.setUTCFullYear(Number(year), parts[0] - 1, parts[1]);
  if (moment.getUTCDate() !== parts[1]) return undefined;
  moment.setUTCHours(parts[2], parts[3], parts[4]);
  const m = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone);
  const offset = m ? (m[1] === '-' ? -1 : 1) * (Number(m[2]) * 3600 + Number(m[3] ?? 0) * 60) : 0;
  return [moment.getTime() / 1000 - offset, Number(fraction.padEnd(9, '0').slice(0, 9))];
}

/** Names and kinds of the columns, from the first rows. */
function describe({ rows, names, decimal }) {
  const sample =
    rows.length > SAMPLE ? rows.filter((_, i) => i % Math.ceil(rows.length / SAMPLE) === 0) : rows;
  return names.map((name, i) => {
    const full = sample.map((row) => (row[i] ?? '').trim()).filter((cell) => !MISSING.test(cell));
    const share = (test) => (full.length ? full.filter(test).length / full.length : 0);
    const dates = share((cell) => date(cell) !== undefined || date(cell, 'mdy') !== undefined);
    const numbers = share((cell) => number(cell, decimal) !== undefined);
    const kind = dates >= 0.8 && dates > numbers ? 'time' : numbers >= 0.8 ? 'number' : 'text';
    return {
      name,
      kind,
      order: kind === 'time' ? order(rows, i) : undefined,
      rising: kind === 'number' && rising(full, decimal),
      counts: kind === 'number' && counts(full, decimal),
    };
  });
}

/** Whether day or month stands first: as the numbers over 12 tell, else as the separator does. */
function order(rows, column) {
  let slash = false;
  for (const row of rows) {
    const m = DAY_FIRST.exec((row[column] ?? '').trim());
    if (m === null) continue;
    if (Number(m[1]) > 12) return 'dmy';
    if (Number(m[3]) > 12) return 'mdy';
    slash ||= m[2] === '/';
  }
  return slash ? 'mdy' : 'dmy';
}

const rising = (list, decimal) =>
  list.length > 0 &&
  list.every((cell, i) => i === 0 || number(cell, decimal) >= number(list[i - 1], decimal));

/** Whether the cells only number the rows. */
const counts = (list, decimal) =>
  list.length > 1 &&
  list.every((cell, i) => i === 0 || number(cell, decimal) === number(list[i - 1], decimal) + 1);

/** The column of `kind`: by its name, else the first. Times may be numbers that rise. */
function chosen(columns, kind, names, taken) {
  const fits = ({ kind: own, rising: up }, i) =>
    i !== taken &&
    (kind === 'number' ? own === 'number' : own === 'time' || (own === 'number' && up));
  for (const name of names) {
    const i = columns.findIndex(
      (column, at) =>
        column.name.toLowerCase() === name &&
        (fits(column, at) || (kind === 'time' && column.kind === 'number')) &&
        at !== taken,
    );
    if (i >= 0) return i;
  }
  const dates = kind === 'time' ? columns.findIndex((column) => column.kind === 'time') : -1;
  const better =
    kind === 'number'
      ? columns.findIndex((column, at) => fits(column, at) && !column.counts)
      : dates;
  const i = better >= 0 ? better : columns.findIndex(fits);
  if (i < 0) return undefined;
  // One column of numbers alone is values without times.
  const others = columns.filter((column, at) => at !== i && column.kind === 'number').length;
  return kind === 'time' && columns[i].kind === 'number' && others === 0 ? undefined : i;
}

const NUMBER_TIME = /^([+-]?\d+)(?:\.(\d+))?$/;

/** `[whole, nanos]` of a cell that holds a time; nanos are billionths of a unit. */
function moment(cell, column) {
  const text = cell.trim();
  if (column.kind === 'time') return date(text, column.order);
  const m = NUMBER_TIME.exec(text);
  if (m) {
    const nanos = Number((m[2] ?? '').padEnd(9, '0').slice(0, 9));
    const whole = Number(m[1]);
    return text.startsWith('-') && nanos > 0 ? [whole - 1, 1e9 - nanos] : [whole, nanos];
  }
  const value = number(text);
  return value === undefined
    ? undefined
    : [Math.floor(value), Math.round((value - Math.floor(value)) * 1e9)];
}

function points({ rows, lines, decimal }, column, time, value) {
  const found = [];
  let skipped = 0;
  let firstBad;
  let digits = 0;
  rows.forEach((row, i) => {
    // Without a column of times, rows are counted.
    const at = column ? moment(row[time] ?? '', column) : [i, 0];
    const y = number(row[value] ?? '', decimal);
    if (at === undefined || y === undefined || Math.abs(at[0]) > 9.2e18) {
      skipped += 1;
      firstBad ??= lines[i];
      return;
    }
    const [whole, nanos] = at;
    if (nanos > 0) digits = Math.max(digits, nanos % 1e6 === 0 ? 3 : 6);
    found.push([whole, nanos, y]);
  });
  const scale = 10 ** digits;
  // Numbers of nanoseconds are finer than a page can hold: they become microseconds.
  const nano = digits === 0 && found.length > 0 && Math.abs(found[0][0]) >= 1e17;
  const ticks = ([whole, nanos]) =>
    nano ? Math.floor(whole / 1000) : whole * scale + Math.floor(nanos / 10 ** (9 - digits));
  const sorted = found.map((p) => [ticks(p), p[2]]);
  if (sorted.some((p, i) => i > 0 && p[0] < sorted[i - 1][0])) sorted.sort((a, b) => a[0] - b[0]);
  return {
    timestamps: sorted.map((p) => p[0]),
    values: sorted.map((p) => p[1]),
    skipped,
    firstBad,
  };
}
