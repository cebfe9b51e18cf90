/* What the checks of the dashboard share: how a case is told, and what is read from a page. The program's words are PART BASE PROFILE [JSON]. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until, VIEWS } from './browser.mjs';

export const [part, base, profile, given = '{}'] = process.argv.slice(2);
export const facts = JSON.parse(given);
export const ALL = [...VIEWS, 'key/product%3A0'];
export const NO_RIGHT = 'You have no right to';
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core')), 'utf8');
let failed = 0;

export const hasFailed = () => failed > 0;

export async function check(name, body) {
  const began = performance.now();
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${name} - ${String(error.message ?? error).replace(/\s+/g, ' ').slice(0, 900)}`);
  }
  console.log(`# ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

export function expect(truth, why) {
  if (!truth) throw new Error(typeof why === 'string' ? why : JSON.stringify(why));
}

export function same(got, wanted, what) {
  expect(JSON.stringify(got) === JSON.stringify(wanted), `${what}: ${JSON.stringify(got)} and not ${JSON.stringify(wanted)}`);
}

export function quiet(page) {
  same(page.troubles.splice(0), [], 'the browser complains');
}

export const asJson = async (path, options) => (await fetch(base + path, { headers: { Accept: 'application/json' }, ...options })).json();
export const run = async (...words) => (await asJson('/v1/commands', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(words) })).reply;

/* Something of the server is shown, not only the frame. */
export async function filled(page) {
  await until(page, () => document.querySelectorAll('main table tbody tr, main .facts dd, main .tile, main .node, main .notice').length > 0);
}

/* A column of the first table. */
export const cells = (page, column) => page.$eval('main table', (table, at) => [...table.tBodies[0].rows].map(row => row.cells[at]?.innerText), column);
export const numberOf = shown => Number(shown.replace(/[^0-9.-]/g, ''));
export const tile = (page, name) => page.$$eval('.tile', (tiles, wanted) => tiles.find(each => each.querySelector('dt').innerText === wanted)?.querySelector('dd').innerText, name);

export async function serious(page) {
  if (await page.evaluate(() => !window.axe)) await page.evaluate(AXE);
  // The thirty-first row of a table is made as those before it; hundreds that move would be looked at for half a minute.
  const found = await page.evaluate(() => window.axe.run({ include: [document], exclude: [['tbody tr:nth-child(n+31)']] }, { resultTypes: ['violations'] }));
  return found.violations.filter(each => ['serious', 'critical'].includes(each.impact)).map(each => `${each.id}: ${each.nodes.slice(0, 3).map(node => node.target.join(' ') + ' ' + (node.any[0]?.message ?? '')).join('; ')}`);
}
