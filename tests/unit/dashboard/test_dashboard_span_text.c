// SPDX-License-Identifier: Apache-2.0
// The texts in the attributes of spans: segments, call sites and entries of the flight recorder, good and hostile.
// One thread.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flight.h"
#include "segments.h"
#include "site.h"

static void expect_near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-12))
        fail_msg("%.15g instead of %.15g", value, expected);
}

static struct segments good_segments(const char *text)
{
    struct segments segments;
    const char *why;
    if (!segments_read(text, &segments, &why))
        fail_msg("\"%s\": %s", text, why);
    assert_null(why);
    return segments;
}

static void expect_segment(struct segment segment, int64_t offset, int64_t length, enum segment_state state)
{
    assert_int_equal(segment.offset_us, offset);
    assert_int_equal(segment.length_us, length);
    assert_int_equal(segment.state, state);
}

static void test_segments_are_read(void **state)
{
    (void)state;
    struct segments segments = good_segments("0+1900:run 2000+92400:pool 2000+0:run 99999999999999+7:txn");
    assert_int_equal(segments.count, 4);
    expect_segment(segments.items[0], 0, 1900, SEGMENT_RUN);
    expect_segment(segments.items[1], 2000, 92400, SEGMENT_POOL);
    expect_segment(segments.items[2], 2000, 0, SEGMENT_RUN);
    expect_segment(segments.items[3], 99999999999999, 7, SEGMENT_TXN);
}

static void test_malformed_segments_are_refused_as_a_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "0",
                                        "0+",
                                        "0+1",
                                        "0+1:",
                                        "0+1:running",
                                        "0+1:ru",
                                        "0+1:run ",
                                        " 0+1:run",
                                        "0+1:run  2+1:run",
                                        "0+1:run\t2+1:run",
                                        "0+1:run,2+1:run",
                                        "-1+1:run",
                                        "0+-1:run",
                                        "+0+1:run",
                                        "0x1+1:run",
                                        "00+1:run",
                                        "0+01:run",
                                        "0.5+1:run",
                                        "0+1e3:run",
                                        "1000000000000000+1:run",
                                        "0+1000000000000000:run",
                                        "5+1:run 4+1:run",
                                        "0+1:idle",
                                        "0+1:RUN",
                                        "0+1:run\n",
                                        "<script>",
                                        "0+1:run 0+1:run<b>",
                                        "\xff+1:run",
                                        "0+1:run 7"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct segments segments = {.count = 9};
        const char *why = NULL;
        if (segments_read(texts[i], &segments, &why))
            fail_msg("\"%s\" is taken for segments", texts[i]);
        assert_int_equal(segments.count, 0);
        assert_non_null(why);
    }
}

static char *many_segments(int count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < count; i++)
        fprintf(out, "%s%d+5:%s", i > 0 ? " " : "", 10 * i, i % 2 ? "run" : "txn");
    fclose(out);
    return text;
}

static void test_segments_are_bounded(void **state)
{
    (void)state;
    struct segments segments;
    const char *why;
    char *most = many_segments(SEGMENTS_MAX);
    char *too_many = many_segments(SEGMENTS_MAX + 1);
    assert_true(segments_read(most, &segments, &why));
    assert_int_equal(segments.count, SEGMENTS_MAX);
    assert_false(segments_read(too_many, &segments, &why));
    assert_string_equal(why, "it has more than 32 entries");
    free(most);
    free(too_many);
}

// 0        10        20        30        40 |
//   run---------------------                 |
//        txn-----------txn      pool-------- | pool
static void test_overlaps_are_resolved(void **state)
{
    (void)state;
    struct segments segments = good_segments("2+24:run 7+14:txn 30+20:pool");
    segments_flatten(&segments, 42);
    assert_int_equal(segments.count, 4);
    expect_segment(segments.items[0], 2, 5, SEGMENT_RUN);
    expect_segment(segments.items[1], 7, 14, SEGMENT_TXN);
    expect_segment(segments.items[2], 21, 5, SEGMENT_RUN);
    expect_segment(segments.items[3], 30, 12, SEGMENT_POOL);
    struct split split = segments_split(&segments, 42);
    expect_near(split.states[SEGMENT_RUN], 10e-6);
    expect_near(split.states[SEGMENT_TXN], 14e-6);
    expect_near(split.states[SEGMENT_POOL], 12e-6);
    expect_near(split.idle, 6e-6);
}

static void test_segments_that_touch_become_one(void **state)
{
    (void)state;
    struct segments segments = good_segments("0+10:run 4+3:run 10+5:run 15+0:txn 20+1:run 900+1:run");
    segments_flatten(&segments, 100);
    assert_int_equal(segments.count, 2);
    expect_segment(segments.items[0], 0, 15, SEGMENT_RUN);
    expect_segment(segments.items[1], 20, 1, SEGMENT_RUN);
    segments_flatten(&segments, 0);
    assert_int_equal(segments.count, 0);
    expect_near(segments_split(&segments, 0).idle, 0);
}

// The worst case: each second one lies inside of the one before it.
static void test_the_flat_form_has_room_for_all(void **state)
{
    (void)state;
    char text[1024] = "";
    size_t length = 0;
    for (int i = 0; i < SEGMENTS_MAX / 2; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%d+50:run %d+10:txn", i > 0 ? " " : "",
                                   100 * i, 100 * i + 20);
    struct segments segments = good_segments(text);
    segments_flatten(&segments, 1600);
    assert_int_equal(segments.count, 3 * SEGMENTS_MAX / 2);
    struct split split = segments_split(&segments, 1600);
    expect_near(split.states[SEGMENT_RUN], 16 * 40e-6);
    expect_near(split.states[SEGMENT_TXN], 16 * 10e-6);
}

static void expect_site(const char *text, const char *place, const char *function, const char *path)
{
    struct site site;
    assert_true(site_read(text, &site));
    assert_string_equal(site.place, place);
    assert_string_equal(site.function, function);
    assert_string_equal(site.path, path);
}

static void test_sites(void **state)
{
    (void)state;
    struct site site;
    assert_false(site_read(NULL, &site));
    assert_false(site_read("", &site));
    assert_string_equal(site.place, "");
    expect_site("src/pool.c:61", "pool.c:61", "", "src/pool.c:61");
    expect_site("src/pool.c:61 (pool_acquire)", "pool.c:61", "pool_acquire", "src/pool.c:61");
    expect_site("/a b (c)/pool.c:61 (operator()(int))", "pool.c:61", "operator()(int)", "/a b (c)/pool.c:61");
    expect_site("pool.c:61", "pool.c:61", "", "pool.c:61");
    expect_site("libpool.so.1+0x1a2b (pool_acquire)", "libpool.so.1+0x1a2b", "pool_acquire", "");
    expect_site("libpool.so.1+0x1a2b", "libpool.so.1+0x1a2b", "", "");
    expect_site("an unknown place", "an unknown place", "", "");
    expect_site("0x7f00deadbeef", "0x7f00deadbeef", "", "");
    expect_site(":61", ":61", "", "");
    expect_site("pool.c:", "pool.c:", "", "");
    expect_site("()", "()", "", "");
    expect_site(" ()", " ()", "", "");
    expect_site("a.c:1 ()", "a.c:1", "", "a.c:1");
    expect_site("<b>/\xE2\x80\xAE.c:1", "\xE2\x80\xAE.c:1", "", "<b>/\xE2\x80\xAE.c:1");
}

static void test_sites_of_one_place(void **state)
{
    (void)state;
    assert_true(site_same("a/pool.c:61", "a/pool.c:61"));
    assert_true(site_same("a/pool.c:61 (f)", "a/pool.c:61"));
    assert_false(site_same("a/pool.c:61", "a/pool.c:6"));
    assert_false(site_same("b/pool.c:61", "a/pool.c:61"));
    // Only the end of a long path is kept by the recorder, and an end of a short one is another place.
    assert_false(site_same("pool.c:61", "a/pool.c:61"));
    char path[128];
    memset(path, 'x', sizeof path);
    strcpy(path + 110, "/pool.c:61");
    assert_true(site_same(path + strlen(path) - 95, path));
    assert_false(site_same(path + strlen(path) - 94, path));
}

static void expect_switch(const char *text, const char *from, const char *to, const char *where, double ago_s)
{
    char copy[512];
    struct flight_switch entry;
    snprintf(copy, sizeof copy, "%s", text);
    if (!flight_read(copy, &entry))
        fail_msg("\"%s\" is not read", text);
    assert_string_equal(entry.from, from);
    assert_string_equal(entry.to, to);
    assert_string_equal(entry.where, where);
    expect_near(entry.ago_s, ago_s);
}

static void test_switches_are_read(void **state)
{
    (void)state;
    expect_switch("GET-1 -> sentinel at demo.c:226, 0.411 ms ago", "GET-1", "sentinel", "demo.c:226", 0.000411);
    expect_switch("? -> ? at an unknown place, 12 ms ago", "?", "?", "an unknown place", 0.012);
    // The host's locale.
    expect_switch("a -> b at c.c:1, 1,500 ms ago", "a", "b", "c.c:1", 0.0015);
    // Names of strangers: what looks like the rest of the text, and arrows.
    expect_switch("x at y, 1 ms ago -> b at c.c:1, 2.000 ms ago", "x at y, 1 ms ago", "b", "c.c:1", 0.002);
    expect_switch(" ->  at , 2.000 ms ago", "", "", "", 0.002);
    expect_switch("a -> b -> c at c.c:1, 2.000 ms ago", "a", "b -> c", "c.c:1", 0.002);
    // The first arrow would leave a name that the recorder has no room for.
    expect_switch(
        "aaaaaaaaaaaaaaaaaaaa -> aaaaaaaaaaaaaaaaa -> bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb at c:1, "
        "2.000 ms ago",
        "aaaaaaaaaaaaaaaaaaaa -> aaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "c:1", 0.002);
}

static void test_other_texts_are_no_switches(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ms ago",
                                        "2.000 ms ago",
                                        ", 2.000 ms ago",
                                        " at , 2.000 ms ago",
                                        "a -> b at c",
                                        "a -> b, 2.000 ms ago",
                                        "a at b -> c, 2.000 ms ago",
                                        "a -> b at c, 2.000 ms ago.",
                                        "a -> b at c, -2.000 ms ago",
                                        "a -> b at c, 2.0x0 ms ago",
                                        "a -> b at c,  ms ago",
                                        "a -> b at c, nan ms ago",
                                        "a -> b at c, 9999999999999 ms ago",
                                        "a b at c, 2.000 ms ago"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char copy[128];
        struct flight_switch entry;
        snprintf(copy, sizeof copy, "%s", texts[i]);
        if (flight_read(copy, &entry))
            fail_msg("\"%s\" is taken for a switch", texts[i]);
        assert_string_equal(copy, texts[i]);
    }
}

static void test_long_names_are_recognised(void **state)
{
    (void)state;
    char name[64];
    char recorded[64];
    memset(name, 'n', sizeof name);
    name[63] = '\0';
    snprintf(recorded, sizeof recorded, "%.47s", name);
    assert_true(flight_is(recorded, name));
    assert_true(flight_is("short", "short"));
    assert_false(flight_is("short", "short-1"));
    recorded[0] = 'm';
    assert_false(flight_is(recorded, name));
    snprintf(recorded, sizeof recorded, "%.43s", name);
    assert_false(flight_is(recorded, name)); // would have had room for more
}

static size_t flight(char texts[][96], struct flight_switch *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(flight_read(texts[i], &entries[i]));
    return count;
}

static void test_guilty(void **state)
{
    (void)state;
    char texts[][96] = {"sentinel -> PUT-9 at http.c:1, 0.1 ms ago", "GET-1 -> sentinel at pool.c:88, 0.2 ms ago",
                        "sentinel -> GET-1 at pool.c:84, 0.3 ms ago", "PUT-9 -> sentinel at http.c:7, 0.4 ms ago"};
    struct flight_switch entries[5];
    size_t count = flight(texts, entries, 4);
    entries[4] = (struct flight_switch){.from = NULL};
    struct flight_error lost = {BLAME_SETTER, "GET-1", "sentinel", "http.c:341", "pool.c:88"};
    assert_int_equal(flight_guilty(entries, count, &lost), 1);
    lost.set_by = "http.c:7"; // an older switch to the same context, if that is what is named
    assert_int_equal(flight_guilty(entries, count, &lost), 3);
    lost.set_by = "elsewhere.c:1"; // asked for the callback: the newest to what was found
    assert_int_equal(flight_guilty(entries, count, &lost), 1);
    lost.set_by = NULL;
    assert_int_equal(flight_guilty(entries, count, &lost), 1);
    lost.found = "GET-77"; // out of the recorder
    assert_int_equal(flight_guilty(entries, count, &lost), -1);
    struct flight_error restarted = {BLAME_SWITCH, "GET-1", "", "pool.c:84", "pool.c:88"};
    assert_int_equal(flight_guilty(entries, count, &restarted), 2);
    restarted.found_by = "";
    assert_int_equal(flight_guilty(entries, count, &restarted), -1);
    struct flight_error outlived = {BLAME_EARLIER, "GET-1", "sentinel", "pool.c:84", "pool.c:88"};
    assert_int_equal(flight_guilty(entries, count, &outlived), -1);
    assert_int_equal(flight_guilty(entries + 4, 1, &lost), -1);
    assert_int_equal(flight_guilty(NULL, 0, &lost), -1);
    assert_int_equal(flight_last_to(entries, count, "GET-1"), 2);
    assert_int_equal(flight_last_to(entries, count, "GET-2"), -1);
    assert_int_equal(flight_last_to(entries, count, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_are_read),
        cmocka_unit_test(test_malformed_segments_are_refused_as_a_whole),
        cmocka_unit_test(test_segments_are_bounded),
        cmocka_unit_test(test_overlaps_are_resolved),
        cmocka_unit_test(test_segments_that_touch_become_one),
        cmocka_unit_test(test_the_flat_form_has_room_for_all),
        cmocka_unit_test(test_sites),
        cmocka_unit_test(test_sites_of_one_place),
        cmocka_unit_test(test_switches_are_read),
        cmocka_unit_test(test_other_texts_are_no_switches),
        cmocka_unit_test(test_long_names_are_recognised),
        cmocka_unit_test(test_guilty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
