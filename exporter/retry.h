/*
 * retry.h: when to try again: exponential backoff with jitter, and what the endpoint asks for. Time and randomness
 * come from the caller, so that tests are exact.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_RETRY_H
#define LOGCTX_EXPORTER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct logctx__retry {
    int64_t initial_ms;
    int64_t max_ms;
    int64_t elapsed_ms; // a batch is given up when its next attempt would begin later than this after its first
    int64_t began_ms;
    int64_t backoff_ms; // before jitter; 0: nothing has failed yet
};

// A batch begins its life.
void logctx__retry_begin(struct logctx__retry *retry, int64_t now_ms);

/*
 * An attempt has failed. `retry_after_ms` is what the endpoint asked for (-1: nothing) and `random` any 32 bits.
 * Returns how long to wait from now, or -1 if the batch is to be given up.
 */
int64_t logctx__retry_wait(struct logctx__retry *retry, int64_t now_ms, int64_t retry_after_ms, uint32_t random);

/*
 * The value of a Retry-After header: seconds, or an HTTP date (RFC 9110, 10.2.3) against `now_unix`. In ms, at most a
 * day, 0 for a date in the past; -1 if it is neither. `value` may have white space around it.
 */
int64_t logctx__retry_after(const char *value, int64_t now_unix);

#endif
