// The two ends of an asynchronous call: make_yieldable for who waits, run_in_background for who does not.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

logctx_deferred_t *logctx_make_yieldable_at(logctx_deferred_t *deferred, const logctx_site_t *site)
{
    if (logctx_deferred_is_complete(deferred))
        return deferred;
    struct thread *thread = this_thread();
    logctx_t *caller = logctx_ref(current_context());
    // The switch comes first, as in the reference; a deferred that is not complete does not run the pair now.
    logctx__switch(thread, &logctx__sentinel, site);
    if (!logctx__deferred_add_switch(deferred, caller, site))
        logctx__switch(thread, caller, site);
    logctx_unref(caller);
    return deferred;
}

logctx_deferred_t *(logctx_make_yieldable)(logctx_deferred_t *deferred)
{
    return logctx_make_yieldable_at(deferred, logctx__site_of_caller(__builtin_return_address(0)));
}

static void report_violation(logctx_t *caller, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (!thread)
        return;
    logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_BACKGROUND_MAINTAINED_VIOLATION,
                                                .affected = caller,
                                                .expected = logctx_name(caller),
                                                .found = logctx_name(current_context()),
                                                .found_by = site,
                                                .set_by = thread->current_at});
}

logctx_deferred_t *logctx_run_in_background_at(logctx_work_t *work, void *user, const logctx_site_t *site)
{
    if (!work) {
        logctx__misuse("logctx_run_in_background() got a NULL function; pass the work to be started", site);
        return logctx_deferred_called(logctx_failure("_OTHER", NULL, NULL));
    }
    logctx_t *caller = logctx_ref(current_context());
    logctx_result_t result = work(user);
    logctx_deferred_t *deferred = result.deferred;
    if (!deferred) {
        bool failed = result.error != NULL;
        deferred = logctx_deferred_called(result);
        if (deferred)
            deferred->called_at = site;
        if (failed) {
            logctx_unref(caller);
            return deferred;
        }
    }
    if (logctx_deferred_is_complete(deferred)) {
        if (unlikely(current_context() != caller))
            report_violation(caller, site);
    } else {
        logctx__switch(this_thread(), caller, site);
        logctx__deferred_add_switch(deferred, &logctx__sentinel, site);
    }
    logctx_unref(caller);
    return deferred;
}

logctx_deferred_t *(logctx_run_in_background)(logctx_work_t *work, void *user)
{
    return logctx_run_in_background_at(work, user, logctx__site_of_caller(__builtin_return_address(0)));
}
