// SPDX-License-Identifier: Apache-2.0
// Work for a request on another thread: a child context there, and what it used is in the request's total. Two
// threads; the request is the first one's, `task` is the second one's until it is joined.
#include <logctx/logctx.h>
#include <pthread.h>

struct task {
    logctx_t *request; // a reference of the task's own
    unsigned primes;
};

static unsigned count_primes(unsigned below)
{
    unsigned primes = 0;
    for (unsigned number = 2; number < below; number++) {
        unsigned divisor = 2;
        while (divisor * divisor <= number && number % divisor != 0)
            divisor++;
        primes += divisor * divisor > number;
    }
    return primes;
}

static void *work(void *argument)
{
    struct task *task = argument;
    LOGCTX_SCOPE(logctx_new_on_thread(task->request)); // a child: same name, kind, server and trace
    task->primes = count_primes(100000);
    return NULL; // the scope ends here: the child is finished, and the thread is in the sentinel again
}

int main(void)
{
    logctx_t *request = logctx_new(logctx_kind("GET /report"), NULL);
    logctx_enter(request);

    struct task task = {.request = logctx_ref(request)};
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &task) != 0)
        return 1;
    logctx_set_current(logctx_sentinel()); // a server goes back to its loop here
    pthread_join(thread, NULL);
    logctx_set_current(request);
    logctx_unref(task.request);

    logctx_usage_t own, total;
    logctx_get_usage(request, &own, &total);
    logctx_exit(request);
    logctx_unref(request);
    return task.primes == 9592 && total.cpu_ns > own.cpu_ns ? 0 : 1;
}
