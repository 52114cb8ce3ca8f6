// SPDX-License-Identifier: Apache-2.0
// What narrows the list of contexts: a field, three choices with counts, and a chip with a cross for everything else. All
// of it stands in the address; this file turns the address into controls and back.

import { cut, el, icon, put } from './dom.js';
import { durationText, number } from './format.js';

const WALLS = [0.01, 0.1, 1, 10];
const CPUS = [0.001, 0.01, 0.1, 1];
const WAIT = 200; // ms after the last letter

const round = seconds => durationText(Number(seconds)).replace(/\.0+ /, ' ').replace(/(\.\d*?)0+ /, '$1 ');

// What each parameter says as a chip.
const CHIPS = {
    kind: v => v, not_kind: v => `not ${v}`, attribute: v => v, type: v => `type ${v}`, error_kind: v => v,
    min_duration: v => `≥ ${round(v)}`, max_duration: v => `< ${round(v)}`, min_cpu: v => `CPU ≥ ${round(v)}`, max_cpu: v => `CPU < ${round(v)}`,
    min_wait: v => `waited ≥ ${round(v)}`, failed: () => 'failed', slipped: () => 'any transition error',
};

export class Filters {
    // `read()` answers the URLSearchParams; `write(params, typing)` takes new ones
    constructor(read, write) {
        this.read = read;
        this.write = write;
        this.timer = 0;
        this.find = el('input', {
            id: 'q', type: 'search', placeholder: 'Name, trace id, key=value', autocomplete: 'off', spellcheck: 'false',
            'aria-label': 'Find contexts by a part of the name, the trace id, or an attribute as key=value', maxlength: 200,
            oninput: () => this.typed(), onkeydown: event => this.entered(event),
        });
        this.types = this.choice('Type', 'type');
        this.walls = this.choice('Wall time', 'min_duration');
        this.cpus = this.choice('CPU time', 'min_cpu');
        this.errors = this.choice('Transition errors and failures', 'error');
        this.chips = el('span.chips');
        this.element = el('div.filters', { role: 'search', 'aria-label': 'Contexts' },
            el('label.find', icon('find'), this.find, el('kbd', { 'aria-hidden': 'true' }, '/')),
            [this.types, this.walls, this.cpus, this.errors].map(select => el('span.pick', select, icon('down'))), this.chips);
        this.cpus.parentNode.classList.add('w2');
    }

    choice(label, key) {
        return el('select', { 'aria-label': label, onchange: event => this.chose(key, event.target.value) });
    }

    chose(key, value) {
        const params = this.read();
        if (key === 'error') {
            for (const each of ['slipped', 'failed', 'error_kind']) params.delete(each);
            const [name, what] = value.split('=');
            if (value !== '') params.set(name, what);
        } else {
            params.delete(key);
            if (value !== '') params.set(key, value);
            if (key === 'min_duration') params.delete('max_duration');
        }
        this.write(params, false);
    }

    typed() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.search(), WAIT);
    }

    search() {
        clearTimeout(this.timer);
        const params = this.read();
        const text = this.find.value.trim();
        if (text === (params.get('q') ?? '')) return;
        if (text === '') params.delete('q');
        else params.set('q', text);
        this.write(params, true);
    }

    entered(event) {
        if (event.key === 'Enter') this.search();
    }

    // From the address, and from what the last answer counted.
    draw(types, errorKinds) {
        const params = this.read();
        if (document.activeElement !== this.find) this.find.value = params.get('q') ?? '';
        this.options(this.types, 'Any type', params.getAll('type').length > 1 ? '' : params.get('type') ?? '', types.map(t => [t.type, `${t.type} (${number(t.count)})`]));
        this.options(this.walls, 'Any duration', params.has('max_duration') ? '' : params.get('min_duration') ?? '', WALLS.map(s => [String(s), `≥ ${round(s)}`]));
        this.options(this.cpus, 'Any CPU', params.get('min_cpu') ?? '', CPUS.map(s => [String(s), `CPU ≥ ${round(s)}`]));
        const chosen = params.has('slipped') ? 'slipped=1' : params.has('failed') ? 'failed=1' : params.has('error_kind') ? 'error_kind=' + params.get('error_kind') : '';
        this.options(this.errors, 'All contexts', chosen, [['slipped=1', 'any transition error'], ['failed=1', 'failed'],
            ...errorKinds.map(k => ['error_kind=' + k.kind, `${k.kind} (${number(k.count)})`])]);
        put(this.chips, [...params].filter(([key, value]) => key in CHIPS && !this.shown(key, value, params)).map(([key, value]) => this.chip(key, value)));
    }

    // True if one of the choices shows it already.
    shown(key, value, params) {
        const select = { type: this.types, min_duration: this.walls, min_cpu: this.cpus }[key];
        if (select !== undefined) return select.value === value;
        if (['slipped', 'failed', 'error_kind'].includes(key)) return this.errors.value === `${key}=${value}` && params.getAll(key).length === 1;
        return false;
    }

    options(select, all, value, list) {
        if (document.activeElement === select && select.matches(':open')) return;
        const known = value === '' || list.some(([v]) => v === value);
        put(select, el('option', { value: '' }, all), list.map(([v, label]) => el('option', { value: v }, cut(label, 60))),
            !known && select === this.errors ? el('option', { value }, cut(value.replace('error_kind=', ''), 60)) : null);
        select.value = known || select === this.errors ? value : '';
    }

    chip(key, value) {
        const text = cut(CHIPS[key](value), 120);
        return el('button.chip', {
            type: 'button', title: 'Remove this filter', 'aria-label': `Remove the filter ${text}`,
            onclick: () => {
                const rest = new URLSearchParams();
                for (const [k, v] of this.read()) if (k !== key || v !== value) rest.append(k, v);
                if (key === 'not_kind') rest.set('probes', '1');
                this.write(rest, false);
            },
        }, el('bdi', text), el('span.x', { 'aria-hidden': 'true' }, '×'));
    }
}

// The same address without a filter; what sorts stays.
export function cleared(params) {
    const rest = new URLSearchParams({ probes: '1' });
    for (const key of ['sort', 'order']) if (params.has(key)) rest.set(key, params.get(key));
    return rest;
}

const PROBE = /(^|[\s/_.-])(healthz?|livez|readyz|liveness|readiness|ping)([\s/_.-]|$)/i;

// Health probes drown what one looks for: they are hidden by a chip, in sight, until somebody takes it off.
export function hideProbes(params, kinds) {
    if (params.has('probes') || params.has('not_kind') || params.has('kind')) return null;
    const probes = kinds.map(k => k.kind).filter(kind => PROBE.test(kind)).slice(0, 5);
    if (probes.length === 0 || probes.length === kinds.length) return null;
    const all = new URLSearchParams(params);
    for (const kind of probes) all.append('not_kind', kind);
    return all;
}
