// SPDX-License-Identifier: Apache-2.0
// A notice on the desktop when a rule begins to fire. Off until somebody asks for it; kept in this browser alone.

const KEY = 'logctx.notify';
let known = null; // rules that fired when we last looked

export const possible = () => 'Notification' in window && window.isSecureContext;

function stored() {
    try {
        return localStorage.getItem(KEY) === '1';
    } catch {
        return false;
    }
}

export function notify(rules) {
    const firing = rules.filter(rule => rule.state === 'firing');
    const fresh = known === null ? [] : firing.filter(rule => !known.has(rule.id));
    known = new Set(firing.map(rule => rule.id));
    if (!notify.wanted()) return;
    for (const rule of fresh) new Notification(`logctx: ${rule.title}`, { body: rule.sentence.slice(0, 300), tag: rule.id });
}

notify.wanted = () => possible() && Notification.permission === 'granted' && stored();

// Answers whether it is on now.
export async function toggle() {
    const on = !notify.wanted() && await Notification.requestPermission() === 'granted';
    try {
        localStorage.setItem(KEY, on ? '1' : '0');
    } catch { /* then it cannot be kept */ }
    return notify.wanted();
}
