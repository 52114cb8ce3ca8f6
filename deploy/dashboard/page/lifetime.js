// SPDX-License-Identifier: Apache-2.0
// The view /trace/ID: one trace. A context of it is chosen (the first, until the person chooses another; it stands in the
// address): header, its four numbers, where its wall time went, and the drawer are about that one.
import { copy, cut, el, icon, name, put, swatch } from './dom.js';
import { clock, duration, durationText, ago, number, plural, STATE } from './format.js';
import { drawerOf } from './drawer.js';
import { Minimap } from './minimap.js';
import { extentOf, rowsOf, sharesOf } from './trace.js';
import { axisText, flagOf, Waterfall } from './waterfall.js';

const STILL_COMING = 60; // seconds after its end
const LEGEND = ['run', 'child', 'txn', 'pool', 'idle', 'lost', 'error'];

const figure = ([value, unit], cls = '') => el(`span.num${cls}`, value, el('span.u', ` ${unit}`));
const pair = (label, ...value) => el('span.pair', el('span.u', `${label} `), value);
const card = (title, big, ...pairs) => el('div.card', el('h3', title), el('div.bigline', big), el('div.sub', pairs));

/** A window of time with some room before it, and behind it for what is written there. */
function around(from, to, width, flagged) {
    const room = Math.min(0.4, (flagged ? 200 : 90) / Math.max(1, width));
    return { from: from - (to - from) * 0.02, to: from + (to - from) / (1 - room) };
}

export function fourNumbers(answer, row) {
    const { own, with_children: total, thread, duration: wall, switches, delay } = row.context;
    const cpu = total.cpu ?? own.cpu;
    const [dbTime, dbWait] = [total.db_time ?? own.db_time, total.db_wait ?? own.db_wait];
    const rows = total.db_rows ?? own.db_rows;
    return [
        card('Wall', figure(duration(wall)), pair('started', clock(answer.start + row.t0, true)), thread && pair('thread', cut(thread, 24))),
        card('CPU', cpu == null ? el('span.num.none', 'not measured') : figure(duration(cpu)),
            cpu != null && own.cpu != null && pair('own', durationText(own.cpu)),
            total.cpu_user != null && pair('user', durationText(total.cpu_user)),
            total.cpu_system != null && pair('system', durationText(total.cpu_system))),
        card('Database',
            dbTime == null ? el('span.num.none', 'not measured')
                : [figure(duration(dbTime)),
                    dbWait > 0 && el('span.num.and' + (dbWait > wall / 10 ? '.waits' : ''), el('span.u', '+ '), duration(dbWait)[0],
                        el('span.u', ` ${duration(dbWait)[1]} waiting`))],
            pair('transactions', number(total.db_transactions ?? own.db_transactions)), rows > 0 && pair('rows', number(rows))),
        card('Loop delay', delay == null ? el('span.num.none', 'not measured') : figure(duration(delay)),
            switches != null && pair('switches', number(switches))),
    ];
}

export function shareBar(row) {
    const shares = sharesOf(row);
    const called = state => (state === 'idle' && row.kids.length ? 'children and replies' : STATE[state]);
    return el('div.sharewrap',
        el('div.share', { 'aria-hidden': 'true' },
            shares.map(({ state, seconds }) => el(`i.s-${state}`, { css: { 'flex-grow': seconds / (row.t1 - row.t0) * 1000 } }))),
        el('div.sharel', el('span.dim', 'Where the wall time went'),
            shares.map(({ state, seconds }) => el('span', swatch(state), called(state), el('span.n', durationText(seconds))))),
        row.flat && el('p.quiet', row.context.segments_note ?? 'It came without segments: when it ran is not known, only for how long.'));
}

class Lifetime {
    constructor(root, ctx) {
        this.ctx = ctx;
        this.root = root;
        this.heading = el('h1.sr', 'Lifetime');
        this.head = el('div.lt-head');
        this.four = el('div.four');
        this.range = el('span.range');
        this.note = el('span.dim.lt-note', { role: 'status' });
        this.drawer = el('div.panel.grow.drawer', { role: 'region', 'aria-label': 'Chosen context', tabindex: -1 });
        const view = (from, to) => this.setView(from, to);
        this.minimap = new Minimap(view);
        this.waterfall = new Waterfall({
            view, select: index => this.select(index), open: row => this.open(row), href: (path, params) => ctx.href(path, params),
        });
        this.fitOne = el('button', { type: 'button', onclick: () => this.fit(this.rows[this.chosen]) }, 'Fit context');
        this.fitAll = el('button', { type: 'button', onclick: () => this.setView(this.extent.from, this.extent.to) }, 'Fit all');
        this.frame = [
            this.heading,
            el('div.panel.lt-top', this.head, this.four),
            el('div.panel.wfpanel', { role: 'region', 'aria-label': 'Timeline' },
                el('div.phead', el('h2', 'Timeline'), el('span.legend', LEGEND.map(state => el('span', swatch(state), STATE[state]))),
                    this.note, el('span.push.dim', this.range), el('span.seg', { role: 'group', 'aria-label': 'Zoom' }, this.fitOne, this.fitAll)),
                this.minimap.element, this.waterfall.element),
            this.drawer,
        ];
    }

    unmount() {
        clearTimeout(this.timer);
        this.minimap.close();
        this.waterfall.close();
    }

    async update() {
        const [, id] = this.ctx.path;
        if (id === undefined) return choose(this.root, this.ctx);
        const answer = await this.ctx.load(`/trace/${encodeURIComponent(id)}`);
        if (answer === null) return undefined;
        if (answer.missing !== undefined) {
            this.answer = null;
            this.ctx.title('Lifetime');
            return put(this.root, el('section.panel.blank', el('h1', 'This trace is not here'), el('p', answer.missing),
                el('p', 'What the store still holds is in ', el('a.link', { href: this.ctx.href('/contexts') }, 'Contexts'), '.')));
        }
        return this.show(answer, this.ctx.params.get('span'));
    }

    // A trace that has only just ended may get more: children that end later, errors found late.
    live(name) {
        if (name !== 'contexts' || !this.answer || this.timer) return;
        if (this.ctx.now() - this.answer.start - this.answer.duration > STILL_COMING) return;
        this.timer = setTimeout(() => {
            this.timer = 0;
            this.update();
        }, 2000);
    }

    keys(event) {
        return this.answer ? this.waterfall.key(event) : false;
    }

    show(answer, span) {
        const first = this.answer?.trace_id !== answer.trace_id;
        this.answer = answer;
        this.rows = rowsOf(answer);
        const extent = extentOf(answer, this.rows);
        this.flagged = this.rows.some(row => row.context.errors.length > 0);
        if (first) put(this.root, this.frame);
        this.seen = extent;
        this.extent = around(extent.from, extent.to, this.waterfall.width, this.flagged);
        const wanted = span ? this.rows.findIndex(row => row.context.span_id === span) : -1;
        this.chosen = wanted >= 0 ? wanted : first ? 0 : Math.min(this.chosen, this.rows.length - 1);
        this.note.textContent = answer.shown < answer.total
            ? `${number(answer.shown)} of ${number(answer.total)} contexts shown` : plural(answer.total, 'context');
        this.minimap.setRows(this.rows, this.extent);
        this.waterfall.setRows(this.rows, this.extent);
        if (first) this.fitOwn();
        else this.setView(this.view.from, this.view.to);
        this.select(this.chosen, false);
    }

    /** At first: all of the trace itself; what only links to it may go on for hours. */
    fitOwn() {
        const own = this.rows.filter(row => !row.foreign);
        const from = Math.min(...own.map(row => row.t0));
        const to = Math.max(...own.map(row => Math.max(row.t1, ...row.context.errors.slice(0, 8).map(e => e.offset))));
        this.fit({ t0: from, t1: to });
    }

    fit(row) {
        const { from, to } = around(row.t0, Math.max(row.t1, row.t0 + 1e-6), this.waterfall.width, this.flagged);
        this.setView(Math.max(from, this.extent.from), Math.min(to, this.extent.to));
    }

    setView(from, to) {
        this.view = { from, to };
        this.minimap.setView(from, to);
        this.waterfall.setView(from, to);
        const whole = this.extent.to - this.extent.from;
        const step = (to - from) / 4000;
        const [begin, end] = [Math.max(this.seen.from, from), Math.min(this.seen.to, to)];
        put(this.range, el('b', `${axisText(begin, step, whole).replace(/ .*/, '')} to ${axisText(end, step, whole)}`),
            ` of ${durationText(this.answer.duration)}`);
    }

    select(index, remember = true) {
        this.chosen = index;
        const row = this.rows[index];
        this.waterfall.select(index);
        put(this.head, this.headOf(row));
        put(this.four, fourNumbers(this.answer, row), shareBar(row));
        put(this.drawer, drawerOf(row, (path, params) => this.ctx.href(path, params)));
        if (remember) this.ctx.change({ span: row.context.span_id });
        this.ctx.title(row.context.name ?? row.context.kind);
        put(this.heading, 'Lifetime of ', name(row.context.name ?? row.context.kind));
    }

    // Enter: into the trace of a linked one, else to its tables.
    open(row) {
        if (row.foreign) this.ctx.go(`/trace/${row.context.trace_id}`, { span: row.context.span_id });
        else this.drawer.focus();
    }

    headOf(row) {
        const { context } = row;
        const root = this.rows[0];
        const by = row.up != null ? this.rows[row.up] : row.link != null ? this.rows[row.link] : null;
        const status = context.attributes.find(a => a.key === 'http.response.status_code');
        return [
            row.index > 0 && [el('button.link', { type: 'button', onclick: () => this.select(0) }, name(root.context.name ?? root.context.kind)),
                el('span.dim', '›')],
            name(context.name ?? context.kind, 'h2'),
            context.name && name(context.kind, 'span.kind'),
            el('span.tag', cut(context.type ?? context.span_kind ?? 'span', 40)),
            status && el('span.tag', cut(status.value, 12)),
            context.status === 'error' && el('span.tag.failed', { title: cut(context.status_message ?? '') }, 'failed'),
            context.errors.slice(0, 2).map(error => flagOf(error, (path, params) => this.ctx.href(path, params))),
            context.errors.length > 2 && el('span.flag', `+${context.errors.length - 2}`),
            el('span.push.dim', row.foreign ? 'linked trace' : 'trace'),
            el('span.m.trace', context.trace_id),
            el('button.btn.icon.small', {
                type: 'button', 'aria-label': 'Copy the trace id', title: 'Copy the trace id',
                onclick: event => copy(context.trace_id, event.currentTarget),
            }, icon('copy')),
            this.callerOf(row, by),
        ];
    }

    callerOf(row, by) {
        const { context } = row;
        if (context.parent === 'missing') return el('span.dim.warn', 'parent not received');
        if (!by) return context.service ? [el('span.dim', 'in'), name(context.service, 'span.caller')] : null;
        return [el('span.dim', row.up != null ? 'child of' : 'linked to'),
            el('button.link.caller', { type: 'button', onclick: () => this.select(by.index) }, name(by.context.name ?? by.context.kind))];
    }
}

// Without an id: the ones that are worth a look.
async function choose(root, ctx) {
    const answer = await ctx.load('/contexts', { sort: 'duration', limit: 15 });
    if (answer === null || answer.missing !== undefined) return;
    const rows = answer.rows.map(row => el('tr',
        el('td', el('a.open', { href: ctx.href(`/trace/${row.trace_id}`, { span: row.span_id }) }, name(row.name))),
        el('td', name(row.kind)), el('td.n', durationText(row.duration)), el('td.dim', ago(answer.time - row.end)),
        el('td', row.error && el('span.errors', icon('error', 'ico8'), cut(row.error, 60)))));
    put(root, el('div.panel.choose',
        el('div.phead', el('h1', 'Lifetime of one context'), el('span.dim', rows.length ? 'The slowest of this time' : '')),
        rows.length ? el('table.grid', el('thead', el('tr', ['Context', 'Kind', 'Wall', 'Ended', 'Error'].map((text, i) =>
            el('th' + (i === 2 ? '.n' : ''), { scope: 'col' }, text)))), el('tbody', rows)) : null,
        el('p.quiet', 'Choose a context here or in ', el('a.link', { href: ctx.href('/contexts') }, 'Contexts'), '.')));
}

export function mount(root, ctx) {
    return new Lifetime(root, ctx);
}
