// The application's metrics: what is collected is what was measured, whoever measured it, and however the attributes were
// written.
//
// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <logctx/metrics.h>
#include <math.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POINTS = 4096 };

// A collection, copied: what a test looks at afterwards.
struct row {
    logctx_metric_point_t point;
    logctx_attr_t attrs[4];
    uint64_t buckets[16];
    logctx_exemplar_t exemplars[16];
};
static struct row rows[POINTS];
static size_t row_count;

static void keep(void *user, const logctx_metric_point_t *point)
{
    (void)user;
    if (row_count == POINTS)
        return;
    struct row *row = &rows[row_count++];
    row->point = *point;
    memcpy(row->attrs, point->attrs, (point->attr_count < 4 ? point->attr_count : 4) * sizeof *row->attrs);
    for (size_t i = 0; point->buckets && i <= point->bound_count && i < 16; i++) {
        row->buckets[i] = point->buckets[i];
        row->exemplars[i] = point->exemplars[i];
    }
}

static size_t collect(void)
{
    row_count = 0;
    logctx_collect_metrics(keep, NULL);
    return row_count;
}

// The points of that name; *at is the last of them.
static size_t find(const char *name, const struct row **at)
{
    size_t found = 0;
    collect();
    for (size_t i = 0; i < row_count; i++)
        if (strcmp(rows[i].point.name, name) == 0) {
            *at = &rows[i];
            found++;
        }
    return found;
}

static int64_t integer(const char *name)
{
    const struct row *row;
    assert_int_equal(find(name, &row), 1);
    return row->point.integer;
}

static void test_counter(void **state)
{
    (void)state;
    logctx_instrument_t *counter = logctx_counter("test.counter", "{thing}", "Things.");
    assert_ptr_equal(logctx_counter("Test.Counter", "{thing}", "Other words."), counter);
    logctx_point_t *point = logctx_point(counter, NULL, 0);
    logctx_point_add(point, 2);
    logctx_point_add(point, INT64_C(1) << 53);
    logctx_point_add(point, 1);
    logctx_instrument_add(counter, 4, NULL, 0);
    const struct row *row;
    assert_int_equal(find("test.counter", &row), 1);
    assert_int_equal(row->point.integer, (INT64_C(1) << 53) + 7);
    assert_string_equal(row->point.unit, "{thing}");
    assert_string_equal(row->point.description, "Things.");
    assert_string_equal(row->point.scope, "app");
    assert_int_equal(row->point.attr_count, 0);
    assert_true(row->point.since_unix_ns >= logctx_start_unix_ns());
    logctx_point_add(NULL, 1);
    logctx_instrument_add(NULL, 1, NULL, 0);
    assert_null(logctx_point(NULL, NULL, 0));
}

// What the specification calls wrong is reported once each, and changes nothing.
static void test_wrong_values(void **state)
{
    (void)state;
    logctx_point_t *counter = logctx_point(logctx_counter("wrong.counter", NULL, NULL), NULL, 0);
    logctx_point_t *gauge = logctx_point(logctx_gauge("wrong.gauge", NULL, NULL), NULL, 0);
    logctx_point_t *histogram = logctx_point(logctx_histogram("wrong.histogram", NULL, NULL, NULL, 0), NULL, 0);
    logctx_point_add(counter, 5);
    logctx_point_add(counter, -1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_add_double(counter, 0.5);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_set(counter, 1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_record(counter, 1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_add(gauge, 1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_add(histogram, 1);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_record(histogram, NAN);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_point_record(histogram, INFINITY);
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_int_equal(integer("wrong.counter"), 5);
    const struct row *row;
    assert_int_equal(find("wrong.gauge", &row), 0);
    assert_int_equal(find("wrong.histogram", &row), 0);
    logctx_point_set(gauge, 3); // the twins: they can be seen
    logctx_point_record(histogram, 3);
    assert_int_equal(integer("wrong.gauge"), 3);
    assert_int_equal(find("wrong.histogram", &row), 1);
}

static void test_wrong_instruments(void **state)
{
    (void)state;
    const char *const names[] = {NULL, "", "1st", "_a", "with space", "m\xC3\xBCll"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_null(logctx_counter(names[i], NULL, NULL));
        take_error(LOGCTX_ERROR_INVALID_USE);
    }
    char name[258];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_null(logctx_counter(name, NULL, NULL));
    take_error(LOGCTX_ERROR_INVALID_USE);
    name[255] = '\0';
    assert_non_null(logctx_counter(name, NULL, NULL));
    assert_null(logctx_counter("unit", "\xC2\xB5s", NULL));
    take_error(LOGCTX_ERROR_INVALID_USE);
    const double falling[] = {2, 1};
    assert_null(logctx_histogram("falling", NULL, NULL, falling, 2));
    take_error(LOGCTX_ERROR_INVALID_USE);
    assert_null(logctx_instrument(NULL));
    take_error(LOGCTX_ERROR_INVALID_USE);
}

static unsigned warnings;

static void count_warnings(const logctx_log_line_t *line, void *user)
{
    (void)user;
    warnings += line->severity == LOGCTX_WARN && strstr(line->message, "is there already") != NULL;
}

// The same name as something else: a warning, and both work and are exported (metrics/sdk.md, Duplicate instrument
// registration). The same once more is the same, in whatever case.
static void test_conflict(void **state)
{
    (void)state;
    warnings = 0;
    logctx_set_logger(count_warnings, NULL);
    logctx_instrument_t *first = logctx_counter("conflict", "By", NULL);
    assert_ptr_equal(logctx_counter("Conflict", "By", "in words"), first);
    const logctx_instrument_opts_t other = {.struct_size = sizeof other, .name = "conflict", .scope = "other"};
    assert_ptr_not_equal(logctx_instrument(&other), first);
    logctx_instrument_opts_t newer = other;
    newer.scope_version = "2";
    assert_ptr_not_equal(logctx_instrument(&newer), logctx_instrument(&other)); // a scope is its name and its version
    assert_ptr_equal(logctx_instrument(&newer), logctx_instrument(&newer));
    assert_int_equal(warnings, 0);
    const double bounds[] = {1, 2}, others[] = {1, 3};
    logctx_instrument_t *histogram = logctx_histogram("CONFLICT", "By", "", bounds, 2);
    assert_ptr_not_equal(histogram, first);
    assert_int_equal(warnings, 1);
    assert_ptr_not_equal(logctx_counter("conflict", "s", NULL), first);
    assert_ptr_not_equal(logctx_histogram("conflict", "By", "", others, 2), histogram);
    assert_int_equal(warnings, 3);
    assert_ptr_equal(logctx_histogram("conflict", "By", "", bounds, 2), histogram);
    assert_ptr_equal(logctx_counter("conflict", "By", NULL), first);
    assert_int_equal(warnings, 3);
    logctx_set_logger(NULL, NULL);
    logctx_instrument_add(first, 2, NULL, 0);
    logctx_instrument_record(histogram, 1.5, NULL, 0);
    const struct row *row;
    assert_int_equal(find("conflict", &row), 2); // named as it was first
    assert_int_equal(row->point.kind, LOGCTX_INSTRUMENT_HISTOGRAM);
    assert_int_equal(row->point.count, 1);
}

static void test_attribute_sets(void **state)
{
    (void)state;
    logctx_instrument_t *counter = logctx_counter("sets", NULL, NULL);
    const logctx_attr_t a = logctx_attr_string("a", "x"), b = logctx_attr_int("b", 1), empty = logctx_attr_int("", 1),
                        a_int = logctx_attr_int("a", 1), b_double = logctx_attr_double("b", 1),
                        bad = logctx_attr_string("a", "\xFF"), worse = logctx_attr_string("a", "\xFE");
    logctx_point_t *point = logctx_point(counter, (logctx_attr_t[]){a, b}, 2);
    assert_ptr_equal(logctx_point(counter, (logctx_attr_t[]){b, a}, 2), point);
    assert_ptr_equal(logctx_point(counter, (logctx_attr_t[]){a_int, b, a}, 3), point);
    assert_ptr_equal(logctx_point(counter, (logctx_attr_t[]){b, empty, a}, 3), point);
    assert_ptr_equal(logctx_point(counter, (logctx_attr_t[]){b, b, a}, 3), point);
    assert_ptr_not_equal(logctx_point(counter, (logctx_attr_t[]){a, b_double}, 2), point);
    assert_ptr_not_equal(logctx_point(counter, (logctx_attr_t[]){a_int, b}, 2), point);
    assert_ptr_not_equal(logctx_point(counter, (logctx_attr_t[]){a, a}, 2), point);
    assert_ptr_equal(logctx_point(counter, (logctx_attr_t[]){a, a}, 2), logctx_point(counter, &a, 1));
    assert_ptr_equal(logctx_point(counter, &bad, 1), logctx_point(counter, &worse, 1));
    const logctx_value_t items[] = {a.value, b.value};
    const logctx_attr_t array = logctx_attr_array("list", items, 2), shorter = logctx_attr_array("list", items, 1);
    assert_ptr_equal(logctx_point(counter, &array, 1), logctx_point(counter, &array, 1));
    assert_ptr_not_equal(logctx_point(counter, &array, 1), logctx_point(counter, &shorter, 1));
    // A text of some length that is nowhere, inside a list: the list is left out.
    const logctx_value_t broken[] = {{.type = LOGCTX_VALUE_STRING, .as.bytes = {NULL, 3}}};
    const logctx_attr_t bad_list = logctx_attr_array("list", broken, 1);
    assert_ptr_equal(logctx_point(counter, &bad_list, 1), logctx_point(counter, NULL, 0));
    logctx_point_add(point, 1);
    const struct row *row;
    assert_int_equal(find("sets", &row), 1);
    assert_int_equal(row->attrs[0].key_length, 1);
    assert_memory_equal(row->attrs[0].key, "a", 1);
    assert_memory_equal(row->attrs[1].key, "b", 1);
}

// What is looked up again is found by where its texts lie, but only if they still say the same.
static void test_texts_that_change_in_their_place(void **state)
{
    (void)state;
    logctx_instrument_t *counter = logctx_counter("places", NULL, NULL),
                        *other = logctx_counter("places.2", NULL, NULL);
    char key[] = "key", text[] = "text one";
    const logctx_attr_t attrs[] = {logctx_attr_string(key, text), logctx_attr_int("number", 1)};
    logctx_point_t *first = logctx_point(counter, attrs, 2);
    assert_ptr_equal(logctx_point(counter, attrs, 2), first);
    assert_ptr_not_equal(logctx_point(other, attrs, 2), first);
    text[7] = '2';
    logctx_point_t *second = logctx_point(counter, attrs, 2);
    assert_ptr_not_equal(second, first);
    key[2] = 'Y';
    assert_ptr_not_equal(logctx_point(counter, attrs, 2), second);
    key[2] = 'y';
    assert_ptr_equal(logctx_point(counter, attrs, 2), second);
    text[7] = 'e';
    assert_ptr_equal(logctx_point(counter, attrs, 2), first);
    const logctx_attr_t turned[] = {attrs[1], attrs[0]}, twice[] = {attrs[0], attrs[0]};
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(logctx_point(counter, turned, 2), first);
        assert_ptr_equal(logctx_point(counter, attrs, 2), first);
        assert_ptr_equal(logctx_point(counter, twice, 2), logctx_point(counter, attrs, 1));
    }

    logctx_attr_t changed[] = {attrs[0], attrs[1]};
    changed[0].value.as.bytes.length = 4;
    assert_ptr_not_equal(logctx_point(counter, changed, 2), first);
    changed[0] = logctx_attr_bytes(key, text, 8);
    assert_ptr_not_equal(logctx_point(counter, changed, 2), first);
    changed[1] = logctx_attr_string("number", NULL);
    logctx_point_t *empty = logctx_point(counter, changed, 2);
    assert_ptr_equal(logctx_point(counter, changed, 2), empty);

    // What claims to have bytes and has none is left out, also where the same length was before.
    char one[] = "x";
    logctx_attr_t claims = logctx_attr_string("claims", one);
    logctx_point_t *none = logctx_point(counter, NULL, 0);
    assert_ptr_not_equal(logctx_point(counter, &claims, 1), none);
    claims.value.as.bytes.data = NULL;
    assert_ptr_equal(logctx_point(counter, &claims, 1), none);
    claims.key = NULL;
    assert_ptr_equal(logctx_point(counter, &claims, 1), none);
}

// A program that puts ids into attributes has its sums all the same, and no more memory for them.
static void test_overflow(void **state)
{
    (void)state;
    logctx_instrument_t *counter = logctx_counter("overflow", NULL, NULL);
    enum { SETS = 3000, LIMIT = 2000 };
    const struct row *row;
    for (int i = 0; i < 2 * SETS; i++) {
        const logctx_attr_t id = logctx_attr_int("id", i % SETS);
        if (i == LIMIT) { // as many as there may be: each has its own
            assert_int_equal(find("overflow", &row), LIMIT);
            for (size_t at = 0; at < row_count; at++)
                if (strcmp(rows[at].point.name, "overflow") == 0)
                    assert_int_equal(rows[at].attrs[0].value.type, LOGCTX_VALUE_INT);
        }
        logctx_instrument_add(counter, 1, &id, 1);
    }
    assert_int_equal(find("overflow", &row), LIMIT + 1);
    int64_t sum = 0, rest = 0;
    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].point.name, "overflow") != 0)
            continue;
        sum += rows[i].point.integer;
        if (rows[i].attrs[0].value.type == LOGCTX_VALUE_BOOL)
            rest += rows[i].point.integer;
    }
    assert_int_equal(sum, 2 * SETS);
    assert_int_equal(rest, 2 * (SETS - LIMIT));
}

static void test_histogram(void **state)
{
    (void)state;
    const double bounds[] = {1, 2, 4};
    logctx_point_t *point = logctx_point(logctx_histogram("histogram", "s", NULL, bounds, 3), NULL, 0);
    const double values[] = {0.5, 1, 1.5, 2, 4, 5, -3};
    for (size_t i = 0; i < COUNT(values); i++)
        logctx_point_record(point, values[i]);
    const struct row *row;
    assert_int_equal(find("histogram", &row), 1);
    const uint64_t expected[] = {3, 2, 1, 1};
    assert_memory_equal(row->buckets, expected, sizeof expected);
    assert_int_equal(row->point.count, 7);
    assert_near(row->point.sum, 11.0);
    assert_near(row->point.min, -3.0);
    assert_near(row->point.max, 5.0);
    assert_int_equal(row->exemplars[0].unix_ns, 0);
}

// Exemplars lead to a trace: of sampled contexts only.
static void test_exemplars(void **state)
{
    (void)state;
    const double bounds[] = {1};
    logctx_point_t *point = logctx_point(logctx_histogram("exemplars", "s", NULL, bounds, 1), NULL, 0);
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_OFF);
    logctx_t *unsampled = make("kind", NULL);
    logctx_set_sampler(LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON);
    logctx_t *sampled = make("kind", NULL);
    logctx_set_current(unsampled);
    logctx_point_record(point, 0.5);
    logctx_set_current(sampled);
    logctx_point_record(point, 3);
    logctx_set_current(logctx_sentinel());
    logctx_point_record(point, 4);
    const struct row *row;
    assert_int_equal(find("exemplars", &row), 1);
    assert_int_equal(row->exemplars[0].unix_ns, 0);
    assert_near(row->exemplars[1].value, 3.0);
    const logctx_span_context_t expected = logctx_get_span_context(sampled);
    assert_memory_equal(row->exemplars[1].span_id, expected.span_id, 8);
    end(unsampled);
    end(sampled);
}

static void *measure(void *user)
{
    logctx_point_t *const *points = user;
    for (int i = 0; i < 1000; i++) {
        logctx_point_add(points[0], 1);
        logctx_point_record(points[1], i);
        const logctx_attr_t attr = logctx_attr_int("i", i % 7);
        logctx_instrument_add(logctx_counter("threads.looked", NULL, NULL), 1, &attr, 1);
    }
    return NULL;
}

// Threads that have ended leave what they measured, and collections meanwhile see no histogram that is half written.
static void test_threads(void **state)
{
    (void)state;
    logctx_point_t *points[] = {logctx_point(logctx_counter("threads", NULL, NULL), NULL, 0),
                                logctx_point(logctx_histogram("threads.h", NULL, NULL, NULL, 0), NULL, 0)};
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, measure, points), 0);
    for (int i = 0; i < 20; i++) {
        const struct row *row = NULL;
        uint64_t sum = 0;
        if (find("threads.h", &row) == 0)
            continue;
        for (size_t bucket = 0; bucket <= row->point.bound_count; bucket++)
            sum += row->buckets[bucket];
        assert_int_equal(sum, row->point.count);
    }
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(integer("threads"), 4000);
    const struct row *row;
    assert_int_equal(find("threads.looked", &row), 7);
    assert_int_equal(find("threads.h", &row), 1);
    assert_int_equal(row->point.count, 4000);
}

// In a child: what is wrong, by its number; 0: nothing.
static int in_child(void)
{
    logctx_point_t *point = logctx_point(logctx_counter("forked", NULL, NULL), NULL, 0);
    const struct row *row;
    if (find("forked", &row) != 0)
        return 1;
    if (find("forked.gauge", &row) != 0)
        return 2;
    logctx_point_add(point, 1);
    if (find("forked", &row) != 1 || row->point.integer != 1)
        return 3;
    return row->point.since_unix_ns >= logctx_start_unix_ns() ? 0 : 4;
}

static void test_fork(void **state)
{
    (void)state;
    logctx_instrument_add(logctx_counter("forked", NULL, NULL), 5, NULL, 0);
    logctx_instrument_set(logctx_gauge("forked.gauge", NULL, NULL), 5, NULL, 0);
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(in_child());
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(integer("forked"), 5);
    assert_int_equal(integer("forked.gauge"), 5);
}

// ---- observed ----

static struct observed {
    int calls;
    bool stop, again;
    logctx_instrument_t *instrument;
    logctx_status_t status;
} observed;

static void observe(logctx_observer_t *observer, void *user)
{
    struct observed *at = user;
    const logctx_attr_t attr = logctx_attr_int("turn", at->calls++ % 2);
    logctx_observe(observer, 1, &attr, 1);
    logctx_observe(observer, 10 + at->calls, &attr, 1);
    if (at->again)
        at->status = logctx_collect_metrics(keep, NULL);
    if (at->stop)
        logctx_instrument_stop_observing(at->instrument);
    logctx_counter("made.in.callback", NULL, NULL);
}

static void test_observed(void **state)
{
    (void)state;
    const logctx_instrument_opts_t opts = {.struct_size = sizeof opts,
                                           .kind = LOGCTX_INSTRUMENT_GAUGE,
                                           .name = "observed",
                                           .observe = observe,
                                           .user = &observed};
    observed.instrument = logctx_instrument(&opts);
    assert_int_equal(integer("observed"), 11); // of equal sets the last one
    assert_int_equal(integer("observed"), 12); // and only what is observed this time
    observed.again = true;
    collect();
    assert_int_equal(observed.status, LOGCTX_E_STATE);
    observed.again = false;
    observed.stop = true;
    assert_int_equal(integer("observed"), 14);
    const struct row *row;
    int calls = observed.calls;
    assert_int_equal(find("observed", &row), 0);
    assert_int_equal(observed.calls, calls);
    logctx_observe(NULL, 1, NULL, 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
}

static void observe_wrong(logctx_observer_t *observer, void *user)
{
    (void)user;
    logctx_observe(observer, -1, NULL, 0);
}

// A sum that goes up is not below zero: of a counter it is left out, of an updowncounter it is a value.
static void test_observed_negative(void **state)
{
    (void)state;
    logctx_instrument_opts_t opts = {.struct_size = sizeof opts, .name = "observed.up", .observe = observe_wrong};
    logctx_instrument_t *counter = logctx_instrument(&opts);
    const struct row *row;
    assert_int_equal(find("observed.up", &row), 0);
    take_error(LOGCTX_ERROR_INVALID_USE);
    logctx_instrument_stop_observing(counter);
    opts.name = "observed.both";
    opts.kind = LOGCTX_INSTRUMENT_UPDOWNCOUNTER;
    logctx_instrument_t *both = logctx_instrument(&opts);
    assert_int_equal(integer("observed.both"), -1);
    logctx_instrument_stop_observing(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_counter),
        core_test(test_wrong_values),
        core_test(test_wrong_instruments),
        core_test(test_conflict),
        core_test(test_attribute_sets),
        core_test(test_overflow),
        core_test(test_texts_that_change_in_their_place),
        core_test(test_histogram),
        core_test(test_exemplars),
        core_test(test_threads),
        core_test(test_fork),
        core_test(test_observed),
        core_test(test_observed_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
