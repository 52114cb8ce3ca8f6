// SPDX-License-Identifier: Apache-2.0
// Calling somebody else's code from a context: with a preserve block, and without one. One thread.
#include <logctx/logctx.h>

typedef void callback_t(void);

// What many libraries do: run the waiter's continuation from inside the call that completes its work. This one
// leaves the sentinel behind, as a callback that is called by the loop would.
static void somebody_elses(void)
{
    logctx_set_current(logctx_sentinel());
}

static void release_lock(callback_t *waiter)
{
    LOGCTX_PRESERVE(logctx_sentinel());
    waiter(); // whatever it leaves current, our context is back at the end of this block
}

static void release_lock_carelessly(callback_t *waiter)
{
    waiter();
}

static void handle(void (*release)(callback_t *waiter))
{
    logctx_t *ctx = logctx_new(logctx_kind("POST /rooms"), NULL);
    logctx_enter(ctx);
    release(somebody_elses);
    logctx_exit(ctx); // judges: is ctx still current?
    logctx_unref(ctx);
}

int main(void)
{
    handle(release_lock);
    if (logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST) != 0)
        return 1;
    handle(release_lock_carelessly);
    return logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST) == 1 ? 0 : 1;
}
