/* Pictures of every view, light and dark: screenshots.mjs BASE FOLDER PROFILE. The load is the caller's. CHART_SECONDS: how much of it the charts show; WIDTH: of the window. */
import { join } from 'node:path';
import { launch, openPage, show, until, VIEWS } from './browser.mjs';

const [base, folder, profile] = process.argv.slice(2);
const SECONDS_OF_CHARTS = Number(process.env['CHART_SECONDS'] ?? 75);
const WIDTH = Number(process.env['WIDTH'] ?? 1280);
const HEIGHT = WIDTH < 600 ? 844 : WIDTH > 1280 ? 900 : 800;

const PLACES = { ...Object.fromEntries(VIEWS.map(view => [view, view])), keys: 'keys?prefix=product%3A1', key: 'key/product%3A1', explain: 'explain?key=feed%3A9001%3A1' };

async function ready(page, view) {
  if (view === 'stream') await until(page, () => document.querySelectorAll('tbody tr').length > 30);
  if (view === 'overview') await until(page, () => document.querySelectorAll('.chart').length === 8);
  if (view === 'rules') await until(page, () => document.querySelectorAll('.node').length > 5);
  if (!['overview', 'rules', 'stream'].includes(view)) await until(page, () => document.querySelectorAll('main table tbody tr, main .facts, main .keys li').length > 0);
}

/* What EXPLAIN has something to tell of: somebody's feed, gone since he has changed. */
async function tellStory() {
  for (const words of [['SET', 'feed:9001:1', 'three articles'], ['INVALIDATE', 'KEY', 'user:9001', 'REASON', 'the user has moved']]) {
    const answer = await fetch(`${base}/v1/commands`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(words) });
    if (!answer.ok) throw new Error(await answer.text());
  }
}

const browser = await launch(profile);
const pages = [];
for (const dark of [false, true]) {
  const page = await openPage(browser, base, { dark, width: WIDTH, height: HEIGHT });
  await show(page, base, 'overview');
  pages.push({ page, colours: dark ? 'dark' : 'light' });
}
for (const { page } of pages) await page.waitForFunction(seconds => performance.now() > seconds * 1000, { polling: 500, timeout: 0 }, SECONDS_OF_CHARTS);
await tellStory();
for (const { page, colours } of pages) {
  for (const [name, place] of Object.entries(PLACES)) {
    await show(page, base, place);
    await ready(page, name);
    await page.evaluate(() => new Promise(resolve => setTimeout(resolve, 700)));
    await page.screenshot({ path: join(folder, `${name}-${colours}.png`) });
  }
}
await browser.close();
