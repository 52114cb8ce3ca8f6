// SPDX-License-Identifier: Apache-2.0
// All there is to know of one context of a trace, as three tables: attributes and links, usage, and how its life went.
import { cut, el, name, site, swatch } from './dom.js';
import { durationText, number, STATE } from './format.js';
import { flagOf } from './waterfall.js';

const STRETCHES = 200;

const table = (head, rows, cls = '') => el(`table.grid.plain${cls}`,
    el('thead', el('tr', head.map(([text, kind]) => el('th' + (kind ?? ''), { scope: 'col' }, text)))), el('tbody', rows));

function attributesOf(context, href) {
    const rows = context.attributes.map(attribute => el('tr', el('td.m.dim', name(attribute.key)),
        el('td.m.val', name(attribute.value), attribute.cut && el('span.dim', ' (cut)'))));
    const more = context.attributes_total - context.attributes.length;
    return [
        el('h3', 'Attributes of ', name(context.name ?? context.kind)),
        el('div.scroll', { tabindex: 0, role: 'group', 'aria-label': 'Attributes' },
            rows.length ? table([['key'], ['value']], rows, '.kv') : el('p.quiet', 'It has no attributes.'),
            more > 0 && el('p.quiet', `${number(more)} more are not shown.`),
            context.status_message && el('p.quiet', 'Status: ', name(context.status_message)),
            context.links.length > 0 && linksOf(context, href)),
    ];
}

function linksOf(context, href) {
    return [
        el('h3', 'Links'),
        el('ul.links', context.links.map(link => el('li',
            link.received ? el('a.link.m', { href: href(`/trace/${link.trace_id}`, { span: link.span_id }) }, link.trace_id.slice(0, 16))
                : [el('span.m', link.trace_id.slice(0, 16)), el('span.dim', ' not received')],
            link.attributes?.map(a => el('bdi.m.dim', cut(` ${a.key}=${a.value}`)))))),
    ];
}

const MEASURES = [
    ['CPU', 'cpu', durationText], ['CPU user', 'cpu_user', durationText], ['CPU system', 'cpu_system', durationText],
    ['Being current', 'running', durationText], ['Transactions', 'db_transactions', number], ['Time in transactions', 'db_time', durationText],
    ['Waiting for connection', 'db_wait', durationText], ['Rows fetched', 'db_rows', number],
];

function usageOf(row) {
    const { own, with_children: total } = row.context;
    const cell = (value, text) => el('td.n' + (value ? '' : '.zero'), value == null ? '–' : text(value));
    const rows = MEASURES
        .filter(([, key]) => own[key] != null || total[key] != null || key === 'cpu')
        .map(([words, key, text]) => el('tr', el('td', words),
            key === 'cpu' && own.cpu == null ? el('td.n.dim', { colspan: 2 }, 'not measured')
                : [cell(own[key], text), cell(total[key], text)]));
    const lost = row.lost.reduce((sum, l) => sum + l.to - l.from, 0);
    if (row.context.delay != null) rows.push(el('tr', el('td', 'Loop delay'), cell(row.context.delay, durationText), el('td')));
    if (lost > 0) rows.push(el('tr.bad', el('td', 'Lost, charged to nobody'), el('td.n', durationText(lost)), el('td')));
    return [
        el('h3', 'Usage'),
        el('div.scroll', { tabindex: 0, role: 'group', 'aria-label': 'Usage' },
            row.context.is_context === false ? el('p.quiet', 'A span of another library: it says nothing of what it used.')
                : table([['measure'], ['own', '.n'], ['with children', '.n']], rows)),
    ];
}

/** Stretches, events and errors in the order of their time. */
function lifeOf(row, href) {
    const { context } = row;
    const at = seconds => ((seconds - row.t0) * 1e3).toFixed(Math.abs(row.t1 - row.t0) < 0.01 ? 3 : 1);
    const parts = [...row.parts, ...row.lost.map(l => ({ ...l, state: 'lost' }))].map(p => [p.from, () =>
        el('tr', el('td.n', at(p.from)), el('td', el('span.state', swatch(p.state), STATE[p.state])), el('td'), el('td.n.dim', durationText(p.to - p.from)))]);
    const events = context.events.map(e => [e.offset, () =>
        el('tr', el('td.n', at(e.offset)), el('td', el('span.state', el('i.evt-mark', { 'aria-hidden': 'true' }), name(e.name))),
            el('td.m.dim', name((e.attributes ?? []).map(a => `${a.key}=${a.value}`).join(' '))), el('td'))]);
    const errors = context.errors.map(e => [e.offset, () =>
        el('tr.bad', el('td.n', at(e.offset)), el('td', flagOf(e, href, e.late ? ' (late)' : '')),
            el('td.m', e.found_by && site(e.found_by)), el('td'))]);
    const all = [...parts, ...events, ...errors].sort((a, b) => a[0] - b[0]);
    return [
        el('h3', 'Segments and events'),
        el('div.scroll', { tabindex: 0, role: 'group', 'aria-label': 'Segments and events' },
            context.segments_note && el('p.quiet', context.segments_note),
            all.length > 0 && table([['at ms', '.n'], ['state'], ['where'], ['for', '.n']], all.slice(0, STRETCHES).map(([, make]) => make())),
            all.length > STRETCHES && el('p.quiet', `${number(all.length - STRETCHES)} later ones are not shown.`),
            !all.length && !context.segments_note && el('p.quiet', 'Nothing is known of what happened in between.')),
    ];
}

export function drawerOf(row, href) {
    return [el('div.pane', attributesOf(row.context, href)), el('div.pane', usageOf(row)), el('div.pane', lifeOf(row, href))];
}
