// Version and status sentences.
//
// SPDX-License-Identifier: Apache-2.0
#include <logctx/base.h>

const char *logctx_version(void)
{
    return LOGCTX_VERSION;
}

const char *logctx_strerror(logctx_status_t status)
{
    switch (status) {
#define LOGCTX_X(name, value, sentence)                                                                                \
    case LOGCTX_##name:                                                                                                \
        return sentence;
        LOGCTX_STATUSES(LOGCTX_X)
#undef LOGCTX_X
    }
    return "a status that this version of logctx does not know";
}
