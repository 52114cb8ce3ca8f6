/*
 * site.h: a call site as the exporter writes it, taken apart: "src/pool.c:61", "src/pool.c:61 (pool_acquire)",
 * "libpool.so+0x1a2b (pool_acquire)" where the caller has no macros, or any other text. Plain values; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_SITE_H
#define DASHBOARD_SITE_H

#include <stdbool.h>

/* The store keeps names up to 1024 bytes, and an ellipsis. */
enum { SITE_SIZE = 1100 };

struct site {
    char place[SITE_SIZE];    /* "pool.c:61", "libpool.so+0x1a2b"; else the text as it is */
    char function[SITE_SIZE]; /* "" if it is not known */
    char path[SITE_SIZE];     /* "src/pool.c:61"; "" if it is no place in a source file */
};

/* False for NULL and for "": there is no site. */
bool site_read(const char *text, struct site *site);

/* Whether two texts name one place. One of them may have lost its beginning, as long paths do in the recorder. */
bool site_same(const char *a, const char *b);

#endif
