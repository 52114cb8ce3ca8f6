// The same work with OpenTelemetry's SDK for JavaScript: spans with 8 attributes and an event through a batch processor.
//     node peer.mjs ENDPOINT SPANS
//
// SPDX-License-Identifier: Apache-2.0
import { SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [endpoint, count] = process.argv.slice(2);
const spans = Number(count);
const processor = new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }), {
  maxQueueSize: spans + 4000,
});
const provider = new BasicTracerProvider({ spanProcessors: [processor] });
const tracer = provider.getTracer("peer");

function makeSpan() {
  const span = tracer.startSpan("GET /rooms/{id}/messages", { kind: SpanKind.SERVER });
  span.setAttributes({
    "http.request.method": "GET",
    "http.route": "/rooms/{id}/messages",
    "url.scheme": "https",
    "user_agent.original": "bench/1.0 (a test)",
    "http.response.status_code": 200,
    "http.response.body.size": 123456,
    "app.score": 0.73,
    "app.ratio": 12.5,
  });
  span.addEvent("looked up", { reason: "cache miss" });
  span.end();
}

// A flush sends all its batches at once, and there may be 30: so it comes after each 10,000 spans. One thread does everything
// here, so that what the process uses while spans are made is the caller's, with its share of the collector's threads.
async function make(count) {
  let wall = 0n, own = 0;
  for (let made = 0; made < count; ) {
    const began = process.hrtime.bigint(), cpu = process.cpuUsage();
    for (const end = Math.min(made + 10000, count); made < end; made++) makeSpan();
    const used = process.cpuUsage(cpu);
    wall += process.hrtime.bigint() - began;
    own += (used.user + used.system) * 1000;
    await provider.forceFlush();
  }
  return { own, wall: Number(wall) };
}

await make(2000);
const cpu = process.cpuUsage();
const calling = await make(spans);
const total = process.cpuUsage(cpu);
console.log(JSON.stringify({
  name: "opentelemetry-js", ns: calling.own / spans, wall_ns: calling.wall / spans,
  cpu_s_per_million: (total.user + total.system) / spans, spans,
}));
await provider.shutdown();
