// The same work with OpenTelemetry's SDK for Rust: spans with 8 attributes and an event through a batch processor.
//
//     peer-rust ENDPOINT SPANS
//
// SPDX-License-Identifier: Apache-2.0
use std::time::Instant;

use opentelemetry::trace::{Span, SpanKind, Tracer, TracerProvider};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};

// Of the process, or of the calling thread.
fn cpu_ns(who: libc::c_int) -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    if unsafe { libc::getrusage(who, &mut usage) } != 0 {
        panic!("getrusage failed");
    }
    let ns = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

fn make_span(tracer: &SdkTracer) {
    let mut span = tracer.span_builder("GET /rooms/{id}/messages").with_kind(SpanKind::Server).start(tracer);
    span.set_attribute(KeyValue::new("http.request.method", "GET"));
    span.set_attribute(KeyValue::new("http.route", "/rooms/{id}/messages"));
    span.set_attribute(KeyValue::new("url.scheme", "https"));
    span.set_attribute(KeyValue::new("user_agent.original", "bench/1.0 (a test)"));
    span.set_attribute(KeyValue::new("http.response.status_code", 200));
    span.set_attribute(KeyValue::new("http.response.body.size", 123456));
    span.set_attribute(KeyValue::new("app.score", 0.73));
    span.set_attribute(KeyValue::new("app.ratio", 12.5));
    span.add_event("looked up", vec![KeyValue::new("reason", "cache miss")]);
    span.end();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let spans: usize = arguments[2].parse().expect("the number of spans");
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", arguments[1]))
        .build()
        .expect("an exporter");
    // Room for all of them: nothing is lost, and the producer does not wait.
    let config = BatchConfigBuilder::default().with_max_queue_size(spans + 2000).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let tracer = provider.tracer("peer");
    for _ in 0..2000 {
        make_span(&tracer);
    }
    provider.force_flush().expect("a flush");
    let (cpu, own, began) = (cpu_ns(libc::RUSAGE_SELF), cpu_ns(libc::RUSAGE_THREAD), Instant::now());
    for _ in 0..spans {
        make_span(&tracer);
    }
    let (calling, wall) = (cpu_ns(libc::RUSAGE_THREAD) - own, began.elapsed().as_nanos() as f64);
    provider.force_flush().expect("a flush");
    let total = cpu_ns(libc::RUSAGE_SELF) - cpu;
    println!(
        "{{\"name\": \"opentelemetry-rust\", \"ns\": {:.1}, \"wall_ns\": {:.1}, \"cpu_s_per_million\": {:.3}, \"spans\": {}}}",
        calling / spans as f64,
        wall / spans as f64,
        total / spans as f64 / 1e3,
        spans
    );
    provider.shutdown().expect("an end");
}
