// SPDX-License-Identifier: Apache-2.0
// The kinds of contexts as a heat map: how many ended in each bucket of duration, what one costs, what went wrong. A
// cell or a kind narrows the list below.

import { el, errors, name, set } from './dom.js';
import { NONE, amount, compact, ms, number } from './format.js';
import { drawAll } from './table.js';

const edge = seconds => seconds < 1 ? String(Math.round(seconds * 1e6) / 1e3) : String(seconds);

// <1 ms, 1–3, ..., .3–1 s, ≥10 s
export function bucketLabel(bounds, i) {
    const unit = seconds => seconds < 1 ? 'ms' : 's';
    if (i === 0) return `<${edge(bounds[0])} ${unit(bounds[0])}`;
    if (i === bounds.length) return `≥${edge(bounds[i - 1])} ${unit(bounds[i - 1])}`;
    const [low, high] = [bounds[i - 1], bounds[i]];
    if (unit(low) !== unit(high)) return `${String(low).replace(/^0/, '')}–${edge(high)} s`;
    return unit(low) === 'ms' ? `${edge(low)}–${edge(high)}` : `${edge(low)}–${edge(high)} s`;
}

// What is on a bound counts in the bucket below it; times are whole nanoseconds.
const above = bound => bound === undefined ? null : bound + 5e-10;
const same = (a, b) => a === b || (a !== null && b !== null && Math.abs(a - b) < 1e-9);

const zero = text => el('span.dim', text);
const quiet = (value, text) => value === null || value === undefined ? zero(NONE) : value === 0 ? zero('0') : text;
const figure = (id, head, unit, read, digits, cls = '') => ({
    id, head, unit, read, sort: true, cls: ('n ' + cls).trim(), cell: k => quiet(read(k), ms(read(k), digits)),
});

export class Kinds {
    // onPick(kind, type, min, max), null where it does not narrow; `picked()` answers { kind, type, min, max } of the filter
    constructor(onPick, picked) {
        this.onPick = onPick;
        this.picked = picked;
        this.sort = { key: 'cpu', descending: true };
        this.data = null;
        this.order = [];
        this.table = el('table.grid.kinds');
        this.rest = el('p.dim.rest', { hidden: true });
        this.element = el('section.panel.kindpanel', { 'aria-label': 'Kinds of contexts' },
            el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Kinds by duration' }, this.table, this.rest));
        this.table.addEventListener('click', event => this.click(event));
        this.element.addEventListener('pointerleave', () => this.late && this.show(this.late, true));
    }

    columns() {
        const { bounds } = this.data;
        const heat = [...bounds, null].map((_, i) => ({
            id: 'b' + i, head: bucketLabel(bounds, i), cls: 'heat', cell: k => this.cell(k, i),
        }));
        return [
            { id: 'kind', head: 'Kind', sort: true, text: true, cls: 'kname', read: k => k.kind, cell: k => el('button.open', { type: 'button', 'data-kind': k.kind, 'data-type': k.type }, name(k.kind)) },
            { id: 'type', head: 'Type', sort: true, text: true, cls: 'dim w2', read: k => k.type, cell: k => name(k.type) },
            { id: 'flight', head: 'In flight', sort: true, cls: 'n', read: k => k.in_flight, cell: k => quiet(k.in_flight, number(k.in_flight)) },
            { id: 'rate', head: 'Rate', unit: '/s', sort: true, cls: 'n', read: k => k.rate, cell: k => quiet(k.rate, amount(k.rate)) },
            ...heat,
            figure('p50', 'p50', 'ms', k => k.p50, 1), figure('p99', 'p99', 'ms', k => k.p99, 1),
            figure('cpu', 'CPU', 'ms/s', k => k.cpu_rate, 1), figure('each', 'CPU each', 'ms', k => k.cpu_each, 2),
            figure('db', 'DB each', 'ms', k => k.db_each, 2, 'w2'), figure('wait', 'Wait each', 'ms', k => k.wait_each, 2, 'w2'),
            { id: 'failed', head: 'Failed', sort: true, cls: 'n w3', read: k => k.failed, cell: k => quiet(k.failed, number(k.failed)) },
            { id: 'errors', head: 'Errors', sort: true, cls: 'n', read: k => k.errors, cell: k => errors(k.errors, number(k.errors)) },
        ];
    }

    // Two types may have kinds of one name; then the filter names the type as well.
    isPicked({ kind, type }) {
        const picked = this.picked();
        return picked.kind === kind && (picked.type === null || picked.type === type);
    }

    cell(kind, i) {
        const count = kind.buckets[i];
        if (!(count > 0)) return null;
        const { bounds } = this.data;
        const { min, max } = this.picked();
        const on = this.isPicked(kind) && same(min, above(bounds[i - 1])) && same(max, bounds[i] ?? null);
        return el('button.cell' + (on ? '.on' : ''), {
            type: 'button', 'data-kind': kind.kind, 'data-type': kind.type, 'data-bucket': i, 'aria-pressed': String(on),
            'aria-label': `${compact(count)} of ${kind.kind.slice(0, 80)}, ${bucketLabel(bounds, i)}`, title: `${number(count)}, ${bucketLabel(bounds, i)}`,
            css: { '--x': 5 + 33 * Math.min(1, Math.log10(Math.max(1.5, count)) / 5) ** 1.6 + '%' },
        }, compact(count));
    }

    // Under the pointer nothing changes its place: the news wait until it leaves, unless `now`.
    show(data, now = false) {
        if (!now && this.data !== null && this.element.matches(':hover, :focus-within')) {
            this.late = data;
            return;
        }
        this.late = null;
        this.data = data;
        this.draw();
    }

    draw() {
        if (this.data === null) return;
        const columns = this.columns();
        const by = columns.find(column => column.id === this.sort.key).read;
        const sign = this.sort.descending ? -1 : 1;
        const rank = value => value === null || value === undefined ? -Infinity : value;
        const kinds = [...this.data.kinds].sort((a, b) => {
            const [x, y] = [rank(by(a)), rank(by(b))];
            return (x > y ? 1 : x < y ? -1 : a.kind < b.kind ? sign : -sign) * sign;
        });
        const focused = this.table.contains(document.activeElement) ? document.activeElement : null;
        drawAll(this.table, columns, kinds, this.sort, (key, descending) => {
            this.sort = { key, descending };
            this.draw();
        }, (kind, tr) => tr.classList.toggle('sel', this.isPicked(kind)));
        if (focused !== null) this.refocus(focused);
        const missing = this.data.kinds_total - kinds.length;
        this.rest.hidden = !(missing > 0);
        this.rest.textContent = `${number(missing)} more kinds, with less CPU, are not shown.`;
        set(this.table, { 'aria-label': 'Kinds by duration' });
    }

    refocus(old) {
        if (old.dataset.kind !== undefined) {
            [...this.table.querySelectorAll('button[data-kind]')].find(button =>
                button.dataset.kind === old.dataset.kind && button.dataset.type === old.dataset.type && button.dataset.bucket === old.dataset.bucket)?.focus();
        } else if (old.closest('th') !== null) {
            [...this.table.querySelectorAll('th button')].find(button => button.textContent === old.textContent)?.focus();
        }
    }

    click(event) {
        const button = event.target.closest('button[data-kind]');
        if (button === null) return;
        const { kind, bucket } = button.dataset;
        const type = this.data.kinds.filter(k => k.kind === kind).length > 1 ? button.dataset.type : null;
        if (bucket === undefined) {
            this.onPick(kind, type, null, null);
            return;
        }
        const { bounds } = this.data;
        this.onPick(kind, type, above(bounds[bucket - 1]), bounds[bucket] ?? null);
    }
}
