// All series: ten thousand of them, the filters, the keyboard, and what changes by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser, close, Platform, settled } from './harness.mjs';

const MANY = 10_000;
let platform;
let browser;
before(async () => {
  [platform, browser] = await Promise.all([
    Platform.start({ DEFAULT_DETECTOR: 'sigma' }),
    Browser.start(),
  ]);
  await many();
});
after(async () => {
  await browser?.end();
  await platform?.end();
});

const now = Math.floor(Date.now() / 60_000) * 60;
const post = (path, lines) =>
  platform.call('POST', path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);

/** Ten thousand quiet series of two points, and a few with an outage. */
async function many() {
  const lines = [];
  for (let i = 0; i < MANY - 3; i += 1)
    for (let k = 2; k > 0; k -= 1)
      lines.push({
        series_id: `web.${String(i).padStart(5, '0')}`,
        timestamp: now - k * 60,
        value: i,
      });
  for (let i = 0; i < lines.length; i += 10_000)
    await post('/v1/points', lines.slice(i, i + 10_000));
  for (const [id, size] of [
    ['db.low', 8],
    ['db.mid', 25],
    ['db.high', 900],
  ]) {
    await platform.call('PUT', `/v1/series/${id}/stream`, { warmup: 30, labels: { team: 'core' } });
    await point(
      id,
      Array.from({ length: 60 }, (_, k) => [now - (61 - k) * 60, 10 + ((k * 7) % 5) / 5]),
    );
    await point(id, [[now - 60, 10 + size]]);
  }
  await settled(async () => {
    const { counts } = await platform.call('GET', '/v1/overview?limit=1&spark=false');
    return counts.open + counts.recent + counts.quiet === MANY && counts.open === 3;
  }, 120_000);
}

const point = (id, points) =>
  platform.call('POST', `/observe/${id}?wait_ms=10000`, {
    timestamps: points.map(([t]) => t),
    values: points.map(([, v]) => v),
  });
const names = (page) => page.locator('.row bdi.name').allTextContents();

test('of ten thousand series, those in need are on top, and few rows are in the document', async () => {
  const page = await browser.open(platform);
  await page.waitForSelector('.row bdi.name');
  const { rows } = await platform.call('GET', '/v1/overview?limit=100&spark=false');
  assert.deepEqual(
    (await names(page)).slice(0, 10),
    rows.slice(0, 10).map((row) => row.series_id),
  );
  assert.equal(await page.textContent('.filters .hint:last-child'), '10,000 series');
  const count = () => page.locator('.list .row').count();
  assert.ok((await count()) <= 40, `${await count()} rows`);
  await page.locator('.list').evaluate((node) => {
    node.scrollTop = 120_000;
  });
  await page
    .getByText(/^web\.026/)
    .first()
    .waitFor({ timeout: 20_000 });
  assert.ok((await count()) <= 40, `${await count()} rows after scrolling`);
  await close(page);
});

test('j fifty times and Enter opens the fiftieth', async () => {
  const page = await browser.open(platform);
  await page.waitForSelector('.row bdi.name');
  const { rows } = await platform.call('GET', '/v1/overview?limit=100&spark=false');
  for (let i = 0; i < 50; i += 1) await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('h1').getByText(rows[49].series_id, { exact: true }).waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.waitForSelector('.row bdi.name');
  await close(page);
});

test('series are found by name, by label, by severity and by time', async () => {
  const page = await browser.open(platform);
  await page.waitForSelector('.row bdi.name');
  const shows = (list, why) =>
    settled(async () => JSON.stringify(await names(page)) === JSON.stringify(list)).catch(
      async () => assert.deepEqual(await names(page), list, why),
    );
  await page.keyboard.press('/');
  await page.keyboard.type('web.0012');
  await shows(
    Array.from({ length: 10 }, (_, i) => `web.0012${i}`),
    'name',
  );
  assert.ok(page.url().includes('q=web.0012'));
  await page.fill('input[type="search"]', 'team=core');
  const { rows } = await platform.call('GET', '/v1/overview?label=team=core&spark=false');
  await shows(
    rows.map((row) => row.series_id),
    'label',
  );
  await page.getByRole('button', { name: rows[0].severity }).click();
  await shows(
    rows.filter((row) => row.severity === rows[0].severity).map((row) => row.series_id),
    'severity',
  );
  await page.fill('input[type="search"]', 'nothing of the sort');
  await page.getByText('No series matches').waitFor();
  await page.getByText('Clear the filters').click();
  await page.getByText('db.high', { exact: true }).waitFor();
  // The last hour of the histogram, where all alarms are.
  const box = await page.locator('.alarms canvas').boundingBox();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 2, box.y + 20, { steps: 3 });
  await page.mouse.up();
  await shows(
    rows.map((row) => row.series_id),
    'histogram',
  );
  await page.selectOption('select[aria-label="Time of the last alarm"]', '');
  await page.getByText('web.00000', { exact: true }).waitFor();
  await close(page);
});

test('a point changes its row within two seconds, and nothing changes place under the pointer', async () => {
  const page = await browser.open(platform, '#/?q=web.0000');
  await page.waitForSelector('.row bdi.name');
  await page.mouse.move(700, 500);
  const before = await names(page);
  // The stream of events has to follow the rows first.
  await page.waitForResponse((response) => response.url().includes('/v1/events?series='));
  const started = Date.now();
  await point('web.00007', [[now, 424_242]]);
  await page.getByText('424.2 k').waitFor({ timeout: 10_000 });
  assert.ok(Date.now() - started < 4000, `${Date.now() - started} ms`);
  assert.deepEqual(await names(page), before);
  await close(page);
});

test('what opens while the pointer rests waits for a word', async () => {
  const page = await browser.open(platform, '#/?q=web.0001');
  await page.waitForSelector('.row bdi.name');
  await page.mouse.move(700, 500);
  const before = await names(page);
  await page.waitForResponse((response) => response.url().includes('/v1/events?series='));
  await point(
    'web.00013',
    Array.from({ length: 60 }, (_, k) => [now + k, 10 + ((k * 7) % 5) / 5]),
  );
  await point('web.00013', [[now + 60, 5000]]);
  await point('db.low', [[now, 1000]]);
  assert.deepEqual(await names(page), before);
  await close(page);
});
