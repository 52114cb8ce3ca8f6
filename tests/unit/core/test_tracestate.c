/*
 * test_tracestate.c: reading, reducing and cutting `tracestate` by W3C Trace Context Level 2. Numbered cases
 * are the project's list of malformed and borderline headers; 1 to 24, which are about traceparent, are in
 * test_traceparent.c.
 *
 * Several header lines are joined by commas before they get here (27). That the trace is kept whatever the
 * tracestate is follows from there being two functions. 38 to 41 are about baggage, which the library does
 * not read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tracestate.h"

#include <logctx/trace.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X128 X64 X64
#define X256 X128 X128

// A read from and into memory of exactly that size. The result is compared as a string.
static void expect(int number, const char *header, size_t length, size_t size, const char *want)
{
    char *in = malloc(length + (length == 0));
    char *out = malloc(size);
    assert_non_null(in);
    assert_non_null(out);
    memcpy(in, header, length);
    memset(out, 0x5A, size);
    size_t written = logctx_tracestate_read(in, length, out, size);
    if (written != strlen(want) || strcmp(out, want) != 0)
        fail_msg("row %d: \"%s\" became \"%s\"", number, header, out);
    free(in);
    free(out);
}

typedef struct row {
    int number; // in the project's list; 0: a case of ours
    const char *header;
    const char *want; // "": discarded, or nothing in it
} row_t;

static const row_t rows[] = {
    {0, "foo=1", "foo=1"},
    {0, "foo=1,bar=2", "foo=1,bar=2"},
    {0, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"},
    {25, "", ""},
    {25, " \t ", ""},
    {26, "foo=1,", "foo=1"},
    {26, ",foo=1", "foo=1"},
    {26, "foo=1, ,\t,bar=2", "foo=1,bar=2"},
    {26, ",,,", ""},
    {27, "foo=1,bar=2,baz=3", "foo=1,bar=2,baz=3"},
    {27, "foo=1,bar=2, rojo=1,congo=2 ,baz=3", "foo=1,bar=2,rojo=1,congo=2,baz=3"},
    {28, "foo=1,foo=1", "foo=1"},
    {28, "foo=1,foo=2", "foo=1"},
    {28, "foo=1,bar=0,foo=2,bar=3", "foo=1,bar=0"},
    {28, "foo=1,foo=2,foo=", ""},
    {29, "FOO=1", ""},
    {29, "fOO=1", ""},
    {29, "foo.bar=1", ""},
    {29, "foo =1", ""},
    {29, "foo\t=1", ""},
    {29, "f\xC3\xA4=1", ""},
    {30, "@foo=1,bar=2", ""},
    {30, "bar=2,@foo=1", ""},
    {30, "_foo=1", ""},
    {30, "-foo=1", ""},
    {30, "*foo=1", ""},
    {30, "/foo=1", ""},
    {31, "foo@=1,bar=2", "foo@=1,bar=2"},
    {31, "foo@@bar=1,bar=2", "foo@@bar=1,bar=2"},
    {31, "foo@bar@baz=1,bar=2", "foo@bar@baz=1,bar=2"},
    {31, "foo@bar=1", "foo@bar=1"},
    {31, "0foo=1", "0foo=1"},
    {31, "a_-*/@z09=1", "a_-*/@z09=1"},
    {31, "a=1", "a=1"},
    {33, X256 "=1", X256 "=1"},
    {33, X256 "x=1", ""},
    {33, "foo=1," X256 "x=1", ""},
    {34, "foo=bar=baz", ""},
    {34, "foo=bar=baz,bar=3", ""},
    {34, "foo==", ""},
    {35, "foo=,bar=3", ""},
    {35, "foo=", ""},
    {35, "foo= ", ""},
    {35, "foo", ""},
    {35, "=", ""},
    {35, "=1", ""},
    {35, "foo=1,bar", ""},
    {36, "foo=1 \t , \t bar=2", "foo=1,bar=2"},
    {36, "foo=1 \t \t,bar=2 \t \t", "foo=1,bar=2"},
    {36, " foo=1", "foo=1"},
    {36, "\tfoo=1\t", "foo=1"},
    {37, "ot=th:00000000000000f;rv:zz;zz:top,foo=1", "ot=th:00000000000000f;rv:zz;zz:top,foo=1"},
    {0, "foo= 1", "foo= 1"},
    {0, "foo= 1 2 ", "foo= 1 2"},
    {0, "foo=1\t2", ""},
    {0, "foo=\t1", ""},
    {0, "foo=1\n", ""},
    {0, "foo=\x7F", ""},
    {0, "foo=\xC3\xA4", ""},
    {0, "foo=~!\"#$%&'()*+-./:;<>?@[\\]^_`{|}", "foo=~!\"#$%&'()*+-./:;<>?@[\\]^_`{|}"},
    {0, "foo=" X256, "foo=" X256},
    {0, "foo=" X256 "x", ""},
    {0, X256 "=" X256 ",a=1", X256 "=" X256 ",a=1"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        expect(rows[i].number, rows[i].header, strlen(rows[i].header), LOGCTX_TRACESTATE_SIZE, rows[i].want);
    expect(0, "foo=1\0", 6, 100, "");
    expect(0, "fo\0o=1", 6, 100, "");
    // Only `length` bytes are the header.
    expect(0, "foo=1,bar=2", 5, 100, "foo=1");
    expect(0, "foo=1,bar=2", 6, 100, "foo=1");
    expect(0, "foo=1,bar=2", 7, 100, "");
}

// `count` members k00=1,k01=1,...
static size_t many(char *out, unsigned count)
{
    char *p = out;
    for (unsigned i = 0; i < count; i++) {
        char member[] = "k00=1,";
        member[1] = (char)('0' + i / 10);
        member[2] = (char)('0' + i % 10);
        memcpy(p, member, 6);
        p += 6;
    }
    *--p = '\0';
    return (size_t)(p - out);
}

// Row 32: 33 members.
static void test_members(void **state)
{
    (void)state;
    char header[1024];
    size_t length = many(header, 32);
    expect(32, header, length, LOGCTX_TRACESTATE_SIZE, header);
    length = many(header, 33);
    expect(32, header, length, LOGCTX_TRACESTATE_SIZE, "");
    // Empty members are none.
    length = many(header, 32);
    memcpy(header + length, ",,\t,", 5);
    char want[1024];
    many(want, 32);
    expect(32, header, length + 4, LOGCTX_TRACESTATE_SIZE, want);
    // A repeated key counts, so that the work is bounded by what was sent.
    memcpy(header + length, ",k00=2", 7);
    expect(32, header, length + 6, LOGCTX_TRACESTATE_SIZE, "");
}

static void test_long(void **state)
{
    (void)state;
    char header[LOGCTX_TRACESTATE_SIZE + 1];
    memset(header, ' ', sizeof header);
    memcpy(header, "foo=1", 5);
    expect(0, header, LOGCTX_TRACESTATE_SIZE - 1, LOGCTX_TRACESTATE_SIZE, "foo=1");
    expect(0, header, LOGCTX_TRACESTATE_SIZE, LOGCTX_TRACESTATE_SIZE, "");
    expect(0, header, LOGCTX_TRACESTATE_SIZE + 1, LOGCTX_TRACESTATE_SIZE, "");
}

static void test_null(void **state)
{
    (void)state;
    char out[4] = "xxx";
    assert_int_equal(logctx_tracestate_read(NULL, 5, out, sizeof out), 0);
    assert_string_equal(out, "");
    assert_int_equal(logctx_tracestate_read("a=1", 3, NULL, 10), 0);
    out[0] = 'x';
    assert_int_equal(logctx_tracestate_read("a=1", 3, out, 0), 0);
    assert_int_equal(out[0], 'x');
    assert_int_equal(logctx__tracestate_cut(out, sizeof out, NULL), 0);
    assert_string_equal(out, "");
}

static void test_in_place(void **state)
{
    (void)state;
    char text[] = " foo=1 , foo=2,,\tbar=2 ";
    assert_int_equal(logctx_tracestate_read(text, strlen(text), text, sizeof text), 11);
    assert_string_equal(text, "foo=1,bar=2");
}

static void expect_cut(const char *state, size_t size, const char *want)
{
    char *out = malloc(size + (size == 0));
    assert_non_null(out);
    size_t length = logctx__tracestate_cut(out, size, state);
    assert_int_equal(length, strlen(want));
    if (size > 0)
        assert_string_equal(out, want);
    free(out);
}

static void test_cut(void **state)
{
    (void)state;
    expect_cut("a=1,b=2,c=3", 100, "a=1,b=2,c=3");
    expect_cut("a=1,b=2,c=3", 12, "a=1,b=2,c=3");
    expect_cut("a=1,b=2,c=3", 11, "a=1,b=2");
    expect_cut("a=1,b=2,c=3", 8, "a=1,b=2");
    expect_cut("a=1,b=2,c=3", 7, "a=1");
    expect_cut("a=1,b=2,c=3", 3, "");
    expect_cut("a=1,b=2,c=3", 1, "");
    expect_cut("a=1,b=2,c=3", 0, "");
    expect_cut("", 1, "");
}

// Members of more than 128 characters go first, the right-most of them before the others.
static void test_cut_long_members(void **state)
{
    (void)state;
    static const char first[] = "l=" X128;
    static const char all[] = "a=1,l=" X128 ",b=2,m=" X128 ",c=3";
    const size_t a_member = sizeof first - 1;
    expect_cut(all, sizeof all, all);
    expect_cut(all, sizeof all - 1, "a=1,l=" X128 ",b=2,c=3");
    expect_cut(all, sizeof all - a_member - 1, "a=1,l=" X128 ",b=2,c=3");
    expect_cut(all, sizeof all - a_member - 2, "a=1,b=2,c=3");
    expect_cut(all, 12, "a=1,b=2,c=3");
    expect_cut(all, 11, "a=1,b=2");
    // 128 characters are not more than 128.
    expect_cut("l=" X64 X16 X16 X16 "xxxxxxxxxxxxxx,a=1", 129, "l=" X64 X16 X16 X16 "xxxxxxxxxxxxxx");
    expect_cut("l=" X64 X16 X16 X16 "xxxxxxxxxxxxxxx,a=1", 130, "a=1");
}

// What is read once is read the same again, whatever it was.
static void test_random(void **state)
{
    (void)state;
    static const char alphabet[] = "aab==,, \tz@9A\x80";
    uint32_t seed = 7;
    size_t kept = 0;
    for (int i = 0; i < 200000; i++) {
        char header[24];
        char once[24];
        char twice[24];
        size_t length = 0;
        for (seed = seed * 1664525u + 1013904223u; length < seed >> 27 && length < sizeof header - 1;) {
            seed = seed * 1664525u + 1013904223u;
            header[length++] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        size_t written = logctx_tracestate_read(header, length, once, sizeof once);
        assert_true(written <= length);
        assert_int_equal(logctx_tracestate_read(once, written, twice, sizeof twice), written);
        assert_string_equal(twice, once);
        kept += written > 0;
    }
    assert_true(kept > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_long_members),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("tracestate", tests, NULL, NULL);
}
