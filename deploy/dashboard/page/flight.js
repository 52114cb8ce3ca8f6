// SPDX-License-Identifier: Apache-2.0
// The flight recorder of one transition error: a lane for each context, a row for each switch, so that no two labels meet.
// What is thick was current; red is what should not have been. Words never say more than "most likely".
import { cut, el, name, site, svg } from './dom.js';
import { durationText } from './format.js';

const ROW = 27;
const LANES_MOST = 6; // further contexts share the last lane
const LANE_WIDEST = 124;
const ENDED = '(ended)';
const OTHERS = '(others)';

const laneName = text => text ?? ENDED;

/** Which contexts get a lane of their own: sentinel, expected, found, then those nearest to the error. */
export function lanesOf(example) {
    const switches = example.switches.filter(sw => sw.text === undefined);
    const seen = new Set([...switches].reverse().flatMap(sw => [laneName(sw.to), laneName(sw.from)]));
    const known = [example.expected, example.found].filter(text => text);
    const ordered = [...new Set(['sentinel', ...known, ...seen])].filter(lane => seen.has(lane) || known.includes(lane));
    if (ordered.length <= LANES_MOST) return ordered;
    return [...ordered.slice(0, LANES_MOST - 1), OTHERS];
}

/** The rows to draw: the switches, and where it was noticed. `wrong`: from here on the found context should not be there. */
export function rowsOfFlight(example) {
    const rows = example.switches.map((sw, index) => ({ ...sw, guilty: index === example.guilty }));
    const last = rows.findLast(row => row.text === undefined);
    const found = example.found ?? (last ? laneName(last.to) : null);
    rows.push({ noticed: true, from: found, to: found, site: example.found_by, ago: 0, stayed: null });
    return rows;
}

class Lanes {
    constructor(example, width) {
        this.example = example;
        this.rows = rowsOfFlight(example);
        this.lanes = lanesOf(example);
        this.step = Math.min(LANE_WIDEST, Math.floor(width / Math.max(1, this.lanes.length)));
        this.width = this.step * this.lanes.length;
        this.last = this.rows.length - 1;
        this.guilty = example.guilty ?? Infinity;
    }

    x(text) {
        const at = this.lanes.indexOf(laneName(text));
        return Math.round((at < 0 ? this.lanes.length - 1 : at) * this.step + this.step / 2) + 0.5;
    }

    y(index) {
        return index * ROW + Math.floor(ROW / 2) + 0.5;
    }

    current(text, from, to, wrong) {
        const kind = wrong ? '.wrong' : laneName(text) === 'sentinel' ? '.sentinel' : '';
        return svg('line', { class: `cur${kind.replace('.', ' ')}`, x1: this.x(text), x2: this.x(text), y1: from, y2: to });
    }

    hop(row, index) {
        const [a, b] = [this.x(row.from), this.x(row.to)];
        const y = this.y(index);
        if (a === b) return [svg('circle', { class: 'dot', cx: a, cy: y, r: 2.5 })];
        const d = b > a ? -1 : 1;
        const bad = row.guilty ? ' bad' : '';
        return [
            svg('line', { class: `hop${bad}`, x1: a, x2: b + d * 8, y1: y, y2: y }),
            svg('path', { class: `tip-head${bad}`, d: `M${b + d * 3} ${y}l${d * 6} -4v8z` }),
            svg('circle', { class: `dot${bad}`, cx: a, cy: y, r: 2.5 }),
        ];
    }

    // The ring where the expected one should have been, the diamond where the found one was.
    ends() {
        const { expected, found } = this.example;
        const y = this.y(this.last);
        const parts = [];
        if (expected && expected !== found && this.lanes.includes(expected)) {
            const since = Number.isFinite(this.guilty) ? this.y(this.guilty) + 5 : y - ROW;
            parts.push(svg('line', { class: 'ghost', x1: this.x(expected), x2: this.x(expected), y1: since, y2: y - 6 }),
                svg('circle', { class: 'miss', cx: this.x(expected), cy: y, r: 4.5 }));
        }
        const at = this.rows[this.last].to;
        if (at !== null) parts.push(svg('path', { class: 'found', d: `M${this.x(at)} ${y - 6}l6 6-6 6-6-6z` }));
        return parts;
    }

    draw() {
        const height = this.rows.length * ROW;
        const readable = this.rows.map((row, index) => ({ row, index })).filter(({ row }) => row.text === undefined);
        const picture = svg('svg', { class: 'lanes', width: this.width, height, 'aria-hidden': 'true' },
            this.lanes.map(lane => svg('line', { class: 'lane', x1: this.x(lane), x2: this.x(lane), y1: 0, y2: this.y(this.last) })));
        const [first] = readable;
        if (first && !first.row.noticed) picture.append(this.current(first.row.from, 0, this.y(first.index), false));
        readable.forEach(({ row, index }, i) => {
            const next = readable[i + 1];
            const wrong = index >= this.guilty && laneName(row.to) === laneName(this.rows[this.last].to);
            if (next) picture.append(this.current(row.to, this.y(index), this.y(next.index), wrong));
        });
        for (const { row, index } of readable)
            if (!row.noticed) picture.append(...this.hop(row, index));
        picture.append(...this.ends());
        return picture;
    }
}

function rowOf(row) {
    const cls = row.guilty ? '.bad' : row.noticed ? '.last' : '';
    if (row.text !== undefined)
        return el(`div.frow${cls}`, { role: 'listitem' }, el('span'), name(row.text, 'bdi.m.dim.unread'));
    const said = row.guilty ? 'most likely guilty' : row.noticed ? 'noticed here' : null;
    return el(`div.frow${cls}`, { role: 'listitem' },
        el('span.sr', row.noticed ? '' : `${cut(laneName(row.from), 60)} to ${cut(laneName(row.to), 60)}`),
        el('span'), el('span.n', row.noticed ? 'now' : durationText(row.ago)),
        el('span.n.dim', row.stayed == null ? '' : durationText(row.stayed)), site(row.site), el('span.say', said));
}

/** The whole recorder; `width` is what the lanes may take. */
export function recorder(example, roles, width) {
    const lanes = new Lanes(example, width);
    const role = lane => (lane === example.found ? roles[1] : lane === example.expected ? roles[0] : null);
    const heads = lanes.lanes.map(lane => el('span.lname' + (lane === example.found ? '.is-found' : ''),
        { css: { width: `${lanes.step}px` }, title: cut(lane) }, el('b', cut(lane, 60)), el('span.role', role(lane)?.toLowerCase())));
    return el('div.flight', { css: { '--lanes': `${lanes.width}px` } },
        el('div.fhead', { 'aria-hidden': 'true' }, el('div.fl', heads), el('span.n', 'ago'), el('span.n', 'stayed'), el('span', 'call site'), el('span')),
        el('div.fbody', lanes.draw(), el('div', { role: 'list', 'aria-label': 'Switches, oldest first' }, lanes.rows.map(rowOf))));
}
