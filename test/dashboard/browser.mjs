/* Chromium as the tests use it: a page of its own, on which whatever goes wrong is written down. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

export const VIEWS = ['overview', 'keys', 'classes', 'rules', 'stream', 'explain', 'slowlog', 'clients', 'config', 'stores'];
const WAIT_MS = 30000;

export async function launch(profile) {
  return puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    userDataDir: profile,
    // A visitor's certificates lie in the home directory (trust.py); without them the usual one has its fonts' cache.
    env: existsSync(join(profile, '.pki')) ? { ...process.env, HOME: profile } : process.env,
    // As root there is no sandbox; certificates are made by the test.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--ignore-certificate-errors', '--hide-scrollbars', '--force-color-profile=srgb', '--disable-background-networking', '--no-first-run'],
  });
}

/* `page.troubles`: what the console, the policy and the network have complained of. */
export async function openPage(browser, base, { dark = false, width = 1280, height = 800, reduced = false } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.troubles = [];
  // Several pages are used at the same time, and each is to behave as the one that is looked at.
  await (await page.createCDPSession()).send('Emulation.setFocusEmulationEnabled', { enabled: true });
  page.setDefaultTimeout(WAIT_MS);
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }, { name: 'prefers-reduced-motion', value: reduced ? 'reduce' : 'no-preference' }]);
  await page.exposeFunction('tellViolation', text => page.troubles.push(`policy: ${text}`));
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', event => window.tellViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
  });
  page.on('pageerror', error => page.troubles.push(`error: ${error.message}`));
  page.on('console', message => {
    // A refused right is an answer with a status of 400 and more, which the console mentions; the page says it in words.
    if (['error', 'warn'].includes(message.type()) && !/the server responded with a status of 40[0-9]/.test(message.text())) page.troubles.push(`console: ${message.text()}`);
  });
  page.on('request', request => {
    if (!request.url().startsWith(base + '/') && !request.url().startsWith('data:')) page.troubles.push(`leaves: ${request.url()}`);
  });
  return page;
}

export async function show(page, base, view) {
  await page.goto(`${base}/#/${view}`);
  await page.waitForSelector('main h1');
  await page.waitForFunction(wanted => location.hash === wanted && !document.querySelector('.asking'), {}, `#/${view}`);
}

export async function text(page, selector = 'main') {
  return page.$eval(selector, element => element.innerText);
}

export async function until(page, condition, ...given) {
  await page.waitForFunction(condition, { polling: 50 }, ...given);
}
