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
    bool valid;
} errand_t;

static void *run_errand(void *argument)
{
    errand_t *errand = argument;

    clock_attach(&errand->time);
    errand->valid = run_body(errand->run, errand->step, "ops");
    return NULL;
}

bool op_on_thread(run_t *run, const step_t *step, json_t **result)
{
    errand_t errand = {.run = run, .step = step};
    const char *label;
    pthread_t thread;

    (void)result;
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
