// The page of the API: all of the document is on it, its commands work, and it is found and used by keyboard.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { Browser, close, Platform, settled } from './harness.mjs';

let platform;
let browser;
let api;
before(async () => {
  [platform, browser] = await Promise.all([Platform.start(), Browser.start()]);
  api = await platform.call('GET', '/openapi.json');
});
after(async () => {
  await browser?.end();
  await platform?.end();
});

async function opened(hash = '') {
  const page = await browser.open(platform, `docs${hash}`);
  await page.locator('#schemas').waitFor({ state: 'attached' });
  return page;
}

test('every call, parameter, field, status and problem code is on the page with its meaning', async () => {
  const page = await opened();
  const text = await page.evaluate(() => document.querySelector('main').textContent);
  const plain = (markdown) => markdown.replaceAll(/[`*]/g, '').replaceAll(/\s+/g, ' ');
  const shown = plain(text);
  assert.doesNotMatch(text, /\[object|undefined/);
  const missing = [];
  const look = (schema, where) => {
    if (typeof schema !== 'object' || schema === null) return;
    for (const [name, field] of Object.entries(schema.properties ?? {}))
      if (!field.description || !shown.includes(plain(field.description)))
        missing.push(`${where}.${name}`);
    Object.entries(schema).forEach(([key, part]) => key !== 'examples' && look(part, where));
  };
  Object.entries(api.components.schemas).forEach(([name, schema]) => look(schema, name));
  for (const [path, item] of Object.entries(api.paths))
    for (const [method, call] of Object.entries(item)) {
      const node = page.locator(`[id="${call.operationId}"]`);
      const own = await node.evaluate((one) => one.textContent);
      for (const word of [path, method.toUpperCase(), ...Object.keys(call.responses)])
        if (!own.includes(word)) missing.push(`${path} ${word}`);
      for (const parameter of call.parameters)
        if (parameter.name && !own.includes(parameter.name))
          missing.push(`${path} ${parameter.name}`);
    }
  for (const code of api.components.schemas.ProblemCode.oneOf)
    if (!shown.includes(plain(code.description))) missing.push(code.const);
  assert.deepEqual(missing, []);
  await close(page);
});

test('a link opens its call, and the command of an example can be pasted into a shell', async () => {
  const page = await opened('#fit');
  const call = page.locator('#fit');
  await settled(() => call.evaluate((node) => node.open));
  const command = await call.locator('.example-call code').first().textContent();
  const reply = JSON.parse(execFileSync('sh', ['-c', `${command} -sS`], { encoding: 'utf8' }));
  assert.equal(reply.version, 'v1');
  await call.getByRole('link', { name: 'FitReply' }).first().click();
  await settled(() => page.locator('#schema-FitReply').evaluate((node) => node.open));
  await close(page);
});

test('by keyboard alone: from the dashboard to a field', async () => {
  const page = await browser.open(platform, '#/file');
  await page.waitForSelector('.lines');
  await page.getByRole('link', { name: 'API', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.locator('#schemas').waitFor({ state: 'attached' });
  await page.keyboard.press('/');
  await page.keyboard.type('wait_ms');
  const shown = page.locator('details.call:visible');
  await settled(async () => (await shown.count()) === 1);
  await shown.locator('summary').focus();
  await page.keyboard.press('Enter');
  await page.getByText('How long to wait for the verdict, in milliseconds.').waitFor();
  await close(page);
});

test('without the dashboard the document stays and its page goes', async () => {
  const bare = await Platform.start({ DASHBOARD: 'false' });
  try {
    assert.equal((await fetch(`${bare.url}/docs`)).status, 404);
    assert.equal((await bare.call('GET', '/openapi.json')).openapi, '3.1.0');
  } finally {
    await bare.end();
  }
});
