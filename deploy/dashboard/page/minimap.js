// SPDX-License-Identifier: Apache-2.0
// The whole trace in 44 pixels, and the window that the waterfall shows: two handles, each a slider for the keyboard.
import { el, put, svg } from './dom.js';
import { durationText } from './format.js';
import { onPixels } from './trace.js';

const HEIGHT = 44;
const LANES = 10;
const LANE = (HEIGHT - 4) / LANES;
const PAINT = ['life', 'child', 'run', 'txn', 'pool', 'lost']; // later ones hide earlier ones

/** The stretches of all rows as lanes: where there are more rows than lanes, neighbours share one. */
function pathsOf(rows, x, width) {
    const paths = Object.fromEntries(PAINT.map(name => [name, []]));
    const perLane = Math.max(1, rows.length / LANES);
    const filled = Object.fromEntries(PAINT.map(name => [name, Array.from({ length: LANES }, () => -1)]));
    const add = (name, lane, box) => {
        const end = Math.round((box.x + box.width) * 2) / 2;
        if (end <= filled[name][lane]) return; // something of this colour is there already
        const from = Math.max(box.x, filled[name][lane]);
        filled[name][lane] = end;
        paths[name].push(`M${from.toFixed(1)} ${4 + lane * LANE}h${Math.max(1, end - from).toFixed(1)}v2h-${Math.max(1, end - from).toFixed(1)}z`);
    };
    const ordered = rows.map((row, i) => ({ row, lane: Math.min(LANES - 1, Math.floor(i / perLane)) })).sort((a, b) => a.row.t0 - b.row.t0);
    for (const { row, lane } of ordered) {
        const life = { x: x(row.t0), width: Math.max(1, x(row.t1) - x(row.t0)) };
        add(row.flat ? 'run' : 'life', lane, life);
        for (const box of onPixels(row.tint.map(t => ({ ...t, state: 'child' })), x, width)) add('child', lane, box);
        for (const box of onPixels(row.parts, x, width)) add(box.state, lane, box);
        for (const box of onPixels(row.lost.map(l => ({ ...l, state: 'lost' })), x, width)) add('lost', lane, box);
    }
    return paths;
}

export class Minimap {
    /** `onView(from, to)`: the person wants to see this. */
    constructor(onView) {
        this.onView = onView;
        this.rows = [];
        this.extent = { from: 0, to: 1 };
        this.view = { from: 0, to: 1 };
        this.picture = svg('svg', { class: 'mpic', 'aria-hidden': 'true', height: HEIGHT });
        this.before = el('i.shade');
        this.after = el('i.shade');
        this.brush = el('i.brush');
        this.start = this.handle('start', 'Start of the visible time');
        this.end = this.handle('end', 'End of the visible time');
        this.element = el('div.mini', { title: 'Drag to choose a time, the handles to change it; double click for all' },
            this.picture, this.before, this.after, this.brush, this.start, this.end);
        this.element.addEventListener('pointerdown', event => this.press(event));
        this.element.addEventListener('dblclick', () => this.onView(this.extent.from, this.extent.to));
        this.observer = new ResizeObserver(() => this.draw());
        this.observer.observe(this.element);
    }

    handle(which, label) {
        return el(`span.grip.${which}`, {
            role: 'slider', tabindex: 0, 'aria-label': label, 'aria-orientation': 'horizontal',
            onkeydown: event => this.key(event, which),
        });
    }

    setRows(rows, extent) {
        this.rows = rows;
        this.extent = extent;
        this.draw();
    }

    setView(from, to) {
        this.view = { from, to };
        const share = seconds => Math.max(0, Math.min(1, (seconds - this.extent.from) / (this.extent.to - this.extent.from)));
        const [left, right] = [share(from) * 100, share(to) * 100];
        this.before.style.setProperty('width', `${left}%`);
        this.after.style.setProperty('left', `${right}%`);
        this.brush.style.setProperty('left', `${left}%`);
        this.brush.style.setProperty('width', `${right - left}%`);
        for (const [grip, at, seconds] of [[this.start, left, from], [this.end, right, to]]) {
            grip.style.setProperty('left', `${at}%`);
            grip.setAttribute('aria-valuemin', 0);
            grip.setAttribute('aria-valuemax', 1000);
            grip.setAttribute('aria-valuenow', Math.round(at * 10));
            grip.setAttribute('aria-valuetext', `${durationText(Math.max(0, seconds))} after the start`);
        }
    }

    close() {
        this.observer.disconnect();
    }

    draw() {
        const width = this.element.clientWidth;
        if (!width || !this.rows.length) return;
        const scale = width / (this.extent.to - this.extent.from);
        const x = seconds => (seconds - this.extent.from) * scale;
        const paths = pathsOf(this.rows, x, width);
        const flags = this.rows.flatMap((row, i) => row.context.errors.slice(0, 4).map(e =>
            `M${x(e.offset).toFixed(1)} ${1 + Math.min(LANES - 1, Math.floor(i / Math.max(1, this.rows.length / LANES))) * LANE}l4 4-4 4-4-4z`));
        this.picture.setAttribute('width', width);
        put(this.picture, PAINT.map(name => svg('path', { class: `m-${name}`, d: paths[name].join('') })),
            svg('path', { class: 'm-flag', d: flags.slice(0, 500).join('') }));
    }

    get least() {
        return Math.max((this.extent.to - this.extent.from) * 1e-5, 2e-6);
    }

    set(from, to) {
        const { extent } = this;
        if (to - from >= this.least) this.onView(Math.max(extent.from, from), Math.min(extent.to, to));
    }

    key(event, which) {
        const { from, to } = this.view;
        const step = (this.extent.to - this.extent.from) * (event.shiftKey ? 0.1 : 0.01);
        const ends = which === 'start' ? [this.extent.from, to - this.least] : [from + this.least, this.extent.to];
        const moves = {
            ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -step * 10, PageUp: step * 10,
            Home: -Infinity, End: Infinity,
        };
        if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
        const at = Math.max(ends[0], Math.min(ends[1], (which === 'start' ? from : to) + moves[event.key]));
        if (which === 'start') this.set(at, to);
        else this.set(from, at);
        event.preventDefault();
        event.stopPropagation();
    }

    // At a handle: it. Inside of the window: the window. Else: a new window.
    press(event) {
        if (event.button !== 0) return;
        const box = this.element.getBoundingClientRect();
        const at = e => this.extent.from + (e.clientX - box.left) / box.width * (this.extent.to - this.extent.from);
        const { from, to } = this.view;
        const near = 7 / box.width * (this.extent.to - this.extent.from);
        const first = at(event);
        const all = to - from > (this.extent.to - this.extent.from) * 0.999;
        let drag = (a, b) => this.set(Math.min(a, b), Math.max(a, b));
        if (Math.abs(first - from) < near) drag = (a, b) => this.set(Math.min(b, to - this.least), to);
        else if (Math.abs(first - to) < near) drag = (a, b) => this.set(from, Math.max(b, from + this.least));
        else if (first > from && first < to && !all)
            drag = (a, b) => {
                const d = Math.max(this.extent.from - from, Math.min(this.extent.to - to, b - a));
                this.set(from + d, to + d);
            };
        const move = e => Math.abs(e.clientX - event.clientX) > 2 && drag(first, at(e));
        const done = () => {
            removeEventListener('pointermove', move);
            removeEventListener('pointerup', done);
            removeEventListener('pointercancel', done);
        };
        addEventListener('pointermove', move);
        addEventListener('pointerup', done);
        addEventListener('pointercancel', done);
    }
}
