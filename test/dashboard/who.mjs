/* Who one is on the dashboard, and what one sees then: users with passwords, tokens, certificates; rights; what ends meanwhile. */
import { openPage, show, text, until } from './browser.mjs';
import { ALL, NO_RIGHT, base, check, expect, facts, filled, quiet, same, serious } from './frame.mjs';

/* Side by side, since most of it waits. The last one changes the administrator's password. */
export async function users(browser) {
  const page = await openPage(browser, base);
  await Promise.all([
    rights(page).then(() => certificate(browser, facts.secure)), tokensSignIn(browser).then(() => otherAnswers(browser)), tokensEnd(browser), tokensExpire(browser).then(() => lateAnswers(browser)),
  ]);
  await passwordChanges(page);
}

/* Two rounds of what views ask by themselves: who asks again and again would have done it. */
const ROUNDS_MS = 4500;

const who = page => text(page, '.who');
const kept = page => page.evaluate(() => sessionStorage.length + localStorage.length + document.cookie.length);
const press = (page, wanted) => page.evaluate(name => [...document.querySelectorAll('button')].find(each => each.innerText === name).click(), wanted);
const pass = async (page, ms) => until(page, since => performance.now() > since, await page.evaluate(more => performance.now() + more, ms));

/* A command by the administrator. */
async function asAdmin(...words) {
  const headers = { 'Content-Type': 'application/json', Authorization: 'Basic ' + btoa('admin:all') };
  const answer = await fetch(`${base}/v1/commands`, { method: 'POST', headers, body: JSON.stringify(words) });
  same(answer.status, 200, words.join(' '));
  return (await answer.json()).reply;
}

async function signIn(page, user, password) {
  await page.waitForSelector('.login form');
  await page.$eval('input[name=user]', input => { input.value = ''; });
  await page.type('input[name=user]', user);
  await page.$eval('input[name=secret]', input => { input.value = ''; });
  await page.type('input[name=secret]', password);
  await page.click('.login button[type=submit]');
}

async function rights(page) {
  await check('who says nothing is asked who he is, and a wrong password is refused', async () => {
    await page.goto(`${base}/`);
    await page.waitForSelector('.login form');
    same(await serious(page), [], 'axe');
    await signIn(page, 'admin', 'wrong');
    await page.waitForSelector('.login .notice.error');
    same(await page.evaluate(() => sessionStorage.length), 0, 'what is kept');
    quiet(page);
  });
  await check('who has few rights sees what he may, and is told what he may not', async () => {
    await signIn(page, 'viewer', 'few');
    await page.waitForSelector('nav');
    for (const view of ALL) {
      await show(page, base, view);
      await filled(page);
      if (view !== 'explain' && !view.startsWith('key/'))  // one of its requests may be answered before the other
        await until(page, wanted => document.querySelector('main').innerText.includes(wanted), NO_RIGHT);
      const said = await text(page);
      expect(!said.includes('Error 5') && !said.includes('undefined') && !said.includes('NaN'), said.slice(0, 300));
    }
    await show(page, base, 'key/product%3A1');
    await until(page, () => document.querySelector('pre.value')?.innerText.includes('seen'));
    await page.evaluate(() => [...document.querySelectorAll('main button')].find(each => each.innerText === 'Delete…').click());
    await page.waitForSelector('dialog button.danger');
    await page.click('dialog button.danger');
    await until(page, wanted => document.querySelector('dialog .notice')?.innerText.includes(wanted), NO_RIGHT);
    expect(await page.$eval('dialog button.danger', button => button.disabled), 'one could try again');
    await page.keyboard.press('Escape');
    await show(page, base, 'key/hidden');
    await until(page, wanted => document.querySelector('main').innerText.includes(wanted), NO_RIGHT);
    expect(!(await text(page)).includes('secret value'), 'a value was shown');
    quiet(page);
  });
  await check('a right that is missing is asked for once', async () => {
    let asked = 0;
    page.on('request', request => { asked += request.url().endsWith('/metrics') ? 1 : 0; });
    await show(page, base, 'overview');
    await until(page, wanted => document.querySelector('main').innerText.includes(wanted), NO_RIGHT);
    const at = await page.evaluate(() => performance.now());
    await until(page, since => performance.now() - since > 5000, at);
    same(asked, 1, 'requests');
  });
  await check('signing out forgets who one was', async () => {
    await page.evaluate(() => [...document.querySelectorAll('button')].find(each => each.innerText === 'Sign out').click());
    await page.waitForSelector('.login form');
    same(await page.evaluate(() => sessionStorage.length + document.cookie.length), 0, 'what is kept');
  });
  await check('who has the rights of the documentation sees everything, and changes nothing', async () => {
    await signIn(page, 'watcher', 'change-me');
    await page.waitForSelector('nav');
    for (const view of ALL) {
      await show(page, base, view);
      await filled(page);
      await until(page, () => !document.querySelector('main').innerText.includes('Asking the server'));
      const said = await text(page);
      expect(!said.includes(NO_RIGHT), `${view}: ${said.slice(said.indexOf(NO_RIGHT), said.indexOf(NO_RIGHT) + 200)}`);
    }
    await show(page, base, 'key/product%3A1');
    await page.waitForSelector('pre.value');
    await page.evaluate(() => [...document.querySelectorAll('main button')].find(each => each.innerText === 'Invalidate…').click());
    await until(page, wanted => document.querySelector('dialog .notice')?.innerText.includes(wanted), NO_RIGHT);
    expect(await page.$eval('dialog button.danger', button => button.disabled), 'one could try');
    await page.keyboard.press('Escape');
    await page.evaluate(() => [...document.querySelectorAll('button')].find(each => each.innerText === 'Sign out').click());
  });
}

async function passwordChanges(page) {
  await check('an administrator sees everything, until his password is changed', async () => {
    await signIn(page, 'admin', 'all');
    await page.waitForSelector('nav');
    for (const view of ALL) {
      await show(page, base, view);
      await filled(page);
      expect(!(await text(page)).includes(NO_RIGHT), `${view}: a right is missing`);
    }
    await show(page, base, 'overview');
    await page.waitForSelector('.tile');
    await asAdmin('ACL', 'SETUSER', 'admin', 'resetpass', '>other');
    await page.waitForSelector('.login form');
    expect((await text(page, '.login .notice')).includes('the password, or the user, was changed'), await text(page, '.login .notice'));
    same(await page.$eval('input[name=user]', input => input.value), 'admin', 'the name that was used before');
    same(await page.evaluate(() => document.activeElement.name), 'secret', 'where one types');
    quiet(page);
  });
}

/* ---------------------------------------------------------------------------------- tokens */

async function signInBy(page, token) {
  await page.waitForSelector('.login form');
  await (await page.$$('.login input[type=radio]'))[1].click();
  await until(page, () => !document.querySelector('input[name=user]'));
  // As a token is put in: all at once.
  await page.$eval('input[name=secret]', (input, whole) => {
    input.value = whole;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }, token);
  await until(page, () => !document.querySelector('.login button[type=submit]').disabled);
  await page.click('.login button[type=submit]');
}

const makeToken = (user, ...more) => asAdmin('TOKEN', 'CREATE', user, ...more);

/* The page asks for the sign-in, says that a token has ended, and is quiet then; the address is what it was. */
async function isAskedAgain(page, hash) {
  await page.waitForSelector('.login form');
  expect((await text(page, '.login .notice')).includes('the token has ended, or was revoked'), await text(page, '.login .notice'));
  same(await page.evaluate(() => location.hash), hash, 'the address');
  same(await kept(page), 0, 'what is kept');
  expect(await page.$$eval('.login input[type=radio]', found => found[1].checked), 'a password is asked for, where a token was given');
}

async function tokensSignIn(browser) {
  const page = await openPage(browser, base);
  await check('a token signs in where one wanted to go, and what is none is refused', async () => {
    const { token } = await makeToken('watcher', 'EX', 3600);
    await page.goto(`${base}/#/keys?prefix=product`);
    await signInBy(page, token.slice(0, -1));
    await until(page, () => document.querySelector('.login .notice.error')?.innerText.includes('This token is not known'));
    same(await kept(page), 0, 'what is kept of a wrong one');
    await signInBy(page, `  ${token} `);
    await until(page, () => document.querySelector('.keys li'));
    same(await text(page, '.keys li'), 'product:1', 'what was looked for');
    same(await who(page), 'Signed in as watcher by a token', 'who');
    expect(!(await page.evaluate(() => document.documentElement.outerHTML + location.href)).includes(token), 'the token stands in the page');
    quiet(page);
  });
  await check('a token is there after the page is loaded anew, and leaving the sign-in changes nothing', async () => {
    await page.reload();
    await until(page, () => document.querySelector('.who')?.innerText.includes('watcher'));
    await press(page, 'Sign in…');
    await signIn(page, 'admin', 'wrong');
    await page.waitForSelector('.login .notice.error');
    await press(page, 'Cancel');
    await until(page, () => document.querySelector('.who')?.innerText === 'Signed in as watcher by a token');
    await show(page, base, 'clients');
    await page.waitForSelector('tbody tr');
    quiet(page);
  });
  await check('signing out forgets the token', async () => {
    await press(page, 'Sign out');
    await page.waitForSelector('.login form');
    same(await kept(page), 0, 'what is kept');
    await page.reload();
    await page.waitForSelector('.login form');
  });
  await check('a token of a user with few rights has those, and he need not be allowed to ask for his name', async () => {
    await signInBy(page, (await makeToken('viewer')).token);
    await page.waitForSelector('nav');
    same(await who(page), 'Signed in by a token', 'who');
    await show(page, base, 'config');
    await until(page, wanted => document.querySelector('main').innerText.includes(wanted), NO_RIGHT);
    await show(page, base, 'key/product%3A1');
    await until(page, () => document.querySelector('pre.value')?.innerText.includes('seen'));
    quiet(page);
  });
  await page.browserContext().close();
}

async function tokensEnd(browser) {
  const page = await openPage(browser, base);
  await check('a token that is revoked leads to the sign-in, from views that ask again and from one that listens, and back', async () => {
    await page.goto(`${base}/#/overview`);
    for (const [hash, shown] of [['#/overview', '.tile'], ['#/stream', 'main p .badge.good'], ['#/explain?key=product%3A1', '.sentence']]) {
      await page.evaluate(wanted => { location.hash = wanted; }, hash);
      const { id, token } = await makeToken('watcher');
      await signInBy(page, token);
      await page.waitForSelector(shown);
      await asAdmin('TOKEN', 'REVOKE', id);
      await isAskedAgain(page, hash);
      // The server cuts a stream in the middle, so that its reader says anew who he is.
      page.troubles = page.troubles.filter(each => hash !== '#/stream' || !each.includes('ERR_INCOMPLETE_CHUNKED_ENCODING'));
      quiet(page);
    }
  });
  await check('who is asked to sign in is asked once: the page is quiet meanwhile', async () => {
    let asked = 0;
    page.on('request', () => { asked++; });
    await pass(page, ROUNDS_MS);
    same(asked, 0, 'requests');
  });
  await check('a token that was revoked before the page is loaded anew is told of', async () => {
    const { id, token } = await makeToken('watcher');
    await signInBy(page, token);
    await page.waitForSelector('nav');
    await page.goto('about:blank');
    await asAdmin('TOKEN', 'REVOKE', id);
    await page.goto(`${base}/#/classes`);
    await isAskedAgain(page, '#/classes');
    quiet(page);
  });
  await check('a view that asks nothing by itself leads to the sign-in when something is done there', async () => {
    const { id, token } = await makeToken('admin');
    await signInBy(page, token);
    await show(page, base, 'config');
    await page.waitForSelector('[aria-label="Change acllog-max-len"]');
    await asAdmin('TOKEN', 'REVOKE', id);
    await page.click('[aria-label="Change acllog-max-len"]');
    await page.waitForSelector('dialog[open] input');
    await page.click('dialog button.primary');
    await isAskedAgain(page, '#/config');
  });
  await check('who goes on without signing in is let in only if the server lets anybody in', async () => {
    await press(page, 'Go on without');
    await until(page, () => document.querySelector('.login .notice')?.innerText.includes('wants to know who you are'));
    same(await page.$$eval('.login button', found => found.map(each => each.innerText)), ['Sign in'], 'buttons');
    quiet(page);
  });
  await page.browserContext().close();
}

async function tokensExpire(browser) {
  const page = await openPage(browser, base);
  await check('a token that ends by its time leads to the sign-in', async () => {
    await page.goto(`${base}/#/overview`);
    await page.waitForSelector('.login form');
    await signInBy(page, (await makeToken('watcher', 'EX', 4)).token);
    await page.waitForSelector('nav');
    await isAskedAgain(page, '#/overview');
    quiet(page);
  });
  await page.browserContext().close();
}

async function lateAnswers(browser) {
  const page = await openPage(browser, base);
  await check('an answer to who has signed out does not sign out who is in now', async () => {
    const [first, second] = [await makeToken('watcher'), await makeToken('watcher')];
    let held;
    await page.setRequestInterception(true);
    page.on('request', request => {
      if (!held && request.url().includes('/v1/keys?')) held = request;
      else void request.continue();
    });
    await page.goto(`${base}/#/keys?prefix=product`);
    await signInBy(page, first.token);
    await page.waitForSelector('nav');
    await press(page, 'Sign out');
    await signInBy(page, second.token);
    await until(page, () => document.querySelector('.keys li'));
    await held.respond({ status: 401, contentType: 'application/problem+json', body: '{"status":401,"code":"WRONGPASS","detail":"late"}' });
    await pass(page, 300);
    same(await who(page), 'Signed in as watcher by a token', 'who');
    same(await kept(page), 1, 'what is kept');
  });
  await page.browserContext().close();
}

/* The first answer to who one is, in place of the server's. */
async function answerOnce(page, status, code, detail) {
  let answered = false;
  await page.setRequestInterception(true);
  page.on('request', request => {
    if (answered || !request.url().endsWith('/v1/commands')) {
      void request.continue();
      return;
    }
    answered = true;
    void request.respond({ status, contentType: 'application/problem+json', body: JSON.stringify({ status, code, detail }) });
  });
}

async function otherAnswers(browser) {
  const page = await openPage(browser, base);
  await check('who comes while the server loads is known when it has loaded', async () => {
    await page.goto(`${base}/#/explain`);
    await signInBy(page, (await makeToken('watcher')).token);
    await page.waitForSelector('nav');
    await page.goto('about:blank');
    await answerOnce(page, 503, 'LOADING', 'The server loads what was kept.');
    await page.goto(`${base}/#/explain`);
    await until(page, () => document.querySelector('.who')?.innerText === 'Signed in by a token');
    await until(page, () => document.querySelector('.who')?.innerText === 'Signed in as watcher by a token');
  });
  await page.browserContext().close();
  const shut = await openPage(browser, base);
  await check('where the server lets nobody in from, its words are shown and nothing else', async () => {
    await answerOnce(shut, 403, 'DENIED', 'Strata runs in protected mode.');
    await shut.goto(`${base}/#/overview`);
    await until(shut, () => document.querySelector('.notice.error')?.innerText === 'Strata runs in protected mode.');
    same(await shut.$$eval('nav, form', found => found.length), 0, 'what else');
    same(await serious(shut), [], 'axe');
  });
  await shut.browserContext().close();
}

/* ---------------------------------------------------------------------------------- a certificate */

/* The browser has a certificate of alice, and the server wants one from everybody. */
async function certificate(browser, base) {
  const page = await openPage(browser, base);
  await check('who has shown a certificate is its user, and need not sign in', async () => {
    await page.goto(`${base}/#/key/product%3A1`);
    await until(page, () => document.querySelector('pre.value')?.innerText.includes('seen'));
    same(await who(page), 'Known as alice by a certificate', 'who');
    same(await page.$$eval('.foot button', found => found.map(each => each.innerText).filter(name => name.startsWith('Sign'))), ['Sign in…'], 'buttons');
    await show(page, base, 'overview');
    await page.waitForSelector('.tile');
    await show(page, base, 'config');
    await until(page, wanted => document.querySelector('main').innerText.includes(wanted), NO_RIGHT);
    same(await kept(page), 0, 'what is kept');
    quiet(page);
  });
  await check('a password goes before the certificate, a wrong one changes nothing, and signing out leads back to it', async () => {
    await press(page, 'Sign in…');
    await signIn(page, 'admin', 'wrong');
    await until(page, () => document.querySelector('.login .notice.error')?.innerText.includes('No user has this name'));
    await press(page, 'Cancel');
    await until(page, () => document.querySelector('.who')?.innerText.includes('alice'));
    await press(page, 'Sign in…');
    await signIn(page, 'admin', 'all');
    await until(page, () => document.querySelector('.who')?.innerText === 'Signed in as admin by a password');
    await until(page, () => document.querySelectorAll('tbody tr').length > 50);
    await press(page, 'Sign out');
    await until(page, () => document.querySelector('.who')?.innerText.includes('alice'));
    await until(page, wanted => document.querySelector('main').innerText.includes(wanted), NO_RIGHT);
    quiet(page);
  });
  await check('when its user is gone the page asks who comes, where it was, and lets him in again when he is back', async () => {
    await show(page, base, 'overview');
    await page.waitForSelector('.tile');
    const rules = (await asAdmin('ACL', 'LIST')).find(line => line.startsWith('user alice ')).split(' ').slice(2);
    await asAdmin('ACL', 'DELUSER', 'alice');
    await page.waitForSelector('.login form');
    expect((await text(page, '.login .notice')).includes('wants to know who you are now'), await text(page, '.login .notice'));
    await page.reload();
    await page.waitForSelector('.login form');
    same(await page.evaluate(() => location.hash), '#/overview', 'the address');
    await asAdmin('ACL', 'SETUSER', 'alice', ...rules);
    await page.reload();
    await page.waitForSelector('.tile');
    same(await who(page), 'Known as alice by a certificate', 'who');
    quiet(page);
  });
  await check('a token goes before the certificate, and when it has ended the certificate holds again', async () => {
    const { id, token } = await makeToken('watcher');
    await press(page, 'Sign in…');
    await signInBy(page, token);
    await until(page, () => document.querySelector('.who')?.innerText === 'Signed in as watcher by a token');
    await asAdmin('TOKEN', 'REVOKE', id);
    await isAskedAgain(page, '#/overview');
    await press(page, 'Go on without');
    await until(page, () => document.querySelector('.who')?.innerText === 'Known as alice by a certificate');
    quiet(page);
  });
}
