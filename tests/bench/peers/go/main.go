// The same work with OpenTelemetry's SDK for Go: spans with 8 attributes and an event through a batch processor.
//
//	peer ENDPOINT SPANS
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func cpuNs() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func makeSpan(ctx context.Context, tracer trace.Tracer) {
	_, span := tracer.Start(ctx, "GET /rooms/{id}/messages", trace.WithSpanKind(trace.SpanKindServer))
	span.SetAttributes(
		attribute.String("http.request.method", "GET"),
		attribute.String("http.route", "/rooms/{id}/messages"),
		attribute.String("url.scheme", "https"),
		attribute.String("user_agent.original", "bench/1.0 (a test)"),
		attribute.Int("http.response.status_code", 200),
		attribute.Int("http.response.body.size", 123456),
		attribute.Float64("app.score", 0.73),
		attribute.Float64("app.ratio", 12.5))
	span.AddEvent("looked up", trace.WithAttributes(attribute.String("reason", "cache miss")))
	span.End()
}

func main() {
	ctx := context.Background()
	spans, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(os.Args[1]+"/v1/traces"), otlptracehttp.WithInsecure())
	if err != nil {
		panic(err)
	}
	// Blocking: nothing is lost, and the producer waits when the exporter is behind.
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter, sdk.WithBlocking(), sdk.WithMaxQueueSize(spans)))
	tracer := provider.Tracer("peer")
	for i := 0; i < 2000; i++ {
		makeSpan(ctx, tracer)
	}
	if err := provider.ForceFlush(ctx); err != nil {
		panic(err)
	}
	cpu, began := cpuNs(), time.Now()
	for i := 0; i < spans; i++ {
		makeSpan(ctx, tracer)
	}
	calling := time.Since(began)
	if err := provider.ForceFlush(ctx); err != nil {
		panic(err)
	}
	total := cpuNs() - cpu
	fmt.Printf("{\"name\": \"opentelemetry-go\", \"ns\": %.1f, \"cpu_s_per_million\": %.3f, \"spans\": %d}\n",
		float64(calling.Nanoseconds())/float64(spans), float64(total)/float64(spans)/1e3, spans)
	if err := provider.Shutdown(ctx); err != nil {
		panic(err)
	}
}
