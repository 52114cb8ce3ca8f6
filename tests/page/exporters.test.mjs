// SPDX-License-Identifier: Apache-2.0
// A client that is not ours: the official JavaScript exporters of OpenTelemetry, protobuf and JSON, send traces and metrics
// to the real dashboard, which has to answer what they sent.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { OTLPMetricExporter as MetricsJson } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as MetricsProto } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as TracesJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TracesProto } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Dashboard, until } from './harness.mjs';

const NOW = Date.now();
const at = ms => NOW - 10000 + ms;
let dashboard;

before(async () => {
    dashboard = await Dashboard.start();
});
after(() => dashboard.stop());

// A request with a child, an event, a link, a failure, and every type of attribute.
function sendTraces(exporter, service, compression) {
    const provider = new BasicTracerProvider({
        resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': `${service}@here`, 'host.name': 'here' }),
        spanProcessors: [new BatchSpanProcessor(new exporter({ url: `${dashboard.url}/v1/traces`, compression }))],
    });
    const tracer = provider.getTracer('logctx', '0.1.0');
    const other = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1 };
    const parent = tracer.startSpan('GET /items/{id}', {
        kind: SpanKind.SERVER, startTime: at(0), links: [{ context: other, attributes: { why: 'retry of' } }],
        attributes: {
            'logctx.name': 'GET-1', 'logctx.type': 'request', 'logctx.cpu.time': 0.0125, 'logctx.db.transactions': 3, 'logctx.db.time': 0.25,
            'logctx.db.wait_time': 0.125, 'logctx.segments': '0+40000:run 100000+250000:txn', 'http.response.status_code': 503,
            'a.bool': true, 'a.list': ['x', 'y'], 'a.text': 'ünïcode “quoted” \u{1F642}',
        },
    });
    parent.addEvent('retry', { attempt: 2 }, at(50));
    const child = tracer.startSpan('check', { kind: SpanKind.INTERNAL, startTime: at(20), attributes: { 'logctx.name': 'check-1', 'logctx.type': 'nested' } },
        trace.setSpan(context.active(), parent));
    child.end(at(60));
    parent.setStatus({ code: SpanStatusCode.ERROR, message: 'the shop is closed' });
    parent.end(at(500));
    return provider.shutdown().then(() => parent.spanContext());
}

for (const [form, exporter, compression] of [['protobuf', TracesProto, 'none'], ['protobuf, gzip', TracesProto, 'gzip'],
    ['JSON', TracesJson, 'none'], ['JSON, gzip', TracesJson, 'gzip']]) {
    test(`traces of the JavaScript exporter as ${form}`, async () => {
        const service = `shop ${form}`;
        const sent = await sendTraces(exporter, service, compression);
        const answer = await until('the trace is there', () => dashboard.json(`/trace/${sent.traceId}`));
        const [parent, child] = answer.contexts;
        assert.equal(answer.total, 2);
        assert.equal(parent.span_id, sent.spanId);
        assert.equal(parent.name, 'GET-1');
        assert.equal(parent.kind, 'GET /items/{id}');
        assert.equal(parent.type, 'request');
        assert.equal(parent.service, service);
        assert.equal(parent.instance, `${service}@here`);
        assert.equal(parent.span_kind, 'server');
        assert.ok(Math.abs(parent.duration - 0.5) < 1e-6);
        assert.ok(Math.abs(answer.start - at(0) / 1e3) < 1e-3);
        assert.equal(parent.own.cpu, 0.0125);
        assert.equal(parent.own.db_transactions, 3);
        assert.equal(parent.own.db_time, 0.25);
        assert.equal(parent.own.db_wait, 0.125);
        assert.deepEqual(parent.segments, [{ offset: 0, length: 0.04, state: 'run' }, { offset: 0.1, length: 0.25, state: 'txn' }]);
        assert.equal(parent.status, 'error');
        assert.equal(parent.status_message, 'the shop is closed');
        const attribute = key => parent.attributes.find(a => a.key === key)?.value;
        assert.equal(attribute('http.response.status_code'), '503');
        assert.equal(attribute('a.text'), 'ünïcode “quoted” \u{1F642}');
        assert.equal(attribute('a.bool'), 'true');
        assert.match(attribute('a.list'), /x.*y/);
        assert.equal(parent.events[0].name, 'retry');
        assert.ok(Math.abs(parent.events[0].offset - 0.05) < 1e-6);
        assert.equal(parent.links[0].trace_id, 'ab'.repeat(16));
        assert.equal(parent.links[0].received, false);
        assert.equal(child.parent, 'received');
        assert.equal(child.parent_span_id, sent.spanId);
        assert.equal(child.depth, 1);
        assert.ok(Math.abs(child.offset - 0.02) < 1e-6);
        const { rows } = await dashboard.json('/contexts', { service, sort: 'duration' });
        assert.deepEqual(rows.map(row => [row.name, row.failed]), [['GET-1', true], ['check-1', false]]);
    });
}

for (const [form, exporter] of [['protobuf', MetricsProto], ['JSON', MetricsJson]]) {
    test(`metrics of the JavaScript exporter as ${form}`, async () => {
        const service = `meters ${form}`;
        const reader = new PeriodicExportingMetricReader({
            exporter: new exporter({ url: `${dashboard.url}/v1/metrics` }), exportIntervalMillis: 3600000,
        });
        const provider = new MeterProvider({
            resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': `${service}@here` }), readers: [reader],
        });
        const meter = provider.getMeter('logctx', '0.1.0');
        const errors = meter.createCounter('logctx.transition.errors', { unit: '{error}' });
        const flying = meter.createUpDownCounter('logctx.context.in_flight', { unit: '{context}' });
        errors.add(0, { 'logctx.error.kind': 'context_lost' });
        errors.add(0, { 'logctx.error.kind': 'leaked_to_loop' });
        flying.add(7, { 'logctx.kind': 'GET /items/{id}', 'logctx.type': 'request' });
        await provider.forceFlush();
        errors.add(5, { 'logctx.error.kind': 'leaked_to_loop' });
        flying.add(-3, { 'logctx.kind': 'GET /items/{id}', 'logctx.type': 'request' });
        await provider.shutdown();
        const losses = await until('the errors are counted', async () => {
            const answer = await dashboard.json('/losses', { service });
            return answer.unseen.length > 0 && answer;
        });
        assert.deepEqual(losses.unseen, [{ kind: 'leaked_to_loop', count: 5 }]);
        assert.ok(losses.silent.includes('context_lost'));
        const now = await dashboard.json('/now', { service });
        assert.equal(now.in_flight.source, 'metrics');
        assert.deepEqual(now.in_flight.kinds.map(({ kind, type, count }) => ({ kind, type, count })),
            [{ kind: 'GET /items/{id}', type: 'request', count: 4 }]);
    });
}

test('nothing of it was refused', async () => {
    const { store, services } = await dashboard.json('/losses');
    assert.equal(store.refused_spans, 0);
    assert.equal(store.refused_points, 0);
    assert.equal(store.contexts, 8);
    assert.equal(services.length, 6);
});
