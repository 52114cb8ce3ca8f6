// SPDX-License-Identifier: Apache-2.0
// The contexts in flight, oldest first: read from the tables of processes on this machine; of others only their counts
// come, and the list says so. Rows that end under the pointer stay, dimmed, until it leaves.

import { el, name, put, site, swatch } from './dom.js';
import { NONE, STATE, age, ms, number, stateOf } from './format.js';
import { Table, drawAll } from './table.js';

const LEGEND = ['run', 'txn', 'pool', 'idle'];
const figure = value => value === null || value === undefined ? el('span.dim', NONE) : value === 0 ? el('span.dim', '0') : null;
const time = digits => read => row => figure(read(row)) ?? ms(read(row), read(row) < 0.01 ? 1 : read(row) < 0.1 ? digits : 0);

function columns(ctx) {
    return [
        { id: 'name', head: 'Context', cls: 'cname', cell: r => r.trace_id === null || r.trace_id === undefined ? name(r.name, 'b')
            : el('a.open', { tabindex: -1, href: ctx.href('/trace/' + r.trace_id, { span: r.span_id }) }, name(r.name)) },
        { id: 'kind', head: 'Kind', cls: 'ckind', cell: r => name(r.kind) },
        { id: 'age', head: 'Age', cls: 'n cage', cell: r => r.gone ? el('span.dim', 'ended') : age(r.age) },
        { id: 'state', head: 'State', cls: 'cstate', cell: r => el('span.state', swatch(stateOf(r.state)), STATE[stateOf(r.state)]) },
        { id: 'for', head: 'For', cls: 'n dim w2', cell: r => age(r.for) },
        { id: 'thread', head: 'Thread', cls: 'cthread dim w2', cell: r => name(r.thread) },
        { id: 'cpu', head: 'CPU so far', unit: 'ms', cls: 'n', cell: time(1)(r => r.usage.cpu) },
        { id: 'db', head: 'DB time', unit: 'ms', cls: 'n', cell: time(0)(r => r.usage.db_time) },
        { id: 'wait', head: 'DB wait', unit: 'ms', cls: 'n', cell: time(0)(r => r.usage.db_wait) },
        { id: 'errors', head: 'Errors', cls: 'n w3', cell: r => figure(r.errors) ?? el('span.errors', number(r.errors)) },
        { id: 'site', head: 'Last switch', cls: 'csite', cell: r => site(r.site) },
    ];
}

const KINDS = [
    { id: 'kind', head: 'Kind', cell: r => name(r.kind, 'b') },
    { id: 'type', head: 'Type', cls: 'dim', cell: r => name(r.type) },
    { id: 'count', head: 'In flight', cls: 'n', cell: r => number(r.count) },
    { id: 'oldest', head: 'Oldest', cls: 'n', cell: r => age(r.oldest) },
];

const keyOf = row => `${row.instance} ${row.pid} ${row.trace_id} ${row.span_id} ${row.name}`;

export class InFlight {
    constructor(ctx) {
        this.ctx = ctx;
        this.rows = [];
        this.table = new Table('in-flight', 'Contexts in flight, oldest first; arrow keys move, Enter opens', columns(ctx), {
            open: row => row.trace_id && ctx.go('/trace/' + row.trace_id, { span: row.span_id }),
            rowOf: (row, tr) => tr.classList.toggle('gone', row.gone === true),
        });
        this.count = el('span.dim');
        this.why = el('span.dim.reason');
        this.kinds = el('table.grid');
        this.kindBox = el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'In flight by kind', hidden: true }, this.kinds);
        this.element = el('section.panel.grow.flying', { 'aria-label': 'In flight' },
            el('div.phead', el('h2', 'In flight'), this.count, this.why,
                el('span.legend.push', LEGEND.map(state => el('span', swatch(state), STATE[state])))),
            this.table.element, this.kindBox);
    }

    show(flight) {
        const byTable = flight.source === 'table';
        put(this.count, flight.source === 'none' ? '' : `${number(flight.total)} open, oldest first` +
            (byTable && flight.shown < flight.total ? `; the oldest ${number(flight.shown)} are listed` : ''));
        put(this.why, flight.why ?? '');
        this.table.element.hidden = !byTable && flight.kinds.length > 0;
        this.kindBox.hidden = byTable || flight.kinds.length === 0;
        if (!this.kindBox.hidden) drawAll(this.kinds, KINDS, flight.kinds);
        if (this.table.element.hidden) return;
        const chosen = this.rows[this.table.selected];
        this.rows = this.inPlace(flight.rows);
        if (chosen) this.table.selected = this.rows.findIndex(row => keyOf(row) === keyOf(chosen));
        this.table.show(this.rows.length, i => this.rows[i], () => flight.source === 'none'
            ? (flight.why ?? 'Nothing tells how many contexts are in flight.') : 'Nothing is in flight.');
    }

    // Nothing moves under the pointer: what ended keeps its row, what is new comes below.
    inPlace(rows) {
        if (!this.table.body.matches(':hover')) return rows;
        const fresh = new Map(rows.map(row => [keyOf(row), row]));
        const kept = this.rows.map(row => fresh.get(keyOf(row)) ?? { ...row, gone: true });
        const known = new Set(kept.map(keyOf));
        return kept.concat(rows.filter(row => !known.has(keyOf(row))));
    }

    keys(event) {
        return ['j', 'k', 'J', 'K'].includes(event.key) && !this.table.element.hidden && (this.table.table.focus(), this.table.take(event));
    }

    stop() {
        this.table.stop();
    }
}
