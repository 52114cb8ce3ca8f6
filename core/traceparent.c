/*
 * traceparent.c: the W3C Trace Context header `traceparent`, Level 2. Pure functions, any thread.
 *
 * Headers come from strangers: everything is checked by position, nothing is searched for, and work is
 * bounded.
 *
 * Budget: at most 450 instructions for `traceparent_parse`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <endian.h>
#include <logctx/trace.h>
#include <string.h>

// version "-" trace-id "-" parent-id "-" trace-flags
#define AT_TRACE_ID 3
#define AT_SPAN_ID 36
#define AT_FLAGS 53
#define LENGTH 55
#define MAX_READ 512
#define KNOWN_FLAGS (LOGCTX_FLAG_SAMPLED | LOGCTX_FLAG_RANDOM)

_Static_assert(LENGTH + 1 == LOGCTX_TRACEPARENT_SIZE, "a zero follows");

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

// The highest bit of each byte: whether it is from `first` to `last`, both below 0x80. A byte from 0x80 up never is, and may
// spoil the bit of its neighbour, so the bits count only if all are set.
static uint64_t is_between(uint64_t text, uint8_t first, uint8_t last)
{
    return (text + EACH(0x80u - first)) & ~(text + EACH(0x7Fu - last));
}

// Eight digits at a time, to four bytes. Capitals are no digits here.
static bool read_digits(const char *in, uint8_t *out)
{
    uint64_t text;
    memcpy(&text, in, sizeof text);
    text = le64toh(text);
    uint64_t good = is_between(text, '0', '9') | is_between(text, 'a', 'f');
    uint64_t halves = (text & EACH(0x0F)) + 9 * (text >> 6 & EACH(1));
    uint64_t bytes = (halves << 4 | halves >> 8) & UINT64_C(0x00FF00FF00FF00FF);
    bytes = (bytes | bytes >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    bytes |= bytes >> 16;
    uint32_t four = htole32((uint32_t)bytes);
    memcpy(out, &four, sizeof four);
    return (good & EACH(0x80)) == EACH(0x80);
}

// count: a multiple of four
static bool read_id(const char *in, uint8_t *out, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i += 4)
        good &= read_digits(in + 2 * i, out + i);
    return good;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool read_byte(const char *in, uint8_t *out)
{
    int high = hex_digit(in[0]), low = hex_digit(in[1]);
    *out = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    return high >= 0 && low >= 0;
}

static bool is_zero(const uint8_t *id, size_t count)
{
    uint64_t any = 0, part;
    for (size_t i = 0; i < count; i += sizeof part) {
        memcpy(&part, id + i, sizeof part);
        any |= part;
    }
    return any == 0;
}

// What may stand after the flags: nothing in version 00, and nothing or more fields in the versions to come.
static bool end_is_good(const char *header, size_t length, uint8_t version)
{
    if (length == LENGTH)
        return true;
    return version != 0 && header[LENGTH] == '-';
}

bool logctx_traceparent_read(const char *header, size_t length, logctx_span_context_t *out)
{
    if (!header || !out)
        return false;
    // White space at an end that is too far away to be seen is not taken for one.
    bool cut = length > MAX_READ;
    if (cut)
        length = MAX_READ;
    while (length > 0 && is_space(*header)) {
        header++;
        length--;
    }
    while (!cut && length > 0 && is_space(header[length - 1]))
        length--;
    if (length < LENGTH || (cut && length == LENGTH))
        return false;

    uint8_t version;
    logctx_span_context_t read;
    bool good = read_byte(header, &version) && version != 0xFF && header[AT_TRACE_ID - 1] == '-' &&
                read_id(header + AT_TRACE_ID, read.trace_id, sizeof read.trace_id) && header[AT_SPAN_ID - 1] == '-' &&
                read_id(header + AT_SPAN_ID, read.span_id, sizeof read.span_id) && header[AT_FLAGS - 1] == '-' &&
                read_byte(header + AT_FLAGS, &read.flags) && end_is_good(header, length, version);
    if (!good || is_zero(read.trace_id, sizeof read.trace_id) || is_zero(read.span_id, sizeof read.span_id))
        return false;
    read.flags &= KNOWN_FLAGS;
    *out = read;
    return true;
}

static char *write_hex(char *out, const uint8_t *in, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
    return out;
}

void logctx_traceparent_write(const logctx_span_context_t *in, char out[LOGCTX_TRACEPARENT_SIZE])
{
    if (!in || !out)
        return;
    const uint8_t version = 0;
    const uint8_t flags = in->flags & KNOWN_FLAGS;
    out = write_hex(out, &version, 1);
    *out++ = '-';
    out = write_hex(out, in->trace_id, sizeof in->trace_id);
    *out++ = '-';
    out = write_hex(out, in->span_id, sizeof in->span_id);
    *out++ = '-';
    out = write_hex(out, &flags, 1);
    *out = '\0';
}
