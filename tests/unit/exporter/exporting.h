/*
 * exporting.h: what tests that run a whole exporter share: how it is started, its books, and what arrived at the server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_EXPORTING_H
#define LOGCTX_TESTS_EXPORTING_H

#include "server.h"
#include "support.h"

#include <logctx/otlp.h>

enum { LONG_MS = 60000 };

// Spans go to that server, retries come at once, metrics stay off.
logctx_otlp_opts_t traces_only(struct server *server);
logctx_otlp_t *start(const logctx_otlp_opts_t *opts);
logctx_otlp_books_t books_of(logctx_otlp_t *otlp);
uint64_t dropped(const logctx_otlp_books_t *books);
void assert_balanced(logctx_otlp_t *otlp);
// The number of spans in a request for traces.
uint64_t spans_in(const struct server_request *request);
// A script for the server: 200 to everything.
void answer_ok(void *user, int index, const struct server_request *request, struct server_reply *reply);

#endif
