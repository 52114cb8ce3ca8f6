// SPDX-License-Identifier: Apache-2.0
// The view Now: what fires, six tiles over one stretch of time, and the contexts in flight.

import { Chart, Group } from './charts.js';
import { el, put, set, setText, swatch } from './dom.js';
import { clock, number, span } from './format.js';
import { alertPanel } from './alertrow.js';
import { InFlight } from './inflight.js';
import { merge, stepAt } from './series.js';
import { TILES, before } from './tiles.js';

const AGAIN = 2000; // ms: not more often than this is everything asked for again

class Tile {
    constructor(spec, group) {
        this.spec = spec;
        this.head = el('div.head', this.big = el('b.big'), el('span.u', spec.unit), this.was = el('span.was'));
        this.list = el('ul.rows');
        this.box = el('div.plot', { role: 'img' });
        this.element = el('section.panel.tile', { id: 'tile-' + spec.id, 'aria-label': `${spec.title}, over time` }, el('h2', spec.title), this.head, this.box, this.list);
        this.chart = group.add(new Chart(group, this.box, { ...spec, limit: null, mark: spec.mark ? () => spec.mark(this.data.tiles[spec.id]) : null }));
        this.list.addEventListener('pointerover', event => {
            const li = event.target.closest('li[data-part]');
            this.chart.light(li === null ? -1 : Number(li.dataset.part));
        });
        this.list.addEventListener('pointerleave', () => this.chart.light(-1));
    }

    show(data) {
        this.data = data;
        const tile = data.tiles[this.spec.id];
        this.chart.spec.limit = this.spec.limit ? this.spec.limit(tile) : null;
        this.chart.show(data.from, data.to, data.times, this.spec.columns(tile));
    }

    // The figures of a time, or of now.
    read(time, silent) {
        const { spec, data } = this;
        const tile = data.tiles[spec.id];
        const i = time === null ? null : stepAt(data, time);
        setText(this.big, spec.big(tile, i, data));
        this.big.classList.toggle('bad', spec.bad !== undefined && spec.bad(tile, i, data) === true);
        setText(this.was, i !== null ? `at ${clock(data.times[i])}` : silent > 0 ? `silent for ${span(silent)}`
            : before(spec, tile, data));
        this.was.classList.toggle('silent', i === null && silent > 0);
        set(this.box, { 'aria-label': `${spec.title}, ${spec.big(tile, null, data)} ${spec.unit} now; ${before(spec, tile, data)}` });
        this.rows(spec.rows(tile, i, data).slice(0, 6));
    }

    // In place, so that a row under the pointer stays the same element.
    rows(rows) {
        while (this.list.children.length > rows.length) this.list.lastElementChild.remove();
        rows.forEach(({ sw, label, value, stale }, j) => {
            let li = this.list.children[j];
            if (li === undefined) {
                li = el('li', el('span.swatch'), el('bdi.l'), el('span.v'));
                this.list.append(li);
            }
            const [mark, name, figure] = li.children;
            if (mark.dataset.state !== String(sw)) {
                mark.dataset.state = String(sw);
                put(mark, swatch(sw ?? 'none'));
            }
            setText(name, label.length > 120 ? label.slice(0, 120) + '…' : label);
            set(name, { title: label.length > 16 ? label.slice(0, 2000) : null });
            setText(figure, value);
            li.classList.toggle('stale', stale);
            set(li, { 'data-part': this.spec.kind === 'stack' && sw !== null ? sw.slice(1) : null, title: stale ? 'as it is now' : null });
        });
    }
}

class Now {
    constructor(root, ctx) {
        this.ctx = ctx;
        this.group = new Group();
        this.tiles = TILES.map(spec => new Tile(spec, this.group));
        this.alerts = el('section.panel.alerts', { 'aria-label': 'Alerts' });
        this.flight = new InFlight(ctx);
        this.slider = this.crosshair();
        put(root, el('h1.sr', 'Now'), this.alerts, el('div.tiles', this.slider, this.tiles.map(tile => tile.element)), this.flight.element);
        this.group.read = () => this.read();
        this.group.chosen = (from, to) => ctx.range(from, to);
        this.asked = 0;
        this.wanted = 0;
        this.data = null;
    }

    // The crosshair for the keyboard: one stop, before the tiles.
    crosshair() {
        const slider = el('div.crosshair', {
            role: 'slider', tabindex: 0, 'aria-label': 'Time that the charts are read at; left and right arrows move it, Escape returns to now',
            'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': 100, 'aria-valuetext': 'now',
            onkeydown: event => this.move(event), onblur: () => this.group.point(null),
        }, el('span', 'Crosshair: ', el('kbd', '←'), ' ', el('kbd', '→')));
        return slider;
    }

    move(event) {
        if (this.data === null || this.data.times.length === 0) return;
        const { times, step } = this.data;
        const last = times[times.length - 1];
        const moves = { ArrowLeft: -step, ArrowRight: step, PageUp: -10 * step, PageDown: 10 * step, Home: times[0] - last, End: 0 };
        if (event.key === 'Escape') this.group.point(null);
        else if (moves[event.key] === undefined) return;
        else this.group.point(event.key === 'End' ? last : Math.max(times[0], Math.min(last, (this.group.time ?? last) + moves[event.key])));
        event.preventDefault();
        event.stopPropagation();
    }

    read() {
        if (this.data === null) return;
        const { time } = this.group;
        for (const tile of this.tiles) tile.read(time, this.silent());
        const { from, to } = this.data;
        const index = time === null ? null : stepAt(this.data, time);
        const told = index === null ? 'now' : this.tiles.map(tile =>
            `${tile.spec.title} ${tile.spec.big(this.data.tiles[tile.spec.id], index, this.data)}`).join(', ');
        set(this.slider, {
            'aria-valuenow': time === null ? 100 : Math.round((time - from) / (to - from) * 100),
            'aria-valuetext': index === null ? 'now' : `${clock(this.data.times[index])}: ${told}`,
        });
    }

    silent() {
        const service = this.data.services.find(s => s.service === this.data.service);
        return service && this.data.time - service.last > 60 ? this.data.time - service.last : 0;
    }

    draw() {
        const { data } = this;
        this.group.first = data.tiles.errors.first;
        for (const tile of this.tiles) tile.show(data);
        this.read();
        put(this.alerts, alertPanel(data.alerts, this.ctx));
        this.flight.show(data.in_flight);
        this.ctx.title(`${number(data.tiles.contexts.now)} /s, ${data.service ?? 'no service'}`);
    }

    async update() {
        clearTimeout(this.wanted);
        this.asked = performance.now();
        const data = await this.ctx.load('/now');
        if (data === null || data.missing) return;
        this.data = data;
        this.draw();
    }

    live(name, data) {
        if (name !== 'now' || this.data === null) return;
        if (merge(this.data, data)) {
            this.data = data;
            this.draw();
            return;
        }
        clearTimeout(this.wanted);
        this.wanted = setTimeout(() => this.update(), Math.max(0, this.asked + AGAIN - performance.now()));
    }

    keys(event) {
        return this.flight.keys(event);
    }

    unmount() {
        clearTimeout(this.wanted);
        this.group.stop();
        this.flight.stop();
    }
}

export const mount = (root, ctx) => new Now(root, ctx);
