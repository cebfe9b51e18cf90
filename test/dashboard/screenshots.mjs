/* Pictures of every view, light and dark: screenshots.mjs BASE FOLDER PROFILE. The load is the caller's. */
import { join } from 'node:path';
import { launch, openPage, show, until, VIEWS } from './browser.mjs';

const [base, folder, profile] = process.argv.slice(2);
const SECONDS_OF_CHARTS = Number(process.env['CHART_SECONDS'] ?? 75);

const PLACES = { ...Object.fromEntries(VIEWS.map(view => [view, view])), keys: 'keys?prefix=product%3A1', key: 'key/product%3A1', explain: 'explain?key=card%3A9999' };

async function ready(page, view) {
  if (view === 'stream') await until(page, () => document.querySelectorAll('tbody tr').length > 30);
  if (view === 'overview') await until(page, () => document.querySelectorAll('.chart').length === 8);
  if (view === 'rules') await until(page, () => document.querySelectorAll('.node').length > 5);
  if (!['overview', 'rules', 'stream'].includes(view)) await until(page, () => document.querySelectorAll('main table tbody tr, main .facts, main .keys li').length > 0);
}

const browser = await launch(profile);
const pages = [];
for (const dark of [false, true]) {
  const overview = await openPage(browser, base, { dark });
  await show(overview, base, 'overview');
  pages.push({ dark, overview });
}
for (const { dark } of pages) {
  const page = await openPage(browser, base, { dark });
  for (const [name, place] of Object.entries(PLACES)) {
    if (name === 'overview') continue;
    await show(page, base, place);
    await ready(page, name);
    await page.evaluate(() => new Promise(resolve => setTimeout(resolve, 700)));
    await page.screenshot({ path: join(folder, `${name}-${dark ? 'dark' : 'light'}.png`) });
  }
}
for (const { dark, overview } of pages) {
  await overview.bringToFront();
  await overview.waitForFunction(seconds => performance.now() > seconds * 1000, { polling: 500, timeout: 0 }, SECONDS_OF_CHARTS);
  await ready(overview, 'overview');
  await overview.screenshot({ path: join(folder, `overview-${dark ? 'dark' : 'light'}.png`) });
}
await browser.close();
