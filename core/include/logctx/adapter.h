/*
 * logctx/adapter.h: for who connects another library with contexts, as the adapters in core/adapters/ do: to report how
 * their functions are used, and to know who calls them. A program that only uses adapters needs nothing of this.
 *
 * Any thread; the current context stays as it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_ADAPTER_H
#define LOGCTX_ADAPTER_H

#include <logctx/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Report invalid_use: a function was called in a way that its header rules out. `text` is a sentence that says what was
 * wrong and what to do; `site` is the place of the call, or NULL if it is not known (within logctx_timers_t.start that is
 * the place that asks for the timer).
 * Owner: `text` is borrowed, `site` lives as long as the process.
 */
LOGCTX_API void logctx_report_misuse(const char *text, const logctx_site_t *site);

/*
 * The place for a return address, in a function that was called without its macro:
 *     logctx_site_of_caller(__builtin_return_address(0))
 * Owner: the library, as long as the process. Beyond 4096 addresses they all are "an unknown place".
 */
LOGCTX_API const logctx_site_t *logctx_site_of_caller(void *return_address);

#ifdef __cplusplus
}
#endif
#endif
