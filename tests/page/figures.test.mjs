// SPDX-License-Identifier: Apache-2.0
// What the page makes of figures, without a browser: texts of numbers and times, sums of steps, live news laid over what
// is there, the section of a runbook, the filters that hide health probes.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

// In a folder of their own: without a package.json that says so Node 18 takes a .js for no module.
const folder = mkdtempSync(join(tmpdir(), 'logctx-page-'));
after(() => rmSync(folder, { recursive: true }));
cpSync(process.env.LOGCTX_PAGE, folder, { recursive: true, filter: path => !path.includes('node_modules') });
writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
const load = name => import(join(folder, name));
const format = await load('format.js');
const { merge, stacked, stepAt, summed } = await load('series.js');
const { TILES, before } = await load('tiles.js');
const { section } = await load('markdown.js');
const { cleared, hideProbes } = await load('filters.js');

test('what is missing is a dash, and 0 is a value', () => {
    for (const text of [format.number, format.amount, format.ms, format.age, format.percent, format.clock]) assert.equal(text(null), '–');
    for (const text of [format.number, format.amount, format.ms]) assert.equal(text(0), '0');
    assert.deepEqual(format.duration(null), ['–', '']);
});

test('durations keep three figures and change their unit', () => {
    const texts = [3e-7, 4.2e-6, 0.00042, 0.0314, 0.42, 1.25, 59.99, 61, 3725, 90061].map(format.durationText);
    assert.deepEqual(texts, ['0.30 µs', '4.2 µs', '0.42 ms', '31.4 ms', '420.0 ms', '1.25 s', '59.99 s', '1 m 01 s', '1 h 02 m', '1 d 1 h']);
    assert.deepEqual([4e-7, 4.2e-6, 0.00042, 0.0314, 1.5].map(s => format.ms(s)), ['<0.001', '0.004', '0.42', '31.4', '1,500']);
    assert.deepEqual([0.0001, 0.02, 0.5, 42.42, 1234].map(format.amount), ['<0.001', '0.020', '0.50', '42.4', '1,234']);
    assert.deepEqual([7, 999, 1000, 99949, 99951, 1e6].map(format.compact), ['7', '999', '1.0k', '99.9k', '100k', '1.0M']);
});

test('times are UTC, with the date if it is another day', () => {
    assert.equal(format.clock(1764061199.42, true), '08:59:59.420');
    assert.equal(format.when(1764061199, 1764061200), '08:59:59');
    assert.equal(format.when(1763061199, 1764061200), '2025-11-13 19:13');
    assert.equal(format.clock(1e20), '00:00:00');
});

test('the top of an axis is round, and so is its half', () => {
    assert.deepEqual([0, 5, 0.15, 0.2, 0.005].map(format.digitsOf), [0, 0, 2, 1, 3]);
    assert.deepEqual([0, 0.013, 0.9, 1, 5.6, 9.5, 60, 247].map(format.roundTop), [1, 0.02, 1, 2, 6, 20, 80, 300]);
});

test('a stack is drawn from the sum down; a step of which nothing is known stays a gap', () => {
    assert.deepEqual(stacked([[1, null, 2], [3, null, null]]), [[4, null, 2], [3, null, 0]]);
});

test('counts become sums over stretches that stick to the clock', () => {
    const times = Array.from({ length: 180 }, (_, i) => 1000 + 5 * (i + 1));
    const values = times.map((_, i) => i === 4 ? null : 1);
    const [starts, sums] = summed(times, values, [1000, 1900]);
    assert.ok(starts.every(start => start % 15 === 0));
    assert.equal(sums.reduce((a, b) => a + b), 179);
    assert.ok(starts.length <= 62);
    const moved = summed(times.slice(1), values.slice(1), [1005, 1905]);
    assert.deepEqual(moved[0].slice(-10), starts.slice(-10));
    assert.deepEqual(summed([5, 10], [null, null], [0, 10])[1].filter(v => v !== null), []);
});

const answer = (times, from, fill) => ({
    service: 's', instance: null, step: 5, from, to: from + 20, times,
    tiles: {
        contexts: { now: fill, before: fill, values: times.map(() => fill), types: [] },
        cpu: { now: fill, before: fill, values: times.map(() => fill), kinds: [{ kind: 'a', now: fill, values: times.map(() => fill) }], others: null },
        database: { now: fill, before: fill, values: times.map(() => fill), wait: { now: fill, values: times.map(() => fill) } },
        errors: { now: fill, before: fill, values: times.map(() => fill), first: null, kinds: [{ kind: 'context_lost', count: fill }], others: null },
    },
});

test('live news replace and follow the steps that are there, and old ones go', () => {
    const data = answer([5, 10, 15, 20], 0, 1);
    const news = answer([15, 20, 25], 5, 2);
    assert.equal(merge(data, news), true);
    assert.deepEqual(news.times, [10, 15, 20, 25]);
    assert.deepEqual(news.tiles.contexts.values, [1, 2, 2, 2]);
    assert.deepEqual(news.tiles.cpu.kinds[0].values, [1, 2, 2, 2]);
    assert.deepEqual(news.tiles.database.wait.values, [1, 2, 2, 2]);
    assert.equal(news.tiles.contexts.now, 2);
    assert.equal(news.tiles.contexts.before, 1);
    assert.deepEqual(news.tiles.errors.kinds, [{ kind: 'context_lost', count: 2 }]);
});

test('news after a pause leave a gap between, and a step that was missed is not invented', () => {
    const news = answer([30, 35, 40], 0, 2);
    assert.equal(merge(answer([5, 10], 0, 1), news), true);
    assert.deepEqual(news.times, [5, 10, 30, 35, 40]);
    assert.deepEqual(news.tiles.contexts.values, [1, 1, 2, 2, 2]);
});

test('news of another service, another step or other kinds do not fit', () => {
    const data = () => answer([5, 10], 0, 1);
    assert.equal(merge(data(), { ...answer([10, 15], 0, 2), service: 't' }), false);
    assert.equal(merge(data(), { ...answer([10, 15], 0, 2), step: 15 }), false);
    const other = answer([10, 15], 0, 2);
    other.tiles.cpu.kinds[0].kind = 'b';
    assert.equal(merge(data(), other), false);
    assert.equal(merge(data(), answer([10, 15], 0, 2)), true);
});

test('the crosshair reads the step it lies in', () => {
    const data = { step: 5, times: [105, 110, 115] };
    assert.deepEqual([90, 104, 105, 106, 110, 114.9, 900].map(time => stepAt(data, time)), [0, 0, 0, 1, 1, 2, 2]);
});

test('errors under the crosshair are those of the minute before; a tile says since when it has data', () => {
    const errors = TILES.find(tile => tile.id === 'errors');
    const values = Array.from({ length: 24 }, (_, i) => i < 2 ? null : 1);
    const data = { step: 5, from: 0, to: 120, times: values.map((_, i) => 5 * (i + 1)) };
    const tile = { now: 12, before: 0, values, kinds: [], others: null };
    assert.equal(errors.big(tile, 23, data), '12');
    assert.equal(errors.big(tile, 3, data), '2');
    assert.equal(errors.big(tile, 0, data), '–');
    assert.equal(errors.bad(tile, 3, data), true);
    assert.equal(errors.bad({ ...tile, now: 0 }, null, data), false);
    assert.equal(before(errors, tile, data), '2 min ago 0');
    assert.equal(before(errors, { ...tile, values: values.map(() => null) }, data), '');
});

test('a section of the runbook ends where the next of its level begins', () => {
    const text = '# Runbook\n\n## LogctxOne\n\nMeans.\n\n### Fix\n\nDo.\n\n## `LogctxTwo`\n\nOther.\n';
    assert.equal(section(text, 'logctxone').join('\n').trim(), 'Means.\n\n### Fix\n\nDo.');
    assert.equal(section(text, 'logctxtwo').join('\n').trim(), 'Other.');
    assert.equal(section(text, 'logctxthree'), null);
});

test('health probes are hidden by a filter in sight, unless somebody took it off or asks for a kind', () => {
    const kinds = ['GET /healthz', 'GET /rooms/{id}', 'health', 'GET /pinga'].map(kind => ({ kind }));
    assert.deepEqual(hideProbes(new URLSearchParams('sort=cpu'), kinds).getAll('not_kind'), ['GET /healthz', 'health']);
    assert.equal(hideProbes(new URLSearchParams('probes=1'), kinds), null);
    assert.equal(hideProbes(new URLSearchParams('kind=GET+%2Fhealthz'), kinds), null);
    assert.equal(hideProbes(new URLSearchParams(), [{ kind: 'health' }]), null);
    assert.equal(cleared(new URLSearchParams('sort=cpu&q=x&kind=y')).toString(), 'probes=1&sort=cpu');
});
