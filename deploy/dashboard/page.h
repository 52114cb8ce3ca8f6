/*
 * page.h: the files of the page, compiled in (page.cmake makes the table). Constant; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_PAGE_H
#define DASHBOARD_PAGE_H

#include <stddef.h>

struct asset {
    const char *name; /* its path below the page's folder; index.html is the page of every view */
    const char *type; /* of the content */
    const char *etag; /* with its quotes */
    const unsigned char *bytes;
    size_t length;
};

/* Sorted by name. Without a page there are none. */
extern const struct asset page_assets[];
extern const size_t page_asset_count;

#endif
