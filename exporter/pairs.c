/*
 * pairs.c: the reader of "k=v,k=v" (W3C Baggage without properties). Pure: no state, no allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pairs.h"
#include "values.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_space(**text)) {
        ++*text;
        --*length;
    }
    while (*length > 0 && is_space((*text)[*length - 1])) {
        --*length;
    }
}

// Decodes into out[size] with a zero behind. NULL, or what is wrong; out then has what came before the fault.
static const char *decode(const char *text, size_t length, char *out, size_t size, size_t *written)
{
    const char *fault = NULL;
    size_t n = 0;
    for (size_t i = 0; i < length && fault == NULL; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex(text[i + 1]) : -1;
            int low = i + 2 < length ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                fault = "a % is not followed by two hexadecimal digits";
                break;
            }
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0) {
            fault = "it contains a zero byte";
        } else if (n + 1 == size) {
            fault = "it is too long";
        } else {
            out[n++] = (char)c;
        }
    }
    out[n] = '\0';
    *written = n;
    return fault;
}

static void read_member(const char *member, size_t length, struct logctx__pair *pair)
{
    pair->key[0] = pair->value[0] = '\0';
    pair->value_length = 0;
    pair->fault = NULL;
    const char *equals = memchr(member, '=', length);
    if (equals == NULL) {
        // Without a "=" nobody knows whether this is a key or a secret: none of it is shown.
        pair->fault = "it has no \"=\"";
        return;
    }
    const char *key = member;
    size_t key_length = (size_t)(equals - member);
    const char *value = equals + 1;
    size_t value_length = length - key_length - 1;
    trim(&key, &key_length);
    trim(&value, &value_length);
    size_t written = 0;
    pair->fault = decode(key, key_length, pair->key, sizeof pair->key, &written);
    if (pair->fault == NULL && written == 0) {
        pair->fault = "its key is empty";
    }
    if (pair->fault == NULL) {
        pair->fault = decode(value, value_length, pair->value, sizeof pair->value, &pair->value_length);
    }
}

bool logctx__pairs_next(const char **list, struct logctx__pair *pair)
{
    if (*list == NULL || logctx__value_blank(*list)) {
        // So a comma at the end is forgiven; one in the middle with nothing before it is not.
        return false;
    }
    const char *comma = strchr(*list, ',');
    size_t length = comma != NULL ? (size_t)(comma - *list) : strlen(*list);
    read_member(*list, length, pair);
    *list = comma != NULL ? comma + 1 : NULL;
    return true;
}

static bool is_token(const char *text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (; *text != '\0'; text++) {
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        bool digit = *text >= '0' && *text <= '9';
        if (!letter && !digit && strchr(marks, *text) == NULL) {
            return false;
        }
    }
    return true;
}

const char *logctx__pair_header_fault(const struct logctx__pair *pair)
{
    static const char *const ours[] = {"content-type",      "content-encoding", "content-length",
                                       "transfer-encoding", "expect",           "connection"};
    if (pair->fault != NULL) {
        return pair->fault;
    }
    if (!is_token(pair->key)) {
        return "its name is not a header name";
    }
    if (logctx__value_word(pair->key, ours, sizeof ours / sizeof ours[0]) >= 0) {
        return "the exporter sets this header itself";
    }
    for (size_t i = 0; i < pair->value_length; i++) {
        unsigned char c = (unsigned char)pair->value[i];
        if (c == 0x7F || (c < 0x20 && c != '\t')) {
            return "its value contains a control character";
        }
    }
    return NULL;
}
