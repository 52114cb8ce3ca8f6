// SPDX-License-Identifier: Apache-2.0
// Sends a dashboard so many contexts a second for so long, as protobuf, and compares the books: every span that was
// acknowledged is in the store, or counted as dropped for its limits; whoever is told 429 or 503 comes again, with the same.
// usage: node load.mjs [SECONDS [SPANS-A-SECOND]]     LOGCTX_DASHBOARD names the program
import { Dashboard, until } from './harness.mjs';

const [seconds, rate] = [Number(process.argv[2] ?? 60), Number(process.argv[3] ?? 20000)];
const BATCH = 500;
const LANES = 4; // requests under way at once

// ---- a batch once, as bytes; then only its ids and times change

const bytes = (...parts) => Buffer.concat(parts);
const varint = value => {
    const out = [];
    for (let rest = BigInt(value); ; rest >>= 7n) {
        if (rest < 128n) return Buffer.from([...out, Number(rest)]);
        out.push(Number(rest & 127n) | 128);
    }
};
const field = (number, wire) => varint(number << 3 | wire);
const message = (number, body) => bytes(field(number, 2), varint(body.length), body);
const text = (number, string) => message(number, Buffer.from(string));
const fixed64 = (number, value) => {
    const out = Buffer.alloc(8);
    out.writeBigUInt64LE(value);
    return bytes(field(number, 1), out);
};
const double = (number, value) => {
    const out = Buffer.alloc(8);
    out.writeDoubleLE(value);
    return bytes(field(number, 1), out);
};
const attribute = (number, key, value) => message(number, bytes(text(1, key), message(2, value)));

const TRACE = Buffer.from('5bd1e995a7c60f13d80ec4f21b39776a', 'hex'); // stand for what is put in their place
const SPAN = Buffer.from('9d2c5680efc60000', 'hex');
const TIME = 0x1122334455667788n;

function template() {
    const span = i => bytes(message(1, TRACE), message(2, SPAN), text(5, `GET /load/${i % 20}`), bytes(field(6, 0), varint(2)),
        fixed64(7, TIME), fixed64(8, TIME), attribute(9, 'logctx.name', text(1, `GET-${i}`)), attribute(9, 'logctx.type', text(1, 'request')),
        attribute(9, 'logctx.cpu.time', double(4, 0.0001)), attribute(9, 'logctx.db.transactions', bytes(field(3, 0), varint(1))),
        attribute(9, 'logctx.db.time', double(4, 0.001)), attribute(9, 'http.response.status_code', bytes(field(3, 0), varint(200))));
    const resource = message(1, bytes(attribute(1, 'service.name', text(1, 'load')), attribute(1, 'service.instance.id', text(1, 'load@here'))));
    const spans = Array.from({ length: BATCH }, (_, i) => message(2, span(i)));
    return message(1, bytes(resource, message(2, bytes(message(1, text(1, 'logctx')), ...spans))));
}

function placesOf(body, pattern) {
    const places = [];
    for (let at = body.indexOf(pattern); at >= 0; at = body.indexOf(pattern, at + 1)) places.push(at);
    return places;
}

const body = template();
const time = Buffer.alloc(8);
time.writeBigUInt64LE(TIME);
const [traces, spans, times] = [placesOf(body, TRACE), placesOf(body, SPAN), placesOf(body, time)];
if (traces.length !== BATCH || spans.length !== BATCH || times.length !== 2 * BATCH) throw new Error('The template is not as expected.');

let made = 0n;
function nextBatch() {
    const batch = Buffer.from(body);
    const now = BigInt(Date.now()) * 1000000n;
    for (let i = 0; i < BATCH; i++) {
        made += 1n;
        batch.writeBigUInt64BE(made, traces[i] + 8);
        batch.writeBigUInt64BE(made, spans[i]);
        batch.writeBigUInt64LE(now - 2000000n, times[2 * i]);
        batch.writeBigUInt64LE(now, times[2 * i + 1]);
    }
    return batch;
}

// ---- sending

const counts = { acknowledged: 0, retried: 0, late: 0 };

async function deliver(url, batch) {
    for (;;) {
        const answer = await fetch(`${url}/v1/traces`, { method: 'POST', headers: { 'Content-Type': 'application/x-protobuf' }, body: batch });
        const reply = Buffer.from(await answer.arrayBuffer());
        if (answer.status === 200) {
            if (reply.length > 0) throw new Error(`A batch was taken in part: ${reply.toString('hex')}`);
            counts.acknowledged += BATCH;
            return;
        }
        if (answer.status !== 429 && answer.status !== 503) throw new Error(`${answer.status}: ${reply}`);
        counts.retried++;
        await new Promise(resolve => setTimeout(resolve, 1000 * Number(answer.headers.get('retry-after') ?? 0.1)));
    }
}

const dashboard = await Dashboard.start();
const start = performance.now();
const batches = Math.ceil(seconds * rate / BATCH);
let next = 0;

// Batch k is due at a time of its own; who is late goes on at once.
async function lane() {
    while (next < batches) {
        const due = start + next++ * BATCH / rate * 1000;
        const wait = due - performance.now();
        if (wait > 1) await new Promise(resolve => setTimeout(resolve, wait));
        else if (wait < -1000) counts.late++;
        await deliver(dashboard.url, nextBatch());
    }
}

await Promise.all(Array.from({ length: LANES }, lane));
const took = (performance.now() - start) / 1000;
const store = await until('all of it is in the books', async () => {
    const { store: books } = await dashboard.json('/contexts', { limit: 1 });
    return books.contexts + books.dropped_contexts >= counts.acknowledged && books;
}).catch(async () => (await dashboard.json('/contexts', { limit: 1 })).store);
await dashboard.stop();

const kept = store.contexts + store.dropped_contexts;
console.log(`sent ${counts.acknowledged} spans in ${took.toFixed(1)} s, ${Math.round(counts.acknowledged / took)} a second; ` +
    `${counts.retried} requests were told to come again, ${counts.late} of ${batches} were more than a second late`);
console.log(`in the store ${store.contexts}, dropped for its limits ${store.dropped_contexts}, duplicates ${store.duplicates}, refused ${store.refused_spans}`);
const good = kept === counts.acknowledged && store.refused_spans === 0 && counts.acknowledged === batches * BATCH;
console.log(good ? 'the two agree' : 'they do NOT agree');
process.exitCode = good ? 0 : 1;
