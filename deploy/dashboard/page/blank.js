// SPDX-License-Identifier: Apache-2.0
// What stands where data would: nothing has come, nothing matches, the server says no. Each is a sentence that says
// what to do; an empty panel could be taken for health.

import { copy, cut, el, icon } from './dom.js';

function blank(title, ...parts) {
    return el('section.panel.blank', { 'aria-label': title }, el('h2', title), parts);
}

// A line to paste into a shell.
export function paste(text) {
    return el('div.paste', el('code.m', text), el('button.btn.icon.small', {
        type: 'button', 'aria-label': 'Copy this line', title: 'Copy', onclick: event => copy(text, event.currentTarget),
    }, icon('copy')));
}

// `address` is where the server takes exports.
export function emptyStore(address) {
    return blank('Nothing has been received yet',
        el('p', 'This dashboard shows what a service sends it. Start the service with this setting; its contexts appear here ' +
            'with its first export, a few seconds later.'),
        paste(`OTEL_EXPORTER_OTLP_ENDPOINT=http://${address}`),
        el('p.dim', `Waiting on ${address} for OTLP over HTTP, protobuf or JSON.`));
}

export function refused(sentence, status) {
    if (status === 401) return blank('This dashboard asks for its token',
        el('p', 'Open it once as /?token=TOKEN with the token from the file that it was started with; ' +
            'this browser then keeps it until it is closed.'));
    return blank('The server cannot show this', el('p', cut(sentence)));
}

export function away() {
    return blank('There is no answer from logctx-dashboard',
        el('p', 'It may have been stopped, or the connection to it was. This page asks again by itself.'));
}

export function broken(why) {
    return blank('This view cannot be drawn', el('p', 'Reload the page; if it stays like this, the sentence below is for a report.'),
        el('p.m.dim', cut(String(why))));
}
