// SPDX-License-Identifier: Apache-2.0
// A small sender of OTLP/JSON, so that a test knows to the digit what the page has to show. Times are seconds.
import { randomBytes } from 'node:crypto';

export const id = bytes => randomBytes(bytes).toString('hex');
const nanoseconds = seconds => String(BigInt(Math.round(seconds * 1e6)) * 1000n);

function value(of) {
    if (Array.isArray(of)) return { arrayValue: { values: of.map(value) } };
    if (typeof of === 'boolean') return { boolValue: of };
    if (typeof of === 'bigint') return { intValue: String(of) };
    if (typeof of === 'number') return { doubleValue: of };
    return { stringValue: String(of) };
}

const attributes = map => Object.entries(map).filter(([, v]) => v !== undefined).map(([key, v]) => ({ key, value: value(v) }));

/**
 * One context as logctx exports it. `context`: { kind, name, type, start, duration, trace, span, parent, cpu, txns, dbTime,
 * dbWait, running, segments: [[offset, length, state]], thread, failed, total: { cpu ... }, attributes, events, errors, links }
 */
export function context(of) {
    const errors = (of.errors ?? []).map(error => ({
        timeUnixNano: nanoseconds(of.start + error.offset), name: 'logctx.transition_error',
        attributes: attributes({
            'logctx.error.kind': error.kind, 'logctx.error.message': error.message, 'logctx.error.expected': error.expected,
            'logctx.error.found': error.found, 'logctx.error.found_by': error.foundBy, 'logctx.error.set_by': error.setBy,
            'logctx.error.recent': error.recent, 'code.stacktrace': error.stack,
        }),
    }));
    return {
        traceId: of.trace ?? id(16), spanId: of.span ?? id(8), parentSpanId: of.parent ?? '', name: of.kind,
        kind: of.type === 'request' ? 2 : 1, startTimeUnixNano: nanoseconds(of.start), endTimeUnixNano: nanoseconds(of.start + of.duration),
        attributes: attributes({
            'logctx.name': of.name, 'logctx.type': of.type ?? 'request', 'logctx.cpu.time': of.cpu ?? 0,
            'logctx.db.transactions': BigInt(of.txns ?? 0), 'logctx.db.time': of.dbTime ?? 0, 'logctx.db.wait_time': of.dbWait ?? 0,
            'logctx.db.rows': BigInt(of.rows ?? 0), 'logctx.switches': BigInt(of.switches ?? 1), 'logctx.running.time': of.running ?? of.cpu ?? 0,
            'logctx.total.cpu.time': of.total?.cpu, 'thread.id': of.thread === undefined ? undefined : BigInt(of.thread),
            'logctx.errors': errors.length ? BigInt(errors.length) : undefined,
            'logctx.segments': of.segments?.map(([offset, length, state]) =>
                `${Math.round(offset * 1e6)}+${Math.round(length * 1e6)}:${state}`).join(' '),
            ...of.attributes,
        }),
        events: [...(of.events ?? []).map(event => ({
            timeUnixNano: nanoseconds(of.start + event.offset), name: event.name, attributes: attributes(event.attributes ?? {}),
        })), ...errors],
        links: (of.links ?? []).map(link => ({ traceId: link.trace, spanId: link.span, attributes: attributes(link.attributes ?? {}) })),
        status: of.failed ? { code: 2, message: of.failed } : {},
    };
}

export class Sender {
    constructor(dashboard, service = 'booking-api', instance = 'booking-api@node-b', scope = 'logctx') {
        this.dashboard = dashboard;
        this.scope = { name: scope, version: '0.1.0' };
        this.resource = { attributes: attributes({ 'service.name': service, 'service.instance.id': instance, 'host.name': 'node-b' }) };
        this.sent = 0;
    }

    async post(path, body) {
        const response = await fetch(this.dashboard.url + path, {
            method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
        });
        const answer = await response.json();
        if (!response.ok || Object.keys(answer.partialSuccess ?? {}).length)
            throw new Error(`${path} was answered ${response.status}: ${JSON.stringify(answer)}`);
    }

    async spans(spans) {
        await this.post('/v1/traces', { resourceSpans: [{ resource: this.resource, scopeSpans: [{ scope: this.scope, spans }] }] });
        this.sent += spans.length;
    }

    async contexts(list) {
        await this.spans(list.map(context));
    }

    /** Cumulative sums: [{ name, unit, points: [{ value, attributes }] }], begun at `start`. */
    async sums(metrics, start, time) {
        await this.post('/v1/metrics', { resourceMetrics: [{ resource: this.resource, scopeMetrics: [{
            scope: this.scope,
            metrics: metrics.map(metric => ({
                name: metric.name, unit: metric.unit, sum: {
                    aggregationTemporality: 2, isMonotonic: metric.monotonic ?? true,
                    dataPoints: metric.points.map(point => ({
                        startTimeUnixNano: nanoseconds(start), timeUnixNano: nanoseconds(time), asDouble: point.value,
                        attributes: attributes(point.attributes ?? {}),
                    })),
                },
            })),
        }] }] });
    }
}
