// The reader of files against its table of cases: node --test crates/dashboard/cases
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { CsvError, decode, read } from '../page/csv.js';

const { cases } = JSON.parse(await readFile(new URL('csv.json', import.meta.url), 'utf8'));

/** A timestamp as a page holds it: nanoseconds become microseconds. */
const held = (timestamp) => (timestamp > 2 ** 53 ? Math.round(timestamp / 1000) : timestamp);

for (const {
  name,
  text,
  utf16le,
  base64,
  timestamps,
  values,
  skipped = 0,
  first_bad: firstBad,
  header = true,
  error,
} of cases) {
  test(name, () => {
    const bytes = base64
      ? Buffer.from(base64, 'base64')
      : Buffer.from(text ?? utf16le, text === undefined ? 'utf16le' : 'utf8');
    if (error) {
      assert.throws(
        () => read(decode(bytes), { any: true }),
        (e) => e instanceof CsvError && e.message.toLowerCase().includes(error.toLowerCase()),
      );
      return;
    }
    const file = read(decode(bytes), { any: true });
    assert.deepEqual([file.timestamps, file.values], [timestamps.map(held), values]);
    assert.deepEqual([file.skipped, file.firstBad, file.header], [skipped, firstBad, header]);
  });
}

test('another column can be chosen', () => {
  const file = read('time,a,b\n1,10,20\n2,11,21\n', { time: 0, value: 2, any: true });
  assert.deepEqual(
    [file.values, file.columns.map((c) => c.name)],
    [
      [20, 21],
      ['time', 'a', 'b'],
    ],
  );
});

test('fewer points than can be judged are refused', () => {
  assert.throws(
    () => read('time,value\n1,1\n2,2\n'),
    (e) => e instanceof CsvError && e.message.includes('It has 2 points'),
  );
});
