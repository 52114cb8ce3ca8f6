// SPDX-License-Identifier: Apache-2.0
// One rule in a line, and the panel of those that fire or are pending. Rules and limits are the server's; here they are
// only shown.

import { el } from './dom.js';
import { age, ago, plural, span } from './format.js';
import * as desktop from './notify.js';

export const STATES = { firing: 'Firing', pending: 'Pending', unknown: 'Unknown', quiet: 'Quiet' };
const VIEWS = { now: ['/now', 'Show now'], contexts: ['/contexts', 'Show contexts'], losses: ['/losses', 'Show losses'] };

// Since when, or how much of the time that it has to hold.
export function since(rule, time) {
    if (rule.since === null || rule.since === undefined || rule.state === 'quiet' || rule.state === 'unknown') return '';
    const held = Math.max(0, time - rule.since);
    return rule.state === 'pending' ? `${span(held)} of ${span(rule.for)}` : age(Math.round(held));
}

export function whereToLook(rule, ctx) {
    const place = VIEWS[rule.view];
    return place === undefined ? null : el('a.link', { href: ctx.href(place[0]) }, place[1]);
}

export function alertRow(rule, ctx) {
    return el('li.alert', { 'data-state': rule.state }, el('b.st', STATES[rule.state] ?? rule.state), el('span.since', since(rule, ctx.now())),
        el('b.title', { title: rule.title }, rule.title), el('bdi.text', { title: rule.sentence }, rule.sentence),
        whereToLook(rule, ctx), el('a.link', { href: ctx.href('/alerts', { rule: rule.id }) }, 'What to do'));
}

export function notifyButton() {
    if (!desktop.possible()) return null;
    const label = () => desktop.notify.wanted() ? 'Notices on this desktop are on' : 'Notify me on this desktop';
    const button = el('button.link.push', {
        type: 'button', 'aria-pressed': String(desktop.notify.wanted()),
        onclick: async () => {
            const on = await desktop.toggle();
            button.setAttribute('aria-pressed', String(on));
            button.textContent = !on && Notification.permission === 'denied' ? 'The browser does not allow notices' : label();
        },
    }, label());
    return button;
}

export function alertPanel(alerts, ctx) {
    const active = alerts.rules.filter(rule => rule.state === 'firing' || rule.state === 'pending');
    return [
        active.length > 0 ? el('ul', active.map(rule => alertRow(rule, ctx))) : null,
        el('div.alert.rest', alerts.evaluated === null ? el('span.text', 'The rules have not been evaluated yet.')
            : [active.length === 0 ? el('b', 'No alert') : null,
                el('span.text', `${plural(alerts.quiet, 'rule')} quiet, evaluated ${ago(Math.max(0, ctx.now() - alerts.evaluated))}`)],
        notifyButton()),
    ];
}
