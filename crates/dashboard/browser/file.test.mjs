// "Try a file": what is dropped is judged as the API judges it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser, close, csv, drop, Platform, sample, settled, THEMES } from './harness.mjs';

let platform;
let browser;
before(async () => {
  [platform, browser] = await Promise.all([Platform.start(), Browser.start()]);
});
after(async () => {
  await browser?.end();
  await platform?.end();
});

const group = (n) => new Intl.NumberFormat('en-US').format(n);
const heading = (page) => page.textContent('h1.big');
/** The heading of a result. */
const said = (reply, points) => {
  const judged = `${group(points.values.length - reply.train)} judged points`;
  return reply.episodes.length
    ? `${reply.episodes.length} episode${reply.episodes.length > 1 ? 's' : ''} in ${judged}`
    : `Nothing unusual in ${judged}`;
};
const detect = (body) => platform.call('POST', '/v1/detect', body);

async function result(
  points,
  { name = 'traffic.csv', text = csv(points), hash = '#/file', ...options } = {},
) {
  const page = await browser.open(platform, hash, options);
  await drop(page, name, text);
  await page.waitForSelector('h1.big');
  return page;
}

for (const theme of THEMES) {
  test(`a dropped file shows what the API finds, ${theme}`, async () => {
    const points = sample();
    const reply = await detect(points);
    assert.ok(reply.episodes.length >= 2, 'the series has outages');
    const page = await result(points, { theme });
    await page.waitForSelector('.uplot canvas');
    assert.equal(await heading(page), said(reply, points));
    assert.equal(await page.locator('.episode').count(), reply.episodes.length);
    const reasons = await page.locator('.episode bdi').allTextContents();
    const plain = (text) => text.replaceAll(',', '').toLowerCase();
    assert.deepEqual(
      reasons.map(plain),
      reply.episodes.map((e) => plain(e.reason)),
    );
    assert.match(
      await page.textContent('.head p'),
      new RegExp(`Learned from the first ${group(reply.train)} points`),
    );
    await close(page);
  });
}

test('the first visit loads few files and few bytes', async () => {
  const page = await browser.open(platform);
  await page.waitForSelector('.drop');
  const [files, painted] = await page.evaluate(() => [
    performance
      .getEntriesByType('resource')
      .filter((e) => e.name.includes('/assets/'))
      .map((e) => [e.name, e.encodedBodySize, e.startTime]),
    performance.getEntriesByName('first-contentful-paint')[0].startTime,
  ]);
  const total = files.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total > 40_000 && total <= 120 * 1024, `${total} bytes`);
  const before = files.filter(([, , start]) => start < painted);
  assert.ok(before.length <= 16, before.map(([name]) => name).join('\n'));
  await close(page);
});

test('files as people have them are read', async () => {
  const { timestamps, values } = sample({ points: 300, start: 1_709_251_200 });
  const rows = (line, head = 'time,value', end = '\n') =>
    `${head ? head + end : ''}${timestamps.map((t, i) => line(t, values[i])).join(end)}${end}`;
  const iso = (t) => new Date(t * 1000).toISOString();
  const european = (t) => {
    const d = iso(t);
    return `${d.slice(8, 10)}.${d.slice(5, 7)}.${d.slice(0, 4)} ${d.slice(11, 16)}`;
  };
  const files = {
    semicolons: rows((t, v) => `${t};${v}`, 'time;value'),
    quoted: rows((t, v) => `"${iso(t)}","${v}"`, '"time","value"'),
    mark: `\ufeff${rows((t, v) => `${t},${v}`)}`,
    zone: rows(
      (t, v) => `${new Date((t + 7200) * 1000).toISOString().replace('.000Z', '+02:00')},${v}`,
    ),
    milliseconds: rows((t, v) => `${t}000,${v}`),
    'no header': rows((t, v) => `${t},${v}`, ''),
    european: rows((t, v) => `${european(t)};${String(v).replace('.', ',')}`, 'Datum;Wert', '\r\n'),
  };
  const page = await browser.open(platform, '#/file');
  for (const [name, text] of Object.entries(files)) {
    await drop(page, `${name}.csv`, text);
    await page.waitForSelector('h1.big');
    const unit = name === 'milliseconds' ? 1000 : 1;
    const points = { timestamps: timestamps.map((t) => t * unit), values };
    assert.equal(await heading(page), said(await detect(points), points), name);
    assert.match(await page.textContent('.head p'), /1 Mar 2024 to 3 Mar 2024, every 10 min/, name);
    await page.click('text=Another file');
  }
  await drop(page, 'bad.csv', csv({ timestamps, values }).replace(String(values[4]), 'oops'));
  await page.getByText('1 row was left out, the first on line 6.').waitFor();
  await close(page);
});

test('files that cannot be judged are refused in words', async () => {
  const page = await browser.open(platform, '#/file');
  for (const [name, content, words] of [
    ['words.csv', 'time,name\n2024-01-01,a\n2024-01-02,b\n', 'No column holds numbers only'],
    ['empty.csv', '', 'It has no rows'],
    ['head.csv', 'time,value\n', 'It has no rows'],
    ['two.csv', 'time,value\n1,1\n2,2\n', 'It has 2 points'],
  ]) {
    await drop(page, name, content);
    await page.getByText('This file cannot be judged.').waitFor();
    const text = await page.textContent('.notice.error');
    assert.ok(text.includes(words), `${name}: ${text}`);
  }
  // 65 MB, made in the page.
  const transfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(65 * 1024 * 1024)], 'large.csv'));
    return data;
  });
  await page.dispatchEvent('.drop', 'drop', { dataTransfer: transfer });
  await page.getByText('It has 65 MB; the server takes 64 MB at most.').waitFor();
  await close(page);
});

test('slider, side, difference and detector judge again', async () => {
  const points = sample();
  const page = await result(points);
  const shows = async (more, why) => {
    const expected = said(await detect({ ...points, ...more }), points);
    await page
      .waitForFunction((text) => document.querySelector('h1.big').textContent === text, expected, {
        timeout: 5000,
      })
      .catch(async () => assert.equal(await heading(page), expected, why));
  };
  await page.fill('#rate', '8');
  await shows({ false_alarm_rate: 1 / 200 }, 'rate');
  assert.match(
    await page.textContent('.controls .hint'),
    /^About \d+ false alarms in this file: one every /,
  );
  await page.fill('#rate', '0');
  await shows({ false_alarm_rate: 1 / 100_000 }, 'low rate');
  await page.click('text=Reset');
  await shows({}, 'its own level');
  await page.check('input[value="above"]', { force: true });
  await shows({ direction: 'above' }, 'side');
  await page.fill('#least', '1000');
  await shows({ direction: 'above', min_deviation: 1000 }, 'difference');
  await page.selectOption('select[aria-label="Detector"]', 'robust');
  await page.fill('#least', '0');
  await shows({ direction: 'above', detector: 'robust' }, 'detector');
  await close(page);
});

test('a late reply never overwrites a newer one', async () => {
  const points = sample();
  const page = await result(points);
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  let first = true;
  const bodies = [];
  await page.route('**/v1/detect', async (route) => {
    bodies.push(route.request().postDataJSON().false_alarm_rate);
    if (first) {
      first = false;
      await held;
    }
    await route.continue();
  });
  await page.fill('#rate', '9');
  await settled(() => bodies.length === 1);
  await page.fill('#rate', '1');
  await settled(() => page.evaluate(() => document.querySelector('#rate').value === '1'));
  release();
  await settled(() => bodies.at(-1) === 1 / 50_000);
  const reply = await detect({ ...points, false_alarm_rate: 1 / 50_000 });
  await page.waitForFunction(
    (text) => document.querySelector('h1.big').textContent === text,
    said(reply, points),
  );
  assert.deepEqual([bodies[0], bodies.at(-1)], [1 / 100, 1 / 50_000]);
  assert.ok(bodies.length <= 3, `${bodies}`);
  await close(page);
});

test('a file is kept as a series, and again as its second version', async () => {
  // The points of a fit are stored a moment after it.
  const page = await result(sample({ points: 400 }), { expected: [/503.*points/] });
  for (const version of ['v1', 'v2']) {
    await page.click('text=Keep as a series');
    await page.fill('#keep', 'kept of a file');
    await page.click('text=Keep it');
    await page.waitForURL(/#\/series\/kept%20of%20a%20file/);
    const { serving } = await platform.call('GET', '/v1/series/kept%20of%20a%20file');
    assert.equal(serving, version);
    await page.getByRole('cell', { name: version, exact: true }).waitFor();
    await page.click('text=Try a file');
    await page.waitForSelector('h1.big');
  }
  await close(page);
});

test('each mark says why, and stands at the point that it is about', async () => {
  const points = sample();
  const reply = await detect(points);
  // An episode that grows has several alarms about one point.
  const alarms = [
    ...new Map(reply.verdicts.filter((v) => v.alarm).map((v) => [v.cause.at, v])).values(),
  ].sort((a, b) => a.cause.at - b.cause.at);
  assert.ok(alarms.length >= 2);
  const page = await result(points);
  await page.focus('.plot');
  await page.keyboard.press('0');
  for (const alarm of alarms) {
    await page.keyboard.press('n');
    const time = await page.textContent('.tip .hint');
    const at = new Date(alarm.cause.at * 1000).toISOString();
    assert.ok(time.includes(`${at.slice(11, 16)} UTC`), `${time} is not ${at}`);
    const plain = (text) =>
      text
        .replaceAll(',', '')
        .replace(/ \d+ points? ago/, '')
        .toLowerCase();
    assert.equal(plain(await page.textContent('.tip .why bdi')), plain(alarm.reason));
    assert.ok((await page.textContent('#live')).includes(time), 'it is read out');
  }
  // The pointer, a few pixels beside the mark, goes to it.
  const box = await page.locator('.u-over').boundingBox();
  const [first, last] = [points.timestamps[0], points.timestamps.at(-1)];
  for (const alarm of alarms) {
    await page.mouse.move(
      box.x + ((alarm.cause.at - first) / (last - first)) * box.width + 5,
      box.y + 60,
    );
    const at = new Date(alarm.cause.at * 1000).toISOString();
    assert.ok((await page.textContent('.tip .hint')).includes(at.slice(11, 16)), 'snapped');
  }
  await close(page);
});

test('dragging zooms, the strip follows, and the address shows the same', async () => {
  const points = sample();
  const page = await result(points);
  const box = await page.locator('.u-over').boundingBox();
  const drag = async () => {
    await page.mouse.move(box.x + box.width * 0.5, box.y + 80);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 90, { steps: 4 });
    await page.mouse.up();
  };
  await drag();
  const range = () =>
    Object.fromEntries(new URLSearchParams(new URL(page.url()).hash.split('?')[1]));
  const whole = () => settled(() => !range().from);
  const { from, to } = await settled(() => range().from && range());
  const [first, last] = [points.timestamps[0], points.timestamps.at(-1)];
  assert.ok(
    Math.abs((from - first) / (last - first) - 0.5) < 0.02 &&
      Math.abs((to - first) / (last - first) - 0.75) < 0.02,
    `${from} to ${to}`,
  );
  assert.match(await page.locator('.strip .window').getAttribute('style'), /left: (49|50)\.\d+%/);
  await page.dblclick('.u-over');
  await whole();
  assert.ok(await page.locator('.strip .window').isHidden());
  await drag();
  await settled(() => range().from);
  await page.focus('.plot');
  await page.keyboard.press('0');
  await whole();
  await page.focus('.strip');
  await page.keyboard.press('+');
  const narrow = await settled(() => range().from && range());
  await page.keyboard.press('ArrowRight');
  await settled(() => Number(range().from) > Number(narrow.from));
  await close(page);
});

test('canvases follow the colour scheme', async () => {
  const page = await result(sample(), { theme: 'light', expected: [/willReadFrequently/] });
  const colours = () =>
    page.evaluate(() => {
      const canvas = document.querySelector('.uplot canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
      return [...seen];
    });
  assert.ok((await colours()).includes('36,87,214'), 'the line is blue');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(
    () => getComputedStyle(document.body).backgroundColor === 'rgb(11, 13, 16)',
  );
  await settled(async () => {
    const dark = await colours();
    return dark.includes('134,174,255') && !dark.includes('36,87,214');
  });
  await close(page);
});

test('odd series are shown', async () => {
  const n = 100;
  const regular = Array.from({ length: n }, (_, i) => i * 10);
  const waves = regular.map((t, i) => 10 + Math.sin(i) + (i === 50 ? 40 : 0));
  const odd = {
    gaps: {
      timestamps: regular.map((t, i) => 1_700_000_000 + t + (i > 30 ? 5000 : 0)),
      values: waves,
    },
    'equal times': { timestamps: regular.map((t) => Math.floor(t / 20) * 20), values: waves },
    constant: { timestamps: regular, values: regular.map(() => 7) },
    'one judged point': { timestamps: [1, 2, 3, 4], values: [1, 2, 3, 9] },
    large: {
      timestamps: regular,
      values: waves.map((v, i) => (i === 50 ? 1e308 : i === 51 ? -1e308 : v)),
    },
    'negative times': { timestamps: regular.map((t) => t - 10_000), values: waves },
    'plain numbers': { timestamps: regular.map((t) => t / 10), values: waves },
  };
  const page = await browser.open(platform, '#/file');
  for (const [name, points] of Object.entries(odd)) {
    await drop(page, `${name}.csv`, csv(points));
    await page
      .waitForSelector('.uplot canvas', { timeout: 5000 })
      .catch(() => assert.fail(`${name}: ${platform.url}`));
    const few = points.values.length < 20 ? { train: 3 } : {};
    const reply = await detect({ ...points, ...few });
    assert.equal(
      (await heading(page)).replace('1 judged points', '1 judged point'),
      said(reply, points).replace('1 judged points', '1 judged point'),
      name,
    );
    await page.focus('.plot');
    for (const key of ['ArrowRight', 'n', '+', '-', '0']) await page.keyboard.press(key);
    await page.click('text=Another file');
  }
  await close(page);
});
