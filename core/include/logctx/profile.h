/*
 * logctx/profile.h: what a profiler or debugger outside of the process can read, without asking it and without symbols of
 * ours: which context each thread runs, and who the process is. Linux only; elsewhere nothing is published.
 *
 * Thread context (OpenTelemetry OTEP 4947): the thread-local pointer `otel_thread_ctx_v1`, which the library exports, is
 * NULL in the sentinel, and else points to a record with the trace id, the span id, the W3C flags and one attribute, the
 * context's name (its first 31 bytes). The record lies in the context itself, so that a switch costs one store more. It is
 * there by itself. A program that links the static library has to export the symbol for readers to find it:
 * -Wl,--export-dynamic-symbol=otel_thread_ctx_v1 (the CMake package and pkg-config --static bring that).
 *
 * Process context (OTEP 4719): a small mapping of the name OTEL_CTX with the resource, and with the names of the thread
 * contexts' attributes. logctx_otlp_start() publishes it, unless LOGCTX_PROCESS_CONTEXT=off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_PROFILE_H
#define LOGCTX_PROFILE_H

#include <logctx/base.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Publish the process context, or replace what was published: for programs with an exporter of their own; the OTLP exporter
 * calls it. `resource`: an encoded message opentelemetry.proto.resource.v1.Resource of `length` bytes, at most 64 KiB;
 * borrowed during the call. A child of fork() has none until it is called there.
 *
 * Any thread; one at a time, others wait. The current context stays as it was. LOGCTX_E_INVALID: too long.
 * LOGCTX_E_STATE: another library in this process has published one, and there may be one only; said in a log line.
 * LOGCTX_E_NO_MEMORY, LOGCTX_E_IO: neither a memfd nor a named mapping can be had. What was published before is still there.
 */
LOGCTX_API logctx_status_t logctx_publish_process_context(const void *resource, size_t length);

#ifdef __cplusplus
}
#endif
#endif
