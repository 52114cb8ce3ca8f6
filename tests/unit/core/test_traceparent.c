/*
 * test_traceparent.c: reading and writing `traceparent` by W3C Trace Context Level 2. Numbered cases are the
 * project's list of malformed and borderline headers; 25 and up, which are about tracestate, are in
 * test_tracestate.c.
 *
 * Not of these functions: 1 (no traceparent at all: nothing is read then, and tracestate is not looked at), 2
 * (two headers of that name), 3 and 4 (the header's name): whoever takes a request apart passes one value or
 * none. That two values joined by a comma are refused is here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <logctx/trace.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TRACE "12345678901234567890123456789012"
#define SPAN "1234567890123456"
#define IDS TRACE "-" SPAN
#define FULL "00-" IDS "-01"

// A read on memory of exactly that size, so that a sanitizer sees a step outside.
static bool read_exactly(const char *header, size_t length, logctx_span_context_t *out)
{
    char *copy = malloc(length + (length == 0));
    assert_non_null(copy);
    memcpy(copy, header, length);
    bool good = logctx_traceparent_read(copy, length, out);
    free(copy);
    return good;
}

typedef struct row {
    int number; // in the project's list; 0: a case of ours
    const char *header;
    const char *again; // what is written for it; NULL: refused
} row_t;

static const row_t rows[] = {
    {0, FULL, FULL},
    {2, FULL "," FULL, NULL},
    {5, "00-" IDS "-01.", NULL},
    {5, "00-" IDS "-01-extra", NULL},
    {5, "00-" IDS "-01-", NULL},
    {5, "00-" IDS "-01-what-the-future-will-be-like", NULL},
    {6, "cc-" IDS "-01", FULL},
    {6, "01-" IDS "-01", FULL},
    {6, "fe-" IDS "-01", FULL},
    {7, "cc-" IDS "-01-what-the-future-will-be-like", FULL},
    {7, "cc-" IDS "-01-", FULL},
    {8, "cc-" IDS "-01.what-the-future-will-be-like", NULL},
    {8, "cc-" IDS "-010", NULL},
    {8, "cc-" IDS "-01 x", NULL},
    {9, "cc-" IDS "-0", NULL},
    {9, "cc-" IDS "-", NULL},
    {9, "cc-" IDS, NULL},
    {9, "cc-", NULL},
    {10, "ff-" IDS "-01", NULL},
    {10, "ff-" IDS "-01-x", NULL},
    {11, ".0-" IDS "-01", NULL},
    {11, "0.-" IDS "-01", NULL},
    {11, "0x-" IDS "-01", NULL},
    {12, "0-" IDS "-01", NULL},
    {12, "000-" IDS "-01", NULL},
    {12, "0000-" IDS "-01", NULL},
    {12, "-" IDS "-01", NULL},
    {13, "00-00000000000000000000000000000000-" SPAN "-01", NULL},
    {14, "00-.2345678901234567890123456789012-" SPAN "-01", NULL},
    {14, "00-1234567890123456789012345678901.-" SPAN "-01", NULL},
    {14, "00-1234567890123456789012345678901g-" SPAN "-01", NULL},
    {15, "00-1234567890123456789012345678901-" SPAN "-01", NULL},
    {15, "00-123456789012345678901234567890123-" SPAN "-01", NULL},
    {15, "cc-123456789012345678901234567890123-" SPAN "-01", NULL},
    {16, "00-1234567890123456789012345678901A-" SPAN "-01", NULL},
    {16, "00-" TRACE "-123456789012345A-01", NULL},
    {16, "00-" IDS "-0A", NULL},
    {16, "0A-" IDS "-01", NULL},
    {17, "00-" TRACE "-0000000000000000-01", NULL},
    {17, "00-" TRACE "-.234567890123456-01", NULL},
    {17, "00-" TRACE "-123456789012345.-01", NULL},
    {18, "00-" TRACE "-123456789012345-01", NULL},
    {18, "00-" TRACE "-12345678901234567-01", NULL},
    {19, "00-" IDS "-.0", NULL},
    {19, "00-" IDS "-0.", NULL},
    {19, "00-" IDS "-1", NULL},
    {19, "00-" IDS "-001", NULL},
    {19, "00-" IDS "-", NULL},
    {20, "00-" IDS "-ff", "00-" IDS "-03"},
    {20, "00-" IDS "-fc", "00-" IDS "-00"},
    {20, "cc-" IDS "-ff", "00-" IDS "-03"},
    {21, "00-" IDS "-02", "00-" IDS "-02"},
    {21, "00-" IDS "-03", "00-" IDS "-03"},
    {21, "00-" IDS "-00", "00-" IDS "-00"},
    {22, " " FULL, FULL},
    {22, FULL " ", FULL},
    {22, "\t" FULL "\t", FULL},
    {22, "\t " FULL "\t ", FULL},
    {22, " \tcc-" IDS "-01-x\t ", FULL},
    {22, "\n" FULL, NULL},
    {22, FULL "\r\n", NULL},
    {22, "00- " IDS "-01", NULL},
    {23, "00" IDS "-01", NULL},
    {23, "00-" TRACE SPAN "-01", NULL},
    {23, "00-" IDS "01", NULL},
    {23, "00_" IDS "-01", NULL},
    {23, "00-" TRACE "_" SPAN "-01", NULL},
    {23, "00-" IDS "_01", NULL},
    {23, "", NULL},
    {23, " ", NULL},
    {23, "-", NULL},
    {23, "---", NULL},
    {0, "00-00000000000000000000000000000001-0000000000000001-01",
     "00-00000000000000000000000000000001-0000000000000001-01"},
    {0, "00-ffffffffffffffffffffffffffffffff-abcdefabcdefabcd-01",
     "00-ffffffffffffffffffffffffffffffff-abcdefabcdefabcd-01"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        logctx_span_context_t before;
        memset(&before, 0x5A, sizeof before);
        logctx_span_context_t read = before;
        char again[LOGCTX_TRACEPARENT_SIZE];
        bool good = read_exactly(rows[i].header, strlen(rows[i].header), &read);
        if (good != (rows[i].again != NULL))
            fail_msg("row %d: \"%s\"", rows[i].number, rows[i].header);
        if (!good) {
            assert_memory_equal(&read, &before, sizeof read);
            continue;
        }
        logctx_traceparent_write(&read, again);
        assert_string_equal(again, rows[i].again);
    }
}

static void test_fields(void **state)
{
    (void)state;
    logctx_span_context_t read;
    assert_true(logctx_traceparent_read("00-0123456789abcdef0011223344556677-8899aabbccddeeff-02", 55, &read));
    assert_memory_equal(read.trace_id, "\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x11\x22\x33\x44\x55\x66\x77", 16);
    assert_memory_equal(read.span_id, "\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 8);
    assert_int_equal(read.flags, LOGCTX_FLAG_RANDOM);
}

// Every byte at every place: only a hex digit is as good as a hex digit, and only a dash as a dash.
static void test_every_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at < 55; at++) {
        for (int c = 0; c < 256; c++) {
            char header[] = FULL;
            logctx_span_context_t read;
            header[at] = (char)c;
            bool is_dash = at == 2 || at == 35 || at == 52;
            bool is_hex = c != 0 && strchr("0123456789abcdef", c) != NULL;
            bool want = is_dash ? c == '-' : is_hex;
            if (read_exactly(header, 55, &read) != want)
                fail_msg("byte %02x at %zu", (unsigned)c, at);
        }
    }
}

// Digits are read eight at a time: a byte that is none must not make its neighbour look like one, whatever both are.
static void test_every_pair_of_neighbours(void **state)
{
    (void)state;
    for (int first = 1; first < 256; first++) {
        for (int second = 1; second < 256; second++) {
            char header[] = FULL;
            logctx_span_context_t read;
            header[10] = (char)first;
            header[11] = (char)second;
            bool want = strchr("0123456789abcdef", first) && strchr("0123456789abcdef", second);
            if (logctx_traceparent_read(header, 55, &read) != want)
                fail_msg("bytes %02x and %02x", (unsigned)first, (unsigned)second);
            char digits[] = {header[9], header[10], header[11], header[12], '\0'};
            unsigned long value = want ? strtoul(digits, NULL, 16) : 0;
            if (want && value != ((unsigned long)read.trace_id[3] << 8 | read.trace_id[4]))
                fail_msg("value of bytes %02x and %02x", (unsigned)first, (unsigned)second);
        }
    }
}

static void test_every_length(void **state)
{
    (void)state;
    logctx_span_context_t read;
    for (size_t length = 0; length < 55; length++) {
        assert_false(read_exactly(FULL, length, &read));
        assert_false(read_exactly("cc-" IDS "-01", length, &read));
    }
    assert_true(read_exactly(FULL, 55, &read));
    assert_true(read_exactly("cc-" IDS "-01", 55, &read));
}

// Row 24: a header of absurd length.
static void test_long(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *header = malloc(SIZE);
    assert_non_null(header);
    logctx_span_context_t read;

    memset(header, 'a', SIZE);
    memcpy(header, FULL, 55);
    assert_false(logctx_traceparent_read(header, SIZE, &read));
    header[55] = '-';
    assert_false(logctx_traceparent_read(header, SIZE, &read));
    memcpy(header, "cc", 2);
    assert_true(logctx_traceparent_read(header, SIZE, &read));
    header[55] = '.';
    assert_false(logctx_traceparent_read(header, SIZE, &read));

    // White space whose end is out of sight is not trusted; nearer it is skipped.
    memset(header, ' ', SIZE);
    memcpy(header + 400, FULL, 55);
    assert_false(logctx_traceparent_read(header, SIZE, &read));
    assert_true(logctx_traceparent_read(header, 512, &read));
    assert_false(logctx_traceparent_read(header, 513, &read));
    memset(header, ' ', SIZE);
    memcpy(header + 457, FULL, 55);
    assert_true(logctx_traceparent_read(header, 512, &read));
    assert_false(logctx_traceparent_read(header, 513, &read));
    memset(header, ' ', SIZE);
    assert_false(logctx_traceparent_read(header, SIZE, &read));
    free(header);
}

static void test_null(void **state)
{
    (void)state;
    logctx_span_context_t read;
    assert_false(logctx_traceparent_read(NULL, 0, &read));
    assert_false(logctx_traceparent_read(NULL, 55, &read));
    assert_false(logctx_traceparent_read(FULL, 55, NULL));
}

static void test_round_trip(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int i = 0; i < 2000; i++) {
        logctx_span_context_t in;
        logctx_span_context_t out;
        char header[LOGCTX_TRACEPARENT_SIZE];
        for (size_t n = 0; n < sizeof in; n++) {
            seed = seed * 1664525u + 1013904223u;
            ((unsigned char *)&in)[n] = (unsigned char)(seed >> 24);
        }
        in.trace_id[i % 16] |= 1;
        in.span_id[i % 8] |= 1;
        logctx_traceparent_write(&in, header);
        assert_int_equal(strlen(header), LOGCTX_TRACEPARENT_SIZE - 1);
        assert_true(logctx_traceparent_read(header, strlen(header), &out));
        in.flags &= LOGCTX_FLAG_SAMPLED | LOGCTX_FLAG_RANDOM;
        assert_memory_equal(&out, &in, sizeof in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_fields),
        cmocka_unit_test(test_every_byte),   cmocka_unit_test(test_every_pair_of_neighbours),
        cmocka_unit_test(test_every_length), cmocka_unit_test(test_long),
        cmocka_unit_test(test_null),         cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests_name("traceparent", tests, NULL, NULL);
}
