// SPDX-License-Identifier: Apache-2.0
// Request bodies: limits, gzip in every broken form, and the memory account. One thread.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "body.h"

enum { LIMIT = 100000 };

struct packed {
    uint8_t bytes[LIMIT];
    size_t length;
};

// Appends one gzip member with `length` bytes of `byte`.
static void pack(struct packed *packed, char byte, size_t length)
{
    z_stream stream = {0};
    static uint8_t piece[1 << 16];
    memset(piece, byte, sizeof piece);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = packed->bytes + packed->length;
    stream.avail_out = (uInt)(sizeof packed->bytes - packed->length);
    while (length > 0) {
        stream.next_in = piece;
        stream.avail_in = (uInt)(length < sizeof piece ? length : sizeof piece);
        length -= stream.avail_in;
        assert_int_equal(deflate(&stream, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed->length = sizeof packed->bytes - stream.avail_out;
    deflateEnd(&stream);
}

// Feeds in pieces of `step`, and gives the final state; the body is the caller's to free.
static enum body_state feed(struct body *body, struct memory *memory, bool gzip, const void *bytes, size_t length,
                            size_t step)
{
    assert_true(body_init(body, memory, LIMIT, gzip));
    for (size_t at = 0; at < length; at += step)
        body_feed(body, (const uint8_t *)bytes + at, length - at < step ? length - at : step);
    return body_finish(body);
}

static void check_gzip(const void *bytes, size_t length, enum body_state expected, size_t expected_length)
{
    static const size_t steps[] = {1, 7, 1000, LIMIT};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct memory memory = {.limit = 10 * LIMIT};
        struct body body;
        char why[300];
        assert_int_equal(feed(&body, &memory, true, bytes, length, steps[i]), expected);
        assert_int_equal(body.length, expected_length);
        body_why(&body, why, sizeof why);
        assert_int_equal(why[0] == '\0', expected == BODY_GOOD);
        body_free(&body);
        body_free(&body);
        assert_int_equal(memory.used, 0);
    }
}

static void test_plain(void **state)
{
    (void)state;
    static const char text[LIMIT + 1] = "hello";
    struct memory memory = {.limit = 10 * LIMIT};
    struct body body;
    assert_int_equal(feed(&body, &memory, false, text, LIMIT, 999), BODY_GOOD);
    assert_int_equal(body.length, LIMIT);
    assert_memory_equal(body.bytes, text, LIMIT);
    assert_true(memory.used >= LIMIT);
    body_free(&body);
    assert_int_equal(feed(&body, &memory, false, text, LIMIT + 1, 999), BODY_TOO_LARGE);
    body_free(&body);
    assert_int_equal(feed(&body, &memory, false, "", 0, 1), BODY_GOOD);
    assert_int_equal(body.length, 0);
    body_free(&body);
    assert_int_equal(memory.used, 0);
}

static void test_gzip(void **state)
{
    (void)state;
    struct packed packed = {.length = 0};
    pack(&packed, 'x', 50000);
    check_gzip(packed.bytes, packed.length, BODY_GOOD, 50000);
    // A second and a third member, one of them empty, go on where the first ended.
    pack(&packed, 'y', 0);
    pack(&packed, 'z', 30000);
    check_gzip(packed.bytes, packed.length, BODY_GOOD, 80000);
}

static void test_exactly_the_limit(void **state)
{
    (void)state;
    struct packed full = {.length = 0};
    pack(&full, 'x', LIMIT);
    check_gzip(full.bytes, full.length, BODY_GOOD, LIMIT);
    pack(&full, 'x', 0);
    check_gzip(full.bytes, full.length, BODY_GOOD, LIMIT);
    struct packed over = {.length = 0};
    pack(&over, 'x', LIMIT + 1);
    check_gzip(over.bytes, over.length, BODY_TOO_LARGE, 0);
    pack(&full, 'x', 1);
    check_gzip(full.bytes, full.length, BODY_TOO_LARGE, 0);
}

static void test_bomb(void **state)
{
    (void)state;
    struct packed bomb = {.length = 0};
    struct memory memory = {.limit = 10 * LIMIT};
    struct body body;
    pack(&bomb, 0, 64 << 20);
    assert_true(bomb.length < LIMIT);
    assert_true(body_init(&body, &memory, LIMIT, true));
    // The account is never asked for more than the limit, however far the bomb would go.
    memory.limit = LIMIT;
    assert_int_equal(body_feed(&body, bomb.bytes, bomb.length), BODY_TOO_LARGE);
    assert_int_equal(memory.used, 0);
    body_free(&body);
}

static void test_broken(void **state)
{
    (void)state;
    struct packed good = {.length = 0};
    pack(&good, 'x', 5000);
    check_gzip("", 0, BODY_BROKEN, 0);
    check_gzip("not gzip at all", 15, BODY_BROKEN, 0);
    for (size_t cut = 1; cut < good.length; cut++)
        check_gzip(good.bytes, cut, BODY_BROKEN, 0);
    // A wrong checksum, and something behind the end that is no member.
    struct packed bad = good;
    bad.bytes[bad.length - 8] ^= 1;
    check_gzip(bad.bytes, bad.length, BODY_BROKEN, 0);
    bad = good;
    memcpy(bad.bytes + bad.length, "tail", 4);
    check_gzip(bad.bytes, bad.length + 4, BODY_BROKEN, 0);
}

static void test_account(void **state)
{
    (void)state;
    static const char text[LIMIT];
    struct memory memory = {.limit = LIMIT + LIMIT / 2};
    struct body first;
    struct body second;
    assert_int_equal(feed(&first, &memory, false, text, LIMIT, 5000), BODY_GOOD);
    assert_int_equal(feed(&second, &memory, false, text, LIMIT, 5000), BODY_NO_MEMORY);
    assert_int_equal(memory.used, first.capacity);
    body_free(&second);
    body_free(&first);
    assert_int_equal(memory.used, 0);
    assert_int_equal(feed(&second, &memory, false, text, LIMIT, 5000), BODY_GOOD);
    body_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain), cmocka_unit_test(test_gzip),   cmocka_unit_test(test_exactly_the_limit),
        cmocka_unit_test(test_bomb),  cmocka_unit_test(test_broken), cmocka_unit_test(test_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
