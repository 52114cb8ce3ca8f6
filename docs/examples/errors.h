// SPDX-License-Identifier: Apache-2.0
// What errors.c and errors_async.c share: whether a mistake makes its error and no other, and its mend none. One thread.
#ifndef ERRORS_H
#define ERRORS_H

#include <logctx/logctx.h>
#include <stdio.h>

struct mistake {
    void (*provoke)(void);
    void (*mended)(void); // or NULL
    logctx_error_kind_t first, last;
};

// The kinds of a mistake that makes one error.
#define ONE(kind) LOGCTX_ERROR_##kind, LOGCTX_ERROR_##kind

#define new_request() logctx_new(logctx_kind("GET /rooms/{id}"), NULL)

static inline uint64_t all_errors(void)
{
    uint64_t sum = 0;
    for (logctx_error_kind_t kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        sum += logctx_error_count(kind);
    return sum;
}

// Whether `provoke` makes one error of each kind from `first` to `last`, and nothing else; and `mended` none at all.
static inline bool is_as_said(const struct mistake *mistake)
{
    uint64_t before = all_errors(), wanted = 0;
    mistake->provoke();
    for (logctx_error_kind_t kind = mistake->first; kind <= mistake->last; kind++)
        wanted += logctx_error_count(kind) == 1;
    bool right = wanted == (uint64_t)(mistake->last - mistake->first + 1) && all_errors() == before + wanted;
    if (mistake->mended)
        mistake->mended();
    right = right && all_errors() == before + wanted && logctx_current() == logctx_sentinel();
    if (!right)
        fprintf(stderr, "not as expected: %s\n", logctx_error_info(mistake->first)->name);
    return right;
}

#endif
