// All pages in both themes and at four widths: nothing for axe to find, nothing to scroll sideways, and a picture of each.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import {
  Browser,
  close,
  csv,
  drop,
  picture,
  Platform,
  sample,
  settled,
  THEMES,
  WIDTHS,
} from './harness.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let platform;
let browser;
before(async () => {
  [platform, browser] = await Promise.all([Platform.start(), Browser.start()]);
  await series();
});
after(async () => {
  await browser?.end();
  await platform?.end();
});

/** A few series with incidents, models and labels. */
async function series() {
  const step = 300;
  const now = Math.floor(Date.now() / 1000 / step) * step;
  for (const [i, id] of ['checkout.requests', 'search.latency_p99', 'payments.errors'].entries()) {
    const points = sample({ points: 1500, step, start: now - 1499 * step, seed: 5 + i });
    if (i < 2) points.values.splice(-4, 4, ...[1, 2, 3, 4].map((k) => 1500 + 10 * k * (i + 1)));
    await platform.call('PUT', `/v1/series/${id}/stream`, {
      labels: { team: ['core', 'web', 'pay'][i] },
    });
    await platform.call('POST', `/observe/${id}?wait_ms=10000`, points);
    await platform.call('POST', `/fit/${id}`, points);
  }
  await settled(
    async () => (await platform.call('GET', '/v1/anomalies?status=open')).anomalies.length >= 2,
  );
}

/** The faults that axe finds, each with where it is. */
async function faults(page) {
  // As a script of the page's own it would be refused: it is not of this server.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return violations.map(
      (v) =>
        `${v.id}: ${v.nodes
          .map((n) => n.target.join(' '))
          .slice(0, 4)
          .join(' | ')}: ${v.nodes[0].failureSummary}`,
    );
  });
}

const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/** Where each page is, and how it is made ready. */
const PAGES = {
  start: ['#/file', (page) => page.waitForSelector('.lines')],
  file: [
    '#/file',
    async (page) => {
      await drop(page, 'traffic.csv', csv(sample()));
      await page.waitForSelector('.uplot canvas');
    },
  ],
  'file-nothing': [
    '#/file',
    async (page) => {
      const calm = sample({ points: 1000 });
      await drop(
        page,
        'calm.csv',
        csv({
          ...calm,
          values: calm.values.map((v, i) => (Math.abs(v - 500) < 240 ? v : 500 + (i % 3))),
        }),
      );
      await page.fill('#least', '5000');
      await page.getByText('All of it looks normal').waitFor();
      await page.waitForSelector('.uplot canvas');
    },
  ],
  refused: [
    '#/file',
    async (page) => {
      await drop(page, 'words.csv', 'time,name\n2024-01-01,a\n');
      await page.waitForSelector('.notice.error');
    },
  ],
  list: ['#/', (page) => page.waitForSelector('.row bdi.name')],
  'list-nothing': ['#/?q=kubernetes', (page) => page.getByText('No series matches').waitFor()],
  series: ['#/series/checkout.requests', (page) => page.waitForSelector('.uplot canvas')],
  'series-nowhere': ['#/series/nowhere', (page) => page.getByText('There is no series').waitFor()],
  incidents: ['#/incidents', (page) => page.waitForSelector('.incident')],
  'incidents-week': ['#/incidents?show=week', (page) => page.waitForSelector('.incident')],
  system: ['#/system', (page) => page.getByText('Everything works').waitFor()],
};
/** The page of the API: as it comes, and with everything opened. */
const DOCS = {
  docs: [() => {}, 0],
  'docs-call': [(page) => page.goto(`${platform.url}/docs#observe`), 1],
  'docs-schema': [(page) => page.goto(`${platform.url}/docs#schema-Anomaly`), 1],
};
const DIALOGS = {
  'dialog-silence': ['#/incidents', '.incident .does > button'],
  'dialog-keys': ['#/system', 'button[aria-label="Keyboard and time zone"]'],
  'dialog-menu': ['#/series/checkout.requests', 'button[aria-label="More"]'],
  'dialog-silences': ['#/incidents', '.head .button'],
};

for (const theme of THEMES) {
  for (const width of WIDTHS) {
    test(`the pages, ${theme}, ${width} px`, async (t) => {
      const page = await browser.open(platform, '', {
        theme,
        width,
        height: width < 700 ? 844 : 900,
        expected: [/404.*nowhere/],
      });
      for (const [name, [hash, ready]] of Object.entries(PAGES)) {
        await t.test(name, async () => {
          await page.goto('about:blank');
          await page.goto(`${platform.url}/${hash}`);
          await ready(page);
          await page.evaluate(() => document.fonts.ready);
          assert.ok((await wide(page)) <= 0, `${name} is ${await wide(page)} px too wide`);
          await picture(page, `${name}-${theme}-${width}`);
          if (width === 1440 || width === 390) assert.deepEqual(await faults(page), [], name);
          assert.equal(await page.locator('h1').count(), 1);
          assert.notEqual(await page.title(), 'Anomaly');
        });
      }
      await close(page);
    });
  }
  for (const width of WIDTHS) {
    test(`the page of the API, ${theme}, ${width} px`, async () => {
      for (const [name, [make, opened]] of Object.entries(DOCS)) {
        const page = await browser.open(platform, 'docs', { theme, width });
        await page.locator('#schemas').waitFor({ state: 'attached' });
        await make(page);
        await settled(async () => (await page.locator('details[open]').count()) === opened);
        await page.evaluate(() => document.fonts.ready);
        assert.ok((await wide(page)) <= 0, `${name} is ${await wide(page)} px too wide`);
        await picture(page, `${name}-${theme}-${width}`);
        if (width === 1440 || width === 390) assert.deepEqual(await faults(page), [], name);
        assert.equal(await page.locator('h1').count(), 1);
        await close(page);
      }
    });
  }
  test(`the dialogs, ${theme}`, async () => {
    for (const [name, [hash, button]] of Object.entries(DIALOGS)) {
      const page = await browser.open(platform, hash, { theme });
      await page.locator(button).first().click();
      await page.getByRole('dialog').waitFor();
      await picture(page, `${name}-${theme}`);
      assert.deepEqual(await faults(page), [], name);
      await page.keyboard.press('Escape');
      assert.equal(await page.getByRole('dialog').count(), 0);
      assert.ok(
        await page.evaluate(
          (selector) => document.activeElement === document.querySelector(selector),
          button,
        ),
        'the focus is given back',
      );
      await close(page);
    }
  });
}

test('by keyboard alone: a file, a kept series, a silence', async () => {
  const page = await browser.open(platform, '#/system');
  const tabTo = async (name) => {
    for (let i = 0; i < 80; i += 1) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((text) => document.activeElement.textContent.trim() === text, name))
        return;
    }
    assert.fail(`${name} is not reached by Tab`);
  };
  await page.locator('h1').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForSelector('.examples');
  await tabTo('Daily traffic, one outagerequests a minute, two weeks');
  await page.keyboard.press('Enter');
  await page.waitForSelector('h1.big');
  await tabTo('Keep as a series');
  await page.keyboard.press('Enter');
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Enter');
  await page.locator('h1').getByText('by keyboard').waitFor();
  await tabTo('Silence');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('ArrowLeft');
  await tabTo('Silence');
  await page.keyboard.press('Enter');
  await page.getByText('by keyboard is silenced until').waitFor();
  const { silences } = await platform.call('GET', '/v1/silences');
  assert.equal(silences.length, 1);
  const hours = (Date.parse(silences[0].ends_at) - Date.now()) / 3_600_000;
  assert.ok(hours > 0.9 && hours <= 1, `${hours} h, the choice to the left of four`);
  await close(page);
});
