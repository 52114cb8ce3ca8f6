/*
 * spans.h: reading recorded spans in tests. Results of the text functions stay valid until the fourth next call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_CORE_SPANS_H
#define LOGCTX_TESTS_CORE_SPANS_H

#include "support.h"

/* The newest record of that span name, or of that instance (context) name; fails if there is none. */
const logctx_record_t *record_of_kind(const char *span_name);
const logctx_record_t *record_of(const char *instance);
const logctx_span_t *span_of(const char *instance);

/* Attributes of a record; fail if the attribute is missing or of another type. */
const char *text_attr(const logctx_record_t *record, const char *key);
int64_t int_attr(const logctx_record_t *record, const char *key);
double real_attr(const logctx_record_t *record, const char *key);
bool has_attr(const logctx_record_t *record, const char *key);
size_t count_parts(const logctx_record_t *record, logctx_part_t part);
/* How many attributes have that key: more than one would be a mistake. */
size_t count_key(const logctx_record_t *record, const char *key);

/* The event number `index` of that name (NULL: any); false if there are not so many. */
bool find_event(const logctx_record_t *record, const char *name, size_t index, logctx_event_t *out);
size_t count_events(const logctx_record_t *record, const char *name);
/* Text attribute of an event; NULL if it has none, fails if it is there twice or not a string. */
const char *event_text(const logctx_event_t *event, const char *key);
bool event_attr(const logctx_event_t *event, const char *key, logctx_attr_t *out);

#endif
