// SPDX-License-Identifier: Apache-2.0
// The writer's thread: groups, a full queue, a store that cannot be written, a row that is refused. Jobs are held back
// by the first one's `done`, which waits for the test; so it is known what is grouped with what.

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"
#include "store_internal.h"
#include "writer.h"

struct waiting {
    struct job job;
    sem_t done;
    sem_t *hold; // if there is one, the writer waits in `done` until it is posted
    char *json;
};

static sem_t reports;
static char report[512];

static void on_report(const char *sentence)
{
    snprintf(report, sizeof report, "%s", sentence);
    sem_post(&reports);
}

static void on_done(struct job *job)
{
    struct waiting *waiting = job->user;
    sem_t *hold = waiting->hold;
    sem_post(&waiting->done);
    if (hold != NULL)
        sem_wait(hold);
}

static void prepare(struct waiting *waiting, int first, int count, sem_t *hold)
{
    *waiting = (struct waiting){.hold = hold, .json = sample_traces(first, count)};
    sem_init(&waiting->done, 0, 0);
    waiting->job = (struct job){.signal = SIGNAL_TRACES,
                                .encoding = ENCODING_JSON,
                                .bytes = (const uint8_t *)waiting->json,
                                .length = strlen(waiting->json),
                                .done = on_done,
                                .user = waiting};
}

static unsigned finish(struct waiting *waiting)
{
    sem_wait(&waiting->done);
    sem_destroy(&waiting->done);
    free(waiting->json);
    return waiting->job.outcome.status;
}

static struct writer *start(struct store *store)
{
    sem_init(&reports, 0, 0);
    struct writer *writer = writer_start(store, (size_t)64 << 20, on_report);
    assert_non_null(writer);
    return writer;
}

static void end(struct writer *writer, struct store *store)
{
    writer_stop(writer);
    writer_free(writer);
    store_close(store);
    sem_destroy(&reports);
}

static void execute(struct store *store, const char *sql)
{
    assert_int_equal(sqlite3_exec(store->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void test_queue(void **state)
{
    (void)state;
    static struct waiting jobs[WRITER_QUEUE_MAX];
    struct store *store = sample_store(NULL, NULL);
    struct writer *writer = start(store);
    struct waiting first;
    sem_t hold;
    sem_init(&hold, 0, 0);
    prepare(&first, 0, 1, &hold);
    assert_true(writer_submit(writer, &first.job));
    assert_int_equal(finish(&first), 200);
    for (int i = 0; i < WRITER_QUEUE_MAX; i++) {
        prepare(&jobs[i], 1 + i, 1, NULL);
        assert_true(writer_submit(writer, &jobs[i].job));
    }
    struct waiting late;
    prepare(&late, 5000, 1, NULL);
    assert_false(writer_submit(writer, &late.job));
    sem_post(&hold);
    for (int i = 0; i < WRITER_QUEUE_MAX; i++)
        assert_int_equal(finish(&jobs[i]), 200);
    assert_true(writer_submit(writer, &late.job));
    // Stopping finishes what was submitted, and takes nothing more.
    writer_stop(writer);
    assert_int_equal(finish(&late), 200);
    prepare(&late, 5001, 1, NULL);
    assert_false(writer_submit(writer, &late.job));
    free(late.json);
    writer_free(writer);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), WRITER_QUEUE_MAX + 2);
    store_close(store);
    sem_destroy(&hold);
    sem_destroy(&reports);
}

static void test_refused_row(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, NULL);
    execute(store, "CREATE TRIGGER poison BEFORE INSERT ON span WHEN new.context = 'GET-20' "
                   "BEGIN SELECT raise(ABORT, 'poison'); END");
    struct writer *writer = start(store);
    struct waiting jobs[4];
    sem_t hold;
    sem_init(&hold, 0, 0);
    for (int i = 0; i < 4; i++) {
        prepare(&jobs[i], i * 10, 10, i == 0 ? &hold : NULL);
        if (i == 2) {
            free(jobs[i].json);
            prepare(&jobs[i], 20, 1, NULL);
        }
        assert_true(writer_submit(writer, &jobs[i].job));
        if (i == 0)
            assert_int_equal(finish(&jobs[0]), 200);
    }
    sem_post(&hold);
    // It came in one group with the two others; they are kept, and its sender need not try again.
    assert_int_equal(finish(&jobs[1]), 200);
    assert_int_equal(finish(&jobs[2]), 500);
    assert_non_null(strstr(jobs[2].job.outcome.sentence, "poison"));
    assert_int_equal(finish(&jobs[3]), 200);
    assert_true(writer_healthy(writer));
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 30);
    end(writer, store);
    sem_destroy(&hold);
}

static void test_full_store(void **state)
{
    (void)state;
    struct store *store = sample_store(NULL, NULL);
    struct writer *writer = start(store);
    struct waiting job;
    prepare(&job, 0, 10, NULL);
    assert_true(writer_submit(writer, &job.job));
    assert_int_equal(finish(&job), 200);
    assert_true(writer_healthy(writer));
    // The writer rests until the next submission, so its connection can be used from here.
    char limit[64];
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld", (long long)sample_number(store, "PRAGMA page_count"));
    execute(store, limit);
    for (int i = 0; i < 2; i++) {
        prepare(&job, 100, 1000, NULL);
        assert_true(writer_submit(writer, &job.job));
        assert_int_equal(finish(&job), 503);
        assert_true(job.job.outcome.retry_after > 0);
    }
    assert_false(writer_healthy(writer));
    // Said once, though it happened twice.
    assert_int_equal(sem_trywait(&reports), 0);
    assert_int_not_equal(sem_trywait(&reports), 0);
    assert_non_null(strstr(report, "full"));
    execute(store, "PRAGMA max_page_count = 1000000");
    prepare(&job, 100, 1000, NULL);
    assert_true(writer_submit(writer, &job.job));
    assert_int_equal(finish(&job), 200);
    assert_true(writer_healthy(writer));
    assert_non_null(strstr(report, "again"));
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 1010);
    assert_int_equal(store->spans, 1010);
    end(writer, store);
}

static int64_t time_now = INT64_C(1700000000000000000);

static int64_t test_clock(void)
{
    return time_now;
}

// What is too old goes also while nobody sends.
static void test_tended(void **state)
{
    (void)state;
    struct writer *writer;
    struct store *store = sample_store(NULL, &(struct store_limits){.age_s = 120});
    store_set_clock(store, test_clock);
    struct waiting job;
    writer = writer_start(store, (size_t)64 << 20, on_report);
    assert_non_null(writer);
    prepare(&job, 0, 10, NULL);
    assert_true(writer_submit(writer, &job.job));
    assert_int_equal(finish(&job), 200);
    time_now += INT64_C(1000000000) * 121;
    writer_tend(writer);
    writer_stop(writer);
    assert_int_equal(sample_number(store, "SELECT count(*) FROM span"), 0);
    writer_free(writer);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_refused_row),
        cmocka_unit_test(test_full_store),
        cmocka_unit_test(test_tended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
