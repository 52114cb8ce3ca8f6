// The table of error kinds as data.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/error.h>

enum { SEVERITY_WARN = 13, SEVERITY_ERROR = 17 };

static const logctx_error_info_t table[LOGCTX_ERROR_COUNT] = {
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help)                                                      \
    [LOGCTX_ERROR_##                                                                                                   \
        id] = {name, LOGCTX_ERROR_CLASS_##cls, LOGCTX_ERROR_ORIGIN_##origin, SEVERITY_##severity, sentence,            \
               help, "docs/guide.md#" name},
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
};

const logctx_error_info_t *logctx_error_info(logctx_error_kind_t kind)
{
    return &table[(unsigned)kind < LOGCTX_ERROR_COUNT ? kind : LOGCTX_ERROR_INVALID_USE];
}
