// SPDX-License-Identifier: Apache-2.0
// The view Alerts: every rule with its state, the ones that fire first; beside them the chosen one, what it means and
// what to do, from the runbook that came with the program.

import { el, name, put, set } from './dom.js';
import { NONE, ago, amount, durationText, number, percent, span, when } from './format.js';
import { STATES, notifyButton, since, whereToLook } from './alertrow.js';
import { blocks, section } from './markdown.js';

const ORDER = ['firing', 'pending', 'unknown', 'quiet'];

let runbook = null; // the text, once it has been asked for

async function runbookText() {
    if (runbook === null) {
        const response = await fetch('/assets/runbook.txt');
        runbook = response.ok ? await response.text() : '';
    }
    return runbook;
}

function measured(value, unit) {
    if (value === null || value === undefined) return NONE;
    if (unit === 'ratio') return `${percent(value)} %`;
    if (unit === 'seconds' || unit === 's') return durationText(value);
    return `${amount(value)}${unit && unit !== '1' ? ' ' + unit : ''}`;
}

class Alerts {
    constructor(root, ctx) {
        this.ctx = ctx;
        this.rules = [];
        this.count = el('span.dim');
        this.list = el('div.rules', { role: 'listbox', 'aria-label': 'Rules, those that fire first', onkeydown: event => this.keys(event) });
        this.note = el('p.note');
        this.detail = el('section.panel.detail.rule', { tabindex: -1, 'aria-label': 'The chosen rule' });
        this.foot = el('div.alert.rest', this.evaluated = el('span.text'), notifyButton());
        put(root, el('h1.sr', 'Alerts'), el('div.twopane',
            el('section.panel.rulelist', { 'aria-label': 'Rules' }, el('div.phead', el('h2', 'Alerts'), this.count),
                el('div.scroll', this.list, this.note), this.foot), this.detail));
        ctx.title('Alerts');
    }

    async update() {
        const data = await this.ctx.load('/alerts');
        if (data !== null && !data.missing) this.show(data);
    }

    live(what, data) {
        if (what === 'alerts') this.show(data);
        else if (what === 'now') this.tick();
    }

    show(data) {
        this.data = data;
        this.rules = [...data.rules].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
        const counts = ORDER.map(state => [state, data.rules.filter(rule => rule.state === state).length]).filter(([, n]) => n > 0);
        put(this.count, counts.map(([state, n]) => `${number(n)} ${state}`).join(', '));
        put(this.note, data.note ?? '');
        this.draw();
    }

    chosen() {
        const id = this.ctx.params.get('rule');
        return this.rules.find(rule => rule.id === id) ?? this.rules[0];
    }

    draw() {
        const chosen = this.chosen();
        const focused = this.list.contains(document.activeElement);
        put(this.list, this.rules.map(rule => el('div.ruleitem', {
            'data-state': rule.state,
            role: 'option', 'aria-selected': String(rule === chosen), tabindex: rule === chosen ? 0 : -1, onclick: () => this.choose(rule),
        }, el('b.title', rule.title), el('b.st', STATES[rule.state] ?? rule.state), el('bdi.text', rule.sentence),
        el('span.since', since(rule, this.ctx.now())))));
        if (focused) this.list.querySelector('[tabindex="0"]')?.focus();
        this.tick();
        if (chosen) this.about(chosen);
    }

    tick() {
        if (this.data) put(this.evaluated, this.data.evaluated === null ? 'not evaluated yet'
            : `evaluated ${ago(Math.max(0, this.ctx.now() - this.data.evaluated))}, every ${span(this.data.interval)}`);
    }

    choose(rule, focus = true) {
        this.ctx.change({ rule: rule.id });
        this.draw();
        if (focus) this.list.querySelector('[tabindex="0"]')?.focus();
    }

    about(rule) {
        const figure = (label, value) => el('div.figure', el('span.dim', label), el('b', value));
        const guide = el('section.runbook', { 'aria-label': 'Runbook' });
        put(this.detail, el('div.dhead', el('div.dt', el('h2', rule.title), el('b.st', { 'data-state': rule.state }, STATES[rule.state] ?? rule.state), whereToLook(rule, this.ctx)),
            el('p.sentence', name(rule.sentence, 'bdi.whole'))),
        el('div.figures', figure('Value', measured(rule.value, rule.unit)), figure('Limit', measured(rule.limit, rule.unit)),
            figure('Must hold', rule.for > 0 ? span(rule.for) : 'at once'),
            figure('Since', rule.since === null || rule.since === undefined ? NONE : when(rule.since, this.ctx.now())),
            figure('Severity', rule.severity), figure('In Prometheus', el('code.m', rule.alert))),
        el('div.about', el('p', rule.summary), rule.description && rule.description !== rule.summary ? el('p', rule.description) : null), guide);
        set(this.detail, { 'aria-label': rule.title });
        this.guide(rule, guide);
    }

    async guide(rule, box) {
        const [file, anchor] = rule.runbook.split('#');
        let lines = null;
        try {
            lines = section(await runbookText(), anchor ?? '');
        } catch { /* the server is away, and the frame says so */ }
        put(box, lines === null ? el('p', 'What to do: ', el('code.m', rule.runbook), ' in the sources.')
            : [blocks(lines), el('p.dim', 'From ', el('code.m', `${file}#${anchor}`))]);
    }

    keys(event) {
        const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, J: 1, K: -1 }[event.key];
        if (this.rules.length === 0 || event.defaultPrevented) return false;
        const index = this.rules.indexOf(this.chosen());
        if (event.key === 'Enter' && event.target.closest('[role=option]')) this.detail.focus();
        else if (step !== undefined) this.choose(this.rules[Math.max(0, Math.min(this.rules.length - 1, index + step))]);
        else return false;
        event.preventDefault();
        return true;
    }
}

export const mount = (root, ctx) => new Alerts(root, ctx);
