// One series: models, judging, what was found, silences; ids of strangers; commands that run as they are.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

import { BINARIES, Browser, close, csv, drop, Platform, sample, settled } from './harness.mjs';

let platform;
let browser;
before(async () => {
  [platform, browser] = await Promise.all([Platform.start(), Browser.start()]);
});
after(async () => {
  await browser?.end();
  await platform?.end();
});

const series = (id) => `/v1/series/${encodeURIComponent(id)}`;
const page = (id, options) => browser.open(platform, `#/series/${encodeURIComponent(id)}`, options);
const fit = (id, points = sample({ points: 300 })) =>
  platform.call('POST', `/fit/${encodeURIComponent(id)}`, points);
/** Points that have come by now, with an outage. */
async function observed(id, { points = 600, step = 60 } = {}) {
  const now = Math.floor(Date.now() / 1000 / step) * step;
  const sent = sample({ points, step, start: now - (points - 1) * step });
  await platform.call('POST', `/observe/${encodeURIComponent(id)}?wait_ms=10000`, sent);
  return sent;
}

test('models are promoted, rolled back and exported', async () => {
  for (let i = 0; i < 3; i += 1) await fit('models');
  const view = await page('models');
  const row = (version) =>
    view.getByRole('row').filter({ has: view.getByRole('cell', { name: version, exact: true }) });
  await row('v1').getByText('Promote').click();
  await row('v1').getByText('champion').waitFor();
  assert.equal((await platform.call('GET', series('models'))).serving, 'v1');
  await row('v2').getByText('Promote').click();
  await row('v2').getByText('champion').waitFor();
  await view.getByText('Roll back to v1').click();
  await view.getByRole('dialog').getByText('Roll back', { exact: true }).click();
  await row('v1').getByText('champion').waitFor();
  assert.equal((await platform.call('GET', series('models'))).serving, 'v1');
  const [download] = await Promise.all([
    view.waitForEvent('download'),
    row('v3').getByLabel('Export v3').click(),
  ]);
  const bytes = readFileSync(await download.path());
  const direct = Buffer.from(
    await (await fetch(`${platform.url}${series('models')}/models/v3/export`)).arrayBuffer(),
  );
  assert.deepEqual(bytes, direct);
  await close(view);
});

test('a promotion that comes too late is shown as such', async () => {
  for (let i = 0; i < 2; i += 1) await fit('raced');
  const view = await page('raced', { expected: [/412/] });
  await view.getByText('Promote').first().waitFor();
  await fit('raced');
  await platform.call('PUT', `${series('raced')}/aliases/champion`, { version: 'v3' });
  await view.getByRole('row').filter({ hasText: 'v1' }).getByText('Promote').click();
  await view.getByText('v3 became champion a moment ago').waitFor();
  await view.getByRole('row').filter({ hasText: 'v3' }).getByText('champion').waitFor();
  await close(view);
});

test('a point is judged and not stored', async () => {
  await fit('judged');
  const view = await page('judged');
  await view.fill('#value', '99999');
  await view.getByText('Judge', { exact: true }).click();
  await view
    .locator('.answer')
    .getByText(/99,?999 is/)
    .waitFor();
  assert.match(await view.textContent('.answer'), /Critical.*Judged by v1/s);
  await close(view);
});

test('what a stream has found is shown, silenced and ended', async () => {
  await observed('found');
  const { anomalies } = await settled(async () => {
    const reply = await platform.call('GET', `${series('found')}/anomalies`);
    return reply.anomalies.length > 0 && reply;
  });
  const view = await page('found');
  await view.waitForSelector('.uplot canvas');
  assert.equal(
    await view.locator('.episodes .episode').count(),
    anomalies.filter((a) => a.kind !== 'level').length,
  );
  await view.getByRole('button', { name: 'Silence' }).click();
  await view.fill('#reason', 'moving house');
  await view.getByRole('dialog').getByRole('button', { name: 'Silence' }).click();
  await view.getByText(/found is silenced until/).waitFor();
  const { silences } = await platform.call('GET', '/v1/silences');
  assert.deepEqual(
    silences.map((s) => [s.matchers[0].name, s.matchers[0].value, s.comment]),
    [['series', 'found', 'moving house']],
  );
  await view.getByRole('link', { name: 'Incidents' }).click();
  await view.getByRole('button', { name: /Silences/ }).click();
  await view.getByRole('dialog').getByText('moving house').waitFor();
  await view.getByRole('button', { name: 'End' }).click();
  await view.getByText('There is no silence.').waitFor();
  assert.deepEqual((await platform.call('GET', '/v1/silences')).silences, []);
  await close(view);
});

test('an anomaly is confirmed, dismissed, and taken back', async () => {
  await observed('reviewed');
  const { anomalies } = await settled(async () => {
    const reply = await platform.call('GET', `${series('reviewed')}/anomalies`);
    return reply.anomalies.length > 0 && reply;
  });
  const feedback = async () => {
    const all = await platform.call('GET', `${series('reviewed')}/anomalies`);
    return all.anomalies.map((a) => a.feedback?.verdict).filter(Boolean);
  };
  const view = await page('reviewed');
  await view.waitForSelector('.uplot canvas');
  const first = view.locator('.episodes li').first();
  await first.getByLabel('Confirm').or(first.getByText('Confirm')).first().click();
  await view.getByText('Confirmed. The next fit leaves these points out.').waitFor();
  await settled(async () => (await feedback()).join() === 'confirmed');
  await first.getByText('Undo').click();
  await settled(async () => (await feedback()).length === 0);
  await first.getByLabel('Dismiss').or(first.getByText('Dismiss')).first().click();
  await settled(async () => (await feedback()).join() === 'dismissed');
  await view.locator('.toast').getByText('Undo').last().click();
  await settled(async () => (await feedback()).length === 0);
  assert.ok(
    anomalies.every((a) => a.feedback === null),
    'nothing had been said before',
  );
  await close(view);
});

test('a budget of alarms is asked for', async () => {
  await observed('budget', { points: 100 });
  const view = await page('budget');
  await view.selectOption('select[aria-label="Tell me at most"]', '3 week');
  await view.getByText('It holds from the next point on.').waitFor();
  const stream = await platform.call('GET', `${series('budget')}/stream`);
  assert.deepEqual(stream.false_alarms.asked, { alarms: 3, per: 'week' });
  await view.getByText('0 a week').waitFor();
  await close(view);
});

test('a series that was only fitted shows its training points', async () => {
  const points = sample({ points: 400 });
  await fit('fitted', points);
  const view = await page('fitted');
  await view.waitForSelector('.uplot canvas');
  assert.match(await view.locator('.plot').getAttribute('aria-label'), /^Chart of 400 points, /);
  const reply = await platform.call('GET', `${series('fitted')}/points`);
  assert.equal(await view.locator('.episode').count(), reply.anomalies.length);
  await close(view);
});

test('the range in view is in the address, and opening it shows the same', async () => {
  const sent = await observed('ranged');
  const [from, to] = [sent.timestamps[100], sent.timestamps[200]];
  const view = await browser.open(platform, `#/series/ranged?from=${from}&to=${to}`);
  await view.waitForSelector('.strip .window:not([hidden])');
  const style = await view.locator('.strip .window').getAttribute('style');
  assert.ok(Math.abs(parseFloat(/left: ([\d.]+)%/.exec(style)[1]) - (100 / 599) * 100) < 1, style);
  await view.getByRole('radio', { name: '1h' }).check({ force: true });
  await settled(() => view.url().includes(`to=${sent.timestamps.at(-1)}`));
  await view.getByRole('button', { name: 'Show all' }).click();
  await settled(() => !view.url().includes('from='));
  await close(view);
});

test('ids of strangers are text', async () => {
  const ids = [
    '<img src=x onerror=alert(1)>',
    'x'.repeat(200),
    '\u0645\u0628\u064a\u0639\u0627\u062a \u202e abc',
    'e\u0301\u0327\u0323 \u1100\u1161',
    '"><script>alert(1)</script>?a=b&c#d%20'.replaceAll('/', '_'),
  ];
  for (const id of ids) {
    await fit(id);
    const view = await page(id);
    view.on('dialog', () => view.faults.push('a script ran'));
    await view.locator('h1').waitFor();
    assert.equal(await view.textContent('h1'), id);
    assert.ok(
      await view.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      `${id} is too wide`,
    );
    await view.getByRole('link', { name: 'Series' }).first().click();
    await view.locator('.row bdi.name').getByText(id, { exact: true }).waitFor();
    assert.equal(await view.locator('main img, main script').count(), 0);
    await close(view);
  }
});

test('a series that is not there is told apart from one that is', async () => {
  const view = await page('nowhere', { expected: [/404/] });
  await view.getByText('There is no series called nowhere').waitFor();
  await close(view);
});

test('every command runs as it is copied', async () => {
  await observed('office');
  await fit('office');
  const folder = mkdtempSync(join(tmpdir(), 'commands-'));
  writeFileSync(join(folder, 'traffic file.csv'), csv(sample()));
  const view = await browser.open(platform, '#/file', {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const run = async (where) => {
    const buttons = view.locator('main button[aria-label^="Copy"]');
    assert.ok((await buttons.count()) > 0, where);
    for (let i = 0; i < (await buttons.count()); i += 1) {
      await buttons.nth(i).click();
      const command = await view.evaluate(() => navigator.clipboard.readText());
      if (command.startsWith('http') || command.includes(':9090/')) continue;
      const shell = command.replaceAll('curl ', 'curl --fail-with-body ');
      try {
        execFileSync('bash', ['-c', shell], {
          cwd: folder,
          stdio: 'pipe',
          env: { PATH: `${dirname(BINARIES.anomaly)}:${process.env.PATH}` },
        });
      } catch (error) {
        assert.fail(`${where}: ${command}\n${error.stdout}${error.stderr}`);
      }
    }
  };
  await view.waitForSelector('.lines');
  await run('start');
  await drop(view, 'traffic file.csv', csv(sample()));
  await view.waitForSelector('h1.big');
  await view.fill('#rate', '8');
  await view.fill('#least', '5');
  await view.waitForFunction(() =>
    document.querySelector('.code').textContent.includes('--min-deviation 5'),
  );
  await run('file');
  await view.goto(`${platform.url}/#/series/office`);
  await view.locator('h1').getByText('office').waitFor();
  await run('series');
  await close(view);
  rmSync(folder, { recursive: true });
});

test('the page asks for a key where the platform wants one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keys-'));
  const file = join(folder, 'keys');
  const made = execFileSync(
    BINARIES.anomaly,
    ['key', 'new', '--name', 'reader', '--scopes', 'read,predict', '--file', file],
    { encoding: 'utf8' },
  );
  const secret = made.split(/\s/)[0];
  const guarded = await Platform.start({ API_KEYS_FILE: file });
  try {
    const view = await browser.open(guarded, '#/file', { expected: [/401/] });
    await view.fill('input[aria-label="API key"]', secret);
    await view.getByText('Use it').click();
    await drop(view, 'traffic.csv', csv(sample()));
    await view.waitForSelector('h1.big');
    await close(view);
  } finally {
    await guarded.end();
    rmSync(folder, { recursive: true });
  }
});
