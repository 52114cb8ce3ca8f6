// SPDX-License-Identifier: Apache-2.0
// The view Contexts: the kinds as a heat map, and below it every context that ended, filtered and sorted by the server,
// fetched in pages as they come into sight. The list stands still: what ends meanwhile waits in a button.

import { el, name, put, setText, swatch } from './dom.js';
import { NONE, STATE, clock, ms, number, span } from './format.js';
import { Filters, cleared, hideProbes } from './filters.js';
import { Kinds } from './kinds.js';
import { Table } from './table.js';

const PAGE = 200;
const PAGES_KEPT = 60;
const AGAIN = 5000; // ms between two looks at the kinds
const OWN = ['row', 'probes']; // parameters of the page, not of the server
const SPLIT = ['run', 'txn', 'pool', 'idle'];

// A life too short for segments has its totals: in a transaction counts before running, as in segments.
function splitOf({ split, usage, duration }) {
    if (split !== null) return split;
    if (!(duration > 0) || (usage.running ?? usage.cpu ?? null) === null) return null;
    const pool = Math.min(duration, usage.db_wait ?? 0);
    const txn = Math.min(duration - pool, usage.db_time ?? 0);
    const run = Math.min(duration - pool - txn, usage.running ?? usage.cpu);
    return { run, txn, pool, idle: duration - pool - txn - run };
}

function split(row) {
    const times = splitOf(row);
    if (times === null) return el('span.dim', { title: 'Its times are not known.' }, NONE);
    const all = SPLIT.reduce((sum, state) => sum + times[state], 0);
    return el('span.split', { title: SPLIT.map(state => `${STATE[state]} ${ms(times[state], 2)} ms`).join(', ') },
        all > 0 ? SPLIT.filter(state => times[state] > 0.004 * all).map(state =>
            el('i.s-' + state, { css: { 'flex-grow': times[state] / all * 1000 } })) : null);
}

const quiet = (value, digits) => value === null || value === undefined ? el('span.dim', NONE)
    : value === 0 ? el('span.dim', '0') : ms(value, digits);
const count = value => value ? number(value) : el('span.dim', value === 0 ? '0' : NONE);

function columns(ctx) {
    const sorted = { sort: true, quiet: true };
    return [
        { id: 'end', head: 'Ended', cls: 'cended dim', ...sorted, cell: r => clock(r.end, true) },
        { id: 'name', head: 'Context', cls: 'cname', text: true, ...sorted, cell: r => el('a.open', { tabindex: -1, href: ctx.href('/trace/' + r.trace_id, { span: r.span_id }) }, name(r.name)) },
        { id: 'kind', head: 'Kind', cls: 'ckind', text: true, ...sorted, cell: r => name(r.kind) },
        { id: 'split', head: 'Time split', cls: 'cbar', cell: split },
        { id: 'duration', head: 'Wall', unit: 'ms', cls: 'n', ...sorted, cell: r => ms(r.duration, 1) },
        { id: 'cpu', head: 'CPU', unit: 'ms', cls: 'n', ...sorted, cell: r => quiet(r.usage.cpu, 2) },
        { id: 'db_time', head: 'DB', unit: 'ms', cls: 'n', ...sorted, cell: r => quiet(r.usage.db_time, 1) },
        { id: 'db_transactions', head: 'Txns', cls: 'n w2', ...sorted, cell: r => count(r.usage.db_transactions) },
        { id: 'db_wait', head: 'Wait', unit: 'ms', cls: 'n', ...sorted, cell: r => quiet(r.usage.db_wait, 1) },
        { id: 'delay', head: 'Loop delay', unit: 'ms', cls: 'n cdelay w3', cell: r => quiet(r.delay, 2) },
        { id: 'thread', head: 'Thread', cls: 'cthread dim w2', cell: r => name(r.thread) },
        { id: 'instance', head: 'Instance', cls: 'dim w3', cell: r => name(r.instance) },
        { id: 'errors', head: 'Error', cls: 'cerror', ...sorted, cell: r => r.errors > 0
            ? el('a.errors', { tabindex: -1, href: ctx.href('/trace/' + r.trace_id, { span: r.span_id }) }, swatch('error'), name(r.error ?? 'transition error'),
                r.errors > 1 ? el('span.dim', `+${number(r.errors - 1)}`) : null)
            : r.failed ? el('span', { title: r.status_message === null ? null : r.status_message.slice(0, 2000) }, 'failed') : null },
    ];
}

class Contexts {
    constructor(root, ctx) {
        this.ctx = ctx;
        this.pages = new Map();   // number -> rows, the one that was used last at the end
        this.coming = new Map();  // number -> AbortController
        this.upto = null;
        this.added = 0;
        this.kinds = new Kinds((...picked) => this.pick(...picked), () => this.picked());
        this.filters = new Filters(() => new URLSearchParams(ctx.params), (params, typing) => this.narrow(params, typing));
        this.matches = el('span.matches.push.dim', { role: 'status' });
        this.fresh = el('button.btn.small.fresh', { type: 'button', disabled: true, onclick: () => this.reload() }, 'up to date');
        this.table = new Table('contexts-list', 'Contexts that ended; arrow keys move, Enter opens', columns(ctx), {
            open: row => ctx.go('/trace/' + row.trace_id, { span: row.span_id }),
            select: row => this.chose(row), want: (first, last) => this.want(first, last),
            sort: this.sort(), onSort: (key, descending) => this.order(key, descending),
            rowOf: (row, tr) => tr.classList.toggle('failed', row.failed),
        });
        this.filters.element.append(this.matches, this.fresh);
        put(root, el('h1.sr', 'Contexts'), this.kinds.element,
            el('section.panel.grow.list', { 'aria-label': 'Contexts' }, this.filters.element, this.table.element));
        this.kindsAsked = 0;
        this.shown = null; // the parameters that the list shows
        ctx.title('Contexts');
        if (ctx.memory.delete('find')) this.filters.find.focus();
    }

    // ---- the address ----

    sort() {
        const params = this.ctx.params;
        return { key: params.get('sort') ?? 'end', descending: params.get('order') !== 'asc' };
    }

    picked() {
        const params = this.ctx.params;
        const value = key => params.has(key) ? Number(params.get(key)) : null;
        const one = key => params.getAll(key).length === 1 ? params.get(key) : null;
        return { kind: one('kind'), type: one('type'), min: value('min_duration'), max: value('max_duration') };
    }

    query() {
        const params = new URLSearchParams(this.ctx.params);
        for (const key of OWN) params.delete(key);
        return params;
    }

    narrow(params, typing) {
        params.delete('row');
        if (typing) {
            this.ctx.change(params);
            this.update();
        } else {
            this.ctx.go('/contexts', params);
        }
    }

    // The same once more takes it off.
    pick(kind, type, min, max) {
        const params = new URLSearchParams(this.ctx.params);
        const was = this.picked();
        for (const key of ['kind', 'type', 'min_duration', 'max_duration']) params.delete(key);
        if (was.kind !== kind || was.type !== type || was.min !== min || was.max !== max) {
            params.set('kind', kind);
            if (type !== null) params.set('type', type);
            if (min !== null) params.set('min_duration', min);
            if (max !== null) params.set('max_duration', max);
        }
        this.narrow(params, false);
    }

    order(key, descending) {
        const params = new URLSearchParams(this.ctx.params);
        params.set('sort', key);
        params.set('order', descending ? 'desc' : 'asc');
        this.narrow(params, false);
    }

    chose(row) {
        const params = new URLSearchParams(this.ctx.params);
        params.set('row', row.id);
        this.ctx.change(params);
    }

    // ---- the list ----

    async update() {
        const params = this.query();
        const key = JSON.stringify([...params, this.ctx.window, location.search.match(/(service|instance|to)=[^&]*/g)]);
        const back = this.ctx.memory.get('place');
        const returning = this.shown === null && back !== undefined && back.key === key;
        const same = this.shown === key;
        if (returning) params.set('upto', back.upto);
        else if (same && this.upto !== null) params.set('upto', this.upto);
        params.set('limit', PAGE);
        const first = returning ? Math.floor(back.index / PAGE) : 0;
        if (first > 0) params.set('offset', first * PAGE);
        const data = await this.ctx.load('/contexts', params);
        if (data === null || data.missing) return;
        const probes = this.shown === null ? hideProbes(this.ctx.params, data.kinds) : null;
        if (probes !== null) {
            this.ctx.change(probes);
            await this.update();
            return;
        }
        this.shown = key;
        this.take(data, first, same, returning ? back : null);
    }

    take(data, page, same, back) {
        for (const asking of this.coming.values()) asking.abort();
        this.coming.clear();
        this.pages = new Map([[page, data.rows]]);
        this.upto = Number(this.queryUpto(data, back, same));
        this.matched = data.matched;
        this.kinds.show(data, !same);
        this.kindsAsked = performance.now();
        this.filters.draw(data.types, data.error_kinds);
        this.table.setSort(this.sort());
        if (!same && back === null) {
            this.table.element.scrollTop = 0;
            const wanted = this.ctx.params.get('row');
            this.table.selected = wanted === null ? -1 : data.rows.findIndex(row => String(row.id) === wanted);
        }
        this.counted(data);
        this.table.show(data.matched, index => this.row(index), () => this.nothing(data));
        if (back !== null) {
            this.table.element.scrollTop = back.top;
            this.table.selected = back.selected;
            this.table.redraw();
            if (document.activeElement !== this.filters.find) this.table.table.focus(); // who already writes goes on
        }
        if (!same) this.waiting(data.newest > this.upto ? null : 0);
        else if (data.newest > this.upto && this.added === 0) this.waiting(null);
    }

    // A list that is asked for again keeps its end.
    queryUpto(data, back, same) {
        return back !== null ? back.upto : same && this.upto !== null ? this.upto : data.newest;
    }

    counted(data) {
        put(this.matches, el('b', number(data.matched)), data.matched === 1 ? ' matches in ' : ' match in ',
            data.searched < data.total ? `the newest ${number(data.searched)}` : number(data.total),
            data.searched < data.total ? el('span.w2', ` of ${number(data.total)}`) : null);
    }

    nothing(data) {
        const held = data.store.oldest !== null && data.store.newest !== null ? span(data.store.newest - data.store.oldest) : null;
        return [el('b', 'No context matches.'), ' ', el('a.link', { href: this.ctx.href('/contexts', cleared(this.ctx.params)) }, 'Clear the filters'),
            ` In the last ${span(data.to - data.from)} ${number(data.total)} ended`, held === null ? '.' : `; the store holds the last ${held}.`];
    }

    row(index) {
        const page = Math.floor(index / PAGE);
        return this.pages.get(page)?.[index - page * PAGE];
    }

    // Asks for the pages in sight that are not here, and forgets those that are long out of it.
    want(first, last) {
        const wanted = new Set();
        for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page++) wanted.add(page);
        for (const [page, asking] of this.coming) if (!wanted.has(page)) {
            asking.abort();
            this.coming.delete(page);
        }
        for (const page of wanted) if (!this.pages.has(page) && !this.coming.has(page)) this.fetch(page);
        for (const page of this.pages.keys()) {
            if (this.pages.size <= PAGES_KEPT) break;
            if (!wanted.has(page)) this.pages.delete(page);
        }
    }

    async fetch(page) {
        const asking = new AbortController();
        this.coming.set(page, asking);
        const params = this.query();
        params.set('upto', this.upto);
        params.set('limit', PAGE);
        params.set('offset', page * PAGE);
        try {
            const data = await this.ctx.ask('/contexts', params, asking.signal);
            this.pages.set(page, data.rows);
            this.table.redraw();
        } catch {
            // overtaken, or the server is away: asked for again when it is looked at
        } finally {
            if (this.coming.get(page) === asking) this.coming.delete(page);
        }
    }

    reload() {
        this.upto = null;
        this.shown = '';
        this.update();
    }

    // null: some, and nobody has counted them, since the list was away or the stream was.
    waiting(added) {
        this.added = added;
        this.fresh.disabled = added === 0;
        setText(this.fresh, added === null ? 'newer ones' : added === 0 ? 'up to date' : `${number(added)} new`);
    }

    live(what, data) {
        if (what !== 'contexts' || this.upto === null) return;
        this.waiting(this.added === null ? null : this.added + data.added);
        if (performance.now() - this.kindsAsked < AGAIN) return;
        this.kindsAsked = performance.now();
        this.ctx.ask('/contexts', { limit: 1 }).then(answer => this.kinds.show(answer), () => {});
    }

    keys(event) {
        if (!['j', 'k', 'J', 'K'].includes(event.key)) return false;
        this.table.table.focus();
        return this.table.take(event);
    }

    unmount() {
        for (const asking of this.coming.values()) asking.abort();
        this.ctx.memory.set('place', {
            key: this.shown, upto: this.upto, top: this.table.element.scrollTop, selected: this.table.selected,
            index: Math.max(0, Math.floor(this.table.element.scrollTop / 25)),
        });
        this.table.stop();
    }
}

export const mount = (root, ctx) => new Contexts(root, ctx);
