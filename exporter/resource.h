/*
 * resource.h: who sends: service, process, host and this library, as the OpenTelemetry conventions name them.
 * Code goes before OTEL_SERVICE_NAME, that before OTEL_RESOURCE_ATTRIBUTES, that before what is found out here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_RESOURCE_H
#define LOGCTX_EXPORTER_RESOURCE_H

#include "arena.h"
#include "options.h"

struct Opentelemetry__Proto__Resource__V1__Resource;

// What code says about the resource.
struct logctx__resource_given {
    const char *service_name;
    const char *service_version;
    const logctx_attr_t *attrs;
    size_t attr_count;
};

// Built once by the thread that starts an exporter, read by the exporter's thread. A child of fork builds its own.
struct logctx__resource {
    struct logctx__arena arena;
    struct Opentelemetry__Proto__Resource__V1__Resource *message;
    uint8_t *bytes; // the message, packed
    size_t length;
};

logctx_status_t logctx__resource_build(struct logctx__resource *out, const struct logctx__resource_given *given,
                                       const struct logctx__environment *env);
/*
 * The same one for a child of fork, but for what tells processes apart: its id, its number, its start. An id that was given
 * is the parent's, and is replaced, too. Shares memory with `inherited`, which must stay.
 */
logctx_status_t logctx__resource_again(struct logctx__resource *out, const struct logctx__resource *inherited);
// Its service.name; "" if it has none. As long as the resource.
const char *logctx__resource_service(const struct logctx__resource *resource);
void logctx__resource_free(struct logctx__resource *resource);

// When this process began, for counters that count from there; the present if the system does not tell.
uint64_t logctx__process_start_unix_ns(void);

#endif
