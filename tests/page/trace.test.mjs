// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind the waterfall, without a browser: overlaps, what children did, lost time, shares that add up.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

// As text: without a package.json of ours beside it Node 18 takes a .js for no module.
const source = readFileSync(`${process.env.LOGCTX_PAGE}/trace.js`, 'utf8');
const { extentOf, flatten, onPixels, rowsOf, sharesOf, ticksOf, union, without } =
    await import(`data:text/javascript,${encodeURIComponent(source)}`);

const context = more => ({
    span_id: '01', parent_span_id: null, parent: 'none', depth: 0, trace_id: 't', linked: null, is_context: true, offset: 0, duration: 1,
    segments: [], own: { cpu: null }, with_children: {}, errors: [], events: [], links: [], ...more,
});
const rounded = parts => parts.map(p => [+p.from.toFixed(6), +p.to.toFixed(6), p.state].filter(v => v !== undefined));

test('segments that overlap become stretches that do not', () => {
    const parts = flatten([{ offset: 0, length: 0.2, state: 'run' }, { offset: 0.1, length: 0.4, state: 'txn' }, { offset: 0.4, length: 0.3, state: 'run' }], 10, 1);
    assert.deepEqual(rounded(parts), [[10, 10.1, 'run'], [10.1, 10.5, 'txn'], [10.5, 10.7, 'run']]);
});

test('segments outside of the life are cut, those of an unknown state left out', () => {
    const parts = flatten([{ offset: -1, length: 1.5, state: 'run' }, { offset: 0.9, length: 7, state: 'pool' }, { offset: 0.6, length: 0.1, state: 'odd' }], 0, 1);
    assert.deepEqual(rounded(parts), [[0, 0.5, 'run'], [0.9, 1, 'pool']]);
});

test('neighbours of one state are one stretch', () => {
    assert.deepEqual(rounded(flatten([{ offset: 0, length: 0.1, state: 'run' }, { offset: 0.1, length: 0.1, state: 'run' }], 0, 1)), [[0, 0.2, 'run']]);
});

test('union and difference', () => {
    assert.deepEqual(union([{ from: 3, to: 4 }, { from: 0, to: 1 }, { from: 1, to: 2 }]), [{ from: 0, to: 2 }, { from: 3, to: 4 }]);
    assert.deepEqual(without(0, 10, [{ from: 1, to: 2 }, { from: 5, to: 12 }]), [{ from: 0, to: 1 }, { from: 2, to: 5 }]);
    assert.deepEqual(without(1, 2, [{ from: 0, to: 3 }]), []);
});

test('what children and their children did is in the parent, as far as it was there', () => {
    const rows = rowsOf({ trace_id: 't', contexts: [
        context({ span_id: 'a', duration: 1 }),
        context({ span_id: 'b', parent: 'received', parent_span_id: 'a', depth: 1, offset: 0.5, duration: 2, segments: [{ offset: 0, length: 0.2, state: 'run' }] }),
        context({ span_id: 'c', parent: 'received', parent_span_id: 'b', depth: 2, offset: 0.6, duration: 3,
            segments: [{ offset: 0, length: 0.3, state: 'txn' }, { offset: 1, length: 1, state: 'run' }, { offset: 0.3, length: 0.1, state: 'pool' }] }),
    ] });
    assert.deepEqual(rows[0].kids, [1]);
    assert.deepEqual(rounded(rows[0].tint), [[0.5, 0.9]]);
    assert.deepEqual(rounded(rows[1].tint), [[0.6, 0.9], [1.6, 2.5]]);
});

test('lost time is from the guilty switch to the error, where nothing else is known', () => {
    const [row] = rowsOf({ trace_id: 't', contexts: [context({
        segments: [{ offset: 0, length: 0.2, state: 'run' }, { offset: 0.5, length: 0.1, state: 'run' }],
        errors: [{ offset: 0.8, since: 0.4, kind: 'context_lost' }, { offset: 0.9, since: null, kind: 'context_lost' }],
    })] });
    assert.deepEqual(rounded(row.lost), [[0.4, 0.5], [0.6, 0.8]]);
    const shares = Object.fromEntries(sharesOf(row).map(s => [s.state, +s.seconds.toFixed(6)]));
    assert.deepEqual(shares, { run: 0.3, idle: 0.4, lost: 0.3 });
});

test('the shares add up to the wall time, also where they come from figures', () => {
    const sum = row => sharesOf(row).reduce((total, s) => total + s.seconds, 0);
    const [flat] = rowsOf({ trace_id: 't', contexts: [context({ segments: null, duration: 0.5, own: { running: 0.4, db_time: 0.3, db_wait: 0.1 } })] });
    assert.ok(flat.flat);
    assert.ok(Math.abs(sum(flat) - 0.5) < 1e-12);
    assert.deepEqual(sharesOf(flat).map(s => s.state), ['run', 'txn', 'pool']);
    const [empty] = rowsOf({ trace_id: 't', contexts: [context({ segments: null, own: { running: null, cpu: null, db_time: null, db_wait: null } })] });
    assert.deepEqual(sharesOf(empty), [{ state: 'idle', seconds: 1 }]);
});

test('a linked context hangs at who it is linked to, and is no child', () => {
    const answer = { trace_id: 't', duration: 1, contexts: [context({ span_id: 'a' }), context({ span_id: 'b', trace_id: 'u', linked: { from: 'a', direction: 'in' }, offset: 2 })] };
    const rows = rowsOf(answer);
    assert.equal(rows[1].link, 0);
    assert.equal(rows[1].up, null);
    assert.ok(rows[1].foreign);
    assert.deepEqual(extentOf(answer, rows), { from: 0, to: 3 });
});

test('memory stays linear: a parent of thousands of slices keeps hundreds of stretches', () => {
    const kids = Array.from({ length: 2000 }, (_, i) => context({
        span_id: `k${i}`, parent: 'received', parent_span_id: 'a', depth: 1, offset: i / 2000, duration: 1 / 4000, segments: [{ offset: 0, length: 1 / 5000, state: 'run' }],
    }));
    const rows = rowsOf({ trace_id: 't', contexts: [context({ span_id: 'a' }), ...kids] });
    assert.ok(rows[0].tint.length <= 400, `${rows[0].tint.length}`);
    assert.ok(Math.abs(rows[0].tint[0].from) < 1e-9 && Math.abs(rows[0].tint.at(-1).to - (1999 / 2000 + 1 / 5000)) < 1e-6);
});

test('ticks are round and few', () => {
    assert.deepEqual(ticksOf(0, 1, 5).ticks.map(t => +t.toFixed(6)), [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.ok(ticksOf(0.123, 0.1234, 8).ticks.length <= 9);
    assert.equal(ticksOf(0, 0.0003, 3).step.toFixed(9), '0.000100000');
});

test('a row has no more boxes than pixels where its stretches are of one state', () => {
    const parts = Array.from({ length: 5000 }, (_, i) => ({ from: i / 5000, to: (i + 0.5) / 5000, state: 'run' }));
    const boxes = onPixels(parts, seconds => seconds * 300, 300);
    assert.ok(boxes.length <= 301, `${boxes.length}`);
    assert.equal(onPixels([{ from: 2, to: 3, state: 'run' }], seconds => seconds * 300, 300).length, 0);
});
