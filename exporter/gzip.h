/*
 * gzip.h: compresses a request body into a buffer that is used again. One owner at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_GZIP_H
#define LOGCTX_EXPORTER_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct libdeflate_compressor;

struct logctx__gzip {
    struct libdeflate_compressor *compressor;
    uint8_t *bytes;
    size_t capacity;
    size_t length;
};

// False without memory: the body then goes out as it is. The result is in `bytes` until the next call.
bool logctx__gzip_pack(struct logctx__gzip *gzip, const uint8_t *body, size_t length);
void logctx__gzip_free(struct logctx__gzip *gzip);

#endif
