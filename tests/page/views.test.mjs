// SPDX-License-Identifier: Apache-2.0
// Now, Contexts and Alerts show what was sent: figures against what the sender knows and against the JSON; news, pause,
// filters, order, and what stands there while there is nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { Dashboard, until } from './harness.mjs';
import { Sender } from './sender.mjs';
import { crowd } from './story.mjs';

let dashboard;
let browser;
let sender;
let sent;

before(async () => {
    [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
    sender = new Sender(dashboard);
    const end = Date.now() / 1e3 - 2;
    sent = [
        ...crowd({ kind: 'GET /items/{id}', prefix: 'GET', count: 200, end, lose: 5 }),
        ...crowd({ kind: 'POST /items', prefix: 'POST', count: 40, end, duration: i => 0.0205 + i * 0.001 }),
        ...crowd({ kind: 'GET /healthz', prefix: 'HEALTH', count: 30, end, duration: () => 0.0003 }),
        ...crowd({ kind: 'sweep', prefix: 'sweep', count: 6, end, duration: i => 1 + i }).map(of => ({ ...of, type: 'background', failed: 'disk full' })),
    ];
    await sender.contexts(sent);
    await dashboard.holds(276);
});
after(() => Promise.all([browser.stop(), dashboard.stop()]));

const matches = count => new RegExp(`^${count.toLocaleString('en-US')} match(es)? in `);
const columnOf = (view, cls) => view.page.locator(`#contexts-list tbody td.${cls}`).allInnerTexts();
const params = view => new URL(view.page.url()).searchParams;

test('an empty store says how to fill it, and fills by itself', async () => {
    const empty = await Dashboard.start();
    const view = await browser.open(empty, '/');
    await view.reads('main h2', 'Nothing has been received yet');
    assert.ok((await view.text('main')).includes(`OTEL_EXPORTER_OTLP_ENDPOINT=${empty.url}`));
    assert.equal(new URL(view.page.url()).pathname, '/now');
    await new Sender(empty).contexts(crowd({ kind: 'GET /', prefix: 'GET', count: 3, end: Date.now() / 1e3 }));
    await until('the page shows data', async () => await view.page.locator('.tile').count() === 6);
    await view.close();
    await empty.stop();
});

// Two readings a minute apart, so that there are rates: 60 contexts and 1.5 s of CPU in between.
test('the tiles of Now show the rates and sums of the metrics that were sent', async () => {
    const now = Math.floor(Date.now() / 5e3) * 5 - 2.5; // in the middle of a step
    const start = Math.floor(now) - 600;
    const kind = { 'logctx.kind': 'GET /items/{id}', 'logctx.type': 'request' };
    const reading = (time, contexts, cpu, db, lost, flying) => sender.sums([
        { name: 'logctx.context.created', unit: '{context}', points: [{ value: contexts, attributes: kind }] },
        { name: 'logctx.context.cpu.time', unit: 's', points: [{ value: cpu, attributes: { ...kind, 'cpu.mode': 'user' } }] },
        { name: 'logctx.context.db.time', unit: 's', points: [{ value: db, attributes: kind }] },
        { name: 'logctx.context.db.wait_time', unit: 's', points: [{ value: db / 2, attributes: kind }] },
        { name: 'logctx.transition.errors', unit: '{error}', points: [{ value: lost, attributes: { 'logctx.error.kind': 'context_lost' } }] },
        { name: 'logctx.context.in_flight', unit: '{context}', monotonic: false, points: [{ value: flying, attributes: kind }] },
    ], start, time);
    for (let i = 12; i >= 0; i--) await reading(now - i * 5, 1000 + (12 - i) * 5, 10 + (12 - i) * 0.125, 20 + (12 - i) * 0.25, 12 - i, 7);
    const view = await browser.open(dashboard, '/now');
    const big = tile => view.text(`#tile-${tile} .big`);
    await until('the rate is there', async () => await big('contexts') !== '–');
    const json = await until('all steps are in the answer', async () => {
        const answer = await dashboard.json('/now');
        return answer.tiles.contexts.values.filter(value => value !== null).length >= 10 && answer;
    });
    const rates = json.tiles.contexts.values.filter(value => value !== null);
    assert.ok(rates.slice(1, -1).every(rate => Math.abs(rate - 1) < 1e-6), `one a second: ${rates}`);
    const cores = json.tiles.cpu.values.filter(value => value !== null);
    assert.ok(cores.slice(1, -1).every(rate => Math.abs(rate - 0.025) < 1e-6), `0.025 cores: ${cores}`);
    // The last one waits for the export after it, which does not come.
    const { kinds: [lost] } = await until('there is one error in each step but the last', async () => {
        const { errors } = (await dashboard.json('/now')).tiles;
        const values = errors.values.filter(value => value !== null);
        if (values.filter(value => value === 1).length >= 11 && values.slice(1).every(value => value === 1)) return errors;
        throw new Error(`they are ${values}`);
    });
    assert.equal(json.tiles.in_flight.now, 7);
    await view.reads('#tile-contexts .big', /^1(\.0+)?$/);
    await view.reads('#tile-cpu .big', /^0\.025$/);
    await view.reads('#tile-database .big', /^0\.050?$/);
    await view.reads('#tile-in_flight .big', '7');
    assert.ok([11, 12].includes(lost.count));
    await view.reads('#tile-errors .rows', new RegExp(`context_lost ${lost.count}\\b`));
    await view.reads('#tile-cpu .rows', /GET \/items\/\{id\} 0\.025/);
    assert.match(await view.text('.flying'), /7 open/);
    // The crosshair is shared: at another time all six say which.
    await view.page.getByRole('slider', { name: /Time that the charts/ }).focus();
    await view.page.keyboard.press('ArrowLeft');
    const times = await until('the tiles read another time', async () => {
        const texts = await view.page.locator('.tile .was').allInnerTexts();
        return texts.every(text => /^at \d\d:\d\d:\d\d$/.test(text)) && texts;
    });
    assert.equal(new Set(times).size, 1);
    await view.close();
});

test('Contexts: the kinds, the rows, their order, and health probes behind a chip in sight', async () => {
    const view = await browser.open(dashboard, '/contexts');
    await view.reads('.matches', matches(246)); // without the 30 of the probe
    assert.ok((await view.page.locator('.chip').allInnerTexts()).some(text => text.includes('not GET /healthz')));
    const kinds = (await view.page.locator('table.kinds tbody tr').allInnerTexts()).map(text => text.replace(/\s+/g, ' '));
    assert.equal(kinds.length, 4);
    const json = await dashboard.json('/contexts', { not_kind: 'GET /healthz' });
    for (const kind of json.kinds) {
        const row = kinds.find(text => text.startsWith(kind.kind));
        assert.ok(row.startsWith(`${kind.kind} ${kind.type}`), row);
        assert.equal(kind.count, sent.filter(of => of.kind === kind.kind).length);
        assert.equal(kind.errors, sent.filter(of => of.kind === kind.kind).reduce((sum, of) => sum + of.errors.length, 0));
        for (const bucket of kind.buckets.filter(count => count > 0)) assert.ok(row.includes(` ${bucket} `), `${bucket} in ${row}`);
    }
    const names = await columnOf(view, 'cname');
    assert.deepEqual(names.slice(0, 10), json.rows.slice(0, 10).map(row => row.name));
    await view.page.getByRole('button', { name: /Remove the filter not GET/ }).click();
    await view.reads('.matches', matches(276));
    for (const [head, key, value] of [['Wall', 'duration', of => of.duration], ['CPU', 'cpu', of => of.cpu], ['Wait', 'db_wait', of => of.dbWait]]) {
        await view.page.locator('#contexts-list th', { hasText: new RegExp(`^${head} ms`) }).getByRole('button').click();
        await until(`the list is sorted by ${key}`, () => params(view).get('sort') === key);
        const best = Math.max(...sent.map(value));
        await until(`the first is the one with the most ${key}`, async () => {
            const cell = (await view.page.locator('#contexts-list tbody tr[data-index="0"] td').allInnerTexts()).map(text => text.replace(/,/g, ''));
            return cell.some(text => Math.abs(Number(text) - best * 1e3) <= Math.max(0.06, best * 2));
        });
        await view.reads('#contexts-list th[aria-sort=descending]', new RegExp(`^${head}`));
    }
    await view.close();
});

test('Contexts: filters by field, choice, kind and bucket, each in the address; a colleague sees the same', async () => {
    const view = await browser.open(dashboard, '/contexts?probes=1');
    await view.reads('.matches', matches(276));
    await view.page.keyboard.press('/');
    await view.page.keyboard.type('POST-1');
    await view.reads('.matches', matches(sent.filter(of => /post-1/i.test(of.name)).length));
    assert.equal(params(view).get('q'), 'POST-1');
    await view.page.locator('#q').fill('room.id=r3');
    await view.reads('.matches', matches(sent.filter(of => of.attributes['room.id'] === 'r3').length));
    await view.page.locator('#q').fill('');
    await view.reads('.matches', matches(276));
    await view.page.getByLabel('Type').selectOption('background');
    await view.reads('.matches', matches(6));
    await view.page.getByLabel('Type').selectOption('');
    await view.page.getByLabel('Transition errors and failures').selectOption('failed=1');
    await view.reads('.matches', matches(6));
    await view.page.getByLabel('Transition errors and failures').selectOption('error_kind=context_lost');
    await view.reads('.matches', matches(5));
    assert.deepEqual(new Set((await columnOf(view, 'cerror')).map(text => text.trim())), new Set(['context_lost']));
    await view.page.getByLabel('Transition errors and failures').selectOption('');
    await view.page.locator('button.cell[data-kind="POST /items"]').first().click();
    await until('the bucket is in the address', () => params(view).get('kind') === 'POST /items');
    const [low, high] = ['min_duration', 'max_duration'].map(key => Number(params(view).get(key)));
    const microseconds = seconds => Math.round(seconds * 1e6); // as it was sent
    const inside = sent.filter(of => of.kind === 'POST /items' && microseconds(of.start + of.duration) - microseconds(of.start) >= microseconds(low) &&
        microseconds(of.start + of.duration) - microseconds(of.start) < microseconds(high)).length;
    await view.reads('.matches', matches(inside));
    const address = view.page.url();
    const other = await browser.open(dashboard, address.slice(dashboard.url.length));
    await other.reads('.matches', matches(inside));
    await other.close();
    await view.page.goBack();
    await view.reads('.matches', matches(276));
    await view.page.locator('#q').fill('there is no such name');
    await view.reads('#contexts-list', /No context matches/);
    await view.page.getByRole('link', { name: 'Clear the filters' }).click();
    await view.reads('.matches', matches(276));
    await view.close();
});

test('what comes meanwhile waits in a button; a page that is paused holds it back and catches up', async () => {
    const view = await browser.open(dashboard, '/contexts?probes=1');
    await view.reads('.matches', matches(276));
    await view.reads('#live', /\/s$|^live$/);
    await sender.contexts(crowd({ kind: 'GET /items/{id}', prefix: 'NEW', count: 7, end: Date.now() / 1e3 }));
    await view.reads('.fresh', '7 new');
    assert.equal((await columnOf(view, 'cname')).filter(name => name.startsWith('NEW')).length, 0);
    await view.page.locator('.fresh').click();
    await view.reads('.matches', matches(283));
    assert.match((await columnOf(view, 'cname'))[0], /^NEW-/);
    await view.page.locator('main').focus();
    await view.page.keyboard.press(' ');
    await view.reads('#live', /^paused/);
    await sender.contexts(crowd({ kind: 'GET /items/{id}', prefix: 'HELD', count: 11, end: Date.now() / 1e3 }));
    await view.reads('#live', 'paused, 11 held back');
    assert.equal((await columnOf(view, 'cname')).filter(name => name.startsWith('HELD')).length, 0);
    await view.page.getByRole('button', { name: 'Resume the page' }).click();
    await view.reads('#live', /\/s$|^live$/);
    await until('the held back ones can be seen', async () => {
        if (!await view.page.locator('.fresh').isDisabled()) await view.page.locator('.fresh').click();
        return (await view.text('.matches')).startsWith('294');
    });
    await view.close();
});

test('Alerts lists every rule of the server with its state', async () => {
    const view = await browser.open(dashboard, '/alerts');
    const json = await until('the rules are evaluated', async () => {
        const answer = await dashboard.json('/alerts');
        return answer.rules.length > 0 && answer;
    });
    await until('all are listed', async () => {
        const text = await view.text('main');
        return json.rules.every(rule => text.includes(rule.title));
    });
    await view.close();
});

test('several services side by side: the picker leads to each', async () => {
    await new Sender(dashboard, 'mail-relay', 'mail-relay@node-a').contexts(crowd({ kind: 'deliver', prefix: 'mail', count: 4, end: Date.now() / 1e3 }));
    const view = await browser.open(dashboard, '/contexts?service=booking-api&probes=1');
    await view.reads('.matches', matches(294));
    await view.page.locator('#service').click();
    await view.page.locator('#services a', { hasText: 'mail-relay' }).first().click();
    await view.reads('.matches', matches(4));
    assert.equal(params(view).get('service'), 'mail-relay');
    await view.close();
});

test('when the server goes, the page says so and keeps what it has; when it is back, it goes on', async () => {
    const short = await Dashboard.start();
    await new Sender(short).contexts(crowd({ kind: 'GET /', prefix: 'GET', count: 3, end: Date.now() / 1e3 }));
    await short.holds(3);
    const view = await browser.open(short, '/contexts');
    await view.reads('.matches', matches(3));
    await view.reads('#live', /\/s$|^live$/);
    await short.stop();
    await view.reads('#live', /^disconnected/);
    assert.equal((await columnOf(view, 'cname')).length, 3);
    await view.close(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY|Failed to load/);
});
