/*
 * traceparent.c: the W3C Trace Context header `traceparent`, Level 2. Pure functions, any thread.
 *
 * Headers come from strangers: everything is checked by position, nothing is searched for, and work is
 * bounded.
 *
 * Budget: at most 760 instructions for `traceparent_parse`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <logctx/trace.h>

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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool read_hex(const char *in, uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(in[2 * i]);
        int low = hex_digit(in[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *id, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= id[i];
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
    bool good = read_hex(header, &version, 1) && version != 0xFF && header[AT_TRACE_ID - 1] == '-' &&
                read_hex(header + AT_TRACE_ID, read.trace_id, sizeof read.trace_id) && header[AT_SPAN_ID - 1] == '-' &&
                read_hex(header + AT_SPAN_ID, read.span_id, sizeof read.span_id) && header[AT_FLAGS - 1] == '-' &&
                read_hex(header + AT_FLAGS, &read.flags, 1) && end_is_good(header, length, version);
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
