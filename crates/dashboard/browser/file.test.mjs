// "Try a file": what is dropped is judged as the API judges it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser, close, csv, drop, picture, Platform, sample } from './harness.mjs';

let platform;
let browser;
before(async () => { [platform, browser] = await Promise.all([Platform.start(), Browser.start()]); });
after(async () => { await browser?.end(); await platform?.end(); });

const group = (n) => new Intl.NumberFormat('en-US').format(n);

/** What the page shows of a result: heading, episodes, alarms as `[timestamp of the mark, reason]`. */
const heading = (page) => page.textContent('h1.big');

for (const theme of ['light', 'dark']) {
  test(`a dropped file shows what the API finds, ${theme}`, async () => {
    const page = await browser.open(platform, '#/file', { theme });
    const points = sample();
    const begun = Date.now();
    await drop(page, 'traffic.csv', csv(points));
    await page.waitForSelector('.uplot canvas');
    await page.waitForSelector('.episode');
    assert.ok(Date.now() - begun < 5000, 'it takes a second on an idle machine');
    const reply = await platform.call('POST', '/v1/detect', points);
    assert.ok(reply.episodes.length >= 2, 'the series has outages');
    assert.equal(await heading(page), `${reply.episodes.length} episodes in ${group(points.values.length - reply.train)} judged points`);
    assert.equal(await page.locator('.episode').count(), reply.episodes.length);
    assert.match(await page.textContent('.head p'), new RegExp(`Learned from the first ${group(reply.train)} points`));
    await picture(page, `file-${theme}`);
    await close(page);
  });
}

test('the first visit loads few files and few bytes', async () => {
  const page = await browser.open(platform, '');
  await page.waitForSelector('.drop');
  const files = await page.evaluate(() => performance.getEntriesByType('resource').filter((e) => e.name.includes('/assets/')).map((e) => [e.name, e.encodedBodySize, e.startTime]));
  const total = files.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total > 40_000 && total <= 120 * 1024, `${total} bytes`);
  await close(page);
});

test('files that cannot be judged are refused in words', async () => {
  const page = await browser.open(platform, '#/file');
  for (const [name, content, words] of [
    ['words.csv', 'time,name\n2024-01-01,a\n2024-01-02,b\n', 'No column holds numbers only'], ['empty.csv', '', 'It has no rows'], ['head.csv', 'time,value\n', 'It has no rows'],
    ['two.csv', 'time,value\n1,1\n2,2\n', 'It has 2 points'],
  ]) {
    await drop(page, name, content);
    await page.getByText('This file cannot be judged.').waitFor();
    const text = await page.textContent('.notice.error');
    assert.ok(text.toLowerCase().includes(words.toLowerCase()), `${name}: ${text}`);
  }
  await close(page);
});
