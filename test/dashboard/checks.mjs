/* The dashboard in a browser: checks.mjs PART BASE PROFILE [JSON]. Prints `ok CASE` and `not ok CASE - why`. */
import { launch, openPage, show, text, until } from './browser.mjs';
import { ALL, NO_RIGHT, asJson, base, cells, check, expect, facts, filled, hasFailed, numberOf, part, profile, quiet, run, same, serious, tile } from './frame.mjs';
import { users } from './who.mjs';

/* ---------------------------------------------------------------------------------- under load */

/* Side by side, since most of it waits until something happens; not more at a time, so that a busy machine keeps up with what is typed. */
async function live(browser) {
  await Promise.all([
    views(browser, false).then(() => narrow(browser, 360, 740)).then(() => narrow(browser, 3840, 2160)),
    views(browser, true).then(() => tables(browser)).then(() => overTls(browser, facts.secure)),
    following(browser).then(() => forbidden(browser)),
    keyboard(browser).then(() => hostile(browser)),
  ]);
}

async function overTls(browser, base) {
  const page = await openPage(browser, base);
  await check('over TLS it is the same', async () => {
    for (const view of ALL) {
      await show(page, base, view);
      await filled(page);
    }
    await show(page, base, 'stream');
    await until(page, () => document.querySelectorAll('tbody tr').length > 5);
    quiet(page);
  });
  await page.browserContext().close();
}

async function views(browser, dark) {
  const page = await openPage(browser, base, { dark });
  for (const view of ALL) {
    await check(`${view} opens ${dark ? 'dark' : 'light'}, and axe finds nothing serious`, async () => {
      await show(page, base, view);
      await filled(page);
      if (view === 'stream') await page.evaluate(() => [...document.querySelectorAll('button')].find(each => each.innerText === 'Pause').click());
      same(await serious(page), [], 'axe');
      expect(!(await text(page)).includes(NO_RIGHT), 'a right is missing');
      quiet(page);
    });
  }
  await page.browserContext().close();
}

async function following(browser) {
  const page = await openPage(browser, base);
  await check('the overview follows what happens', async () => {
    await show(page, base, 'overview');
    await until(page, () => document.querySelectorAll('.chart canvas').length === 8);
    const commands = () => tile(page, 'Commands');
    const first = await (await until(page, () => /\d\/s|k\/s/.test(document.querySelector('.tile dd')?.innerText ?? '')), commands());
    await until(page, before => document.querySelector('.tile dd').innerText !== before, first);
    await until(page, () => [...document.querySelectorAll('.legend b')].filter(each => /[1-9]/.test(each.innerText)).length > 8);
    quiet(page);
  });
  await check('the stream follows what happens, stands still when told to, and is bounded', async () => {
    await show(page, base, 'stream');
    await until(page, () => document.querySelectorAll('tbody tr').length > 20);
    const first = () => page.$eval('tbody tr td', cell => Number(cell.innerText));
    const before = await first();
    await until(page, than => Number(document.querySelector('tbody tr td').innerText) > than, before);
    await page.evaluate(() => [...document.querySelectorAll('button')].find(each => each.innerText === 'Pause').click());
    await until(page, () => document.querySelector('main p .badge').innerText === 'paused');
    const still = await first();
    const position = (await run('STREAM', 'POSITION'))[1];
    for (let now = position; now < position + 50;) now = (await run('STREAM', 'POSITION'))[1];
    same(await first(), still, 'the first row');
    await page.evaluate(() => [...document.querySelectorAll('button')].find(each => each.innerText === 'Go on').click());
    await until(page, than => Number(document.querySelector('tbody tr td').innerText) > than, still);
    await page.select('main select', 'pattern');
    await until(page, () => {
      const kinds = [...document.querySelectorAll('tbody tr')].map(row => row.cells[2].innerText);
      return kinds.length > 3 && kinds.every(kind => kind === 'pattern');
    });
    const kinds = new Set();
    for (let now = await first(), end = now + 20; now < end; now = await first()) {
      (await cells(page, 2)).forEach(kind => kinds.add(kind));
      await until(page, than => Number(document.querySelector('tbody tr td').innerText) > than, now);
    }
    same([...kinds], ['pattern'], 'kinds');
    expect((await page.$$('tbody tr')).length <= 500, 'more rows than are kept');
    quiet(page);
  });
  await check('the busiest keys are shown', async () => {
    await show(page, base, 'keys');
    await until(page, () => document.querySelectorAll('tbody tr a.key').length > 5);
  });
  await page.browserContext().close();
}

async function forbidden(browser) {
  await check('what the policy forbids is noticed', async () => {
    const other = await openPage(browser, base);
    await show(other, base, 'explain');
    await other.evaluate(() => { document.body.appendChild(Object.assign(document.createElement('img'), { src: 'https://elsewhere.invalid/x.png' })); });
    await other.evaluate(() => { try { document.body.innerHTML += '<p>'; } catch { /* what is forbidden throws */ } });
    const until2 = async condition => { while (!condition()) await new Promise(resolve => setImmediate(resolve)); };
    await until2(() => other.troubles.some(each => each.includes('img-src')) && other.troubles.some(each => each.includes('require-trusted-types-for')));
    await other.browserContext().close();
  });
}

async function keyboard(browser) {
  const page = await openPage(browser, base, { reduced: true });
  await check('every view is reached by two keys, and a list of them by one', async () => {
    await show(page, base, 'overview');
    for (const [key, view] of [['k', 'keys'], ['c', 'classes'], ['r', 'rules'], ['s', 'stream'], ['e', 'explain'], ['l', 'slowlog'], ['u', 'clients'], ['f', 'config'], ['t', 'stores'], ['o', 'overview']]) {
      await Promise.all([page.keyboard.press('g'), page.keyboard.press(key)]); // at once, however busy the machine is
      await until(page, wanted => location.hash === wanted && document.activeElement?.id === 'main' && document.querySelector('nav a[aria-current]')?.getAttribute('href') === wanted, `#/${view}`);
    }
    await page.keyboard.type('?');
    await page.waitForSelector('dialog[open]');
    expect((await text(page, 'dialog')).includes('Configuration'), 'the list is not whole');
    await page.keyboard.press('Escape');
    await until(page, () => !document.querySelector('dialog'));
    quiet(page);
  });
  await check('Tab reaches the skip link first and every view, and one sees where it is', async () => {
    await page.goto('about:blank');
    await show(page, base, 'explain');
    const reached = [];
    for (let step = 0; step < 14; step++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => {
        const at = document.activeElement;
        return { name: at.innerText, outline: getComputedStyle(at).outlineStyle, left: at.getBoundingClientRect().left };
      }));
    }
    same(reached[0].name, 'Skip to the content', 'the first');
    expect(reached[0].left >= 0, 'the skip link is not seen');
    same(reached.slice(1, 11).map(each => each.name), ['Overview', 'Keys', 'Classes', 'Rules', 'Stream', 'Explain', 'Slow log', 'Clients', 'Configuration', 'Stores and tier'], 'then');
    expect(reached.every(each => each.outline !== 'none'), reached);
    await page.goto('about:blank');
    await show(page, base, 'explain');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    same(await page.evaluate(() => document.activeElement.id), 'main', 'behind the skip link');
    await page.keyboard.press('Tab');
    same(await page.evaluate(() => document.activeElement.tagName), 'INPUT', 'the first thing of the view');
  });
  await check('a column is sorted by Enter', async () => {
    await show(page, base, 'config');
    await page.waitForSelector('main .sort');
    await page.focus('main .sort');
    await page.keyboard.press('Enter');
    await until(page, () => document.querySelector('th').getAttribute('aria-sort') === 'ascending');
    const names = (await cells(page, 0)).map(each => each.split('\n')[0]);
    same(names, [...names].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })), 'the names');
  });
  await page.browserContext().close();
}

async function hostile(browser) {
  const page = await openPage(browser, base);
  await check('a key that looks like markup stays text, in lists, as a page and explained', async () => {
    await show(page, base, 'keys?prefix=%3Cimg');
    await until(page, () => document.querySelectorAll('.keys li').length === 1);
    same(await text(page, '.keys li'), facts.hostile, 'in the list');
    await page.click('.keys a');
    await until(page, () => document.querySelector('pre.value'));
    same(await text(page, 'h1'), facts.hostile, 'the heading');
    expect((await text(page, 'pre.value')).includes('<script>document.title=2</script>'), 'the value');
    await show(page, base, `explain?key=${encodeURIComponent(facts.hostile)}`);
    await until(page, () => document.querySelectorAll('.sentence').length > 0);
    await show(page, base, 'classes');
    await until(page, () => document.querySelectorAll('tbody tr').length > 5);
    same(await page.$$eval('img, main script', found => found.length), 0, 'elements');
    expect(!['1', '2'].includes(await page.title()), 'a script has run');
    quiet(page);
  });
  await check('bytes that are no text are shown as such', async () => {
    await show(page, base, 'key/bytes');
    await until(page, () => document.querySelector('pre.value'));
    expect((await text(page, 'pre.value')).includes('000000f0  f0 f1 f2'), await text(page, 'pre.value'));
  });
  await page.browserContext().close();
}

async function narrow(browser, width, height) {
  const page = await openPage(browser, base, { width, height });
  await check(`nothing is cut off at ${width} pixels`, async () => {
    for (const view of ALL) {
      await show(page, base, view);
      await filled(page);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(over <= 0, `${view} is ${over} pixels too wide`);
    }
    if (width === 360) {
      await page.click('.menu');
      await until(page, () => document.querySelector('.views.open nav a').offsetHeight > 0);
    }
    quiet(page);
  });
  await page.browserContext().close();
}

async function tables(browser) {
  const page = await openPage(browser, base, { width: 1280 });
  await check('at 1280 pixels no table has to be moved sideways, and heads of numbers end where the numbers do', async () => {
    for (const view of ALL) {
      await show(page, base, view);
      await filled(page);
      const over = await page.$$eval('.scroll:not(.graph)', found => found.map(each => each.scrollWidth - each.clientWidth));
      expect(over.every(each => each <= 0), `${view}: ${over} pixels do not fit`);
      const ends = await page.$$eval('th.number', heads => heads.map(head => {
        const shown = document.createRange();
        shown.selectNodeContents(head.querySelector('button')?.firstChild ?? head);
        return Math.round(head.getBoundingClientRect().right - parseFloat(getComputedStyle(head).paddingRight) - shown.getBoundingClientRect().right);
      }));
      expect(ends.every(each => Math.abs(each) <= 1), `${view}: heads end ${ends} pixels before their columns`);
    }
  });
  await page.browserContext().close();
}

/* ---------------------------------------------------------------------------------- when the load has ended: the numbers are those of INFO */

/* What is shown lies between what was true before and after; most of it does not move. */
function between(shown, before, after, what) {
  const [low, high] = [Math.min(before, after), Math.max(before, after)];
  expect(shown >= low && shown <= high, `${what}: ${shown} is not from ${low} to ${high}`);
}

const keysNow = async () => Object.values((await asJson('/v1/info?section=keyspace')).keyspace).reduce((sum, line) => sum + Number(/keys=(\d+)/.exec(line)?.[1] ?? line.keys ?? 0), 0);

async function still(browser) {
  const page = await openPage(browser, base);
  await check('the overview tells the truth', async () => {
    const before = await keysNow();
    await show(page, base, 'overview');
    await page.waitForSelector('.tile');
    const keys = numberOf(await tile(page, 'Keys'));
    between(keys, before, await keysNow(), 'keys');
    expect(keys > 100, 'there are hardly any keys');
    const limit = (await asJson('/v1/info?section=memory')).memory.maxmemory;
    expect((await tile(page, 'Memory')).includes(`of ${(limit / 1048576).toFixed(1)} MiB`), await tile(page, 'Memory'));
    const stats = (await asJson('/v1/stats')).stats;
    const hits = (await tile(page, 'Hit ratio')).split('\n').pop();
    expect(hits.startsWith(shortOf(stats.keyspace_hits)), `${hits} of ${stats.keyspace_hits}`);
  });
  await check('the stores tell the truth', async () => {
    const before = await asJson('/v1/stores/default');
    await show(page, base, 'stores');
    await until(page, () => document.querySelectorAll('tbody tr').length === 2);
    const shown = numberOf((await cells(page, 1))[0]);
    between(shown, before.entries, (await asJson('/v1/stores/default')).entries, 'keys of the default store');
    same(await cells(page, 0), ['default', 'sessions'], 'names');
  });
  await check('the classes tell the truth', async () => {
    const wanted = Object.fromEntries((await asJson('/v1/classes')).filter(each => each.class).map(each => [each.class, [each.hits, each.misses]]));
    await show(page, base, 'classes');
    await until(page, () => document.querySelectorAll('tbody tr').length > 5);
    const [names, hits, misses] = [await cells(page, 0), await cells(page, 4), await cells(page, 5)];
    const shown = Object.fromEntries(names.map((name, at) => [name, [numberOf(hits[at]), numberOf(misses[at])]]));
    for (const [name, figures] of Object.entries(wanted)) same(shown[name], figures, name);
    same(Object.keys(wanted).length, 10, 'classes');
  });
  await check('the rules are drawn as they are', async () => {
    const info = await asJson('/v1/rules');
    await show(page, base, 'rules');
    await page.waitForSelector('.node');
    same(await page.$$eval('.node', found => found.length), info.classes + info.events, 'boxes');
    same(await page.$$eval('path.edge', found => found.length), (await run('RULES', 'GRAPH', 'DOT')).split(' -> ').length - 1, 'lines');
    await page.click('.node.event');
    await page.waitForSelector('.node.chosen');
    expect((await page.$$('.node.faint')).length > 3, 'nothing is faint');
  });
  await check('the configuration is that of the server, and what is changed here is changed there', async () => {
    const wanted = await asJson('/v1/config');
    await show(page, base, 'config');
    await until(page, () => document.querySelectorAll('tbody tr').length > 50);
    const shown = Object.fromEntries((await cells(page, 0)).map((name, at) => [name.split('\n')[0], at]));
    const values = await cells(page, 1);
    for (const name of ['maxmemory', 'threads', 'appendonly', 'slowlog-log-slower-than', 'warm-size']) same(values[shown[name]], wanted[name], name);
    same(Object.keys(shown).length, Object.keys(wanted).length, 'settings');
    await page.select('main select', 'changed');
    await until(page, () => document.querySelectorAll('tbody tr').length < 30);
    const changed = (await cells(page, 0)).map(each => each.split('\n')[0]);
    for (const name of ['appendonly', 'slowlog-log-slower-than', 'warm-size']) expect(changed.includes(name), `${name} is not told to be changed: ${changed}`);
    for (const name of ['maxclients', 'http-max-body', 'stream-max-bytes', 'client-output-buffer-limit', 'timeout']) expect(!changed.includes(name), `${name} is told to be changed`);
    await page.select('main select', '');
    await page.click('[aria-label="Change acllog-max-len"]');
    await page.waitForSelector('dialog[open] input');
    await page.$eval('dialog input', input => { input.value = ''; });
    await page.type('dialog input', '77');
    await page.click('dialog button.primary');
    await until(page, () => !document.querySelector('dialog'));
    same((await asJson('/v1/config'))['acllog-max-len'], '77', 'the setting');
  });
  await check('the slow log and the clients are those of the server', async () => {
    await show(page, base, 'slowlog');
    await until(page, () => document.querySelectorAll('table').length === 3);
    const slow = (await asJson('/v1/slowlog?limit=128')).entries;
    const ids = (await page.$$eval('table', tables => [...tables[0].querySelectorAll('tbody tr')].map(row => Number(row.cells[0].innerText))));
    for (const id of ids.slice(0, 20)) expect(slow.some(each => each.id === id), `number ${id}`);
    await show(page, base, 'clients');
    await page.waitForSelector('tbody tr');
    const clients = (await asJson('/v1/clients')).clients.map(each => each.addr);
    expect((await cells(page, 1)).some(each => clients.includes(each)), 'nobody of CLIENT LIST is shown');
  });
  await check('a key is invalidated and deleted only after a question', async () => {
    await run('SET', 'product:77', '{"a": 1}');
    await run('SET', 'card:77', 'x');
    await show(page, base, 'key/product%3A77');
    await page.waitForSelector('pre.value');
    const press = wanted => page.evaluate(name => [...document.querySelectorAll('main button, dialog button')].find(each => each.innerText === name).click(), wanted);
    await press('Invalidate…');
    await until(page, () => document.querySelectorAll('dialog .plan li').length > 1);
    expect((await text(page, 'dialog')).includes('card:77'), 'what goes with it is not told');
    await press('Cancel');
    same(await run('EXISTS', 'product:77'), 1, 'after Cancel');
    await press('Invalidate…');
    await until(page, () => document.querySelectorAll('dialog .plan li').length > 1);
    await page.click('dialog button.danger');
    await until(page, () => document.querySelector('main .notice')?.innerText.includes('Invalidated'));
    same(await run('EXISTS', 'product:77', 'card:77'), 0, 'after Invalidate');
    await until(page, () => document.querySelector('.badge').innerText === 'absent');
    await run('SET', 'product:77', 'again');
    await press('Read again');
    await until(page, () => document.querySelector('.badge').innerText === 'present');
    await press('Delete…');
    await page.waitForSelector('dialog button.danger');
    await page.click('dialog button.danger');
    await until(page, () => document.querySelector('main .notice')?.innerText.includes('Deleted'));
    same(await run('EXISTS', 'product:77'), 0, 'after Delete');
    same(page.troubles.splice(0), [], 'the browser complains');
  });
  await check('a client is closed after a question', async () => {
    const victim = facts.victim;
    await show(page, base, 'clients');
    await page.waitForSelector(`[aria-label="Close the connection of client ${victim}"]`);
    await page.click(`[aria-label="Close the connection of client ${victim}"]`);
    await page.waitForSelector('dialog button.danger');
    await page.click('dialog button.danger');
    await until(page, () => document.querySelector('main .notice')?.innerText.includes('was closed'));
    expect(!(await asJson('/v1/clients')).clients.some(each => each.id === victim), 'it is still there');
  });
}

function shortOf(value) {
  return value < 1000 ? String(value) : value < 1e6 ? (value / 1000 >= 100 ? (value / 1000).toFixed(0) : value / 1000 >= 10 ? (value / 1000).toFixed(1) : (value / 1000).toFixed(2)) + 'k' : (value / 1e6).toFixed(2) + 'M';
}

const browser = await launch(profile);
try {
  await { live, still, users }[part](browser);
} finally {
  await browser.close();
}
process.exit(hasFailed() ? 1 : 0);
