/*
 * ingest.h: from a decoded export request to rows of the store, inside a transaction that the caller opened. What is
 * wrong with one span or point costs that one and no other. Owned by the thread that writes the store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_INGEST_H
#define DASHBOARD_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "attributes.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "store.h"

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest trace_request_t;
typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest metrics_request_t;

struct ingested {
    int64_t rejected;
    char first[160]; /* why the first of them was; "" if none was */
};

/* False if the store failed: the transaction has to be rolled back. */
bool ingest_traces(struct store *store, const trace_request_t *request, struct ingested *ingested);
bool ingest_metrics(struct store *store, const metrics_request_t *request, struct ingested *ingested);

/* For both: the resource's row, and a time of the wire, which is unsigned, as the store's. */
int64_t ingest_resource(struct store *store, const Opentelemetry__Proto__Resource__V1__Resource *resource);
int64_t ingest_time(uint64_t unix_nano);
void ingest_reject(struct ingested *ingested, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
