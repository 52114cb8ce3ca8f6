/*
 * tracestate.h: internal. Cutting a W3C tracestate to a size, by whole members. Pure, any thread, no
 * allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_TRACESTATE_H
#define LOGCTX_CORE_TRACESTATE_H

#include <stddef.h>

/*
 * Copy `state`, as logctx_tracestate_read() wrote it (NULL: ""), to out[0..size) with a zero. If it is too
 * long whole members go: first those of more than 128 characters, then any, each time the right-most. Returns
 * the length written.
 */
size_t logctx__tracestate_cut(char *out, size_t size, const char *state);

#endif
