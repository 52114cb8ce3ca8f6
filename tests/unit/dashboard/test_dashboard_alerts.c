// SPDX-License-Identifier: Apache-2.0
// The alerts on a store that a made-up program fills, by a made-up clock: each fires, does not just below its limit, is
// pending before, and resolves; through restarts, gaps and with several processes. One thread.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alert_board.h"
#include "alert_sentence.h"
#include "sample.h"
#include "store_internal.h"

#define SECOND INT64_C(1000000000)

enum { STEP_S = 15 };

// What the program sends. X(ID, metric, monotonic, context kind, type, error kind, error type)
#define METRICS(X)                                                                                                     \
    X(CREATED, "logctx.context.created", true, "GET /x", "request", NULL, NULL)                                        \
    X(LOST, "logctx.transition.errors", true, NULL, NULL, "context_lost", NULL)                                        \
    X(RESTARTED, "logctx.transition.errors", true, NULL, NULL, "restarted_finished", NULL)                             \
    X(MISPLACED, "logctx.transition.errors", true, NULL, NULL, "started_on_different_thread", NULL)                    \
    X(REENTERED, "logctx.transition.errors", true, NULL, NULL, "bgproc_reentered", NULL)                               \
    X(MISUSED, "logctx.transition.errors", true, NULL, NULL, "invalid_use", NULL)                                      \
    X(LIVE, "logctx.context.in_flight", false, "GET /x", "request", NULL, NULL)                                        \
    X(LIVE_OTHERS, "logctx.context.in_flight", false, "job", "background", NULL, NULL)                                 \
    X(AGE, "logctx.context.oldest.age", false, "GET /x", "request", NULL, NULL)                                        \
    X(AGE_OF_JOB, "logctx.context.oldest.age", false, "job", "background", NULL, NULL)                                 \
    X(CPU, "logctx.context.cpu.time", true, "GET /x", "request", NULL, NULL)                                           \
    X(LOOP_CPU, "logctx.loop.cpu.time", true, NULL, NULL, NULL, NULL)                                                  \
    X(LOST_CPU, "logctx.unattributed.cpu.time", true, NULL, NULL, NULL, NULL)                                          \
    X(DB_TIME, "logctx.context.db.time", true, "GET /x", "request", NULL, NULL)                                        \
    X(DB_WAIT, "logctx.context.db.wait_time", true, "GET /x", "request", NULL, NULL)                                   \
    X(TRANSACTIONS, "logctx.context.db.transactions", true, "GET /x", "request", NULL, NULL)                           \
    X(DROPPED, "otel.sdk.processor.span.processed", true, NULL, NULL, NULL, "queue_full")                              \
    X(PROCESSED, "otel.sdk.processor.span.processed", true, NULL, NULL, NULL, NULL)                                    \
    X(REJECTED, "otel.sdk.exporter.span.exported", true, NULL, NULL, NULL, "400")                                      \
    X(EXPORTED, "otel.sdk.exporter.span.exported", true, NULL, NULL, NULL, NULL)                                       \
    X(EXPORTS, "otel.sdk.exporter.operation.duration", true, NULL, NULL, NULL, NULL)                                   \
    X(FAILURES, "otel.sdk.exporter.operation.duration", true, NULL, NULL, NULL, "timeout")

enum metric {
#define TEST_X(id, ...) id,
    METRICS(TEST_X)
#undef TEST_X
        METRIC_COUNT
};

static const struct {
    const char *name;
    bool monotonic;
    const char *kind, *type, *error_kind, *error_type;
} metrics[METRIC_COUNT] = {
#define TEST_X(id, ...) [id] = {__VA_ARGS__},
    METRICS(TEST_X)
#undef TEST_X
};

struct program {
    const char *instance;
    int64_t resource;
    int64_t start_s;
    double values[METRIC_COUNT]; // sums so far, or what the gauge shows
    double rates[METRIC_COUNT];  // per second
    bool silent;
    bool unborn[METRIC_COUNT]; // the series is not there before its first value
};

static struct {
    struct store *store;
    int64_t now_s;
    struct program programs[2];
    size_t count;
    struct alert_board board;
} world;

static struct program *add_program(const char *instance)
{
    struct program *program = &world.programs[world.count++];
    char attributes[64];
    snprintf(attributes, sizeof attributes, "[\"%s\"]", instance);
    *program = (struct program){.instance = instance, .start_s = world.now_s};
    program->resource = store_resource(
        world.store,
        &(struct resource_row){.attributes = attributes, .service = "api", .instance = instance, .pid = NAN});
    program->unborn[DROPPED] = program->unborn[REJECTED] = program->unborn[FAILURES] = true;
    return program;
}

static struct program *begin(void)
{
    store_close(world.store);
    memset(&world, 0, sizeof world);
    world.now_s = 1764061200;
    world.store = sample_store(NULL, NULL);
    return add_program("api@a");
}

static int end(void **state)
{
    (void)state;
    store_close(world.store);
    world.store = NULL;
    return 0;
}

static void send_one(const struct program *program, enum metric metric)
{
    char attributes[32];
    bool is_histogram = metric == EXPORTS || metric == FAILURES;
    snprintf(attributes, sizeof attributes, "[%d]", (int)metric);
    struct series_row series = {
        .resource = program->resource,
        .name = metrics[metric].name,
        .form = is_histogram ? SERIES_HISTOGRAM : SERIES_SUM,
        .temporality = 2,
        .monotonic = metrics[metric].monotonic,
        .attributes = attributes,
        .context_kind = metrics[metric].kind,
        .context_type = metrics[metric].type,
        .error_kind = metrics[metric].error_kind,
        .error_type = metrics[metric].error_type,
    };
    struct point_row point = {
        .series = store_series(world.store, &series),
        .time = world.now_s * SECOND,
        .start = program->start_s * SECOND,
        .value = is_histogram ? NAN : program->values[metric],
        .count = is_histogram ? (int64_t)program->values[metric] : -1,
        .sum = NAN,
        .min = NAN,
        .max = NAN,
    };
    assert_int_equal(store_point(world.store, &point), STORE_ADDED);
}

static void send_all(struct program *program)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (metrics[i].monotonic)
            program->values[i] += program->rates[i] * STEP_S;
        if (!program->silent && !(program->unborn[i] && program->values[i] == 0))
            send_one(program, (enum metric)i);
    }
}

static void look(void)
{
    assert_true(alert_board_evaluate(&world.board, world.store->db, "api", world.now_s * SECOND));
}

static void step(void)
{
    world.now_s += STEP_S;
    assert_true(store_begin(world.store));
    for (size_t i = 0; i < world.count; i++)
        send_all(&world.programs[i]);
    assert_true(store_commit(world.store));
}

// Time goes by, and the board looks each time that something came.
static void run(int seconds)
{
    for (int passed = 0; passed < seconds; passed += STEP_S) {
        step();
        look();
    }
}

// The same, but the board looks only at the end.
static void run_unseen(int seconds)
{
    for (int passed = 0; passed < seconds; passed += STEP_S)
        step();
    look();
}

// What the board says that has looked all the time; and one that looks for the first time has to say the same.
static const struct alert_row *expect(enum alert_id alert, enum alert_state state)
{
    static struct alert_board fresh;
    const struct alert_row *row = &world.board.rows[alert];
    memset(&fresh, 0, sizeof fresh);
    assert_true(alert_board_evaluate(&fresh, world.store->db, "api", world.now_s * SECOND));
    if (row->state != state || fresh.rows[alert].state != state)
        fail_msg("%s is %s (seen for the first time: %s), and should be %s: %s", alert_table[alert].id,
                 alert_state_names[row->state], alert_state_names[fresh.rows[alert].state], alert_state_names[state],
                 row->sentence);
    assert_string_equal(fresh.rows[alert].sentence, row->sentence);
    // It looks back for an hour, in steps.
    int64_t since = row->since > world.now_s * SECOND - 3600 * SECOND ? row->since : fresh.rows[alert].since;
    if (fresh.rows[alert].since < since - STEP_S * SECOND || fresh.rows[alert].since > since + STEP_S * SECOND)
        fail_msg("%s holds since %lld s before; seen for the first time, since %lld s before", alert_table[alert].id,
                 (long long)(world.now_s - row->since / SECOND),
                 (long long)(world.now_s - fresh.rows[alert].since / SECOND));
    return row;
}

static void expect_sentence(enum alert_id alert, enum alert_state state, const char *sentence)
{
    assert_string_equal(expect(alert, state)->sentence, sentence);
}

// Exactly how long it is pending: a step before `hold` it does not fire.
static void expect_fires_after_hold(enum alert_id alert)
{
    int hold = alert_table[alert].hold;
    int64_t since = expect(alert, hold > 0 ? ALERT_PENDING : ALERT_FIRING)->since;
    assert_int_equal(since, world.now_s * SECOND);
    run(hold - STEP_S > 0 ? hold - STEP_S : 0);
    expect(alert, hold > 0 ? ALERT_PENDING : ALERT_FIRING);
    run(STEP_S);
    assert_int_equal(expect(alert, ALERT_FIRING)->since, since);
}

static void expect_others_quiet(enum alert_id alert)
{
    for (int i = 0; i < ALERT_COUNT; i++)
        if (i != (int)alert && world.board.rows[i].state > ALERT_QUIET)
            fail_msg("%s is %s: %s", alert_table[i].id, alert_state_names[world.board.rows[i].state],
                     world.board.rows[i].sentence);
}

// A program in which nothing is wrong.
static struct program *healthy(void)
{
    struct program *program = begin();
    program->rates[CREATED] = 10;
    program->rates[CPU] = 0.9;
    program->rates[LOOP_CPU] = 0.05;
    program->rates[LOST_CPU] = 0.03;
    program->rates[DB_TIME] = 1;
    program->rates[DB_WAIT] = 0.02;
    program->rates[TRANSACTIONS] = 5;
    program->rates[PROCESSED] = program->rates[EXPORTED] = 10;
    program->rates[EXPORTS] = 0.2;
    program->values[LIVE] = 20;
    program->values[LIVE_OTHERS] = 2;
    program->values[AGE] = 3;
    program->values[AGE_OF_JOB] = 86400;
    run_unseen(3600);
    expect_others_quiet(ALERT_COUNT);
    return program;
}

static void test_nothing_fires_in_a_healthy_program(void **state)
{
    (void)state;
    healthy();
    for (int i = 0; i < ALERT_COUNT; i++)
        expect((enum alert_id)i, ALERT_QUIET);
    expect_sentence(ALERT_CONTEXT_LOST, ALERT_QUIET, "0 % of all contexts over 5 min; the limit is 0.1 %.");
    expect_sentence(ALERT_CONTEXT_STUCK, ALERT_QUIET, "The oldest GET /x is 3 s old; the limit is 15 min.");
    expect_sentence(ALERT_TELEMETRY_ABSENT, ALERT_QUIET, "The newest metrics are 0 s old.");
    assert_string_equal(world.board.rows[ALERT_CONTEXT_LOST].instance, "api@a");
    assert_string_equal(world.board.rows[ALERT_TELEMETRY_ABSENT].instance, "");
}

static void test_everything_is_unknown_without_metrics(void **state)
{
    (void)state;
    begin();
    assert_true(alert_board_evaluate(&world.board, world.store->db, "api", world.now_s * SECOND));
    for (int i = 0; i < ALERT_COUNT; i++)
        expect((enum alert_id)i, ALERT_UNKNOWN);
    expect_sentence(ALERT_CONTEXT_LOST, ALERT_UNKNOWN,
                    "Not known: no logctx.context.created or logctx.transition.errors came over 5 min.");
    expect_sentence(ALERT_TELEMETRY_ABSENT, ALERT_UNKNOWN, "Not known: no metrics have come from this service yet.");
    assert_true(alert_board_evaluate(&world.board, world.store->db, NULL, world.now_s * SECOND));
}

static void test_context_lost(void **state)
{
    (void)state;
    struct program *program = healthy();
    // Just below: 0.1 % is not more than 0.1 %, also when all of the hour is like that.
    program->rates[LOST] = 0.0099;
    run_unseen(3900);
    expect(ALERT_CONTEXT_LOST, ALERT_QUIET);
    program->rates[LOST] = 0.1;
    while (world.board.rows[ALERT_CONTEXT_LOST].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_CONTEXT_LOST);
    expect_sentence(ALERT_CONTEXT_LOST, ALERT_FIRING, "1 % of all contexts over 5 min; the limit is 0.1 %.");
    expect_others_quiet(ALERT_CONTEXT_LOST);
    // It resolves when it has stopped, though the hour still has them.
    program->rates[LOST] = 0;
    run(300);
    expect(ALERT_CONTEXT_LOST, ALERT_QUIET);
}

static void test_context_lost_wants_enough_contexts(void **state)
{
    (void)state;
    struct program *program = begin();
    program->rates[CREATED] = 0.02;
    program->rates[LOST] = 0.01;
    run_unseen(3600);
    expect_sentence(ALERT_CONTEXT_LOST, ALERT_QUIET, "Too little to go by: 72 contexts over 1 h, of at least 100.");
    program->rates[CREATED] = 1;
    run_unseen(3600);
    expect(ALERT_CONTEXT_LOST, ALERT_FIRING);
}

static void test_a_restart_and_a_gap_change_nothing(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->rates[LOST] = 0.5;
    run(600);
    expect(ALERT_CONTEXT_LOST, ALERT_FIRING);
    // Counters begin again in a process of the same name.
    memset(program->values, 0, sizeof program->values);
    program->start_s = world.now_s;
    program->rates[LOST] = 0.5;
    for (int i = 0; i < 40; i++) {
        run(STEP_S);
        expect(ALERT_CONTEXT_LOST, ALERT_FIRING);
    }
    // Three exports are missed.
    program->silent = true;
    run(3 * STEP_S);
    expect(ALERT_CONTEXT_LOST, ALERT_FIRING);
    program->silent = false;
    run(STEP_S);
    expect(ALERT_CONTEXT_LOST, ALERT_FIRING);
    // And neither makes one fire in which all is well.
    program->rates[LOST] = 0;
    run(600);
    memset(program->values, 0, sizeof program->values);
    program->start_s = world.now_s;
    run(600);
    expect_others_quiet(ALERT_COUNT);
}

static void test_loss_burst(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->rates[LOST] = 0.99;
    run_unseen(900);
    expect(ALERT_LOSS_BURST, ALERT_QUIET);
    program->rates[LOST] = 3;
    while (world.board.rows[ALERT_LOSS_BURST].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_LOSS_BURST);
    expect_sentence(ALERT_LOSS_BURST, ALERT_FIRING, "180 losses per minute over 5 min; the limit is 60.");
    program->rates[LOST] = 0;
    run(300);
    expect(ALERT_LOSS_BURST, ALERT_QUIET);
}

// One is enough, at once, and for as long as the window.
static void test_single_errors(void **state)
{
    (void)state;
    static const struct {
        enum alert_id alert;
        enum metric metric;
        const char *sentence;
    } cases[] = {
        {ALERT_CONTEXT_RESTARTED, RESTARTED, "1 restart over 15 min; there should be none."},
        {ALERT_WRONG_THREAD, MISPLACED, "1 switch on a wrong thread over 15 min; there should be none."},
        {ALERT_BACKGROUND_REENTERED, REENTERED, "1 time over 15 min; there should be none."},
    };
    struct program *program = healthy();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        program->values[MISUSED] += 1; // concerns none of them
        run(STEP_S);
        expect(cases[i].alert, ALERT_QUIET);
        program->values[cases[i].metric] += 1;
        run(STEP_S);
        expect_sentence(cases[i].alert, ALERT_FIRING, cases[i].sentence);
        expect_others_quiet(cases[i].alert);
        run(900 - STEP_S);
        expect(cases[i].alert, ALERT_FIRING);
        run(STEP_S);
        expect(cases[i].alert, ALERT_QUIET);
    }
}

static void test_contexts_leaking(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->values[LIVE] = 70;
    run_unseen(2700);
    expect(ALERT_CONTEXTS_LEAKING, ALERT_QUIET);
    program->values[LIVE] = 121; // with the others: 51 more
    while (world.board.rows[ALERT_CONTEXTS_LEAKING].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_CONTEXTS_LEAKING);
    expect_sentence(ALERT_CONTEXTS_LEAKING, ALERT_FIRING,
                    "51 more in flight than 30 min ago; the limit is 50, and traffic does not explain it.");
    program->values[LIVE] = 70;
    run(STEP_S);
    expect(ALERT_CONTEXTS_LEAKING, ALERT_QUIET);
}

static void test_traffic_is_no_leak(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->values[LIVE] = 200;
    program->rates[CREATED] = 30;
    run_unseen(900);
    expect_sentence(ALERT_CONTEXTS_LEAKING, ALERT_QUIET, "180 more in flight than 30 min ago, which traffic explains.");
}

static void test_context_stuck(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->values[AGE] = 900;
    run(600);
    expect(ALERT_CONTEXT_STUCK, ALERT_QUIET);
    program->values[AGE] = 901;
    run(STEP_S);
    expect_fires_after_hold(ALERT_CONTEXT_STUCK);
    expect_sentence(ALERT_CONTEXT_STUCK, ALERT_FIRING, "The oldest GET /x is 15 min old; the limit is 15 min.");
    expect_others_quiet(ALERT_CONTEXT_STUCK);
    program->values[AGE] = 1;
    run(300);
    expect(ALERT_CONTEXT_STUCK, ALERT_QUIET);
}

static void test_unattributed_cpu(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->rates[CPU] = 0.85;
    program->rates[LOST_CPU] = 0.0999;
    run_unseen(2700);
    expect(ALERT_UNATTRIBUTED_CPU, ALERT_QUIET);
    program->rates[LOST_CPU] = 0.3;
    while (world.board.rows[ALERT_UNATTRIBUTED_CPU].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_UNATTRIBUTED_CPU);
    expect_sentence(ALERT_UNATTRIBUTED_CPU, ALERT_FIRING, "25 % of the CPU time over 5 min; the limit is 10 %.");
    expect_others_quiet(ALERT_UNATTRIBUTED_CPU);
    program->rates[LOST_CPU] = 0;
    run(300);
    expect(ALERT_UNATTRIBUTED_CPU, ALERT_QUIET);
}

static void test_an_idle_program_uses_too_little_cpu_to_tell(void **state)
{
    (void)state;
    struct program *program = begin();
    program->rates[CPU] = 0.0001;
    program->rates[LOST_CPU] = 0.001;
    run_unseen(3600);
    assert_non_null(strstr(expect(ALERT_UNATTRIBUTED_CPU, ALERT_QUIET)->sentence, "Too little to go by: 2 s of CPU"));
}

static void test_pool_wait(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->rates[DB_WAIT] = 0.42; // 29.6 %
    run_unseen(6 * 3600);
    expect(ALERT_POOL_WAIT_SLOW, ALERT_QUIET);
    program->rates[DB_WAIT] = 0.5;
    while (world.board.rows[ALERT_POOL_WAIT_SLOW].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_POOL_WAIT_SLOW);
    expect(ALERT_POOL_WAIT_FAST, ALERT_QUIET);
    program->rates[DB_WAIT] = 9; // 90 %
    while (world.board.rows[ALERT_POOL_WAIT_FAST].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_POOL_WAIT_FAST);
    expect_sentence(ALERT_POOL_WAIT_FAST, ALERT_FIRING,
                    "90 % of the database time over 5 min is waiting for a connection; the limit is 72 %.");
    program->rates[DB_WAIT] = 0;
    run(300);
    expect(ALERT_POOL_WAIT_FAST, ALERT_QUIET);
    run_unseen(1500);
    expect(ALERT_POOL_WAIT_SLOW, ALERT_QUIET);
}

static void test_exporter_dropping(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->rates[DROPPED] = 0.05;
    program->rates[REJECTED] = 0.05; // together 0.99 %
    run_unseen(1800);
    expect(ALERT_EXPORTER_DROPPING, ALERT_QUIET);
    program->rates[DROPPED] = 1;
    while (world.board.rows[ALERT_EXPORTER_DROPPING].state == ALERT_QUIET)
        run(STEP_S);
    expect_fires_after_hold(ALERT_EXPORTER_DROPPING);
    run(300);
    expect_sentence(ALERT_EXPORTER_DROPPING, ALERT_FIRING,
                    "9.5 % of the spans over 5 min were dropped or refused; the limit is 1 %.");
    expect_others_quiet(ALERT_EXPORTER_DROPPING);
    program->rates[DROPPED] = program->rates[REJECTED] = 0;
    run(300);
    expect(ALERT_EXPORTER_DROPPING, ALERT_QUIET);
}

// The series of failures is born with the first of them: its first value is an increase.
static void test_exporter_failing(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->values[FAILURES] = 19; // of 180 and these over 15 minutes: 9.5 %
    run(STEP_S);
    expect_sentence(ALERT_EXPORTER_FAILING, ALERT_QUIET, "24 % of the exports over 5 min failed; the limit is 10 %.");
    program->values[FAILURES] = 21;
    run(STEP_S);
    assert_int_equal(expect(ALERT_EXPORTER_FAILING, ALERT_PENDING)->since, world.now_s * SECOND);
    program->rates[FAILURES] = 0.1;
    run(300 - STEP_S);
    expect(ALERT_EXPORTER_FAILING, ALERT_PENDING);
    run(STEP_S);
    expect(ALERT_EXPORTER_FAILING, ALERT_FIRING);
    expect_others_quiet(ALERT_EXPORTER_FAILING);
    program->rates[FAILURES] = 0;
    run(300);
    expect(ALERT_EXPORTER_FAILING, ALERT_QUIET);
}

static void test_telemetry_absent(void **state)
{
    (void)state;
    struct program *program = healthy();
    program->silent = true;
    run(600 - STEP_S);
    expect_sentence(ALERT_TELEMETRY_ABSENT, ALERT_QUIET, "The newest metrics are 9 min old.");
    run(STEP_S);
    expect_fires_after_hold(ALERT_TELEMETRY_ABSENT);
    expect_sentence(ALERT_TELEMETRY_ABSENT, ALERT_FIRING, "Nothing has come for 15 min.");
    // Of everything else nothing is known by then.
    expect(ALERT_LOSS_BURST, ALERT_UNKNOWN);
    expect(ALERT_CONTEXT_STUCK, ALERT_UNKNOWN);
    program->silent = false;
    run(STEP_S);
    expect(ALERT_TELEMETRY_ABSENT, ALERT_QUIET);
}

static void test_the_worst_of_several_processes_is_shown(void **state)
{
    (void)state;
    healthy();
    struct program *other = add_program("api@b");
    other->rates[CREATED] = 10;
    other->rates[LOST] = 0.2;
    run(300);
    assert_string_equal(expect(ALERT_CONTEXT_LOST, ALERT_PENDING)->instance, "api@b");
    world.programs[0].rates[LOST] = 3;
    run(150);
    assert_string_equal(expect(ALERT_CONTEXT_LOST, ALERT_FIRING)->instance, "api@b"); // it does for longer
    other->rates[LOST] = 0;
    run(300);
    assert_string_equal(expect(ALERT_CONTEXT_LOST, ALERT_FIRING)->instance, "api@a");
}

// A process that was there before the store: what it had counted by then is not of the window.
static void test_what_was_before_the_store_does_not_count(void **state)
{
    (void)state;
    struct program *program = begin();
    program->start_s -= 86400;
    program->rates[CREATED] = 10;
    program->values[LOST] = 100000;
    program->values[RESTARTED] = 5;
    // But of what should not be at all each one counts, also if it was before anything came.
    run(STEP_S);
    expect_sentence(ALERT_CONTEXT_RESTARTED, ALERT_FIRING, "5 restarts over 15 min; there should be none.");
    expect_others_quiet(ALERT_CONTEXT_RESTARTED);
    run_unseen(1800);
    expect_others_quiet(ALERT_COUNT);
    expect(ALERT_CONTEXT_LOST, ALERT_QUIET);
    expect(ALERT_CONTEXT_RESTARTED, ALERT_QUIET);
}

static void test_quantities(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *unit;
        const char *text;
    } cases[] = {{0.011, "ratio", "1.1 %"},
                 {0.001, "ratio", "0.1 %"},
                 {0.00001, "ratio", "0.001 %"},
                 {0.72, "ratio", "72 %"},
                 {1, "ratio", "100 %"},
                 {0, "ratio", "0 %"},
                 {1234.4, "errors", "1,234"},
                 {2.5, "errors/min", "2.5"},
                 {59, "s", "59 s"},
                 {60, "s", "1 min"},
                 {900, "s", "15 min"},
                 {3600, "s", "1 h"},
                 {7500, "s", "2 h 5 min"},
                 {6 * 3600, "s", "6 h"},
                 {90000, "s", "25 h"},
                 {NAN, "ratio", "an unknown part"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        alert_quantity(cases[i].value, cases[i].unit, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_nothing_fires_in_a_healthy_program, end),
        cmocka_unit_test_teardown(test_everything_is_unknown_without_metrics, end),
        cmocka_unit_test_teardown(test_context_lost, end),
        cmocka_unit_test_teardown(test_context_lost_wants_enough_contexts, end),
        cmocka_unit_test_teardown(test_a_restart_and_a_gap_change_nothing, end),
        cmocka_unit_test_teardown(test_loss_burst, end),
        cmocka_unit_test_teardown(test_single_errors, end),
        cmocka_unit_test_teardown(test_contexts_leaking, end),
        cmocka_unit_test_teardown(test_traffic_is_no_leak, end),
        cmocka_unit_test_teardown(test_context_stuck, end),
        cmocka_unit_test_teardown(test_unattributed_cpu, end),
        cmocka_unit_test_teardown(test_an_idle_program_uses_too_little_cpu_to_tell, end),
        cmocka_unit_test_teardown(test_pool_wait, end),
        cmocka_unit_test_teardown(test_exporter_dropping, end),
        cmocka_unit_test_teardown(test_exporter_failing, end),
        cmocka_unit_test_teardown(test_telemetry_absent, end),
        cmocka_unit_test_teardown(test_the_worst_of_several_processes_is_shown, end),
        cmocka_unit_test_teardown(test_what_was_before_the_store_does_not_count, end),
        cmocka_unit_test(test_quantities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
