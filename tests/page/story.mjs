// SPDX-License-Identifier: Apache-2.0
// What the tests send by themselves: one trace with everything in it that a lifetime can show, and crowds of contexts whose
// numbers are known. All made up; times in seconds.
import { id } from './sender.mjs';

const LOSS = {
    kind: 'context_lost', message: 'Expected logging context GET-48213 was lost', expected: 'GET-48213', found: 'sentinel',
    foundBy: 'src/http.c:341 (on_complete)', setBy: 'src/pool.c:88 (pool_on_ready)',
    recent: [
        'GET-48213 -> sentinel at src/pool.c:88 (pool_on_ready), 14.4 ms ago', 'sentinel -> GET-48213 at src/pool.c:84 (pool_on_ready), 14.6 ms ago',
        'PUT-48215 -> sentinel at src/http.c:341 (on_complete), 20.8 ms ago', 'sentinel -> PUT-48215 at src/db.c:198 (db_on_result), 21.9 ms ago',
        'GET-48216 -> sentinel at src/pool.c:61 (pool_acquire), 26.4 ms ago', 'sentinel -> GET-48216 at src/http.c:212 (on_headers_complete), 27.1 ms ago',
        'GET-48213 -> sentinel at src/pool.c:61 (pool_acquire), 106.8 ms ago', 'sentinel -> GET-48213 at src/http.c:212 (on_headers_complete), 246.8 ms ago',
    ],
};

/** One request with children on other threads, a linked background process, a loss; `start` is its beginning. */
export function lifetime(start) {
    const [trace, linked] = [id(16), id(16)];
    const ids = Array.from({ length: 9 }, () => id(8));
    const ms = 1e-3;
    const make = (i, up, more, from, to, segments) => ({
        trace, span: ids[i], parent: up === null ? '' : ids[up], start: start + from * ms, duration: (to - from) * ms,
        segments: segments.map(([state, a, b]) => [(a - from) * ms, (b - a) * ms, state]),
        cpu: segments.filter(s => s[0] === 'run').reduce((sum, s) => sum + (s[2] - s[1]) * ms, 0),
        dbTime: segments.filter(s => s[0] === 'txn').reduce((sum, s) => sum + (s[2] - s[1]) * ms, 0),
        dbWait: segments.filter(s => s[0] === 'pool').reduce((sum, s) => sum + (s[2] - s[1]) * ms, 0),
        txns: segments.filter(s => s[0] === 'txn').length, switches: segments.length, thread: 4712, ...more,
    });
    const contexts = [
        make(0, null, {
            name: 'GET-48213', kind: 'GET /rooms/{id}/messages', total: { cpu: 0.1116 }, rows: 214,
            attributes: { 'http.request.method': 'GET', 'http.route': '/rooms/{id}/messages', 'http.response.status_code': 200n, 'room.id': '8f2' },
            events: [{ offset: 0.0728, name: 'retry', attributes: { attempt: 2n } }], errors: [{ ...LOSS, offset: 0.2468 }],
        }, 0, 246.8, [['run', 0, 1.9], ['run', 38.6, 41.2], ['txn', 41.2, 71.9], ['run', 72.8, 80.2], ['run', 136.3, 139.8], ['pool', 139.8, 232.2], ['run', 232.2, 232.4]]),
        make(1, 0, { name: 'check-token-48213', kind: 'check-token', type: 'nested' }, 1.9, 38.6, [['run', 1.9, 2.8], ['txn', 2.8, 35.1], ['run', 36.4, 38.6]]),
        make(2, 0, { name: 'render-md-48213-1', kind: 'render-md', type: 'thread', thread: 4715 }, 80.2, 127.4, [['run', 80.9, 101.6], ['run', 105.2, 127.4]]),
        make(3, 0, { name: 'render-md-48213-2', kind: 'render-md', type: 'thread', thread: 4717 }, 80.2, 133.8, [['run', 84.6, 112], ['run', 114.1, 133.8]]),
        make(4, 0, { name: 'sign-48213', kind: 'POST thumbs.internal/sign', type: 'callback', failed: 'no answer' }, 79.1, 118.2, [['run', 79.1, 79.6], ['run', 117.5, 118.2]]),
        make(5, 0, { name: 'receipts-48213', kind: 'write read receipts', type: 'nested' }, 137.4, 139.1, [['run', 137.4, 139.1]]),
        make(6, null, { trace: linked, name: 'push-notify-912', kind: 'push-notify', type: 'background', links: [{ trace, span: ids[0] }] }, 138.2, 402.5,
            [['run', 140.1, 140.9], ['pool', 140.9, 236.7], ['txn', 247, 281.4], ['run', 281.4, 283], ['run', 401.2, 402.5]]),
        make(7, 6, { trace: linked, name: 'push-912-a', kind: 'POST push.internal/v2/send', type: 'callback' }, 282.1, 362, [['run', 282.1, 282.5], ['run', 361.4, 362]]),
    ];
    contexts[5].segments = undefined;
    return { trace, linked, contexts };
}

/** Requests of one kind, one each `gap` seconds, the last at `end`; every tenth waits, `lose` of them lose their context. */
export function crowd({ kind, prefix, count, end, gap = 0.05, lose = 0, first = 1, duration = i => 0.002 + (i % 50) * 0.001 }) {
    return Array.from({ length: count }, (_, i) => {
        const wall = duration(i);
        const name = `${prefix}-${first + i}`;
        const waits = i % 10 === 9;
        return {
            kind, name, start: end - (count - i) * gap - wall, duration: wall, cpu: wall * 0.25, running: wall * 0.25, txns: 1, dbTime: wall * 0.5,
            dbWait: waits ? wall * 0.125 : 0, thread: 4712 + i % 2, attributes: { 'http.response.status_code': 200n, 'room.id': `r${i % 7}` },
            segments: [[0, wall * 0.25, 'run'], [wall * 0.25, wall * 0.5, 'txn'], ...(waits ? [[wall * 0.75, wall * 0.125, 'pool']] : [])],
            errors: i < lose ? [{ ...LOSS, message: `Expected logging context ${name} was lost`, expected: name, offset: wall, recent: [
                `${name} -> sentinel at src/pool.c:88 (pool_on_ready), 1.0 ms ago`, `sentinel -> ${name} at src/pool.c:84 (pool_on_ready), 1.5 ms ago`] }] : [],
        };
    });
}

/** Names as a hostile peer would choose them; each has to be seen as the text that it is. */
export const HOSTILE = {
    markup: '<script>document.title = "owned"</script><img src=x onerror="document.title=\'owned\'">',
    turned: 'safe \u202Egnp.exe\u202C \u2066hidden',
    long: `long-${'0123456789'.repeat(1000)}`,
    quotes: '" onmouseover="x" \' ` ${1} {{1}} %s %n',
    broken: 'a\u0000b\u0007c\u001B[31md',
    space: '   ',
};
