// SPDX-License-Identifier: Apache-2.0
// What tests of the views do over and over: spans as OTLP/JSON, sent to a real dashboard, and answers taken apart. One
// thread.

#ifndef DASHBOARD_VIEW_CLIENT_H
#define DASHBOARD_VIEW_CLIENT_H

#include <stdio.h>

#include <jansson.h>

#include "client.h"

/* An OTLP/JSON request that is being written. */
struct sending {
    char *json;
    size_t size;
    FILE *out;
    int spans;
};

/* One span; texts that are NULL are left out. Times are microseconds after VIEWS_EPOCH; lists are JSON, without brackets. */
struct sent_span {
    const char *trace;
    const char *span;
    const char *parent;
    const char *name;
    int kind;
    long start, end;
    const char *attributes;
    const char *events;
    const char *links;
    int status;
};

/* 2025-11-25 09:00:00 UTC, in seconds. */
#define VIEWS_EPOCH 1764061200L

/* A time as OTLP/JSON has it, for events: static, until the eighth call after it. */
const char *views_nano(long microseconds);

/* Attributes, for the lists: "key":"text" and numbers; static likewise. */
const char *views_text(const char *key, const char *value);
const char *views_number(const char *key, double value);

/* Spans of one service, instance and instrumentation scope. */
void views_begin(struct sending *sending, const char *service, const char *instance, const char *scope);
void views_span(struct sending *sending, const struct sent_span *span);
void views_send(struct sending *sending, const struct dashboard *dashboard);

/* One cumulative counter with one attribute at a time (microseconds after the epoch), of a process that began an hour before the
 * epoch. */
void views_send_counter(const struct dashboard *dashboard, const char *service, const char *instance, const char *name,
                        const char *attributes, double value, long time);

/* The JSON that is answered at a path; asserts the status. To be given back. */
json_t *views_get(const struct dashboard *dashboard, const char *path, int status);

/* Members on a way of keys and indexes, "contexts.0.links.1.span_id"; each asserts that it is there and of that type. */
json_t *views_at(json_t *value, const char *way);
const char *views_string(json_t *value, const char *way);
double views_real(json_t *value, const char *way);
void views_expect_text(json_t *value, const char *way, const char *expected);
void views_expect_null(json_t *value, const char *way);
void views_expect_near(json_t *value, const char *way, double expected);
void views_expect_count(json_t *value, const char *way, size_t expected);

#endif
