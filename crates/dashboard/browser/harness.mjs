// Starts a real standalone and a real Chromium, and watches what a page must never do.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The programs under test. */
export const BINARIES = {
  standalone: process.env.STANDALONE ?? join(root, 'target/debug/standalone'),
  anomaly: process.env.ANOMALY ?? join(root, 'target/debug/anomaly'),
};

/** Where pictures of the pages go. */
export const PICTURES = process.env.DASHBOARD_PICTURES ?? join(root, '.cache/dashboard');
mkdirSync(PICTURES, { recursive: true });

export const THEMES = ['light', 'dark'];
export const WIDTHS = [1440, 1024, 390, 320];

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function browserPath() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim();
    } catch {
      // The next one.
    }
  }
  throw new Error('no Chromium: set CHROMIUM');
}

/** A platform in a folder of its own. `stop` ends it; `start` starts it again on the same port and data. */
export class Platform {
  static async start(environment = {}) {
    const platform = new Platform();
    platform.folder = mkdtempSync(join(tmpdir(), 'dashboard-'));
    platform.environment = environment;
    platform.port = 0;
    await platform.start();
    return platform;
  }

  async start() {
    const binary = BINARIES.standalone;
    assert.ok(existsSync(binary), `${binary} is not built: cargo build -p standalone -p cli`);
    const env = {
      PATH: process.env.PATH,
      LOG_FORMAT: 'json',
      APP_PORT: String(this.port),
      ADMIN_PORT: '0',
      DATA_DIR: this.folder,
      ...this.environment,
    };
    this.process = spawn(binary, [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => {
      this.process.once('exit', resolve);
    });
    this.port = await new Promise((resolve, reject) => {
      const hear = (line) => {
        const found = /"addr":"127\.0\.0\.1:(\d+)"/.exec(line);
        if (found && line.includes('listening')) resolve(Number(found[1]));
      };
      createInterface({ input: this.process.stdout }).on('line', hear);
      createInterface({ input: this.process.stderr }).on('line', hear);
      this.process.once('exit', (code) => reject(new Error(`standalone ended with ${code}`)));
    });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
  }

  async end() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Calls the API; the JSON of a success. */
  async call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return text ? JSON.parse(text) : null;
  }
}

/** A browser for the tests of one file. */
export class Browser {
  static async start() {
    const browser = new Browser();
    browser.chromium = await chromium.launch({ executablePath: browserPath(), args: FLAGS });
    return browser;
  }

  end() {
    return this.chromium.close();
  }

  /** A page of `platform` at `hash`. `page.faults` has what it must never do. */
  async open(
    platform,
    hash = '',
    { theme = 'dark', width = 1440, height = 900, expected = [], ...options } = {},
  ) {
    const context = await this.chromium.newContext({
      viewport: { width, height },
      colorScheme: theme,
      timezoneId: 'UTC',
      acceptDownloads: true,
      hasTouch: width < 640,
      ...options,
    });
    const page = await context.newPage();
    page.faults = [];
    const note = (text) => {
      if (!expected.some((pattern) => pattern.test(text))) page.faults.push(text);
    };
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()))
        note(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => note(`error: ${error.stack}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(platform.url) && !/^(blob|about):/.test(request.url()))
        note(`request: ${request.url()}`);
    });
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) =>
        console.error(`CSP ${e.violatedDirective} ${e.blockedURI}`),
      );
    });
    await page.goto(`${platform.url}/${hash}`);
    return page;
  }
}

/** Closes `page`, which must not have done what a page must never do. */
export async function close(page) {
  await page.context().close();
  assert.deepEqual(page.faults, []);
}

/** Drops a file on the page, as a person does. */
export async function drop(page, name, content) {
  const bytes = [...Buffer.from(content)];
  const transfer = await page.evaluateHandle(
    ([fileName, list]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(list)], fileName, { type: 'text/csv' }));
      return data;
    },
    [name, bytes],
  );
  await page.waitForSelector('.drop');
  await page.dispatchEvent('.drop', 'drop', { dataTransfer: transfer });
}

/** A picture of the page, kept for people to look at. */
export const picture = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.png`) });

/** Points with a daily season and two outages, from a fixed seed. */
export function sample({ points = 2000, start = 1_779_999_600, step = 600, seed = 3 } = {}) {
  let state = seed;
  const noise = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648 - 0.5;
  };
  const timestamps = Array.from({ length: points }, (_, i) => start + i * step);
  const values = timestamps.map((t, i) => {
    const normal = 500 + 200 * Math.sin((t / 86_400) * 2 * Math.PI) + 30 * noise();
    const odd = Math.abs(i - points * 0.6) < 3 ? 600 : Math.abs(i - points * 0.85) < 5 ? -450 : 0;
    return Number((normal + odd).toFixed(2));
  });
  return { timestamps, values };
}

/** Points as a file. */
export const csv = ({ timestamps, values }) =>
  `timestamp,value\n${timestamps.map((t, i) => `${t},${values[i]}`).join('\n')}\n`;

/** Waits until `holds` does. */
export async function settled(holds, patience = 15_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await holds();
    if (value) return value;
    assert.ok(Date.now() < end, `it does not come about: ${holds}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}
