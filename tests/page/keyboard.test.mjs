// SPDX-License-Identifier: Apache-2.0
// Every view by the keyboard alone; where the focus is can be seen; both themes, and the theme that was chosen stays.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { Dashboard, until } from './harness.mjs';
import { Sender } from './sender.mjs';
import { crowd, lifetime } from './story.mjs';

let dashboard;
let browser;

before(async () => {
    [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
    const now = Date.now() / 1e3;
    const sender = new Sender(dashboard);
    await sender.contexts(crowd({ kind: 'GET /items/{id}', prefix: 'GET', count: 60, end: now - 2, lose: 3 }));
    await sender.contexts(lifetime(now - 1).contexts);
    await dashboard.holds(68);
});
after(() => Promise.all([browser.stop(), dashboard.stop()]));

const pathOf = view => new URL(view.page.url()).pathname;

test('from Now to a lifetime, its loss, the alerts and back, without a pointer', async () => {
    const view = await browser.open(dashboard, '/now');
    const key = name => view.page.keyboard.press(name);
    const at = pattern => until(`the address is ${pattern}`, () => pattern.test(pathOf(view)));
    await until('the tiles are there', async () => await view.page.locator('.tile').count() === 6);
    await key('2');
    await at(/^\/contexts$/);
    await view.reads('.matches', /^68 match/);
    await key('j');
    await key('j');
    await until('the second row is chosen', async () => await view.page.locator('#contexts-list-1').getAttribute('aria-selected') === 'true');
    const name = 'GET-48213';
    await until('j leads to the request', async () => {
        if (await view.text('#contexts-list tr.sel .cname') === name) return true;
        await key('j');
        return false;
    });
    await key('Enter');
    await at(/^\/trace\//);
    await view.reads('.lt-head h2', name);
    await until('the rows are there', async () => await view.page.locator('.wrow').count() === 8);
    await key('Home');
    await view.reads('.lt-head h2', 'GET-48213');
    await key('j');
    await view.reads('.lt-head h2', 'check-token-48213');
    await key('k');
    const range = await view.text('.range');
    await key('+');
    await until('it is zoomed', async () => await view.text('.range') !== range);
    await view.page.keyboard.press('Tab');
    await until('a flag is reached with the tab key', async () => {
        await view.page.keyboard.press('Tab');
        return view.page.evaluate(() => document.activeElement.matches('a.flag'));
    });
    await key('Enter');
    await at(/^\/losses\/./);
    await view.reads('.detail h2', /was lost/);
    await key('4');
    await at(/^\/losses/);
    await key('j');
    await until('a group is chosen', async () => await view.page.locator('.group[aria-selected=true]').count() === 1);
    await key('5');
    await at(/^\/alerts$/);
    await key('1');
    await at(/^\/now$/);
    await key('3');
    await at(/^\/trace\//);
    await key('/');
    await at(/^\/contexts$/);
    await until('the field has the focus', () => view.page.evaluate(() => document.activeElement.id === 'q'));
    await view.page.keyboard.type('GET-7');
    await view.reads('.matches', /^1 matches/);
    await key('Escape');
    await key('?');
    await until('the keys are listed', () => view.page.locator('#keys').isVisible());
    await key('Escape');
    await key(' ');
    await view.reads('#live', /^paused/);
    await key(' ');
    await view.reads('#live', /\/s$|^live$/);
    await view.close();
});

for (const path of ['/now', '/contexts', '/trace', '/losses', '/alerts']) {
    test(`the tab key goes through ${path}, and where it is can be seen`, async () => {
        const { rows: [row] } = await dashboard.json('/contexts', { kind: 'GET /rooms/{id}/messages' });
        const view = await browser.open(dashboard, path === '/trace' ? `/trace/${row.trace_id}` : path);
        await until('the view is there', async () => await view.page.locator('main .panel').count() > 0);
        const stops = [];
        for (let i = 0; i < 120; i++) {
            await view.page.keyboard.press('Tab');
            const stop = await view.page.evaluate(() => {
                const e = document.activeElement;
                if (e === document.body) return null;
                const box = e.getBoundingClientRect();
                const seen = x => getComputedStyle(x).outlineStyle !== 'none' && parseFloat(getComputedStyle(x).outlineWidth) >= 1 || getComputedStyle(x).boxShadow !== 'none';
                const marked = seen(e) || (e.closest('.find') && seen(e.closest('.find'))) || [...e.querySelectorAll('.sel, .sel td, [aria-selected=true]')].some(seen) ||
                    (e.matches('[role=grid]') && e.querySelector('.sel') === null); // an empty choice has no row to mark
                return { what: `${e.tagName}#${e.id}.${e.className} ${e.getAttribute('aria-label') ?? e.textContent.slice(0, 40)}`, marked, size: box.width * box.height };
            });
            if (stop === null || (stops.length && stop.what === stops[0].what)) break;
            stops.push(stop);
        }
        assert.ok(stops.length >= 8 && stops.length < 120, `${stops.length} stops: ${stops.map(s => s.what).join(' | ')}`);
        assert.deepEqual(stops.filter(s => !s.marked || s.size === 0).map(s => s.what), []);
        await view.close();
    });
}

test('the theme follows the system, is toggled by T, and stays', async () => {
    const dark = async view => view.page.evaluate(() => {
        const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
        return (r + g + b) / 3 < (r <= 1 && g <= 1 && b <= 1 ? 0.5 : 128);
    });
    for (const theme of ['light', 'dark']) {
        const view = await browser.open(dashboard, '/losses', { theme });
        await view.reads('.detail h2', /./);
        assert.equal(await dark(view), theme === 'dark');
        await view.page.keyboard.press('t');
        await until('the theme is the other one', async () => await dark(view) === (theme !== 'dark'));
        await view.page.reload();
        await view.reads('.detail h2', /./);
        assert.equal(await dark(view), theme !== 'dark');
        await view.page.keyboard.press('t');
        await until('it is the system’s again', async () => await dark(view) === (theme === 'dark'));
        await view.close();
    }
});
