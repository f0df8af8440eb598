// A server that goes away and comes back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser, close, Platform, sample, settled } from './harness.mjs';

let platform;
let browser;
before(async () => {
  [platform, browser] = await Promise.all([Platform.start(), Browser.start()]);
});
after(async () => {
  await browser?.end();
  await platform?.end();
});

const lost = [
  /ERR_CONNECTION_REFUSED/,
  /ERR_INCOMPLETE_CHUNKED_ENCODING/,
  /ERR_EMPTY_RESPONSE/,
  /ERR_CONNECTION_RESET/,
  /ERR_SOCKET_NOT_CONNECTED/,
  /Failed to fetch/,
];

test('a server that stops and starts again loses nothing from the page', async () => {
  const step = 60;
  const now = Math.floor(Date.now() / 1000 / step) * step;
  const sent = sample({ points: 500, step, start: now - 499 * step });
  const part = (a, b) => ({
    timestamps: sent.timestamps.slice(a, b),
    values: sent.values.slice(a, b),
  });
  await platform.call('POST', '/observe/office?wait_ms=10000', part(0, 400));
  const page = await browser.open(platform, '#/series/office', { expected: lost });
  await page.waitForSelector('.uplot canvas');
  await page.locator('#status').getByText('Live').waitFor();
  const found = () => page.locator('.episodes .episode').count();
  const before = await found();
  await platform.stop();
  await page.locator('#status').getByText('Not connected, trying again').waitFor();
  assert.match(await page.textContent('#status'), /as of \d\d:\d\d:\d\d/);
  assert.equal(await found(), before, 'what was shown stays');
  assert.equal(await page.locator('.uplot canvas').count(), 1);
  await platform.start();
  await platform.call('POST', '/observe/office?wait_ms=10000', part(400, 500));
  await page.locator('#status').getByText('Live').waitFor({ timeout: 20_000 });
  const { anomalies } = await settled(async () => {
    const reply = await platform.call('GET', '/v1/series/office/anomalies');
    return reply.anomalies.length > before && reply;
  });
  await settled(async () => (await found()) === anomalies.filter((a) => a.kind !== 'level').length);
  await settled(async () =>
    (await page.textContent('.head p')).includes(
      `Last value ${Number(sent.values.at(-1).toPrecision(4))},`,
    ),
  );
  await close(page);
});

test('a page that cannot be loaded says why, and loads by itself', async () => {
  const page = await browser.open(platform, '#/incidents', { expected: lost });
  await page.locator('h1').waitFor();
  // The pages are loaded ahead, a moment after the first.
  const files = [
    'system.js',
    'strip.js',
    'layers.js',
    'detail.js',
    'chart.js',
    'lanes.js',
    'virtual.js',
  ];
  await page.waitForFunction((names) => {
    const all = performance.getEntriesByType('resource').filter((e) => e.responseEnd > 0);
    return names.every((name) => all.some((e) => e.name.endsWith(name)));
  }, files);
  await platform.stop();
  await page.getByRole('link', { name: 'System' }).click();
  await page.getByText('The figures could not be loaded.').waitFor();
  assert.match(
    await page.textContent('.notice.error'),
    /The service does not answer\..*Trying again in \d s/s,
  );
  await platform.start();
  await page.locator('h1').getByText('Everything works').waitFor({ timeout: 20_000 });
  await close(page);
});
