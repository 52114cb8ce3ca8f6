/*
 * gzip.c: libdeflate at its fastest level: spans are repetitive, and a higher one costs three times the time for a
 * tenth of the size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gzip.h"

#include <libdeflate.h>
#include <stdlib.h>

enum { LEVEL = 1, KEEP_BYTES = 1 << 20 };

static bool reserve(struct logctx__gzip *gzip, size_t need)
{
    // One very large request must not keep its memory for ever.
    bool too_much = gzip->capacity > KEEP_BYTES && need < gzip->capacity / 4;
    if (need <= gzip->capacity && !too_much) {
        return true;
    }
    free(gzip->bytes);
    gzip->bytes = malloc(need);
    gzip->capacity = gzip->bytes != NULL ? need : 0;
    return gzip->bytes != NULL;
}

bool logctx__gzip_pack(struct logctx__gzip *gzip, const uint8_t *body, size_t length)
{
    gzip->length = 0;
    if (gzip->compressor == NULL) {
        gzip->compressor = libdeflate_alloc_compressor(LEVEL);
    }
    if (gzip->compressor == NULL || !reserve(gzip, libdeflate_gzip_compress_bound(gzip->compressor, length))) {
        return false;
    }
    gzip->length = libdeflate_gzip_compress(gzip->compressor, body, length, gzip->bytes, gzip->capacity);
    return gzip->length != 0;
}

void logctx__gzip_free(struct logctx__gzip *gzip)
{
    if (gzip->compressor != NULL) {
        libdeflate_free_compressor(gzip->compressor);
    }
    free(gzip->bytes);
    *gzip = (struct logctx__gzip){.length = 0};
}
