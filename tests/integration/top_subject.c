/*
 * top_subject.c: a program for logctx-top to look at. It makes contexts whose state is known, says as JSON what the library
 * tells it of them, and then does what the lines of standard input say: `churn` starts threads that make and end contexts
 * as fast as they can, `rest` stops them, anything else ends it. The main thread owns all but the churning threads' own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <logctx/logctx.h>
#include <logctx/loop.h>
#include <logctx/trace.h>
#include <logctx/usage.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHURNERS = 2 };

static sem_t blocked, go_on;
static atomic_bool churning;
static pthread_t churners[CHURNERS];

static logctx_t *make(const char *kind, const char *name, logctx_type_t type)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = name;
    opts.type = type;
    return logctx_new(logctx_kind(kind), &opts);
}

// Sleeps in a context, as code does that calls what blocks.
static void *block(void *unused)
{
    logctx_t *ctx = make("blocking", "BLOCKED-1", LOGCTX_TYPE_BACKGROUND);
    logctx_set_current(ctx);
    sem_post(&blocked);
    while (sem_wait(&go_on) != 0)
        continue;
    logctx_set_current(logctx_sentinel());
    logctx_finish(ctx);
    logctx_unref(ctx);
    return unused;
}

static void *churn(void *unused)
{
    for (unsigned i = 0; atomic_load(&churning); i++) {
        logctx_t *ctx = make(i % 2 ? "odd" : "even", i % 2 ? "odd-one" : "even-one", LOGCTX_TYPE_REQUEST);
        logctx_enter(ctx);
        logctx_exit(ctx);
        logctx_unref(ctx);
    }
    return unused;
}

// In a context of its own: transactions of known length, a wait, rows, CPU time that is not measured but told.
static logctx_t *make_busy(const char *name, int transactions)
{
    logctx_t *ctx = make("GET /rooms/{id}", name, LOGCTX_TYPE_REQUEST);
    logctx_set_current(ctx);
    for (int i = 0; i < transactions; i++)
        logctx_db_transaction(INT64_C(5000000));
    logctx_db_waited(INT64_C(7000000));
    logctx_db_fetched(11 * transactions);
    logctx_set_current(logctx_sentinel());
    logctx_charge_cpu(ctx, INT64_C(30000000), INT64_C(10000000));
    return ctx;
}

static void say(const logctx_t *ctx, const char *state, bool last)
{
    logctx_usage_t own;
    logctx_span_context_t span = logctx_get_span_context((logctx_t *)(uintptr_t)ctx);
    logctx_get_usage((logctx_t *)(uintptr_t)ctx, &own, NULL);
    printf("{\"state\":\"%s\",\"cpu_ns\":%" PRId64 ",\"db_transactions\":%" PRId64 ",\"db_ns\":%" PRId64
           ",\"db_wait_ns\":%" PRId64 ",\"db_rows\":%" PRId64 ",\"running_ns\":%" PRId64 ",\"trace_id\":\"",
           state, own.cpu_ns, own.db_transactions, own.db_ns, own.db_wait_ns, own.db_rows, own.running_ns);
    for (size_t i = 0; i < sizeof span.trace_id; i++)
        printf("%02x", span.trace_id[i]);
    printf("\",\"span_id\":\"");
    for (size_t i = 0; i < sizeof span.span_id; i++)
        printf("%02x", span.span_id[i]);
    printf("\"}%s", last ? "]}\n" : ",");
}

static void obey(void)
{
    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "churn\n") == 0) {
            atomic_store(&churning, true);
            for (int i = 0; i < CHURNERS; i++)
                pthread_create(&churners[i], NULL, churn, NULL);
        } else if (strcmp(line, "rest\n") == 0) {
            atomic_store(&churning, false);
            for (int i = 0; i < CHURNERS; i++)
                pthread_join(churners[i], NULL);
        } else {
            return;
        }
        printf("done\n");
        fflush(stdout);
    }
}

int main(void)
{
    pthread_t blocker;
    logctx_db_t open;
    sem_init(&blocked, 0, 0);
    sem_init(&go_on, 0, 0);
    logctx_t *busy = make_busy("GET-1", 3), *other = make_busy("GET-2", 1);
    logctx_t *fresh = make("fresh", "NEW-1", LOGCTX_TYPE_CALLBACK);
    logctx_t *hostile = make("bad\x1b[31mkind", "\x1b]0;owned\x07\x1b[2J\"\\\xE2\x80\xAEname", LOGCTX_TYPE_REQUEST);
    logctx_t *lengthy = make("lengthy", "a-name-that-is-longer-than-the-table-has-room-for-1", LOGCTX_TYPE_REQUEST);
    logctx_t *held = make("held", "HELD-1", LOGCTX_TYPE_REQUEST);
    logctx_finish(held);
    logctx_set_current(other);
    logctx_db_begin(&open);
    logctx_t *nested = logctx_new_nested("step");
    logctx_set_current(logctx_sentinel());
    pthread_create(&blocker, NULL, block, NULL);
    while (sem_wait(&blocked) != 0)
        continue;
    printf("{\"pid\":%d,\"contexts\":[", (int)getpid());
    say(busy, "idle", false);
    say(other, "txn", false);
    say(fresh, "new", false);
    say(hostile, "new", false);
    say(lengthy, "new", false);
    say(held, "held", false);
    say(nested, "new", true);
    fflush(stdout);

    obey();
    sem_post(&go_on);
    pthread_join(blocker, NULL);
    logctx_db_end(&open);
    logctx_t *const all[] = {nested, busy, other, fresh, hostile, lengthy, held};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] != held)
            logctx_finish(all[i]);
        logctx_unref(all[i]);
    }
    return 0;
}
