/*
 * test_uv_table.c: the table of what is kept, against a simple one; and that in steady state it asks for no memory, shrinks
 * when it can, and forgets the handles that libuv's own uv_close() has closed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attached.h"

#include "uv_support.h"

static size_t allocations;
static bool no_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_calloc(count, size);
}

// ---- the table alone ----

enum { KEYS = 700, STEPS = 200000 };

static void test_against_a_simple_one(void **state)
{
    (void)state;
    static char objects[KEYS];
    static bool there[KEYS][2];
    struct table table = {.entries = NULL};
    uint32_t random = 12345;
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        size_t key = (random >> 8) % KEYS;
        enum slot slot = random >> 31 ? SLOT_READ : SLOT_CONNECTION;
        bool *is_there = &there[key][slot == SLOT_READ];
        struct entry *entry = logctx__uv_table_find(&table, &objects[key], slot);
        assert_int_equal(entry != NULL, *is_there);
        // Waves, so that it grows and shrinks.
        bool add = (random >> 16) % 100 < (step / 20000 % 2 ? 20u : 80u);
        if (add && (logctx__uv_table_has_room(&table) || logctx__uv_table_grow(&table))) {
            entry = logctx__uv_table_put(&table, &objects[key], slot);
            entry->due_ns = key;
            count += !*is_there;
            *is_there = true;
        } else if (!add && entry) {
            assert_int_equal(logctx__uv_table_take(&table, entry).due_ns, key);
            count--;
            *is_there = false;
        }
        assert_int_equal(table.count, count);
    }
    for (size_t key = 0; key < KEYS; key++) {
        struct entry *entry = logctx__uv_table_find(&table, &objects[key], SLOT_READ);
        if (entry)
            logctx__uv_table_take(&table, entry);
        entry = logctx__uv_table_find(&table, &objects[key], SLOT_CONNECTION);
        if (entry)
            logctx__uv_table_take(&table, entry);
    }
    assert_int_equal(table.count, 0);
    assert_int_equal(table.capacity, 64);
    logctx__uv_table_free(&table);
}

// ---- on a loop ----

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void free_it(uv_handle_t *handle)
{
    free(handle);
}

static void test_steady_state_asks_for_no_memory(void **state)
{
    (void)state;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    for (int i = 0; i < 1000; i++) {
        if (i == 10)
            allocations = 0;
        in("A");
        logctx_uv_timer_start(&timer, on_timer, 0, 0);
        leave();
        run();
    }
    assert_int_equal(allocations, 0);
    logctx_uv_close((uv_handle_t *)&timer, NULL);
    run();
}

static void on_idle(uv_idle_t *idle)
{
    say("idle");
    logctx_uv_idle_stop(idle);
}

static void do_work(uv_work_t *work)
{
    (void)work;
    say("work");
}

// What the program asked for happens, without its context.
static void test_without_memory(void **state)
{
    (void)state;
    uv_idle_t idle;
    uv_work_t work;
    uv_loop_t another;
    uv_idle_init(&loop, &idle);
    uv_loop_init(&another);
    no_memory = true;
    assert_null(logctx_uv_attach(&another, NULL));
    in("A");
    assert_int_equal(logctx_uv_idle_start(&idle, on_idle), 0);
    assert_int_equal(logctx_uv_queue_work(&loop, &work, do_work, NULL), 0);
    leave();
    assert_int_equal(live(), 0);
    run();
    logctx_uv_close((uv_handle_t *)&idle, NULL);
    run();
    no_memory = false;
    char copy[64];
    take_said(copy, sizeof copy);
    assert_true(strcmp(copy, "idle:- work:- ") == 0 || strcmp(copy, "work:- idle:- ") == 0);
    uv_loop_close(&another);
}

// Closed by libuv's own function, which we do not see: what was kept for them goes when the table is full.
static void test_leftovers_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        uv_timer_t *timer = malloc(sizeof *timer);
        uv_timer_init(&loop, timer);
        in("A");
        logctx_uv_timer_start(timer, on_timer, 100000, 0);
        leave();
        uv_close((uv_handle_t *)timer, free_it);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_true(live() <= 100);
    }
    assert_int_equal(attached->kept.capacity, 64);
}

// A stale entry is never used for what is at its address later.
static void test_same_address_again(void **state)
{
    (void)state;
    static union {
        uv_timer_t timer;
        uv_idle_t idle;
    } memory;
    uv_timer_init(&loop, &memory.timer);
    in("old");
    logctx_uv_timer_start(&memory.timer, on_timer, 100000, 0);
    leave();
    uv_close((uv_handle_t *)&memory.timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(live(), 1); // kept until somebody looks
    uv_timer_init(&loop, &memory.timer);
    in("new");
    logctx_uv_timer_start(&memory.timer, on_timer, 100000, 0);
    leave();
    assert_int_equal(live(), 1); // in place of the old one
    uv_close((uv_handle_t *)&memory.timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_timer_init(&loop, &memory.timer);
    uv_timer_start(&memory.timer, on_timer, 0, 0); // libuv's own: nothing of ours is in it
    run();
    uv_close((uv_handle_t *)&memory.timer, NULL);
    run();
}

static void test_handles_in_use_survive_the_search(void **state)
{
    (void)state;
    static uv_timer_t timers[300];
    for (size_t i = 0; i < COUNT(timers); i++) {
        uv_timer_init(&loop, &timers[i]);
        in("A");
        logctx_uv_timer_start(&timers[i], on_timer, 100000, 0);
        leave();
    }
    assert_int_equal(live(), COUNT(timers));
    for (size_t i = 0; i < COUNT(timers); i++)
        uv_timer_stop(&timers[i]); // libuv's own: the contexts go with the next search
    static uv_idle_t idles[300];
    for (size_t i = 0; i < COUNT(idles); i++) {
        uv_idle_init(&loop, &idles[i]);
        logctx_uv_idle_start(&idles[i], NULL);
        logctx_uv_idle_start(&idles[i], (uv_idle_cb)(any_fn_t *)on_timer);
    }
    assert_int_equal(live(), 0);
    for (size_t i = 0; i < COUNT(idles); i++)
        logctx_uv_close((uv_handle_t *)&idles[i], NULL);
    for (size_t i = 0; i < COUNT(timers); i++)
        logctx_uv_close((uv_handle_t *)&timers[i], NULL);
    run();
    assert_int_equal(attached->kept.count, 0);
    assert_int_equal(attached->kept.capacity, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_simple_one),
        uv_test(test_steady_state_asks_for_no_memory),
        uv_test(test_without_memory),
        uv_test(test_leftovers_are_bounded),
        uv_test(test_same_address_again),
        uv_test(test_handles_in_use_survive_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
