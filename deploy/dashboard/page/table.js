// SPDX-License-Identifier: Apache-2.0
// A table of which only the rows in sight are in the document, so that 50,000 rows scroll as 50 do. One stop of the tab
// key: arrows move the chosen row, Enter opens it. Columns:
//     { id, head, unit, cls, title, cell: row => node or text, sort: true if the head sorts by it, text: true if up first }

import { el, nextFrame, put, set } from './dom.js';

export const ROW = 25; // px
const MORE = 6;        // rows drawn above and below what is seen

const cells = (columns, row) => columns.map(column => el(column.cls ? `td.${column.cls.replaceAll(' ', '.')}` : 'td', column.cell(row)));

// `sort` is { key, descending }; `onSort(key, descending)`.
export function tableHead(columns, sort, onSort) {
    return el('thead', el('tr', columns.map(column => el(column.cls ? `th.${column.cls.replaceAll(' ', '.')}` : 'th', {
        scope: 'col', title: column.title,
        'aria-sort': sort && sort.key === column.id ? (sort.descending ? 'descending' : 'ascending') : null,
    }, column.sort ? el('button', {
        type: 'button', tabindex: column.quiet ? -1 : null,
        onclick: () => onSort(column.id, sort.key === column.id ? !sort.descending : !column.text),
    }, column.head, column.unit ? el('span.u', ' ' + column.unit) : null)
        : [column.head, column.unit ? el('span.u', ' ' + column.unit) : null]))));
}

// A small table, all of it: `rowOf(row, tr)` may dress the row.
export function drawAll(table, columns, rows, sort, onSort, rowOf) {
    put(table, tableHead(columns, sort, onSort), el('tbody', rows.map(row => {
        const tr = el('tr', cells(columns, row));
        if (rowOf) rowOf(row, tr);
        return tr;
    })));
}

export class Table {
    // open(row, event), select(row), want(first, last): rows that are missing are asked for; keyOf(row)
    constructor(id, label, columns, { open, select = () => {}, want = () => {}, sort = null, onSort = null, rowOf = null }) {
        Object.assign(this, { id, columns, open, onSelect: select, want, sort, onSort, rowOf });
        this.count = 0;
        this.at = () => undefined;
        this.selected = -1;
        this.drawn = new Map(); // index -> tr
        this.held = false;      // a button is down: a row that is replaced now would lose its click
        this.empty = null;
        this.body = el('tbody');
        this.table = el('table.grid.rows-fixed', {
            id, role: 'grid', tabindex: 0, 'aria-label': label, 'aria-multiselectable': 'false',
            onkeydown: event => this.key(event),
        }, tableHead(columns, sort, onSort), this.body);
        this.element = el('div.scroll.tall', { onscroll: nextFrame(() => this.window()) }, this.table);
        this.body.addEventListener('click', event => this.click(event));
        this.body.addEventListener('dblclick', event => this.enter(event));
        this.body.addEventListener('pointerdown', () => {
            this.held = true;
            addEventListener('pointerup', () => setTimeout(() => {
                this.held = false;
                if (this.late) this.redraw();
            }), { once: true });
        });
        this.resized = new ResizeObserver(nextFrame(() => this.window()));
        this.resized.observe(this.element);
    }

    stop() {
        this.resized.disconnect();
    }

    // `at(i)` is the row, or undefined while it is on its way. `empty`: what to say when there is none.
    show(count, at, empty) {
        this.count = count;
        this.at = at;
        this.empty = empty;
        if (this.selected >= count) this.selected = count - 1;
        set(this.table, { 'aria-rowcount': count + 1 });
        this.redraw();
    }

    setSort(sort) {
        this.sort = sort;
        const focused = this.table.contains(document.activeElement) && document.activeElement.closest('th');
        const index = focused ? [...focused.parentNode.children].indexOf(focused) : -1;
        this.table.tHead.replaceWith(tableHead(this.columns, sort, this.onSort));
        if (index >= 0) this.table.tHead.rows[0].children[index].querySelector('button')?.focus();
    }

    // All rows in sight anew: what they show may have changed.
    redraw() {
        this.late = this.held;
        if (this.held) return;
        this.drawn.clear();
        this.window();
    }

    window() {
        if (this.count === 0) {
            this.drawn.clear();
            put(this.body, this.empty === null ? null : el('tr.none', el('td', { colspan: this.width() }, this.empty())));
            return;
        }
        const height = this.element.clientHeight || 600;
        const first = Math.max(0, Math.min(Math.floor(this.element.scrollTop / ROW) - MORE, this.count - 1));
        const last = Math.min(this.count - 1, first + Math.ceil(height / ROW) + 2 * MORE);
        const rows = [];
        const drawn = new Map();
        for (let i = first; i <= last; i++) {
            const tr = this.drawn.get(i) ?? this.row(i);
            drawn.set(i, tr);
            rows.push(tr);
        }
        this.drawn = drawn;
        const pad = (n, where) => n === 0 ? null : el('tr.pad', { 'aria-hidden': 'true', 'data-pad': where },
            el('td', { css: { height: n * ROW + 'px' } }));
        this.body.replaceChildren(...[pad(first, 'above'), ...rows, pad(this.count - 1 - last, 'below')].filter(Boolean));
        this.point();
        this.want(first, last);
    }

    // Columns that are seen; one more would be made by a cell that spans it.
    width() {
        return [...this.table.tHead.rows[0].cells].filter(cell => cell.offsetWidth > 0).length || 1;
    }

    row(index) {
        const row = this.at(index);
        const tr = row === undefined ? el('tr.coming', el('td', { colspan: this.width() }, '…')) : el('tr', cells(this.columns, row));
        set(tr, { id: `${this.id}-${index}`, 'aria-rowindex': index + 2, 'data-index': index });
        if (row !== undefined && this.rowOf) this.rowOf(row, tr);
        return tr;
    }

    point() {
        for (const [index, tr] of this.drawn) {
            tr.classList.toggle('sel', index === this.selected);
            set(tr, { 'aria-selected': String(index === this.selected) });
        }
        set(this.table, { 'aria-activedescendant': this.drawn.has(this.selected) ? `${this.id}-${this.selected}` : null });
    }

    choose(index) {
        this.selected = Math.max(0, Math.min(this.count - 1, index));
        const top = this.selected * ROW;
        const head = 28;
        if (top < this.element.scrollTop) this.element.scrollTop = top;
        else if (top + ROW + head > this.element.scrollTop + this.element.clientHeight)
            this.element.scrollTop = top + ROW + head - this.element.clientHeight;
        this.window();
        const row = this.at(this.selected);
        if (row !== undefined) this.onSelect(row);
    }

    // True if the key was for the table.
    key(event) {
        if (event.target !== this.table) return false;
        return this.take(event);
    }

    take(event) {
        const page = Math.max(1, Math.floor((this.element.clientHeight - 28) / ROW) - 1);
        const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, J: 1, K: -1, PageDown: page, PageUp: -page, Home: -this.count, End: this.count }[event.key];
        if (this.count === 0 || event.ctrlKey || event.metaKey || event.altKey) return false;
        if (event.key === 'Enter' && this.selected >= 0) {
            const row = this.at(this.selected);
            if (row !== undefined) this.open(row);
        } else if (step !== undefined) {
            this.choose(this.selected >= 0 ? this.selected + step : event.key === 'End' ? this.count - 1 : 0);
        } else {
            return false;
        }
        event.preventDefault();
        return true;
    }

    click(event) {
        const tr = event.target.closest('tr[data-index]');
        if (tr === null || event.target.closest('a, button') !== null) return;
        this.choose(Number(tr.dataset.index));
    }

    enter(event) {
        const tr = event.target.closest('tr[data-index]');
        const row = tr === null ? undefined : this.at(Number(tr.dataset.index));
        if (row !== undefined) this.open(row);
    }
}
