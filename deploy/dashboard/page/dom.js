// SPDX-License-Identifier: Apache-2.0
// How elements are made. What a service sends (names, attributes, paths) reaches the document as text nodes and
// attribute values only; there is no way to markup from here.

const SVG = 'http://www.w3.org/2000/svg';
const CELL_TEXT = 300; // a name may have 10 kB; a cell shows its beginning
const TITLE_TEXT = 2000;

function fill(node, parts) {
    for (const part of parts) {
        if (part === null || part === undefined || part === false || part === '') continue;
        if (Array.isArray(part)) fill(node, part);
        else if (part instanceof Node) node.append(part);
        else if (typeof part === 'object') properties(node, part);
        else node.append(String(part));
    }
    return node;
}

function properties(node, map) {
    for (const [key, value] of Object.entries(map)) {
        if (value === null || value === undefined || value === false) continue;
        if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
        else if (key === 'css') for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
        else node.setAttribute(key, value === true ? '' : value);
    }
}

// el('td.n.dim', { title: 'x', onclick: f, css: { '--x': '3px' } }, 'text', child, [more], null)
export function el(selector, ...parts) {
    const [tag, ...classes] = selector.split('.');
    const node = document.createElement(tag || 'span');
    if (classes.length > 0) node.className = classes.join(' ');
    return fill(node, parts);
}

export function svg(tag, ...parts) {
    return fill(document.createElementNS(SVG, tag), parts);
}

export function icon(id, size = 'ico') {
    return svg('svg', { class: size, 'aria-hidden': 'true' }, svg('use', { href: '#i-' + id }));
}

export function put(node, ...parts) {
    node.replaceChildren();
    return fill(node, parts);
}

export function set(node, map) {
    for (const [key, value] of Object.entries(map)) {
        if (value === null || value === undefined || value === false) node.removeAttribute(key);
        else if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value === true ? '' : value);
    }
    return node;
}

// Touches the document only if the text is another one: live figures come each second.
export function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
    return node;
}

export function cut(text, most = CELL_TEXT) {
    return text.length > most ? text.slice(0, most) + '…' : text;
}

// A text from outside in a cell: isolated, so that right-to-left marks in it turn nothing around it.
export function name(text, selector = 'bdi') {
    if (text === null || text === undefined) return el('span.dim', '–');
    const shown = text === '' ? '(empty)' : text;
    return el(selector, { title: text.length > 24 ? cut(text, TITLE_TEXT) : null }, cut(shown));
}

// { place, function, path }, or null
export function site(value) {
    if (!value) return el('span.dim', '–');
    const whole = [value.path || value.place, value.function].filter(Boolean).join(' ');
    return el('span.site', { title: cut(whole, TITLE_TEXT) }, el('bdi.m', cut(value.place || '')),
        value.function ? el('bdi.m.dim', ' ' + cut(value.function)) : null);
}

// What a state looks like beside its word; `error` is a diamond.
export function swatch(state) {
    return state === 'error' ? el('i.mark-error', icon('error', 'ico8')) : el('i.sw.s-' + state, { 'aria-hidden': 'true' });
}

export function errors(count, text) {
    return count > 0 ? el('span.errors', icon('error', 'ico8'), text) : el('span.dim', text);
}

// Several fast events, one drawing.
export function nextFrame(draw) {
    let wanted = false;
    return () => {
        if (wanted) return;
        wanted = true;
        requestAnimationFrame(() => {
            wanted = false;
            draw();
        });
    };
}

const tip = () => document.getElementById('tip');

export function showTip(x, y, ...parts) {
    const box = put(tip(), ...parts);
    box.hidden = false;
    const left = x + 14 + box.offsetWidth > innerWidth ? x - box.offsetWidth - 12 : x + 14;
    box.style.left = Math.max(8, left) + 'px';
    box.style.top = Math.max(8, Math.min(innerHeight - box.offsetHeight - 8, y + 16)) + 'px';
}

export function hideTip() {
    tip().hidden = true;
}

// For those who do not see the page: read once, politely.
export function say(text) {
    setText(document.getElementById('say'), text);
}

// Copies, and shows that it did. Where the clipboard is closed (a page that is not on this machine), selects nothing
// and says so.
export async function copy(text, button) {
    let done = true;
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        done = false;
    }
    button.classList.toggle('done', done);
    say(done ? 'Copied.' : 'The browser does not let this page copy.');
    setTimeout(() => button.classList.remove('done'), 1200);
}
