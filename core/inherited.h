/*
 * inherited.h: what a child of fork() knows of a context that its parent made. Facts are made once, and never freed; any thread
 * may ask.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_INHERITED_H
#define LOGCTX_CORE_INHERITED_H

#include "types.h"

/* Known for ever, once it was asked for. */
struct inherited_facts {
    const logctx_t *ctx;
    struct inherited_facts *next;
    const char *name;
    struct shared_string *server, *tracestate;
    struct series *series; /* NULL: nothing is known */
    uint8_t trace_id[16], span_id[8], flags;
    bool finished;
    logctx_usage_t own;
    char short_name[LOGCTX_NAME_INLINE];
};
LOGCTX_INTERNAL const struct inherited_facts *logctx__inherited(const logctx_t *ctx);
LOGCTX_INTERNAL void logctx__before_fork(void);
LOGCTX_INTERNAL void logctx__inherited_in_child(void);

#endif
