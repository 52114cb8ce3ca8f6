// SPDX-License-Identifier: Apache-2.0
// The little of Markdown that the runbook is written in, as elements: headings, paragraphs, lists, code, emphasis, links
// as their words. Made of text nodes like everything else.

import { el } from './dom.js';

// GitHub's anchor of a heading.
function anchorOf(text) {
    return text.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-');
}

// The lines below the heading with that anchor, to the next of its level; null if there is no such heading.
export function section(text, anchor) {
    const lines = text.split('\n');
    let level = 0;
    let begin = -1;
    for (let i = 0; i < lines.length; i++) {
        const heading = /^(#+)\s+(.*)$/.exec(lines[i]);
        if (heading === null) continue;
        if (begin >= 0 && heading[1].length <= level) return lines.slice(begin, i);
        if (begin < 0 && anchorOf(heading[2].replaceAll('`', '')) === anchor) {
            begin = i + 1;
            level = heading[1].length;
        }
    }
    return begin < 0 ? null : lines.slice(begin);
}

function inline(text) {
    const parts = [];
    const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\([^)]*\)/g;
    let last = 0;
    for (const match of text.matchAll(pattern)) {
        parts.push(text.slice(last, match.index));
        parts.push(match[1] !== undefined ? el('code.m', match[1]) : match[2] !== undefined ? el('b', inline(match[2]))
            : match[3] !== undefined ? el('em', match[3]) : el('span', inline(match[4])));
        last = match.index + match[0].length;
    }
    parts.push(text.slice(last));
    return parts;
}

const ITEM = /^\s*(?:[-*]|\d+\.)\s+(.*)$/;
const ends = line => line.trim() === '' || /^```/.test(line) || /^#/.test(line) || ITEM.test(line);

export function blocks(lines) {
    const out = [];
    let i = 0;
    const paragraph = first => {
        const words = [first];
        while (++i < lines.length && !ends(lines[i])) words.push(lines[i].trim());
        return inline(words.join(' '));
    };
    while (i < lines.length) {
        const line = lines[i];
        if (line.trim() === '' || /^<[a!]/.test(line)) {
            i++;
        } else if (/^\s*```/.test(line)) {
            const code = [];
            while (++i < lines.length && !/^\s*```/.test(lines[i])) code.push(lines[i]);
            i++;
            out.push(el('pre.code', { tabindex: 0 }, el('code', code.join('\n'))));
        } else if (/^#/.test(line)) {
            out.push(el('h3', inline(line.replace(/^#+\s*/, ''))));
            i++;
        } else if (ITEM.test(line)) {
            const ordered = /^\s*\d/.test(line);
            const items = [];
            while (i < lines.length && ITEM.test(lines[i])) items.push(el('li', paragraph(ITEM.exec(lines[i])[1])));
            out.push(el(ordered ? 'ol' : 'ul', items));
        } else {
            out.push(el('p', paragraph(line.trim())));
        }
    }
    return out;
}
