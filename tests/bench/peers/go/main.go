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
	"runtime"
	"strconv"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Of the process, or of the calling thread, which main is locked to.
func cpuNs(who int) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
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
	runtime.LockOSThread()
	ctx := context.Background()
	spans, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(os.Args[1]+"/v1/traces"), otlptracehttp.WithInsecure())
	if err != nil {
		panic(err)
	}
	// Blocking, with room for all of them: nothing is lost, and the producer does not wait.
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter, sdk.WithBlocking(), sdk.WithMaxQueueSize(spans)))
	tracer := provider.Tracer("peer")
	for i := 0; i < 2000; i++ {
		makeSpan(ctx, tracer)
	}
	if err := provider.ForceFlush(ctx); err != nil {
		panic(err)
	}
	cpu, own, began := cpuNs(syscall.RUSAGE_SELF), cpuNs(syscall.RUSAGE_THREAD), time.Now()
	for i := 0; i < spans; i++ {
		makeSpan(ctx, tracer)
	}
	calling, wall := cpuNs(syscall.RUSAGE_THREAD)-own, time.Since(began)
	if err := provider.ForceFlush(ctx); err != nil {
		panic(err)
	}
	total := cpuNs(syscall.RUSAGE_SELF) - cpu
	fmt.Printf("{\"name\": \"opentelemetry-go\", \"ns\": %.1f, \"wall_ns\": %.1f, \"cpu_s_per_million\": %.3f, \"spans\": %d}\n",
		float64(calling)/float64(spans), float64(wall.Nanoseconds())/float64(spans),
		float64(total)/float64(spans)/1e3, spans)
	if err := provider.Shutdown(ctx); err != nil {
		panic(err)
	}
}
