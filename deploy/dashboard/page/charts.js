// SPDX-License-Identifier: Apache-2.0
// Small charts over one stretch of time, by uPlot, which share a crosshair: each reads the same second. The colours are
// the style sheet's, read again when the theme changes, since a canvas does not know it.

import uPlot from './uPlot.esm.js';
import { el, nextFrame } from './dom.js';
import { digitsOf, minute, number, roundTop } from './format.js';
import { stacked, summed } from './series.js';

const LEFT = 34;   // px for the labels of y
const BOTTOM = 20; // and of x
const DRAWN = 8;   // px that make a stretch; less is a click
const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

const probe = el('i', { hidden: true });

// A colour of the style sheet as a canvas takes it; `share` of it over the panel.
function colour(name, share = 1) {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.forcedColorAdjust = 'none'; // else it has no colour but the text's
    probe.style.color = share === 1 ? `var(${name})` : `color-mix(in srgb, var(${name}) ${share * 100}%, var(--panel))`;
    return getComputedStyle(probe).color;
}

export class Group {
    constructor() {
        this.charts = [];
        this.time = null;   // under the crosshair
        this.read = () => {}; // called with it
        this.chosen = null;   // called with the two ends of a stretch that was drawn with the pointer
        this.first = null;  // when the first loss was: a line through all
        this.again = () => this.charts.forEach(chart => chart.rebuild());
        addEventListener('logctx-theme', this.again);
    }

    add(chart) {
        this.charts.push(chart);
        return chart;
    }

    point(time) {
        if (time === this.time) return;
        this.time = time;
        for (const chart of this.charts) chart.point(time);
        this.read(time);
    }

    stop() {
        removeEventListener('logctx-theme', this.again);
        for (const chart of this.charts) chart.stop();
    }
}

// spec: { kind: 'lines', 'stack' or 'bars', colours: ['--txn', ...], areas: [true, ...], limit: number or null, mark: text }
export class Chart {
    constructor(group, box, spec) {
        Object.assign(this, { group, box, spec });
        this.plot = null;
        this.data = null;
        this.range = null;
        this.hot = -1;
        this.pressed = null; // px where a stretch began
        this.resized = new ResizeObserver(nextFrame(() => this.fit()));
        this.resized.observe(box);
        box.addEventListener('pointerdown', event => this.press(event));
        box.addEventListener('pointermove', event => this.pointer(event));
        box.addEventListener('pointerleave', () => group.point(null));
    }

    stop() {
        this.resized.disconnect();
        if (this.plot !== null) this.plot.destroy();
        this.plot = null;
    }

    // `columns`: one array of values for each colour, with null where there is none.
    show(from, to, times, columns) {
        this.range = [from, to];
        this.data = this.shape(times, columns);
        if (this.plot === null) this.build();
        else this.plot.setData(this.visible(), true);
    }

    shape(times, columns) {
        if (this.spec.kind === 'stack') return [times, ...stacked(columns)];
        if (this.spec.kind === 'bars') return summed(times, columns[0], this.range);
        return [times, ...columns];
    }

    rebuild() {
        if (this.plot !== null) this.plot.destroy();
        this.plot = null;
        if (this.data !== null) this.build();
    }

    // The hovered part of a stack; -1 for none.
    light(index) {
        if (this.hot === index) return;
        this.hot = index;
        if (this.plot !== null) this.plot.redraw(false);
    }

    fit() {
        const { clientWidth: width, clientHeight: height } = this.box;
        if (width < 80 || height < 50) return;
        if (this.plot === null) {
            if (this.data !== null) this.build();
        } else if (this.plot.width !== width || this.plot.height !== height) {
            this.plot.setSize({ width, height });
            this.point(this.group.time);
        }
    }

    build() {
        const { clientWidth: width, clientHeight: height } = this.box;
        if (width < 80 || height < 50) return;
        this.font = `11px ${getComputedStyle(document.body).fontFamily}`;
        this.ink = { line: colour('--line'), axis: colour('--line2'), text: colour('--ink3'), err: colour('--err'), panel: colour('--panel') };
        this.plot = new uPlot({
            width, height, padding: [6, 12, 0, 0], legend: { show: false }, pxAlign: 1,
            cursor: {
                y: false, points: { show: false }, drag: { x: false, y: false, setScale: false },
                bind: { mousedown: () => null, mouseup: () => null, mousemove: () => null, mouseleave: () => null, mouseenter: () => null,
                    click: () => null, dblclick: () => null },
            },
            scales: { x: { time: false, range: () => this.range }, y: { range: () => [0, this.top()] } },
            axes: [this.xAxis(), this.yAxis()],
            series: [{}, ...this.spec.colours.map((name, i) => this.series(name, i))],
            hooks: { draw: [u => this.over(u)] },
        }, this.visible(), this.box);
        this.point(this.group.time);
    }

    xAxis() {
        return {
            size: BOTTOM, gap: 4, font: this.font, stroke: this.ink.text, ticks: { show: false }, grid: { show: false }, incrs: STEPS, space: 56,
            values: (u, splits) => splits.map(minute),
        };
    }

    yAxis() {
        return {
            size: LEFT, gap: 6, font: this.font, stroke: this.ink.text, ticks: { show: false },
            grid: { stroke: this.ink.line, width: 1 },
            splits: () => [0, this.top() / 2, this.top()],
            values: (u, splits) => splits.map(v => v === 0 ? '0' : number(v, digitsOf(splits[1]))),
        };
    }

    series(name, i) {
        const { kind, areas } = this.spec;
        const base = { spanGaps: false, pxAlign: 0, points: { show: kind !== 'bars', size: 3, stroke: colour(name), fill: colour(name), filter: alone } };
        const shade = () => colour(name, this.hot < 0 || this.hot === i ? 1 : 0.25);
        // A gap between two parts, but none above the highest: it would swallow a peak.
        if (kind === 'stack') return { ...base, stroke: i === 0 ? null : () => colour('--panel'), width: 1, fill: shade };
        if (kind === 'bars') return {
            ...base, stroke: colour(name), width: 0, fill: colour(name), paths: uPlot.paths.bars({ size: [1, 100, 1], gap: 1, align: 1 }),
        };
        return {
            ...base, width: 1.5, stroke: this.spec.limit === null ? colour(name) : u => this.hotLine(u, name),
            fill: areas && areas[i] ? colour(name, 0.08) : null,
        };
    }

    // Only what is above the limit is red.
    hotLine(u, name) {
        const { top, height } = u.bbox;
        const at = Math.max(0, Math.min(1, 1 - this.spec.limit / this.top()));
        if (!(height > 0)) return colour(name);
        const gradient = u.ctx.createLinearGradient(0, top, 0, top + height);
        gradient.addColorStop(0, this.ink.err);
        gradient.addColorStop(at, this.ink.err);
        gradient.addColorStop(at, colour(name));
        gradient.addColorStop(1, colour(name));
        return gradient;
    }

    top() {
        let most = this.spec.limit ?? 0;
        for (const column of this.data.slice(1)) for (const value of column) if (value > most) most = value;
        return Math.max(this.spec.least ?? 0, roundTop(most));
    }

    // An event is seen, however small beside others: a bar is at least 2 px high.
    visible() {
        if (this.spec.kind !== 'bars') return this.data;
        const least = this.top() * 2 / Math.max(1, this.box.clientHeight - BOTTOM);
        return [this.data[0], this.data[1].map(v => v > 0 ? Math.max(v, least) : v)];
    }

    over(u) {
        const ctx = u.ctx;
        const { left, top, width, height } = u.bbox;
        ctx.save();
        ctx.lineWidth = devicePixelRatio;
        ctx.strokeStyle = this.ink.axis;
        line(ctx, left, top + height, left + width, top + height);
        ctx.strokeStyle = this.ink.err;
        if (this.spec.limit !== null) {
            ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
            const y = u.valToPos(this.spec.limit, 'y', true);
            line(ctx, left, y, left + width, y);
        }
        if (this.group.first !== null && this.group.first > this.range[0] && this.group.first < this.range[1])
            this.mark(u, Math.round(u.valToPos(this.group.first, 'x', true)) + 0.5);
        ctx.restore();
    }

    mark(u, x) {
        const ctx = u.ctx;
        ctx.setLineDash([devicePixelRatio, 3 * devicePixelRatio]);
        line(ctx, x, u.bbox.top, x, u.bbox.top + u.bbox.height);
        if (!this.spec.mark) return;
        ctx.font = this.font.replace('11px', 11 * devicePixelRatio + 'px');
        ctx.fillStyle = this.ink.text;
        const text = this.spec.mark();
        const gap = 5 * devicePixelRatio;
        const width = ctx.measureText(text).width + gap;
        const right = u.bbox.left + u.bbox.width;
        const left = x - u.bbox.left > width ? x - width : Math.min(x + gap, right - width);
        ctx.textAlign = 'left';
        ctx.setLineDash([]);
        ctx.lineWidth = 3 * devicePixelRatio;
        ctx.lineJoin = 'round';
        ctx.strokeStyle = this.ink.panel; // bars may stand behind it
        ctx.strokeText(text, left, u.bbox.top + 9 * devicePixelRatio);
        ctx.fillText(text, left, u.bbox.top + 9 * devicePixelRatio);
    }

    placeOf(event) {
        const bounds = this.plot.over.getBoundingClientRect();
        return Math.max(0, Math.min(bounds.width, event.clientX - bounds.left));
    }

    pointer(event) {
        if (this.plot === null) return;
        const x = this.placeOf(event);
        this.group.point(this.plot.posToVal(x, 'x'));
        if (this.pressed === null) return;
        const [left, right] = [Math.min(this.pressed, x), Math.max(this.pressed, x)];
        this.plot.setSelect({ left, width: right - left, top: 0, height: this.plot.over.clientHeight }, false);
    }

    press(event) {
        if (this.plot === null || event.button !== 0 || this.group.chosen === null) return;
        this.pressed = this.placeOf(event);
        this.box.setPointerCapture(event.pointerId);
        this.box.addEventListener('lostpointercapture', () => {
            const { left, width } = this.plot.select;
            this.pressed = null;
            const [from, to] = [this.plot.posToVal(left, 'x'), this.plot.posToVal(left + width, 'x')];
            this.plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            if (width < DRAWN) return;
            this.group.point(null);
            this.group.chosen(from, to);
        }, { once: true });
    }

    point(time) {
        if (this.plot === null) return;
        this.plot.setCursor(time === null ? { left: -10, top: -10 } : { left: this.plot.valToPos(time, 'x'), top: 0 }, false);
    }
}

function line(ctx, x0, y0, x1, y1) {
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
}

// A value between two gaps has no line to be seen by: it gets a dot.
function alone(u, index, show) {
    if (!show) return [];
    const values = u.data[index];
    const found = [];
    for (let i = 0; i < values.length; i++)
        if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) found.push(i);
    return found;
}
