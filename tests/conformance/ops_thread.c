// SPDX-License-Identifier: Apache-2.0
// The ops that move a thread's clock, and those whose body runs on a thread of its own (section 3 of the
// format). The new thread owns the run until it is joined; its time lives in the frame of the thread that
// joins it.

#include <pthread.h>
#include <string.h>

#include "clock.h"
#include "ops.h"

static bool run_times(run_t *run, const step_t *step, int64_t *user_ns, int64_t *system_ns)
{
    return run_ms(run, step, "user_ms", user_ns) && run_ms(run, step, "sys_ms", system_ns);
}

bool op_cpu(run_t *run, const step_t *step, json_t **result)
{
    int64_t user_ns;
    int64_t system_ns;

    (void)result;
    if (!run_times(run, step, &user_ns, &system_ns)) {
        return false;
    }
    return clock_advance(user_ns, system_ns) ||
           run_invalid(run, step, "the clock cannot go below 0 or beyond 64 bits.");
}

bool op_cpu_tick(run_t *run, const step_t *step, json_t **result)
{
    int64_t user_ns;
    int64_t system_ns;

    (void)result;
    if (!run_times(run, step, &user_ns, &system_ns)) {
        return false;
    }
    clock_tick(user_ns, system_ns);
    return true;
}

bool op_no_rusage(run_t *run, const step_t *step, json_t **result)
{
    (void)result;
    if (strcmp(step->path, "0") != 0) {
        return run_invalid(run, step, "it can be the first op only.");
    }
    clock_break();
    return true;
}

// A body on its way to its thread.
typedef struct errand {
    run_t *run;
    const step_t *step;
    clock_thread_t time;
    logctx_t *caller; // who wants the work done; NULL: it is nobody's
    bool valid;
} errand_t;

static void *run_errand(void *argument)
{
    errand_t *errand = argument;

    clock_attach(&errand->time);
    if (!errand->caller) {
        errand->valid = run_body(errand->run, errand->step, "ops");
        return NULL;
    }
    logctx_t *ctx = logctx_new_on_thread(errand->caller);
    logctx_enter(ctx);
    errand->valid = run_body(errand->run, errand->step, "ops");
    logctx_exit(ctx);
    logctx_unref(ctx);
    return NULL;
}

static bool run_on_thread(run_t *run, const step_t *step, logctx_t *caller)
{
    errand_t errand = {.run = run, .step = step, .caller = caller};
    const char *label;
    pthread_t thread;

    if (!run_string(run, step, "label", &label)) {
        return false;
    }
    clock_thread_init(&errand.time, label);
    int error = pthread_create(&thread, NULL, run_errand, &errand);
    if (error != 0) {
        return run_invalid(run, step, "a thread could not be started: %s.", strerror(error));
    }
    pthread_join(thread, NULL);
    return errand.valid;
}

bool op_on_thread(run_t *run, const step_t *step, json_t **result)
{
    (void)result;
    return run_on_thread(run, step, NULL);
}

bool op_defer_to_thread(run_t *run, const step_t *step, json_t **result)
{
    if (!run_on_thread(run, step, logctx_current())) {
        return false;
    }
    const char *error = run_ending(run, NULL).error;
    logctx_deferred_t *deferred = logctx_deferred_new(NULL, NULL, NULL);
    if (!run_keep_deferred(run, step, deferred, NULL)) {
        return false;
    }
    world_set_error(&run->world, json_string_value(json_object_get(step->op, "d")), error);
    logctx_make_yieldable(deferred);
    *result = json_pack("{s:b}", "complete", logctx_deferred_is_complete(deferred));
    return true;
}

bool op_deliver(run_t *run, const step_t *step, json_t **result)
{
    logctx_deferred_t *deferred;

    (void)result;
    if (!run_deferred(run, step, &deferred)) {
        return false;
    }
    const char *error = world_error(&run->world, json_string_value(json_object_get(step->op, "d")));
    logctx_deferred_call_here(deferred, error ? logctx_failure(error, NULL, NULL) : logctx_success(NULL, NULL));
    return true;
}
