// SPDX-License-Identifier: Apache-2.0
// The real demo and the real dashboard: what the demo did, by its own account, is what the page shows, and the three
// mistakes in it are at the lines where they are. And axe finds nothing wrong, in both themes and two widths.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { Dashboard, Demo, until } from './harness.mjs';

const ROOMS = 60;
const BUGS = { lost: ['context_lost', 3], leaked: ['leaked_to_loop', 2], restarted: ['restarted_finished', 2] };
let dashboard;
let browser;
let demo;

before(async () => {
    [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
    demo = await Demo.start(dashboard);
    for (let i = 1; i <= ROOMS; i++) assert.equal(await demo.request(`/rooms/${i % 5 + 1}`), 200);
    assert.equal(await demo.request('/rooms', { method: 'POST', body: 'A room' }), 201);
    assert.equal(await demo.request('/rooms/999999'), 404);
    assert.equal(await demo.request('/report'), 200);
    for (const [bug, [, count]] of Object.entries(BUGS))
        for (let i = 0; i < count; i++) assert.equal(await demo.request(`/bug/${bug}`), 200);
    await until('all losses have come', async () => (await dashboard.json('/losses')).total === 7);
    await until('the metrics have come, twice', async () => (await dashboard.json('/now')).tiles.contexts.values.filter(v => v !== null).length >= 1);
});
after(async () => {
    if (demo) await demo.stop();
    await Promise.all([browser.stop(), dashboard.stop()]);
});

/** Where the demo's source says the mistake is. */
const lineOf = bug => readFileSync(`${process.env.LOGCTX_DEMO_SOURCE}/demo.c`, 'utf8').split('\n').findIndex(line => line.includes(`// BUG: ${bug}`)) + 1;

const kindCount = async kind => (await dashboard.json('/contexts')).kinds.find(k => k.kind === kind)?.count ?? 0;

test('Contexts counts what was asked of the demo', async () => {
    const view = await browser.open(dashboard, '/contexts');
    await until('the kind is listed', async () => (await view.page.locator('table.kinds').innerText()).includes('GET /rooms/{id}'));
    assert.equal(await kindCount('GET /rooms/{id}'), ROOMS + 1);
    assert.equal(await kindCount('POST /rooms'), 1);
    assert.equal(await kindCount('GET /bug/lost'), 3);
    await view.go('/contexts?kind=GET+%2Frooms%2F%7Bid%7D');
    await view.reads('.matches', new RegExp(`^${ROOMS + 1} match`));
    await view.close();
});

test('Losses has the three mistakes, each at its line in the source, with the guilty switch', async () => {
    const view = await browser.open(dashboard, '/losses');
    await until('three groups are listed', async () => await view.page.locator('.group').count() === 3);
    for (const [bug, [kind, count]] of Object.entries(BUGS)) {
        const group = view.page.locator('.group', { hasText: kind });
        const text = (await group.innerText()).replace(/\s+/g, ' ');
        assert.ok(text.startsWith(`${kind} ${count} times `), text);
        await group.click();
        await until(`the example is one of ${kind}`, async () => new URL(view.page.url()).pathname.length > '/losses/'.length &&
            (await view.page.locator('.why').innerText()).length > 0 && await group.getAttribute('aria-selected') === 'true');
        await view.reads('.detail', new RegExp(`demo\\.c:${lineOf(bug)}\\b`));
        assert.ok(text.includes(`demo.c:${lineOf(bug)}`), `${text} names line ${lineOf(bug)}`);
    }
    assert.equal((await dashboard.json('/losses')).silent.length + 3 >= 20, true);
    await view.close();
});

test('Lifetime shows a report: its worker, its transaction, and what they used together', async () => {
    const { rows: [row] } = await dashboard.json('/contexts', { kind: 'GET /report' });
    const view = await browser.open(dashboard, `/trace/${row.trace_id}`);
    await view.reads('.lt-head h2', row.name);
    const json = await dashboard.json(`/trace/${row.trace_id}`);
    await until('a row for each context', async () => await view.page.locator('.wrow').count() === json.contexts.length);
    assert.ok(json.contexts.some(context => context.type === 'thread'));
    assert.equal(await view.page.locator('.thread.other').count(), json.contexts.filter(c => c.depth > 0 && c.thread !== json.contexts[0].thread).length);
    await view.close();
});

test('Now shows a request while it is under way, and that it has ended', async () => {
    const view = await browser.open(dashboard, '/now');
    await until('the tiles are there', async () => await view.page.locator('.tile').count() === 6);
    const slow = demo.request('/slow/20000').catch(() => 0);
    const row = view.page.locator('#in-flight tbody tr', { hasText: 'GET /slow/{ms}' });
    await until('it is in the list', async () => await row.count() === 1);
    assert.match((await row.innerText()).replace(/\s+/g, ' '), /GET-\d+ .*GET \/slow\/\{ms\}/);
    const json = await dashboard.json('/now');
    assert.equal(json.in_flight.source, 'table');
    const asked = json.in_flight.rows.find(r => r.kind === 'GET /slow/{ms}');
    assert.match(asked.name, /^GET-\d+$/);
    await demo.stop().then(account => { // it is cancelled with the demo's end
        const requests = kind => account.requests.filter(r => r.kind === kind).reduce((sum, r) => sum + r.count, 0);
        assert.equal(requests('GET /rooms/{id}'), ROOMS + 1);
        assert.equal(account.bugs_lost, 3);
        return account;
    }).then(async account => {
        await until('every context the demo exported is in the store', async () => {
            const { store } = await dashboard.json('/losses');
            return store.contexts + account.library.error_spans >= account.library.exported;
        });
    });
    demo = null;
    await slow;
    await until('it has left the list', async () => await row.count() === 0 || /ended/.test(await row.innerText()));
    await view.close();
});

for (const theme of ['light', 'dark']) {
    test(`axe finds nothing in any view, ${theme}, 1024 and 1440 pixels`, async () => {
        const { groups: [group] } = await dashboard.json('/losses');
        const { rows: [row] } = await dashboard.json('/contexts', { kind: 'GET /report' });
        const views = [['/now', '#tile-contexts .big:not(:empty)'], ['/contexts', '#contexts-list tbody tr'], [`/trace/${row.trace_id}`, '.wrow'], [`/losses/${group.group}`, '.frow'], ['/alerts', 'main .panel']];
        const found = [];
        for (const width of [1024, 1440]) {
            const view = await browser.open(dashboard, '/now', { theme, width, height: width === 1024 ? 768 : 900 });
            for (const [path, sign] of views) {
                await view.go(path);
                await until(`${path} is there`, async () => await view.page.locator(sign).count() > 0);
                found.push(...(await view.axe()).map(text => `${path} at ${width}: ${text}`));
            }
            await view.close();
        }
        assert.deepEqual(found, []);
    });
}

test('axe would find something if there were', async () => {
    const view = await browser.open(dashboard, '/alerts');
    await until('the view is there', async () => await view.page.locator('main .panel').count() > 0);
    await view.page.evaluate(() => {
        const button = document.createElement('button');
        document.querySelector('main').append(button);
    });
    assert.match((await view.axe()).join(), /button-name/);
    await view.close();
});
