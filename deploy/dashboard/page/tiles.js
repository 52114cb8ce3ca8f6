// SPDX-License-Identifier: Apache-2.0
// What the six tiles of Now say, from the answer of /now: the big figure, what was, the columns of the chart, the rows
// beside it. Each is asked for a step `i`, or null for now. No element is made here.

import { NONE, STATE, age, amount, clock, ms, number, percent, plural, span, stateOf } from './format.js';

const STATES = ['run', 'txn', 'pool', 'idle'];
const at = (values, i) => i === null ? null : values[i] ?? null;

// [swatch or null, label, value, 'now' if the value is not of the step under the crosshair]
const row = (sw, label, value, stale = false) => ({ sw, label, value, stale });

// Errors of the minute that ends with step i.
function perMinute(data, values, i) {
    const steps = Math.max(1, Math.round(60 / data.step));
    let sum = null;
    for (let j = Math.max(0, i - steps + 1); j <= i; j++) if (values[j] !== null) sum = (sum ?? 0) + values[j];
    return sum === null ? null : sum * (60 / (steps * data.step));
}

// The four biggest kinds, and all others as one: as many as are told apart, and as there is room for.
const NAMED = 4;

function parts({ kinds, others, values }) {
    const rest = kinds.slice(NAMED).concat(others && others.kinds > 0 ? [others] : []);
    const sum = list => list.some(v => v !== null && v !== undefined) ? list.reduce((a, v) => a + (v ?? 0), 0) : null;
    return {
        named: kinds.slice(0, NAMED), count: Math.max(0, kinds.length - NAMED) + (others?.kinds ?? 0), now: sum(rest.map(x => x.now)),
        values: values.map((_, i) => sum(rest.map(x => x.values[i]))),
    };
}

function kindColumns(tile) {
    const { named, values } = parts(tile);
    return [0, 1, 2, 3].map(j => named[j]?.values ?? values.map(() => null)).concat([values]);
}

function kindRows(tile, i) {
    const { named, count, now, values } = parts(tile);
    const rows = named.map((entry, j) => row('c' + j, entry.kind, amount(i === null ? entry.now : at(entry.values, i))));
    if (count > 0) rows.push(row('c4', plural(count, 'other'), amount(i === null ? now : at(values, i))));
    return rows;
}

function stateRows(tile, i) {
    if (tile.states === null) return [row(null, 'states are known on its machine only', '')];
    return STATES.map(state => row(state, STATE[state], number(tile.states[state === 'run' ? 'running' : state] ?? 0), i !== null))
        .concat(Object.entries(tile.states).filter(([key, count]) => !STATES.includes(stateOf(key)) && count > 0)
            .map(([key, count]) => row(stateOf(key), STATE[stateOf(key)], number(count), i !== null)));
}

export const TILES = [
    {
        id: 'contexts', title: 'Contexts', unit: '/s', kind: 'lines', colours: ['--ink2'], areas: [true],
        columns: t => [t.values], big: (t, i) => amount(i === null ? t.now : at(t.values, i)),
        rows: (t, i) => t.types.map(x => row(null, x.type, amount(x.now), i !== null)),
    },
    {
        id: 'cpu', title: 'CPU by kind', unit: 'cores', kind: 'stack', colours: ['--c0', '--c1', '--c2', '--c3', '--c4'], columns: kindColumns,
        big: (t, i) => amount(i === null ? t.now : at(t.values, i)), rows: kindRows,
    },
    {
        id: 'database', title: 'Database', unit: 's/s in transactions', kind: 'lines', colours: ['--txn', '--wait'], areas: [true, false],
        columns: t => [t.values, t.wait.values], big: (t, i) => amount(i === null ? t.now : at(t.values, i)),
        rows: (t, i) => [
            row('txn', STATE.txn, amount(i === null ? t.now : at(t.values, i))),
            row('pool', STATE.pool, amount(i === null ? t.wait.now : at(t.wait.values, i))),
            row(null, 'transactions /s', amount(t.transactions), i !== null),
            row(null, 'p99 wait', t.p99_wait === null ? NONE : `${ms(t.p99_wait, t.p99_wait < 0.01 ? 1 : 0)} ms`, i !== null),
        ],
    },
    {
        id: 'in_flight', title: 'In flight', unit: 'contexts', kind: 'lines', colours: ['--ink2'], areas: [true], least: 4,
        columns: t => [t.values], big: (t, i) => number(i === null ? t.now : at(t.values, i)),
        rows: (t, i) => stateRows(t, i).concat([row(null, 'oldest', age(t.oldest), i !== null)]),
    },
    {
        id: 'errors', title: 'Transition errors', unit: '/min', kind: 'bars', colours: ['--err'], least: 4,
        columns: t => [t.values], mark: t => `first loss ${clock(t.first)}`,
        big: (t, i, data) => number(i === null ? t.now : perMinute(data, t.values, i)),
        bad: (t, i, data) => (i === null ? t.now : perMinute(data, t.values, i)) > 0,
        rows: (t, i, data) => t.kinds.map(x => row(x.count > 0 ? 'error' : null, x.kind, number(x.count), i !== null))
            .concat(t.others && t.others.kinds > 0
                ? [row(null, `${plural(t.others.kinds, t.kinds.length > 0 ? 'other' : 'kind')}, in ${span(data.to - data.from)}`, number(t.others.count), i !== null)] : []),
    },
    {
        id: 'unattributed', title: 'Unattributed CPU', unit: '% of the process', kind: 'lines', colours: ['--ink2'], areas: [false],
        columns: t => [t.values.map(v => v === null ? null : v * 100)], limit: t => t.limit === null ? null : t.limit * 100,
        big: (t, i) => percent(i === null ? t.now : at(t.values, i)),
        bad: (t, i) => t.limit !== null && (i === null ? t.now : at(t.values, i)) > t.limit,
        rows: (t, i) => [row(null, 'of no context', t.cpu === null ? NONE : `${ms(t.cpu, t.cpu < 0.01 ? 1 : 0)} ms/s`, i !== null)]
            .concat(t.loops.slice(0, 2).map(x => row(null, x.loop, percent(x.now) + ' %', i !== null)))
            .concat(t.limit === null ? [] : [row(null, 'alert above', percent(t.limit) + ' %')]),
    },
];

// The first figure of the window, beside the big one, and how long ago that was: the data may begin later than the window.
export function before(tile, t, data) {
    const first = t.values.findIndex(v => v !== null);
    if (first < 0 || first > t.values.length - 3 || t.before === null || t.before === undefined) return '';
    const figure = tile.id === 'unattributed' ? percent(t.before) + ' %' : tile.id === 'in_flight' || tile.id === 'errors' ? number(t.before) : amount(t.before);
    return `${span(data.to - data.times[first] + data.step)} ago ${figure}`;
}
