/*
 * test_utf8.c: core/utf8.c against a slow implementation that knows only how a character is encoded: a
 * sequence is good if some character has it, and a bad one is as long as it still begins some character.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL LOGCTX__UTF8_NO_LIMIT
#define LAST 0x10FFFFu

// ---- the slow implementation ----

// Bit n of set k: whether the bytes of n begin a character, for the first k bytes of it.
static uint8_t begins1[256 / 8];
static uint8_t begins2[65536 / 8];
static uint8_t begins3[16777216 / 8];

static void mark(uint8_t *set, uint32_t n)
{
    set[n >> 3] |= (uint8_t)(1u << (n & 7));
}

static bool is_marked(const uint8_t *set, uint32_t n)
{
    return set[n >> 3] >> (n & 7) & 1;
}

static bool is_character(uint32_t c)
{
    return c <= LAST && !(c >= 0xD800 && c <= 0xDFFF);
}

static size_t slow_encode(unsigned char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (unsigned char)(0xC0 + c / 64);
        out[1] = (unsigned char)(0x80 + c % 64);
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (unsigned char)(0xE0 + c / 4096);
        out[1] = (unsigned char)(0x80 + c / 64 % 64);
        out[2] = (unsigned char)(0x80 + c % 64);
        return 3;
    }
    out[0] = (unsigned char)(0xF0 + c / 262144);
    out[1] = (unsigned char)(0x80 + c / 4096 % 64);
    out[2] = (unsigned char)(0x80 + c / 64 % 64);
    out[3] = (unsigned char)(0x80 + c % 64);
    return 4;
}

static int learn(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= LAST; c++) {
        unsigned char b[4] = {0};
        if (!is_character(c))
            continue;
        size_t size = slow_encode(b, c);
        if (size > 1)
            mark(begins1, b[0]);
        if (size > 2)
            mark(begins2, (uint32_t)b[0] << 8 | b[1]);
        if (size > 3)
            mark(begins3, (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2]);
    }
    return 0;
}

// How many of the bytes begin some character without completing it; at most 3.
static size_t beginning(const unsigned char *in, size_t length)
{
    size_t n = 0;
    if (length >= 1 && is_marked(begins1, in[0]))
        n = 1;
    if (n == 1 && length >= 2 && is_marked(begins2, (uint32_t)in[0] << 8 | in[1]))
        n = 2;
    if (n == 2 && length >= 3 && is_marked(begins3, (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2]))
        n = 3;
    return n;
}

// The character that the bytes start with, by trying what the decoded number encodes to. 0: none.
static size_t complete(const unsigned char *in, size_t length, uint32_t *c)
{
    static const unsigned char mask[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    for (size_t size = 1; size <= 4 && size <= length; size++) {
        uint32_t value = in[0] & mask[size];
        for (size_t i = 1; i < size; i++)
            value = value * 64 + (in[i] & 0x3F);
        unsigned char again[4];
        if (is_character(value) && slow_encode(again, value) == size && memcmp(again, in, size) == 0) {
            *c = value;
            return size;
        }
    }
    return 0;
}

static size_t slow_copy(unsigned char *out, const unsigned char *in, size_t length, uint32_t max_chars)
{
    size_t written = 0;
    uint32_t chars = 0;
    for (size_t i = 0; i < length && (max_chars == ALL || chars < max_chars); chars++) {
        uint32_t c = 0xFFFD;
        size_t size = complete(in + i, length - i, &c);
        if (size == 0) {
            size = beginning(in + i, length - i);
            size += size == 0;
        }
        written += slow_encode(out + written, c);
        i += size;
    }
    return written;
}

// ---- comparisons ----

// Both implementations on a copy of exactly that size, so that a sanitizer sees a read beyond it.
static void compare(const void *bytes, size_t length, uint32_t max_chars)
{
    char *in = malloc(length + (length == 0));
    unsigned char *want = malloc(3 * length + 4);
    assert_non_null(in);
    assert_non_null(want);
    if (length > 0)
        memcpy(in, bytes, length);
    size_t size = slow_copy(want, (unsigned char *)in, length, max_chars);

    bool same;
    assert_int_equal(logctx__utf8_size(in, length, max_chars), size);
    assert_int_equal(logctx__utf8_measure(in, length, max_chars, &same), size);
    assert_int_equal(same, size <= length && memcmp(in, want, size) == 0);
    char *out = malloc(size + (size == 0));
    assert_non_null(out);
    assert_int_equal(logctx__utf8_copy(out, size, in, length, max_chars), size);
    assert_memory_equal(out, want, size);
    assert_true(logctx__utf8_equal(in, length, out, size) || max_chars != ALL);
    free(out);
    free(want);
    free(in);
}

static void test_every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= LAST; c++) {
        unsigned char bytes[4];
        char again[4];
        uint32_t read = 0;
        if (!is_character(c))
            continue;
        size_t size = slow_encode(bytes, c);
        if (logctx__utf8_next((char *)bytes, size, &read) != size || read != c || logctx__utf8_put(again, c) != size ||
            memcmp(again, bytes, size) != 0)
            fail_msg("U+%04X", c);
    }
}

// Bytes on both sides of every border of the encoding; all sequences of four of them.
static void test_every_border(void **state)
{
    (void)state;
    static const unsigned char borders[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                            0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                            0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    const size_t n = sizeof borders;
    for (size_t i = 0; i < n * n * n * n; i++) {
        unsigned char in[4] = {borders[i % n], borders[i / n % n], borders[i / n / n % n], borders[i / n / n / n]};
        unsigned char want[16];
        unsigned char out[16];
        size_t size = slow_copy(want, in, 4, ALL);
        if (logctx__utf8_copy((char *)out, sizeof out, (char *)in, 4, ALL) != size || memcmp(out, want, size) != 0)
            fail_msg("%02x %02x %02x %02x", in[0], in[1], in[2], in[3]);
    }
}

static void test_every_pair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        unsigned char in[2] = {(unsigned char)(i >> 8), (unsigned char)i};
        compare(in, 2, i % 3);
        compare(in, 2, ALL);
    }
}

static uint32_t next_random(void)
{
    static uint64_t seed = 20260131;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

// Mostly characters of all sizes, sometimes a byte of anything.
static size_t random_text(unsigned char *out, size_t room)
{
    static const uint32_t tops[5] = {0x80, 0x80, 0x800, 0x10000, LAST + 1};
    size_t length = 0;
    size_t want = next_random() % room;
    while (length + 4 <= want) {
        uint32_t c = next_random() % tops[next_random() % 5];
        if (next_random() % 8 == 0 || !is_character(c))
            out[length++] = (unsigned char)next_random();
        else
            length += slow_encode(out + length, c);
    }
    return length;
}

static void test_random(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++) {
        unsigned char in[80];
        size_t length = random_text(in, sizeof in);
        compare(in, length, ALL);
        compare(in, length, next_random() % 40);
    }
}

// However little room there is: never more than it, never half a character, and always what fits.
static void test_room(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        unsigned char in[60];
        unsigned char whole[200];
        size_t length = random_text(in, sizeof in);
        size_t size = slow_copy(whole, in, length, ALL);
        for (size_t room = 0; room <= size; room++) {
            char *out = malloc(room + (room == 0));
            assert_non_null(out);
            size_t written = logctx__utf8_copy(out, room, (char *)in, length, ALL);
            assert_true(written <= room);
            assert_memory_equal(out, whole, written);
            assert_true(written == size || (whole[written] & 0xC0) != 0x80);
            uint32_t c;
            if (written < size)
                assert_true(complete(whole + written, size - written, &c) > room - written);
            free(out);
        }
    }
}

typedef struct example {
    const char *in;
    const char *out;
} example_t;

// Examples of the Unicode Standard (3.9, tables 3-8 to 3-11) and the usual attacks.
static void test_examples(void **state)
{
    (void)state;
    static const example_t examples[] = {
        {"", ""},
        {"GET /rooms/{id}", "GET /rooms/{id}"},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xA7", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xA7"},
        {"\xC0\xAF", "\uFFFD\uFFFD"},
        {"\xE0\x80\xBF", "\uFFFD\uFFFD\uFFFD"},
        {"\xF0\x81\x82\x41", "\uFFFD\uFFFD\uFFFD\x41"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
        {"\xFE\xFF", "\uFFFD\uFFFD"},
        {"abcdefgh\xE2\x82", "abcdefgh\uFFFD"},
        {"\xEF\xBF\xBD", "\uFFFD"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char out[64];
        size_t n = logctx__utf8_copy(out, sizeof out, examples[i].in, strlen(examples[i].in), ALL);
        assert_int_equal(n, strlen(examples[i].out));
        assert_memory_equal(out, examples[i].out, n);
    }
}

static void test_characters_are_counted(void **state)
{
    (void)state;
    assert_int_equal(logctx__utf8_size("\xC3\xA4\xE2\x82\xAC!", 6, 0), 0);
    assert_int_equal(logctx__utf8_size("\xC3\xA4\xE2\x82\xAC!", 6, 1), 2);
    assert_int_equal(logctx__utf8_size("\xC3\xA4\xE2\x82\xAC!", 6, 2), 5);
    assert_int_equal(logctx__utf8_size("\xC3\xA4\xE2\x82\xAC!", 6, 3), 6);
    assert_int_equal(logctx__utf8_size("\xFF\xFF", 2, 1), 3);
    assert_int_equal(logctx__utf8_size("a\0b", 3, ALL), 3);
}

static void test_null(void **state)
{
    (void)state;
    bool same = false;
    assert_int_equal(logctx__utf8_size(NULL, 0, ALL), 0);
    assert_int_equal(logctx__utf8_size(NULL, 5, ALL), 0);
    assert_int_equal(logctx__utf8_measure(NULL, 5, 3, &same), 0);
    assert_true(same);
    assert_int_equal(logctx__utf8_copy(NULL, 0, NULL, 5, ALL), 0);
    assert_int_equal(logctx__utf8_copy(NULL, 0, "abc", 3, ALL), 0);
    assert_true(logctx__utf8_is_ascii(NULL, 0));
    assert_true(logctx__utf8_equal(NULL, 0, NULL, 0));
    assert_false(logctx__utf8_equal(NULL, 0, "a", 1));
}

// A byte above 0x7F is found at every place of every length.
static void test_is_ascii(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 40; length++) {
        char *text = malloc(length + (length == 0));
        assert_non_null(text);
        memset(text, 0x7F, length);
        assert_true(logctx__utf8_is_ascii(text, length));
        for (size_t at = 0; at < length; at++) {
            text[at] = (char)0x80;
            assert_false(logctx__utf8_is_ascii(text, length));
            text[at] = 0;
        }
        free(text);
    }
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(logctx__utf8_equal("key", 3, "key", 3));
    assert_false(logctx__utf8_equal("key", 3, "kez", 3));
    assert_false(logctx__utf8_equal("key", 3, "keys", 4));
    assert_true(logctx__utf8_equal("k\xFF", 2, "k\xFE", 2));
    assert_true(logctx__utf8_equal("k\xFF", 2, "k\xE2\x82", 3));
    assert_true(logctx__utf8_equal("k\xFF", 2, "k\uFFFD", 4));
    assert_false(logctx__utf8_equal("k\xFF", 2, "k\xFF\xFF", 3));
    assert_false(logctx__utf8_equal("\xC3\xA4", 2, "\xC3\xA5", 2));
    assert_false(logctx__utf8_equal("\xC3\xA4", 2, "a", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_every_border),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_is_ascii),
        cmocka_unit_test(test_characters_are_counted),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests_name("utf8", tests, learn, NULL);
}
