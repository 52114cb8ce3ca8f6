// SPDX-License-Identifier: Apache-2.0
// The keyboard: what each key does on every page, and the list that says so. A view may take a key first. Keys belong
// to whoever writes while a field has the focus.

import { el, put } from './dom.js';

const LIST = [
    ['1 2 3 4 5', 'now, contexts, lifetime, losses, alerts'], ['Space', 'pause and resume the page'], ['/', 'find a context'],
    ['J K or ↑ ↓', 'next and previous row'], ['Enter', 'open the row'], ['← →', 'move the crosshair of the charts'],
    ['+ −', 'zoom the timeline'], ['T', 'theme'], ['Esc', 'close, leave a field'], ['?', 'this list'],
];

// A key that an element does something with by itself.
function usedBy(target, key) {
    if (target.matches('input, select, textarea, [contenteditable]')) return true;
    return (key === ' ' || key === 'Enter') && target.closest('button, a, summary, [role=option], [role=slider]') !== null;
}

// `actions`: key -> function; `view(event)` answers true if the view has taken it.
export function listen(actions, view) {
    put(document.getElementById('keys'), el('h2', 'Keys'),
        el('dl', LIST.map(([keys, does]) => [el('dt', el('kbd', keys)), el('dd', does)])));
    addEventListener('keydown', event => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
        if (usedBy(event.target, event.key)) {
            if (event.key === 'Escape') event.target.blur();
            return;
        }
        if (view(event)) {
            event.preventDefault();
            return;
        }
        const action = actions[event.key] || actions[event.key.toLowerCase()];
        if (action) {
            event.preventDefault();
            action();
        }
    });
}
