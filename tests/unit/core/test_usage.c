/*
 * test_usage.c: own usage and totals: nesting, folding, late charges, the split into user and system, databases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "spans.h"

#include <pthread.h>

static void burn(logctx_t *ctx, int64_t user, int64_t system)
{
    LOGCTX_PRESERVE(ctx);
    run_user(user);
    run_system(system);
}

// ---- own and total ----

static void test_totals_of_a_deep_tree(void **state)
{
    (void)state;
    enum { DEPTH = 50 };
    logctx_t *chain[DEPTH];
    for (int i = 0; i < DEPTH; i++)
        chain[i] = i ? make_child(chain[i - 1], "deep") : make("root", "root");
    for (int i = 0; i < DEPTH; i++)
        burn(chain[i], MS, 0);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(own_of(chain[i]).cpu_ns, MS);
        assert_int_equal(total_of(chain[i]).cpu_ns, (DEPTH - i) * MS);
    }
    for (int i = DEPTH; i-- > 0;) {
        end(chain[i]);
        assert_int_equal(i > 0 ? total_of(chain[0]).cpu_ns : DEPTH * MS, DEPTH * MS);
    }
    assert_true(span_of("root")->total.cpu_ns == DEPTH * MS);
    assert_true(span_of("root")->own.cpu_ns == MS);
    assert_near(real_attr(record_of("root"), "logctx.total.cpu.time"), DEPTH * 0.001);
}

static void test_no_total_without_children(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "single");
    burn(ctx, MS, 0);
    end(ctx);
    assert_false(has_attr(record_of("single"), "logctx.total.cpu.time"));
    assert_near(real_attr(record_of("single"), "logctx.cpu.time"), 0.001);
}

// A parent that ends before its children: what they use afterwards still reaches everyone above.
static void test_a_finished_parent_with_live_grandchildren(void **state)
{
    (void)state;
    logctx_t *root = make("k", "root"), *middle = make_child(root, "middle"), *leaf = make_child(middle, "leaf");
    burn(leaf, MS, 0);
    burn(middle, 10 * MS, 0);
    logctx_finish(middle);
    assert_int_equal(total_of(root).cpu_ns, 11 * MS);
    assert_int_equal(total_of(middle).cpu_ns, 11 * MS);
    burn(leaf, 2 * MS, 0);
    assert_int_equal(total_of(root).cpu_ns, 13 * MS);
    assert_int_equal(total_of(middle).cpu_ns, 13 * MS);
    logctx_finish(leaf);
    take_error(LOGCTX_ERROR_OUTLIVED_PARENT);
    assert_int_equal(total_of(root).cpu_ns, 13 * MS);
    assert_int_equal(total_of(middle).cpu_ns, 13 * MS);
    burn(leaf, 4 * MS, 0); // late: finished already
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    assert_int_equal(total_of(root).cpu_ns, 17 * MS);
    assert_int_equal(total_of(middle).cpu_ns, 17 * MS);
    assert_int_equal(own_of(root).cpu_ns, 0);
    logctx_unref(middle);
    logctx_unref(leaf);
    end(root);
    assert_true(span_of("root")->total.cpu_ns == 17 * MS);
    assert_true(span_of("leaf")->own.cpu_ns == 3 * MS); // as it was sealed
}

// Children of a parent that had finished, and left its own parent's list, are counted and leave no dangling links.
static void test_children_of_a_finished_parent(void **state)
{
    (void)state;
    logctx_t *root = make("k", "root"), *first = make_child(root, "first"), *middle = make_child(root, "middle"),
             *last = make_child(root, "last");
    logctx_finish(middle);
    end(first);
    for (int round = 0; round < 3; round++) {
        logctx_t *late = make_child(middle, "late");
        burn(late, MS, 0);
        assert_int_equal(total_of(root).cpu_ns, (round + 1) * MS);
        assert_int_equal(total_of(middle).cpu_ns, (round + 1) * MS);
        end(late);
        take_error(LOGCTX_ERROR_OUTLIVED_PARENT);
    }
    burn(last, MS, 0);
    assert_int_equal(total_of(root).cpu_ns, 4 * MS);
    logctx_unref(middle);
    end(last);
    assert_int_equal(total_of(root).cpu_ns, 4 * MS);
    end(root);
}

static void test_the_running_slice(void **state)
{
    (void)state;
    logctx_t *parent = make("k", "parent"), *child = make_child(parent, "child");
    logctx_set_current(child);
    run_user(MS);
    assert_int_equal(own_of(child).cpu_ns, MS); // on its home, as if it were stopped now
    assert_int_equal(total_of(child).cpu_ns, MS);
    assert_int_equal(total_of(parent).cpu_ns, 0); // until the child stops
    logctx_set_current(parent);
    assert_int_equal(total_of(parent).cpu_ns, MS);
    run_user(MS);
    assert_int_equal(own_of(parent).cpu_ns, MS);
    assert_int_equal(total_of(parent).cpu_ns, 2 * MS);
    end(child);
    end(parent);
}

static void test_late_charges_reach_usage_and_not_the_span(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "late");
    end(logctx_ref(ctx));
    burn(ctx, 3 * MS, 0);
    take_error(LOGCTX_ERROR_RESTARTED_FINISHED);
    logctx_charge_cpu(ctx, MS, 0);
    assert_int_equal(own_of(ctx).cpu_ns, 4 * MS);
    assert_true(span_of("late")->own.cpu_ns == 0);
    logctx_unref(ctx);
}

static void test_finish_while_running_charges_the_slice(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c");
    logctx_set_current(ctx);
    run_user(5 * MS);
    logctx_finish(ctx);
    run_user(2 * MS);
    logctx_set_current(logctx_sentinel());
    assert_true(span_of("c")->own.cpu_ns == 5 * MS);
    assert_int_equal(own_of(ctx).cpu_ns, 7 * MS);
    logctx_unref(ctx);
}

// ---- charges ----

static void test_charge_cpu(void **state)
{
    (void)state;
    logctx_t *parent = make("k", "p"), *child = make_child(parent, "c");
    logctx_charge_cpu(child, 5 * MS, 7 * MS);
    logctx_charge_cpu(child, -2 * MS, -3 * MS);
    assert_int_equal(own_of(child).cpu_user_ns, 3 * MS);
    assert_int_equal(own_of(child).cpu_system_ns, 4 * MS);
    assert_int_equal(own_of(child).cpu_ns, 7 * MS);
    assert_int_equal(total_of(parent).cpu_ns, 7 * MS);
    logctx_charge_cpu(NULL, 1, 1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    end(child);
    end(parent);
    logctx_get_usage(NULL, NULL, NULL);
    take_error(LOGCTX_ERROR_INVALID_USE);
}

static void test_database(void **state)
{
    (void)state;
    logctx_t *parent = make("k", "p"), *ctx = make_child(parent, "c");
    assert_int_equal(logctx_db_transaction(5), LOGCTX_OK);
    assert_int_equal(logctx_db_transaction(-5), LOGCTX_OK); // in the sentinel: not even the sign
    assert_int_equal(logctx_db_waited(-5), LOGCTX_OK);
    logctx_set_current(ctx);
    assert_int_equal(logctx_db_transaction(5 * MS), LOGCTX_OK);
    assert_int_equal(logctx_db_transaction(0), LOGCTX_OK);
    assert_int_equal(logctx_db_waited(3 * MS), LOGCTX_OK);
    logctx_db_fetched(12);
    logctx_db_fetched(-2);
    assert_int_equal(logctx_db_transaction(-1), LOGCTX_E_NEGATIVE);
    const logctx_test_error_t *error = take_error(LOGCTX_ERROR_NEGATIVE_DURATION);
    assert_string_equal(error->message, "DB txn time can only be non-negative");
    assert_at(error->found_by, __LINE__ - 3);
    assert_int_equal(logctx_db_waited(-1), LOGCTX_E_NEGATIVE);
    error = take_error(LOGCTX_ERROR_NEGATIVE_DURATION);
    assert_string_equal(error->message, "DB scheduling time can only be non-negative");
    assert_string_equal(error->affected, "c");
    logctx_usage_t own = own_of(ctx), total = total_of(parent);
    assert_int_equal(own.db_transactions, 2);
    assert_int_equal(own.db_ns, 5 * MS);
    assert_int_equal(own.db_wait_ns, 3 * MS);
    assert_int_equal(own.db_rows, 10);
    assert_memory_equal(&own, &total, sizeof own);
    end(ctx);
    end(parent);
    const logctx_record_t *record = record_of("c");
    assert_int_equal(int_attr(record, "logctx.db.transactions"), 2);
    assert_near(real_attr(record, "logctx.db.time"), 0.005);
    assert_near(real_attr(record, "logctx.db.wait_time"), 0.003);
    assert_int_equal(int_attr(record, "logctx.db.rows"), 10);
}

static void test_transaction_across_callbacks(void **state)
{
    (void)state;
    logctx_t *ctx = make("k", "c"), *other = make("k", "o");
    logctx_db_t db, second;
    logctx_set_current(ctx);
    logctx_db_begin(&db);
    pass(MS);
    logctx_db_begin(&second);
    logctx_set_current(other);
    pass(2 * MS);
    logctx_db_end(&second);
    end(logctx_ref(ctx));
    logctx_unref(ctx);
    pass(3 * MS);
    assert_string_equal(logctx_name(ctx), "c"); // the transaction keeps it alive
    logctx_ref(ctx);
    logctx_db_end(&db);
    assert_int_equal(own_of(ctx).db_transactions, 2);
    assert_int_equal(own_of(ctx).db_ns, 8 * MS);
    logctx_unref(ctx);
    logctx_db_end(&db);
    logctx_db_end(NULL);
    logctx_db_begin(NULL);
    take_errors(LOGCTX_ERROR_INVALID_USE, 3);
    end(other);
}

struct charge {
    logctx_t *ctx;
    logctx_db_t db;
};

static void *charge_elsewhere(void *argument)
{
    struct charge *charge = argument;
    logctx_db_end(&charge->db);
    logctx_charge_cpu(charge->ctx, 2 * MS, MS);
    return NULL;
}

static void test_charges_from_another_thread(void **state)
{
    (void)state;
    for (int finished = 0; finished < 2; finished++) {
        struct charge charge = {.ctx = NULL};
        logctx_t *parent = make("k", "p");
        charge.ctx = make_child(parent, "c");
        logctx_set_current(charge.ctx);
        logctx_db_begin(&charge.db);
        pass(4 * MS);
        logctx_set_current(logctx_sentinel());
        if (finished)
            logctx_finish(charge.ctx);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, charge_elsewhere, &charge), 0);
        pthread_join(thread, NULL);
        assert_int_equal(own_of(charge.ctx).db_ns, 4 * MS);
        assert_int_equal(own_of(charge.ctx).db_transactions, 1);
        assert_int_equal(own_of(charge.ctx).cpu_ns, 3 * MS);
        assert_int_equal(total_of(parent).cpu_ns, 3 * MS);
        assert_int_equal(total_of(parent).db_ns, 4 * MS);
        end(charge.ctx);
        end(parent);
    }
}

// ---- a clock without exact parts ----

static void test_the_split_keeps_the_sum(void **state)
{
    (void)state;
    logctx_t *ctx = make("ticked", "c");
    logctx_set_current(ctx);
    run_user(30 * MS);
    fake_user_ticks += 8 * MS;
    fake_system_ticks += 4 * MS;
    logctx_set_current(logctx_sentinel());
    logctx_usage_t own = own_of(ctx);
    assert_int_equal(own.cpu_ns, 30 * MS);
    assert_int_equal(own.cpu_user_ns, 20 * MS);
    assert_int_equal(own.cpu_system_ns, 10 * MS);
    end(ctx);
    assert_near(real_attr(record_of("c"), "logctx.cpu.time.user"), 0.020);
    assert_near(real_attr(record_of("c"), "logctx.cpu.time.system"), 0.010);
    ctx = make("ticked", "no tick of its own");
    burn(ctx, 3 * MS, 0);
    own = own_of(ctx);
    assert_int_equal(own.cpu_ns, 3 * MS);
    assert_int_equal(own.cpu_user_ns + own.cpu_system_ns, 3 * MS);
    assert_int_equal(own.cpu_user_ns, 2 * MS); // as its kind
    end(ctx);
    ctx = make("never ticked", "n");
    burn(ctx, 3 * MS, 0);
    assert_int_equal(own_of(ctx).cpu_user_ns, 3 * MS);
    end(ctx);
}

static void test_parts_only_from_twenty_milliseconds(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        bool parts;
    } rows[] = {{20 * MS - 1, false}, {20 * MS, true}, {0, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_t *ctx = make("k", "split");
        burn(ctx, rows[i].ns, 0);
        end(ctx);
        assert_int_equal(has_attr(record_of("split"), "logctx.cpu.time.user"), rows[i].parts);
        assert_int_equal(has_attr(record_of("split"), "logctx.cpu.time.system"), rows[i].parts);
        assert_true(has_attr(record_of("split"), "logctx.cpu.time"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_totals_of_a_deep_tree),
        core_test(test_no_total_without_children),
        core_test(test_a_finished_parent_with_live_grandchildren),
        core_test(test_children_of_a_finished_parent),
        core_test(test_the_running_slice),
        core_test(test_late_charges_reach_usage_and_not_the_span),
        core_test(test_finish_while_running_charges_the_slice),
        core_test(test_charge_cpu),
        core_test(test_database),
        core_test(test_transaction_across_callbacks),
        core_test(test_charges_from_another_thread),
        core_test_ticking(test_the_split_keeps_the_sum),
        core_test(test_parts_only_from_twenty_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
