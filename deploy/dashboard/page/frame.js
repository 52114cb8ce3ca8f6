// SPDX-License-Identifier: Apache-2.0
// The header and the footer: which service, which views, how far back, is it live, what does the store hold. app.js
// hands in the state; nothing is decided here.

import { cut, el, icon, name, put, set, setText } from './dom.js';
import { NONE, age, ago, amount, clock, megabytes, number, plural, span } from './format.js';

const WINDOWS = [[300, '5 m', 'last 5 minutes'], [900, '15 m', 'last 15 minutes'], [3600, '1 h', 'last hour'],
    [21600, '6 h', 'last 6 hours'], [86400, '24 h', 'last 24 hours']];
const SILENT = 60; // seconds without anything from a service that still counts as one

export const VIEWS = [['now', 'Now', '/now'], ['contexts', 'Contexts', '/contexts'], ['trace', 'Lifetime', '/trace'],
    ['losses', 'Losses', '/losses'], ['alerts', 'Alerts', '/alerts']];

const $ = id => document.getElementById(id);

export function build({ onWindow, onPresent, onPause, onTheme }) {
    put($('windows'), WINDOWS.map(([seconds, label, title]) => el('button', {
        type: 'button', 'data-window': seconds, title, onclick: () => onWindow(seconds),
    }, label)));
    put($('views'), VIEWS.map(([id, label]) => el('a', { id: 'view-' + id },
        el('span.label', { 'data-text': label }, label), el('span.badge', { id: 'badge-' + id, hidden: true }))));
    $('past').addEventListener('click', onPresent);
    $('pause').addEventListener('click', onPause);
    $('theme').addEventListener('click', onTheme);
}

// `lifetime` is the path of the trace that was opened last.
export function drawRoute(view, href, lifetime) {
    for (const [id, , path] of VIEWS) set($('view-' + id), {
        href: href(id === 'trace' ? lifetime : path), 'aria-current': id === view ? 'page' : null,
    });
}

export function drawWindow(seconds) {
    for (const button of $('windows').children) set(button, { 'aria-pressed': String(Number(button.dataset.window) === seconds) });
}

export function drawPause(paused) {
    set($('pause'), { 'aria-pressed': String(paused), 'aria-label': paused ? 'Resume the page' : 'Pause the page' });
    put($('pause'), icon(paused ? 'play' : 'pause'), el('span', paused ? 'Resume' : 'Pause'));
}

// mode: live, connecting, paused, past, away; `until` is the end of a stretch of the past, or NaN
export function drawLive(mode, { rate, held, until, silentFor }) {
    const texts = {
        live: () => rate === null ? 'live' : `${rate >= 10 ? number(rate) : amount(rate)} /s`,
        connecting: () => 'connecting',
        paused: () => held > 0 ? `paused, ${number(held)} held back` : 'paused',
        past: () => '',
        away: () => `disconnected ${span(silentFor)}`,
    };
    const past = Number.isFinite(until);
    $('past').hidden = !past;
    $('live').hidden = mode === 'past';
    if (past) put($('past'), `until ${clock(until)}`, el('span.x', { 'aria-hidden': 'true' }, '×'));
    set($('live'), { class: 'live ' + mode });
    setText($('live').lastElementChild, texts[mode]());
}

export function drawBadges(losses, firing, pending) {
    const lost = $('badge-losses');
    lost.hidden = !(losses > 0);
    put(lost, icon('error', 'ico8'), number(losses));
    const alerts = $('badge-alerts');
    alerts.hidden = firing + pending === 0;
    alerts.classList.toggle('pending', firing === 0);
    put(alerts, firing > 0 ? `${firing} firing` : `${pending} pending`);
}

function silence(last, time) {
    return last !== null && time - last > SILENT ? time - last : 0;
}

function menuRow(href, current, extra, label, middle, right) {
    return el('a.menu-row' + extra, { href, 'aria-current': current ? 'true' : null, onclick: () => $('services').hidePopover() },
        label, middle, right);
}

function heard(last, time) {
    const silent = silence(last, time);
    return silent > 0 ? el('span.unheard', `silent for ${span(silent)}`) : el('span.dim', `heard ${ago(Math.max(0, time - last))}`);
}

// The picker's button and list; `href(service, instance)` leads to the same view of another one.
export function drawServices(head, href) {
    const chosen = head.services.find(s => s.service === head.service);
    const silent = chosen ? silence(chosen.last, head.time) : 0;
    const detail = head.instance !== null ? cut(head.instance, 60) : chosen ? plural(chosen.instances.length, 'instance') : '';
    put($('service'), el('span.sr', 'Service: '), el('b', cut(head.service ?? 'no service yet', 60)),
        silent > 0 ? el('span.unheard', `silent for ${span(silent)}`) : el('span.dim', detail), icon('down'));
    const menu = $('services');
    if (menu.matches(':popover-open') && menu.contains(document.activeElement)) return; // not under the finger
    put(menu, head.services.map(s => [
        menuRow(href(s.service, null), s.service === head.service && head.instance === null, '', name(s.service, 'b'),
            el('span.dim', `${number(s.contexts)} contexts`), heard(s.last, head.time)),
        s.instances.length < 2 && s.service !== head.service ? null : s.instances.map(i => menuRow(href(s.service, i.instance),
            s.service === head.service && i.instance === head.instance, '.instance', name(i.instance),
            el('span.dim', [i.version && cut(i.version, 20), i.local ? 'on this machine' : cut(i.host ?? '', 40)].filter(Boolean).join(', ')),
            heard(i.last, head.time))),
    ]), head.services.length === 0 ? el('p.menu-row.dim', 'Nothing has been received yet.') : null);
}

// Tenths, so that one sees it count.
const recently = seconds => seconds < 60 ? `${number(seconds, 1)} s` : age(seconds);

function part(title, selector, ...text) {
    return el('span' + selector, { title }, text);
}

// `time` is the server's now.
export function drawFoot(head, time) {
    const store = head.store;
    const dropped = store.dropped_contexts + store.dropped_points;
    const refused = store.refused_spans + store.refused_points;
    const held = store.oldest !== null && store.newest !== null ? span(store.newest - store.oldest) : NONE;
    put($('foot'), el('span', head.address), el('span.w1', 'OTLP/HTTP protobuf, JSON'), el('span.w2', 'read only'), el('span', 'times in UTC'),
        el('span.push', 'last data ', el('b', store.newest === null ? NONE : recently(Math.max(0, time - store.newest))),
            store.newest === null ? '' : ' ago'),
        part('The page shows what the store still holds.', '', el('b', number(store.contexts)), ' contexts kept, ', el('b', held)),
        part('The oldest are dropped first, to stay within the limits of size and age that logctx-dashboard was started with.',
            dropped > 0 ? '.strong' : '', el('b', number(dropped)), ' older dropped'),
        refused > 0 ? part('Spans and points that the server could not take; its messages say why.', '.strong', el('b', number(refused)),
            ' refused') : null,
        el('span', store.limit === null ? `${megabytes(store.bytes)} MB` : `${megabytes(store.bytes)} of ${megabytes(store.limit)} MB`));
}
