// SPDX-License-Identifier: Apache-2.0
// Export requests that tests send, and what they do with a store over and over. One thread.

#ifndef DASHBOARD_SAMPLE_H
#define DASHBOARD_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "ingest.h"
#include "reply.h"
#include "store.h"

typedef Opentelemetry__Proto__Trace__V1__Span sample_span_t;

/* OTLP/JSON with `count` spans of kind "GET /x", with the ids first, first + 1 ...; from malloc. */
char *sample_traces(int first, int count);

/* A metrics request with one cumulative counter `name` of this value at this time (seconds); from malloc. */
char *sample_counter(const char *name, int value, int time_s);

/* The whole file; from malloc, NUL-terminated. */
char *sample_file(const char *path, size_t *length);

/* A request with that one span in it, packed; from malloc. Ids that are empty get good ones. */
uint8_t *sample_pack(sample_span_t *span, size_t *length);
key_value_t *sample_attribute(const char *key, const char *value);

/* Asserts that it opens. `path` NULL: in memory. */
struct store *sample_store(const char *path, const struct store_limits *limits);

/* One request in a transaction of its own; asserts that the store did not fail. */
struct outcome sample_receive(struct store *store, enum signal_kind signal, enum encoding encoding, const void *bytes,
                              size_t length);
struct outcome sample_receive_json(struct store *store, enum signal_kind signal, char *json); /* frees it */

int64_t sample_number(struct store *store, const char *sql);

#endif
