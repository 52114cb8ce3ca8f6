// SPDX-License-Identifier: Apache-2.0
// The views Lifetime and Losses show what was sent, and what the person does with keys, pointer and address works.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { Dashboard, until } from './harness.mjs';
import { Sender, id } from './sender.mjs';
import { crowd, lifetime } from './story.mjs';

let dashboard;
let browser;
let story;

before(async () => {
    [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
    const now = Date.now() / 1e3;
    const sender = new Sender(dashboard);
    story = lifetime(now - 5);
    await sender.contexts(story.contexts);
    await sender.contexts(crowd({ kind: 'PUT /bookings/{id}', prefix: 'PUT', count: 20, end: now - 1, lose: 6 }));
    await dashboard.holds(28);
});
after(() => Promise.all([browser.stop(), dashboard.stop()]));

const path = more => `/trace/${story.trace}${more ?? ''}`;
const rows = view => view.page.locator('.wrow');
const cards = async view => (await view.page.locator('.card').allInnerTexts()).map(text => text.replace(/\s+/g, ' '));

test('the header, the four numbers and the share bar are those of the context that was sent', async () => {
    const view = await browser.open(dashboard, path());
    await view.reads('.lt-head h2', 'GET-48213');
    const head = (await view.text('.lt-head')).replace(/\s+/g, ' ');
    for (const word of ['GET /rooms/{id}/messages', 'request', '200', 'context_lost', story.trace]) assert.ok(head.includes(word), `${word} in ${head}`);
    const [wall, cpu, database] = await cards(view);
    assert.match(wall, /246\.8 ms/);
    assert.match(wall, new RegExp(`started ${new Date(Math.round(story.contexts[0].start * 1e3)).toISOString().slice(11, 19)}`));
    assert.match(cpu, /111\.6 ms/); // with children, as it was sent
    assert.match(cpu, /own 15\.6 ms/);
    assert.match(database, /30\.7 ms \+ 92\.4 ms waiting/);
    assert.match(database, /transactions 1 rows 214/);
    const shares = (await view.text('.sharel')).replace(/\s+/g, ' ');
    assert.match(shares, /running 15\.6 ms in transaction 30\.7 ms waiting for connection 92\.4 ms children and replies 93\.7 ms lost 14\.4 ms/);
    const widths = await view.page.locator('.share i').evaluateAll(list => list.map(i => i.getBoundingClientRect().width));
    const whole = widths.reduce((sum, w) => sum + w, 0);
    assert.ok(Math.abs(widths[2] / whole - 92.4 / 246.8) < 0.01, `waiting takes ${widths[2]} of ${whole}`);
    await view.close();
});

test('the waterfall has a row for each context, with its segments where they were', async () => {
    const view = await browser.open(dashboard, path());
    await until('all rows are there', async () => await rows(view).count() === story.contexts.length);
    const labels = await rows(view).evaluateAll(list => list.map(row => row.getAttribute('aria-label')));
    for (const context of story.contexts) assert.ok(labels.some(label => label.startsWith(`${context.name}, ${context.kind}`)), `${context.name} in ${labels}`);
    assert.match(labels.find(label => label.startsWith('sign-48213')), /failed/);
    assert.match(labels[0], /transition error context_lost/);
    const names = await view.page.locator('.wrow .wname b').allInnerTexts();
    assert.deepEqual(names, ['GET-48213', 'check-token-48213', 'sign-48213', 'render-md-48213-1', 'render-md-48213-2', 'receipts-48213', 'push-notify-912', 'push-912-a']);
    // Positions: the waiting of the first row begins at 139.8 ms and ends at 232.2, on the scale that the row's life gives.
    const first = rows(view).first();
    const box = selector => first.locator(selector).evaluateAll(list => list.map(i => i.getBoundingClientRect()).map(r => [r.left, r.right]));
    const [[left, right]] = await box('.life');
    const at = ms => left + (right - left) * ms / 246.8;
    const [[from, to]] = await box('.s-pool');
    assert.ok(Math.abs(from - at(139.8)) < 1.5 && Math.abs(to - at(232.2)) < 1.5, `waiting at ${from} to ${to}, not ${at(139.8)} to ${at(232.2)}`);
    const [[lost, lostEnd]] = await box('.s-lost');
    assert.ok(Math.abs(lost - at(232.4)) < 1.5 && Math.abs(lostEnd - at(246.8)) < 1.5, `lost at ${lost} to ${lostEnd}`);
    assert.equal(await first.locator('.s-txn').count(), 1);
    assert.ok(await first.locator('.s-child').count() > 0, 'what children did is in the parent');
    // Other threads are boxed, linked ones are told apart, one without segments is flat.
    assert.deepEqual(await view.page.locator('.thread.other').allInnerTexts(), ['4715', '4717']);
    assert.match(await rows(view).nth(6).innerText(), new RegExp(`own trace ${story.linked.slice(0, 8)}`));
    assert.equal(await view.page.locator('.own-trace').count(), 1);
    assert.equal(await view.page.locator('.life.flat').count(), 1);
    await view.close();
});

test('the drawer has attributes, usage, segments and events as they were sent', async () => {
    const view = await browser.open(dashboard, path());
    await view.reads('.drawer h3', 'Attributes of GET-48213');
    const panes = (await view.page.locator('.drawer .pane').allInnerTexts()).map(text => text.replace(/\s+/g, ' '));
    for (const [key, value] of [['http.route', '/rooms/{id}/messages'], ['room.id', '8f2'], ['http.response.status_code', '200']])
        assert.ok(panes[0].includes(`${key} ${value}`), `${key} in ${panes[0]}`);
    assert.match(panes[1], /CPU 15\.6 ms 111\.6 ms/);
    assert.match(panes[1], /Rows fetched 214/);
    assert.match(panes[1], /Lost, charged to nobody 14\.4 ms/);
    assert.match(panes[2], /0\.0 running 1\.90 ms 38\.6 running 2\.60 ms 41\.2 in transaction 30\.7 ms 72\.8 running/);
    assert.match(panes[2], /72\.8 retry .*attempt=2/);
    assert.match(panes[2], /246\.8 context_lost http\.c:341/);
    await view.page.locator('.wrow', { hasText: 'sign-48213' }).click();
    await view.reads('.drawer h3', 'Attributes of sign-48213');
    await view.reads('.lt-head h2', 'sign-48213');
    assert.match(await view.text('.drawer'), /Status: no answer/);
    assert.equal(new URL(view.page.url()).searchParams.get('span'), story.contexts[4].span);
    await view.page.reload();
    await view.reads('.lt-head h2', 'sign-48213'); // a colleague who gets the address sees the same
    await view.page.locator('.wrow', { hasText: 'receipts-48213' }).click();
    await view.reads('.sharewrap .quiet', (await dashboard.json(path())).contexts[5].segments_note);
    await view.close();
});

test('zoom and pan by keys, buttons, wheel, and the handles of the minimap', async () => {
    const view = await browser.open(dashboard, path());
    await until('the rows are there', async () => await rows(view).count() > 0);
    const range = () => view.text('.range');
    const barWidth = () => rows(view).first().locator('.s-txn').evaluate(i => i.getBoundingClientRect().width);
    const changed = async (what, act) => {
        const before = await range();
        await act();
        return until(`${what} changes what is seen, which was ${before}`, async () => await range() !== before);
    };
    await view.page.locator('.wscroll').focus();
    const width = await barWidth();
    await changed('+', () => view.page.keyboard.press('+'));
    await until('the bar is wider', async () => await barWidth() > width * 1.2);
    await changed('an arrow', () => view.page.keyboard.press('ArrowRight'));
    await changed('-', () => view.page.keyboard.press('-'));
    await changed('Fit all', () => view.page.getByRole('button', { name: 'Fit all' }).click());
    assert.match(await range(), /to 402\.5 ms/);
    const handle = view.page.getByRole('slider', { name: 'End of the visible time' });
    await handle.focus();
    await changed('a handle by keys', async () => { // behind the end there is room for what is written there
        for (let i = 0; i < 4; i++) await view.page.keyboard.press('PageDown');
    });
    assert.ok(Number(await handle.getAttribute('aria-valuenow')) < 1000);
    await changed('Fit context', () => view.page.getByRole('button', { name: 'Fit context' }).click());
    const box = await view.page.locator('.mini').boundingBox();
    await changed('dragging in the minimap', async () => {
        await view.page.mouse.move(box.x + box.width * 0.9, box.y + 20);
        await view.page.mouse.down();
        await view.page.mouse.move(box.x + box.width * 0.7, box.y + 20, { steps: 4 });
        await view.page.mouse.up();
    });
    await changed('a double click', () => view.page.mouse.dblclick(box.x + box.width * 0.2, box.y + 20));
    const axis = await view.page.locator('.waxis .wtrack').boundingBox(); // rows are made anew with each zoom
    const track = { x: axis.x, y: axis.y + axis.height };
    await changed('the wheel', async () => {
        await view.page.mouse.move(track.x + 200, track.y + 10);
        await view.page.keyboard.down('Control');
        await view.page.mouse.wheel(0, -200);
        await view.page.keyboard.up('Control');
    });
    await changed('dragging the rows', async () => {
        await view.page.mouse.down();
        await view.page.mouse.move(track.x + 120, track.y + 10, { steps: 4 });
        await view.page.mouse.up();
    });
    await view.close();
});

test('the trace id is copied; linked traces, losses and back are a click away', async () => {
    const view = await browser.open(dashboard, path());
    await view.page.getByRole('button', { name: 'Copy the trace id' }).click();
    await until('the id is in the clipboard', async () => await view.page.evaluate(() => navigator.clipboard.readText()) === story.trace);
    const row = view.page.locator('.wrow', { hasText: 'push-notify-912' });
    await row.click();
    await view.reads('.lt-head h2', 'push-notify-912');
    await view.page.locator('.wscroll').focus();
    await view.page.keyboard.press('Enter'); // a linked one opens its own trace
    await until('it is the linked trace', () => new URL(view.page.url()).pathname === `/trace/${story.linked}`);
    await view.reads('.lt-head h2', 'push-notify-912');
    await view.page.locator('.links a').first().click();
    await until('the link leads back', () => new URL(view.page.url()).pathname === `/trace/${story.trace}`);
    await view.reads('.lt-head h2', 'GET-48213');
    await view.page.locator('.lt-head a.flag').click();
    await until('it is the group of losses', () => /^\/losses\/./.test(new URL(view.page.url()).pathname));
    await view.page.goBack();
    await view.reads('.lt-head h2', 'GET-48213');
    await view.close();
});

test('a trace that is not there says so', async () => {
    const view = await browser.open(dashboard, `/trace/${'0'.repeat(31)}1`);
    await view.reads('h1', 'This trace is not here');
    assert.equal(await view.page.getByRole('link', { name: 'Contexts' }).count() > 0, true);
    await view.close(/404/);
});

test('a parent that did not come, a context whose CPU was not measured, a span of somebody else', async () => {
    const sender = new Sender(dashboard);
    const trace = id(16);
    const start = Date.now() / 1e3 - 3;
    const orphan = { trace, span: id(8), parent: id(8), name: 'orphan-1', kind: 'orphan', type: 'nested', start, duration: 0.1, segments: [[0, 0.05, 'run']] };
    await sender.contexts([orphan]);
    const foreign = new Sender(dashboard, 'booking-api', 'booking-api@node-b', 'somebody-else');
    await foreign.spans([{
        traceId: trace, spanId: id(8), parentSpanId: orphan.span, name: 'SELECT', kind: 3, startTimeUnixNano: String(BigInt(Math.round(start * 1e3)) * 1000000n),
        endTimeUnixNano: String(BigInt(Math.round(start * 1e3 + 40)) * 1000000n), attributes: [], events: [], links: [],
    }]);
    await until('both have come', async () => (await dashboard.json(`/trace/${trace}`)).total === 2);
    const view = await browser.open(dashboard, `/trace/${trace}`);
    await view.reads('.lt-head h2', 'orphan-1');
    assert.match(await view.text('.lt-head'), /parent not received/);
    assert.match(await rows(view).first().innerText(), /parent not received/);
    assert.equal(await view.page.locator('.life.foreign').count(), 1);
    await rows(view).nth(1).click();
    await view.reads('.card >> nth=1', /not measured/);
    await view.close();
});

test('the losses are grouped as the server groups them, with an example, its recorder and what it means', async () => {
    const view = await browser.open(dashboard, '/losses');
    await view.reads('.detail h2', /was lost$/);
    const json = await dashboard.json('/losses');
    assert.equal(json.total, 7);
    const shown = (await view.page.locator('.group').allInnerTexts()).map(text => text.replace(/\s+/g, ' '));
    assert.equal(shown.length, json.groups.length);
    json.groups.forEach((group, i) => {
        assert.ok(shown[i].startsWith(`${group.kind} ${group.count} times ${group.site.place}`), `${shown[i]} begins with ${group.kind} ${group.count} ${group.site.place}`);
    });
    assert.match(await view.text('.groups .phead'), /7 in 15 min, 1 place/);
    assert.match(await view.text('.silent'), new RegExp(`${json.silent.length} kinds at 0`));
    for (const kind of json.silent) assert.ok((await view.text('.silent')).includes(kind), kind);
    const { example, explanation } = await dashboard.json(`/losses/${json.groups[0].group}`);
    assert.deepEqual((await view.page.locator('.side .nm').allInnerTexts()), [example.expected, 'sentinel', 'http.c:341']);
    const flight = (await view.page.locator('.frow').allInnerTexts()).map(text => text.replace(/\s+/g, ' ').trim());
    assert.equal(flight.length, example.switches.length + 1);
    assert.match(flight[example.guilty], /pool\.c:88 pool_on_ready most likely guilty/);
    assert.equal(flight.filter(text => /guilty/.test(text)).length, 1);
    assert.match(flight.at(-1), /now http\.c:341 on_complete noticed here/);
    assert.ok((await view.text('.why')).includes(explanation.means), explanation.means);
    await view.page.getByRole('button', { name: 'Copy as text' }).click();
    const report = await until('the report is in the clipboard', () => view.page.evaluate(() => navigator.clipboard.readText()));
    assert.ok(report.startsWith(`context_lost: Expected logging context ${example.expected} was lost`), report);
    assert.match(report, /pool\.c:88 pool_on_ready {3}<-- most likely guilty/);
    await view.page.getByRole('link', { name: `Open ${example.expected}` }).click();
    await view.reads('.lt-head h2', example.expected);
    await view.close();
});

test('a new place waits in a button while the pointer is on the list, and comes by itself when it is not', async () => {
    const view = await browser.open(dashboard, '/losses');
    await view.reads('.groups .phead', /7 in 15 min, 1 place/);
    await view.page.locator('.group').first().hover();
    const sender = new Sender(dashboard);
    const lose = async place => sender.contexts([{
        kind: 'GET /late', name: `late-${place}`, start: Date.now() / 1e3 - 0.02, duration: 0.01, segments: [],
        errors: [{ kind: 'unexpected_context', message: `Expected logging context late-${place} but found other`, expected: `late-${place}`, found: 'other', foundBy: 'src/a.c:1 (f)', setBy: `src/${place}:2 (g)`, offset: 0.01 }],
    }]);
    await lose('first.c');
    await view.reads('.groups .phead button', 'Show 1 new place');
    assert.equal(await view.page.locator('.group').count(), 1);
    await view.page.locator('.groups .phead button').click();
    await until('the new place is listed', async () => await view.page.locator('.group').count() === 2);
    await view.page.mouse.move(900, 850);
    await view.page.locator('.detail').focus();
    await lose('second.c');
    await until('the next one comes by itself', async () => await view.page.locator('.group').count() === 3);
    await view.close();
});

test('without a loss it says since when, and which kinds it watches for', async () => {
    const quiet = await Dashboard.start();
    await new Sender(quiet).contexts(crowd({ kind: 'GET /', prefix: 'GET', count: 3, end: Date.now() / 1e3 - 1 }));
    await quiet.holds(3);
    const view = await browser.open(quiet, '/losses');
    await view.reads('.detail h2', /^No transition error since \d\d:\d\d:\d\d$/);
    assert.match(await view.text('.silent'), /context_lost/);
    await view.close();
    await quiet.stop();
});
