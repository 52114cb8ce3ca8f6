// The thread context: the pointer that tells readers outside of the process which context a thread runs (OTEP 4947).
//
// The symbol is global-dynamic, as the specification has it, and by TLS descriptors where the compiler can (CMakeLists.txt);
// a switch reaches it through the address that each thread keeps, so it calls nothing. Only the thread itself writes it,
// and readers look while the thread is stopped: no fence but the compiler's.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"
#include "utf8.h"

LOGCTX_API extern _Thread_local void *otel_thread_ctx_v1;
_Thread_local void *otel_thread_ctx_v1;

void **logctx__profile_slot(void)
{
    return &otel_thread_ctx_v1;
}

// Called when the name is set, before anyone can make the context current.
void logctx__profile_fill(logctx_t *ctx)
{
    struct profile *profile = &ctx->profile;
    size_t length = strlen(ctx->name);
    if (ctx->name != profile->name) {
        length = logctx__utf8_copy(profile->name, sizeof profile->name - 1, ctx->name, length, LOGCTX__UTF8_NO_LIMIT);
        profile->name[length] = '\0';
    }
    profile->name_key = 0;
    profile->name_length = (uint8_t)length;
    profile->data_size = (uint16_t)(2 + length);
    // For readers of the table last of all: what they find with it is whole.
    __atomic_store_n(&profile->valid, 1, __ATOMIC_RELEASE);
}
