// SPDX-License-Identifier: Apache-2.0
// 50,000 contexts, and a trace of 2,000: the page stays usable, which is to say it has a bounded number of elements, reaches
// both ends, and answers. How long the frames took is printed; a machine that runs tests is no place to judge it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { Dashboard, until } from './harness.mjs';
import { Sender, id } from './sender.mjs';
import { crowd } from './story.mjs';

const MANY = 50000;
let dashboard;
let browser;
const trace = id(16);

before(async () => {
    [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
    const sender = new Sender(dashboard);
    const end = Date.now() / 1e3 - 1;
    for (let i = 0; i < MANY; i += 2500)
        await sender.contexts(crowd({ kind: `GET /kind/${i / 2500}`, prefix: 'GET', count: 2500, first: i + 1, end: end - (MANY - i) / MANY * 300, gap: 300 / MANY }));
    const root = { trace, span: id(8), name: 'BIG-1', kind: 'GET /big', start: end - 10, duration: 8, segments: [[0, 0.5, 'run'], [1, 2, 'txn']] };
    const children = Array.from({ length: 2400 }, (_, i) => ({
        trace, span: id(8), parent: root.span, name: `child-${i}`, kind: `child-${i % 9}`, type: 'nested', start: root.start + i * 0.003, duration: 0.5,
        segments: Array.from({ length: 30 }, (_, k) => [k * 0.016, 0.006, ['run', 'txn', 'pool'][k % 3]]), thread: 4700 + i % 4,
    }));
    await sender.contexts([root, ...children.slice(0, 1200)]);
    await sender.contexts(children.slice(1200));
    await dashboard.holds(MANY + 2401);
});
after(() => Promise.all([browser.stop(), dashboard.stop()]));

/** Frames of the browser while something happens, from a trace of it: how long each took, in ms. */
async function frames(view, act) {
    await view.page.context().browser().startTracing(view.page, { categories: ['devtools.timeline', 'disabled-by-default-devtools.timeline.frame'] });
    await act();
    const text = (await view.page.context().browser().stopTracing()).toString();
    const { traceEvents } = JSON.parse(text);
    const tasks = traceEvents.filter(e => e.ph === 'X' && ['RunTask', 'ThreadControllerImpl::RunTask'].includes(e.name)).map(e => e.dur / 1e3);
    const drawn = traceEvents.filter(e => e.name === 'DrawFrame').map(e => e.ts / 1e3).sort((a, b) => a - b);
    const gaps = drawn.slice(1).map((t, i) => t - drawn[i]).sort((a, b) => a - b);
    const at = share => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))] ?? 0;
    return `${drawn.length} frames, between them ${at(0.5).toFixed(1)} ms (median), ${at(0.95).toFixed(1)} ms (95 %), ${at(1).toFixed(1)} ms (most); ` +
        `longest task ${Math.max(0, ...tasks).toFixed(1)} ms`;
}

test('the list of 50,000 contexts has few elements, and both ends can be reached', async t => {
    const view = await browser.open(dashboard, '/contexts?window=3600&not_kind=GET%20%2Fbig');
    await view.reads('.matches', /^5\d,\d{3} match/);
    const json = await dashboard.json('/contexts', { window: 3600, not_kind: 'GET /big', limit: 1 });
    const elements = () => view.page.evaluate(() => document.querySelectorAll('#contexts-list tr').length);
    assert.ok(await elements() < 120, `${await elements()} rows`);
    const scroll = view.page.locator('#contexts-list').locator('xpath=..');
    t.diagnostic(await frames(view, async () => {
        for (let i = 0; i < 40; i++) {
            await scroll.evaluate(e => { e.scrollTop += 2000; });
            await view.page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
        }
    }).then(text => `scrolling: ${text}`));
    await view.page.locator('#contexts-list').focus();
    await view.page.keyboard.press('j');
    await view.page.keyboard.press('End');
    const last = json.matched - 1;
    const { rows: [expected] } = await dashboard.json('/contexts', { window: 3600, not_kind: 'GET /big', limit: 1, offset: last, upto: json.newest });
    await view.reads(`#contexts-list-${last} .cname`, expected.name);
    await view.page.keyboard.press('Home');
    await view.reads('#contexts-list-0 .cname', /./);
    assert.ok(await elements() < 120, `${await elements()} rows`);
    t.diagnostic(await frames(view, async () => {
        await view.page.locator('#contexts-list th', { hasText: /^Wall/ }).getByRole('button').click();
        await until('it is sorted', async () => await view.page.locator('#contexts-list th[aria-sort]').innerText().then(text => /^Wall/.test(text)));
    }).then(text => `sorting: ${text}`));
    await view.close();
});

test('a trace of 2,401 contexts is cut at 2,000, says so, and scrolls', async t => {
    const view = await browser.open(dashboard, `/trace/${trace}`);
    const json = await dashboard.json(`/trace/${trace}`);
    assert.deepEqual([json.shown, json.total], [2000, 2401]);
    await view.reads('.lt-note', '2,000 of 2,401 contexts shown');
    const elements = () => view.page.evaluate(() => document.querySelectorAll('.wf *').length);
    assert.equal(await view.page.locator('.wscroll').getAttribute('aria-rowcount'), '2000');
    assert.ok(await view.page.locator('.wrow').count() < 60);
    const before = await elements();
    t.diagnostic(await frames(view, async () => {
        for (let i = 0; i < 40; i++) {
            await view.page.locator('.wscroll').evaluate(e => { e.scrollTop += 700; });
            await view.page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
        }
    }).then(text => `scrolling the waterfall: ${text}`));
    await view.page.locator('.wscroll').focus();
    t.diagnostic(await frames(view, async () => {
        for (const key of ['+', '+', '+', 'ArrowRight', 'ArrowRight', '-', '-', '-', 'ArrowLeft', '0']) {
            await view.page.keyboard.press(key);
            await view.page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
        }
    }).then(text => `zooming the waterfall: ${text}`));
    await view.page.keyboard.press('End');
    await view.reads('.wrow.sel b', json.contexts.at(-1).name);
    assert.ok(await elements() < before * 3 + 4000, `${await elements()} elements, ${before} at first`);
    await view.close();
});
