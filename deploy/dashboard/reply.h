/*
 * reply.h: what the receiver answers, as OTLP wants it: an Export*ServiceResponse or a google.rpc.Status, in the
 * encoding of the request. Plain values; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_REPLY_H
#define DASHBOARD_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum signal_kind { SIGNAL_TRACES, SIGNAL_METRICS };

/* How a request's body is written. */
enum encoding {
    ENCODING_PROTOBUF,
    ENCODING_JSON,
    ENCODING_UNKNOWN, /* neither: answered as plain text */
};

enum { SENTENCE_SIZE = 512 };

/* What became of a request. */
struct outcome {
    unsigned status;      /* of HTTP */
    unsigned retry_after; /* seconds; 0: no such header */
    int64_t rejected;     /* spans or points that were not taken, if status is 200 */
    char sentence[SENTENCE_SIZE];
};

/* The bytes are from malloc; NULL with length 0 is the empty protobuf answer, or no memory: both mean an empty body. */
struct reply {
    unsigned status;
    unsigned retry_after;
    const char *content_type;
    char *bytes;
    size_t length;
};

struct reply reply_make(const struct outcome *outcome, enum signal_kind signal, enum encoding encoding);

/* The encoding that a Content-Type header names; NULL (no header) is ENCODING_UNKNOWN. */
enum encoding reply_encoding(const char *content_type);

#endif
