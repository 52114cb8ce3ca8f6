// SPDX-License-Identifier: Apache-2.0
// The waterfall of one trace: a row for each context, only those in sight are elements. It is one tab stop; its rows are
// chosen with the arrow keys, its time is moved and zoomed with the others, the pointer or the wheel.
import { cut, el, hideTip, icon, name, put, showTip, svg, swatch } from './dom.js';
import { durationText, STATE } from './format.js';
import { onPixels, ticksOf } from './trace.js';

const ROW = 28;
const SPARE = 6; // rows kept beyond the edges, so that scrolling shows no holes
const LABELS = { txn: 'transaction', pool: 'waiting for connection' };
const DIGIT = 6.2; // a character of the labels, in pixels at most
const DEEPEST = 8; // indents; what is deeper says how deep

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** Time on an axis in one unit for all ticks: the sentence of `step` decides how many digits there are. */
export function axisText(seconds, step, span) {
    const [unit, scale] = span >= 2 ? ['s', 1] : span >= 0.002 ? ['ms', 1e3] : ['µs', 1e6];
    const digits = clamp(Math.ceil(-Math.log10(step * scale) - 1e-9), 0, 3);
    return `${(seconds * scale).toFixed(digits)} ${unit}`;
}

function threadOf(row, rows) {
    const { thread } = row.context;
    if (!thread) return null;
    const parent = row.up ?? row.link;
    const other = parent != null && rows[parent].context.thread !== thread;
    return el('span.thread' + (other ? '.other' : ''), { title: other ? 'Another thread than its parent’s' : null }, cut(thread, 24));
}

function noteOf(row) {
    const { context } = row;
    if (context.parent === 'missing') return 'parent not received';
    if (row.foreign && row.up == null) return `own trace ${context.trace_id.slice(0, 8)}`;
    return null;
}

// What a bar is where none of its stretches is.
function bare(row) {
    if (row.context.is_context === false) return 'span of another library';
    return row.flat ? 'no segments' : STATE.idle;
}

/** A transition error as a link to its group of losses. */
export function flagOf(error, href, more = '', tabindex = null) {
    return el('a.flag', { href: href(`/losses/${error.group}`), tabindex, title: cut(error.message ?? '') },
        icon('error', 'ico8'), cut(error.kind, 60), more);
}

/** What a screen reader says of a row. */
function sentenceOf(row) {
    const { context } = row;
    const words = [cut(context.name ?? context.kind, 120), cut(context.kind, 120), durationText(context.duration)];
    if (context.thread) words.push(`thread ${context.thread}`);
    if (noteOf(row)) words.push(noteOf(row));
    if (context.linked) words.push('linked');
    if (context.status === 'error') words.push('failed');
    if (context.errors.length) words.push(`transition error ${context.errors.slice(0, 4).map(e => cut(e.kind, 60)).join(', ')}`);
    return words.join(', ');
}

export class Waterfall {
    /** `on`: select(index), view(from, to), open(row), href(path). */
    constructor(on) {
        this.on = on;
        this.rows = [];
        this.selected = 0;
        this.view = { from: 0, to: 1 };
        this.extent = { from: 0, to: 1 };
        this.shown = new Map();
        this.axis = el('div.wtrack');
        this.lines = svg('svg', { class: 'wlines', 'aria-hidden': 'true' });
        this.body = el('div.wrows', { role: 'rowgroup' }, this.lines);
        this.scroller = el('div.wscroll', { role: 'treegrid', tabindex: 0, 'aria-label': 'Contexts of the trace' }, this.body);
        this.element = el('div.wf',
            el('div.waxis', { 'aria-hidden': 'true' }, el('div.wname', 'Context', el('span.thread', 'Thread')), this.axis), this.scroller);
        this.scroller.addEventListener('scroll', () => this.later(), { passive: true });
        this.scroller.addEventListener('keydown', event => {
            if (!this.key(event)) return;
            event.preventDefault();
            event.stopPropagation();
        });
        this.scroller.addEventListener('wheel', event => this.wheel(event), { passive: false });
        this.scroller.addEventListener('pointerdown', event => this.press(event));
        this.scroller.addEventListener('pointermove', event => this.point(event));
        this.scroller.addEventListener('pointerleave', () => hideTip());
        this.observer = new ResizeObserver(() => this.later(true));
        this.observer.observe(this.scroller);
    }

    setRows(rows, extent) {
        this.rows = rows;
        this.extent = extent;
        this.body.style.setProperty('height', `${rows.length * ROW}px`);
        this.scroller.style.setProperty('--rows', rows.length);
        this.scroller.setAttribute('aria-rowcount', rows.length);
        this.later(true);
    }

    setView(from, to) {
        this.view = { from, to };
        this.later(true);
    }

    select(index) {
        this.selected = index;
        const top = index * ROW;
        const { scrollTop, clientHeight } = this.scroller;
        if (top < scrollTop) this.scroller.scrollTop = top;
        else if (clientHeight && top + ROW > scrollTop + clientHeight) this.scroller.scrollTop = top + ROW - clientHeight;
        this.draw(true);
    }

    close() {
        this.observer.disconnect();
        cancelAnimationFrame(this.frame);
        hideTip();
    }

    later(all = false) {
        this.stale = this.stale || all;
        this.frame ??= requestAnimationFrame(() => {
            this.frame = null;
            this.draw(this.stale);
        });
    }

    get width() {
        return Math.max(1, this.axis.clientWidth);
    }

    x(seconds) {
        return (seconds - this.view.from) / (this.view.to - this.view.from) * this.width;
    }

    draw(all) {
        this.stale = false;
        if (!this.scroller.isConnected || !this.rows.length) return;
        const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - SPARE);
        const last = Math.min(this.rows.length - 1, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / ROW) + SPARE);
        for (const [index, element] of this.shown)
            if (all || ((index < first || index > last) && index !== this.selected)) {
                element.remove();
                this.shown.delete(index);
            }
        const wanted = new Set([this.selected]);
        for (let i = first; i <= last; i++) wanted.add(i);
        for (const index of [...wanted].sort((a, b) => a - b))
            if (!this.shown.has(index) && this.rows[index]) {
                const element = this.row(this.rows[index]);
                this.shown.set(index, element);
                this.body.insertBefore(element, this.after(index)); // in order also for who reads the document
            }
        this.scroller.setAttribute('aria-activedescendant', `w${this.selected}`);
        if (all) this.drawAxis();
        this.drawLines(first, last);
    }

    after(index) {
        let next = null;
        for (const [at, element] of this.shown)
            if (at > index && (next === null || at < next.at)) next = { at, element };
        return next?.element ?? null;
    }

    drawAxis() {
        const { from, to } = this.view;
        const { step, ticks } = ticksOf(from, to, Math.max(2, this.width / 130));
        this.ticks = ticks.filter(tick => this.x(tick) > -1 && this.x(tick) < this.width - 24);
        put(this.axis, this.ticks.map(tick =>
            el('span.wtick', { css: { left: `${this.x(tick)}px` } }, axisText(tick, step, to - from))));
    }

    // The grid, and who started whom: straight down from the parent's bar to where the child begins.
    drawLines(first, last) {
        const left = this.axis.getBoundingClientRect().left - this.element.getBoundingClientRect().left;
        const top = first * ROW;
        const height = (last + 1) * ROW - top;
        const grid = this.ticks.map(tick => `M${Math.round(left + this.x(tick)) + 0.5} ${top}V${top + height}`).join('');
        const own = [];
        const far = []; // of those that are not in sight: they only pass
        const linked = [];
        for (const row of this.rows) {
            const from = row.up ?? row.link;
            if (from == null) continue;
            const [above, below] = from < row.index ? [from, row.index] : [row.index, from];
            if (below < first || above > last) continue;
            const x = this.x(row.link != null && row.up == null ? Math.max(row.t0, this.rows[from].t0) : row.t0);
            if (x < 0 || x > this.width) continue;
            const path = `M${Math.round(left + x) + 0.5} ${above * ROW + 21}V${below * ROW + 7}`;
            (row.up == null ? linked : below > last ? far : own).push(path);
        }
        this.lines.setAttribute('height', this.rows.length * ROW);
        put(this.lines, svg('path', { class: 'wgrid', d: grid }), svg('path', { class: 'wconn far', d: far.slice(0, 4000).join('') }),
            svg('path', { class: 'wconn', d: own.slice(0, 4000).join('') }),
            svg('path', { class: 'wconn linked', d: linked.slice(0, 4000).join('') }));
    }

    row(row) {
        const { context, index } = row;
        const chosen = index === this.selected;
        const rule = row.foreign && !(this.rows[index - 1]?.foreign && this.rows[index - 1].context.trace_id === context.trace_id);
        const note = noteOf(row);
        const depth = Math.min(row.depth, DEEPEST);
        return el('div.wrow' + (chosen ? '.sel' : '') + (rule ? '.own-trace' : ''), {
            id: `w${index}`, role: 'row', 'aria-rowindex': index + 1, 'aria-level': row.depth + 1, 'aria-selected': String(chosen),
            'aria-label': sentenceOf(row), css: { top: `${index * ROW}px` },
        },
        el('div.wname', { role: 'gridcell', css: { 'padding-left': `${12 + depth * 16}px` } },
            row.depth > DEEPEST && el('span.dim', `${row.depth} `),
            context.linked && el('span.linkmark', { title: 'Linked, in a trace of its own' }, '⤷'),
            name(context.name ?? context.kind, 'b'),
            note ? el('span.dim.k' + (context.parent === 'missing' ? '.warn' : ''), note)
                : name(context.name ? context.kind : context.span_kind, 'span.dim.k'),
            threadOf(row, this.rows)),
        el('div.wtrack', { role: 'gridcell' }, this.bars(row), this.endOf(row)));
    }

    bars(row) {
        const width = this.width;
        const x = seconds => this.x(seconds);
        const place = box => ({ left: `${box.x}px`, width: `${box.width}px` });
        const [left, right] = [x(row.t0), x(row.t1)];
        if (right < -1 || left > width + 1) return null;
        const life = { x: Math.max(-2, left), width: Math.max(1, Math.min(width + 2, right) - Math.max(-2, left)) };
        const boxes = [
            el('i.life' + (row.flat ? '.flat' : row.context.is_context === false ? '.foreign' : ''), { css: place(life) }),
            ...onPixels(row.tint.map(t => ({ ...t, state: 'child' })), x, width).map(box => el('i.bar.s-child', { css: place(box) })),
            ...onPixels(row.parts, x, width).map(box => el(`i.bar.s-${box.state}`, { css: place(box) }, this.labelOf(box))),
            ...onPixels(row.lost.map(l => ({ ...l, state: 'lost' })), x, width).map(box => el('i.bar.s-lost', { css: place(box) })),
        ];
        for (const event of row.context.events.slice(0, 100)) {
            const at = x(event.offset);
            if (at >= 0 && at <= width) boxes.push(el('i.evt', { css: { left: `${at}px` } }));
        }
        return boxes;
    }

    labelOf(box) {
        const words = LABELS[box.state];
        if (!words || box.x < -1) return null;
        const long = `${words} ${durationText(box.part.to - box.part.from)}`;
        if (box.width > long.length * DIGIT + 10) return long;
        return box.width > words.length * DIGIT + 10 ? words : null;
    }

    // Behind the bar, or before it where the window ends: how long it was, and what went wrong.
    endOf(row) {
        const { context } = row;
        const text = durationText(context.duration);
        const [first] = context.errors;
        const more = context.errors.length > 1 ? ` +${context.errors.length - 1}` : '';
        const room = text.length * 6.5 + 16 + (first ? (first.kind.length + more.length) * 7 + 18 : 0);
        const [left, right] = [this.x(row.t0), this.x(Math.max(row.t1, first ? Math.min(first.offset, row.t1 + (row.t1 - row.t0)) : 0))];
        if (left > this.width || right < 0) return null;
        const flip = right + room > this.width && left > room;
        if (!flip && right > this.width) return null;
        return el('span.wend' + (flip ? '.before' : ''),
            { css: flip ? { right: `${this.width - left}px` } : { left: `${right}px` } },
            first && flagOf(first, this.on.href, more, -1), context.status === 'error' && el('span.failed', 'failed'), el('span.n', text));
    }

    // ---- what the person does

    zoom(factor, at = (this.view.from + this.view.to) / 2) {
        const { from, to } = this.view;
        this.move(at - (at - from) * factor, at + (to - at) * factor);
    }

    pan(share) {
        const d = (this.view.to - this.view.from) * share;
        this.move(this.view.from + d, this.view.to + d);
    }

    // Keeps the width at the edges, so that panning against one does not zoom.
    move(from, to) {
        const whole = this.extent.to - this.extent.from;
        const width = clamp(to - from, Math.max(whole * 1e-5, 2e-6), whole);
        const start = clamp(from, this.extent.from, this.extent.to - width);
        this.on.view(start, start + width);
    }

    /** True if the key is one of its own. */
    key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return false;
        const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 1);
        const steps = { ArrowDown: 1, j: 1, J: 1, ArrowUp: -1, k: -1, K: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
        if (event.key in steps) this.on.select(clamp(this.selected + steps[event.key], 0, this.rows.length - 1));
        else if (event.key === 'ArrowLeft') this.pan(-0.1);
        else if (event.key === 'ArrowRight') this.pan(0.1);
        else if (event.key === '+' || event.key === '=') this.zoom(0.7);
        else if (event.key === '-') this.zoom(1 / 0.7);
        else if (event.key === '0') this.on.view(this.extent.from, this.extent.to);
        else if (event.key === 'Enter') this.on.open(this.rows[this.selected]);
        else return false;
        return true;
    }

    timeAt(event) {
        const left = this.axis.getBoundingClientRect().left;
        return { px: event.clientX - left, seconds: this.view.from + (event.clientX - left) / this.width * (this.view.to - this.view.from) };
    }

    rowAt(event) {
        const index = Math.floor((event.clientY - this.body.getBoundingClientRect().top) / ROW);
        return this.rows[index];
    }

    wheel(event) {
        const { px, seconds } = this.timeAt(event);
        if (event.ctrlKey || event.metaKey) {
            event.preventDefault();
            if (px >= 0) this.zoom(Math.exp(clamp(event.deltaY, -100, 100) / 250), seconds);
        } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
            event.preventDefault();
            this.pan((event.deltaX || event.deltaY) / this.width);
        }
    }

    // A press that moves pans; one that does not chooses the row.
    press(event) {
        if (event.button !== 0 || event.target.closest('a, button')) return;
        const row = this.rowAt(event);
        const start = { x: event.clientX, ...this.view };
        const inTrack = this.timeAt(event).px >= 0;
        let moved = false;
        const move = e => {
            moved = moved || Math.abs(e.clientX - start.x) > 3;
            if (!moved || !inTrack) return;
            const d = (start.x - e.clientX) / this.width * (start.to - start.from);
            hideTip();
            this.move(start.from + d, start.to + d);
        };
        const done = e => {
            removeEventListener('pointermove', move);
            removeEventListener('pointerup', done);
            removeEventListener('pointercancel', done);
            if (!moved && row && e.type === 'pointerup') this.on.select(row.index);
        };
        addEventListener('pointermove', move);
        addEventListener('pointerup', done);
        addEventListener('pointercancel', done);
    }

    point(event) {
        const row = this.rowAt(event);
        const { px, seconds } = this.timeAt(event);
        if (!row || px < 0 || event.buttons) return hideTip();
        const near = (this.view.to - this.view.from) / this.width * 3;
        const error = row.context.errors.find(e => Math.abs(e.offset - seconds) < near);
        const mark = row.context.events.find(e => Math.abs(e.offset - seconds) < near);
        const inside = list => list.find(p => seconds >= p.from && seconds <= p.to);
        const part = inside(row.parts) ?? (inside(row.lost) && { ...inside(row.lost), state: 'lost' }) ??
            (inside(row.tint) && { ...inside(row.tint), state: 'child' });
        if (!part && !mark && !error && (seconds < row.t0 || seconds > row.t1)) return hideTip();
        return showTip(event.clientX, event.clientY, this.tipOf(row, part, mark, error));
    }

    tipOf(row, part, mark, error) {
        const state = part?.state ?? (row.flat ? 'run' : 'idle');
        const { from, to } = part ?? { from: row.t0, to: row.t1 };
        const step = (this.view.to - this.view.from) / this.width;
        return [
            el('div.tt', swatch(state), el('b', part ? STATE[state] : bare(row)),
                el('span.push.n', durationText(to - from))),
            el('div.tname', el('bdi', cut(row.context.name ?? row.context.kind, 120))),
            el('dl', el('dt', 'from'), el('dd', `${axisText(from, step, to)} to ${axisText(to, step, to)}`),
                row.context.thread && [el('dt', 'thread'), el('dd', row.context.thread)],
                mark && [el('dt', 'event'), el('dd', el('bdi', cut(mark.name, 120)))]),
            error && el('p.tnote', el('bdi', cut(error.message ?? ''))),
            state === 'lost' && el('p.tnote', 'Another context was current. This time is charged to none of the trace.'),
            row.flat && el('p', row.context.segments_note ?? 'This context came without segments.'),
        ];
    }
}
