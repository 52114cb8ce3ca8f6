/*
 * metrics_self.h: what the exporter says about the process and about itself (OpenTelemetry's otel.sdk.*).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_METRICS_SELF_H
#define LOGCTX_EXPORTER_METRICS_SELF_H

#include "books.h"
#include "metrics.h"
#include "ring.h"

// process.cpu.time. `start` is when the process began.
void logctx__metrics_add_process(logctx__metrics_t *metrics, uint64_t start_unix_ns);

// otel.sdk.*: of spans if `queue` is not NULL. `since` is when the exporter began to count.
void logctx__metrics_add_self(logctx__metrics_t *metrics, const struct logctx__options *options,
                              struct logctx__books *books, struct logctx__queue *queue, uint64_t since);

#endif
