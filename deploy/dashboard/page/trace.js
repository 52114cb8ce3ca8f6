// SPDX-License-Identifier: Apache-2.0
// What one trace looks like as rows with stretches of time: pure functions from the answer of /trace/ID. Seconds, from the
// start of the answer. No element of the page is touched here, so that Node can try it.

/** The order in which states hide one another where they overlap, and in which they are listed. */
export const STATES = ['txn', 'pool', 'run'];

const SHORTEST = 1e-9;

/**
 * The life of a context cut into stretches that follow one another: [{from, to, state}], what is in none of them is idle.
 * Segments may overlap (a transaction spans the slices that ran in it); the first of STATES wins.
 */
export function flatten(segments, start, duration) {
    const end = start + duration;
    const clipped = segments
        .map(s => ({ from: Math.max(start, start + s.offset), to: Math.min(end, start + s.offset + s.length), state: s.state }))
        .filter(s => s.to > s.from && STATES.includes(s.state));
    const cuts = [...new Set(clipped.flatMap(s => [s.from, s.to]))].sort((a, b) => a - b);
    const parts = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
        const [from, to] = [cuts[i], cuts[i + 1]];
        const state = STATES.find(name => clipped.some(s => s.state === name && s.from <= from && s.to >= to));
        if (!state || to - from < SHORTEST) continue;
        const last = parts.at(-1);
        if (last && last.state === state && from - last.to < SHORTEST) last.to = to;
        else parts.push({ from, to, state });
    }
    return parts;
}

/** Stretches that touch or overlap made one: [{from, to}], in order. */
export function union(spans) {
    const merged = [];
    for (const span of [...spans].sort((a, b) => a.from - b.from)) {
        const last = merged.at(-1);
        if (last && span.from <= last.to) last.to = Math.max(last.to, span.to);
        else merged.push({ from: span.from, to: span.to });
    }
    return merged;
}

/** What of `from` to `to` is in none of the `holes`, which are in order and do not overlap. */
export function without(from, to, holes) {
    const left = [];
    let at = from;
    for (const hole of holes) {
        if (hole.to <= at) continue;
        if (hole.from >= to) break;
        if (hole.from > at) left.push({ from: at, to: hole.from });
        at = hole.to;
    }
    if (at < to) left.push({ from: at, to });
    return left;
}

const lengthOf = spans => spans.reduce((sum, s) => sum + s.to - s.from, 0);

/** When time was lost: from the switch that did it to the error, within the life, where nothing else is known to have been. */
function lostOf(context, end, parts) {
    const spans = context.errors
        .filter(e => e.since != null && e.offset > e.since)
        .flatMap(e => without(Math.max(e.since, context.offset), Math.min(e.offset, end), parts));
    return union(spans);
}

function rowOf(context, index) {
    const t0 = context.offset;
    const t1 = t0 + context.duration;
    const parts = context.segments ? flatten(context.segments, t0, context.duration) : [];
    const lost = context.segments ? lostOf(context, t1, parts) : [];
    return {
        index, context, t0, t1, parts, lost, up: null, kids: [], tint: [], depth: context.depth,
        key: `${context.trace_id}/${context.span_id}`, flat: !context.segments && context.is_context !== false,
    };
}

// Children come after their parents: from the end, what a row and its children did is complete when its parent is met.
function addTints(rows) {
    const work = rows.map(row => row.parts.filter(p => p.state !== 'pool'));
    for (let i = rows.length - 1; i >= 0; i--) {
        const row = rows[i];
        if (row.up == null) continue;
        const parent = rows[row.up];
        const inside = [...row.tint, ...work[i]]
            .map(s => ({ from: Math.max(s.from, parent.t0), to: Math.min(s.to, parent.t1) }))
            .filter(s => s.to > s.from);
        parent.tint = thin(union([...parent.tint, ...inside]), 400);
    }
    for (const row of rows)
        if (row.flat) row.tint = [];
}

// Beyond a number nobody can see apart, the narrowest gaps are closed: memory stays linear in the number of contexts.
function thin(spans, most) {
    if (spans.length <= most) return spans;
    const gaps = spans.slice(1).map((s, i) => s.from - spans[i].to).sort((a, b) => b - a);
    const least = gaps[most - 2];
    const kept = [{ ...spans[0] }];
    for (const span of spans.slice(1)) {
        if (span.from - kept.at(-1).to >= least && kept.length < most) kept.push({ ...span });
        else kept.at(-1).to = span.to;
    }
    return kept;
}

/** The rows of a trace, parents before children, with who is whose: `up` and `link` are indices of rows. */
export function rowsOf(answer) {
    const rows = answer.contexts.map(rowOf);
    const byKey = new Map(rows.map(row => [row.key, row.index]));
    const bySpan = new Map(rows.map(row => [row.context.span_id, row.index]));
    for (const row of rows) {
        const { context } = row;
        const up = context.parent === 'received' ? byKey.get(`${context.trace_id}/${context.parent_span_id}`) : undefined;
        if (up !== undefined && up < row.index) {
            row.up = up;
            rows[up].kids.push(row.index);
        }
        const from = context.linked ? bySpan.get(context.linked.from) : undefined;
        row.link = from === undefined || from === row.index ? null : from;
        row.foreign = context.trace_id !== answer.trace_id;
    }
    addTints(rows);
    return rows;
}

/** From when to when there is anything to see, errors and events after the end included. */
export function extentOf(answer, rows) {
    let from = 0;
    let to = Math.max(answer.duration, 1e-6);
    for (const row of rows) {
        from = Math.min(from, row.t0);
        to = Math.max(to, row.t1, ...row.context.errors.slice(0, 50).map(e => e.offset), ...row.context.events.slice(0, 50).map(e => e.offset));
    }
    return { from, to };
}

/**
 * Where the wall time of one context went: [{state, seconds}], whose sum is the duration exactly. Without segments the
 * shares come from its own figures, as far as they fit into the wall time.
 */
export function sharesOf(row) {
    const wall = row.t1 - row.t0;
    const of = state => lengthOf(row.parts.filter(p => p.state === state));
    let shares;
    if (row.flat) {
        const { own } = row.context;
        let left = wall;
        const take = seconds => {
            const taken = Math.min(left, Math.max(0, seconds ?? 0));
            left -= taken;
            return taken;
        };
        const [txn, pool] = [take(own.db_time), take(own.db_wait)];
        shares = { run: take(own.running ?? own.cpu), txn, pool, lost: 0 };
    } else {
        shares = { run: of('run'), txn: of('txn'), pool: of('pool'), lost: lengthOf(row.lost) };
    }
    shares.idle = Math.max(0, wall - shares.run - shares.txn - shares.pool - shares.lost);
    return ['run', 'txn', 'pool', 'idle', 'lost']
        .map(state => ({ state, seconds: shares[state] }))
        .filter(share => share.seconds > SHORTEST);
}

/** Round steps for an axis: the smallest of 1, 2, 5 times a power of ten that leaves at most `most` of them. */
export function ticksOf(from, to, most) {
    const rough = (to - from) / Math.max(1, most);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(f => f * power).find(s => s >= rough * 0.999999);
    const ticks = [];
    for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9 && ticks.length < 100; i++) ticks.push(i * step);
    return { step, ticks };
}

/**
 * Stretches as they fall on pixels: what is narrower than `least` is drawn as one with its neighbours of the same state, so
 * that a row never needs more elements than it has pixels. `x` maps seconds to pixels; [{x, width, state, part}].
 */
export function onPixels(parts, x, width, least = 1) {
    const boxes = [];
    for (const part of parts) {
        const left = Math.max(-2, x(part.from));
        const right = Math.min(width + 2, x(part.to));
        if (right < -1 || left > width + 1) continue;
        const last = boxes.at(-1);
        if (last && last.state === part.state && left - (last.x + last.width) < least && (right - left < 3 || last.width < 3))
            last.width = Math.max(last.width, right - last.x);
        else
            boxes.push({ x: left, width: Math.max(least, right - left), state: part.state, part });
    }
    return boxes;
}
