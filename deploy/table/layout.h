/*
 * layout.h: checked access to a private copy of a table (core/table.h). Nothing in the copy is believed: offsets, sizes,
 * counts and pointers are held to the copy's bounds before they are used, and numbers are read wherever they lie. A copy
 * belongs to the thread that reads it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_DEPLOY_TABLE_LAYOUT_H
#define LOGCTX_DEPLOY_TABLE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/table.h"

/* Bytes of the copy, without a NUL, and any bytes at all: fit for a terminal only after text_fit(). */
struct layout_text {
    const char *at;
    size_t length;
};

/* An element, or one with `at` NULL: what was looked for is not there. */
struct layout_element {
    uint8_t *at;
    uint32_t size;
};

struct layout_chunk {
    uint64_t offset; /* of the first element */
    uint32_t type, element_size, count;
    uint32_t bytes; /* of all elements */
};

struct layout_site {
    uint64_t address;
    size_t order; /* the last one of an address is right */
    const uint8_t *at;
};

struct layout {
    uint8_t *bytes; /* the caller's */
    size_t size;
    struct logctx_table_header header; /* a copy; what the table's version lacks is 0 */
    struct layout_chunk *chunks;       /* in the order of their offsets */
    size_t chunk_count;
    struct layout_site *sites; /* sorted by address and order */
    size_t site_count;
};

enum layout_result { LAYOUT_GOOD, LAYOUT_NO_TABLE, LAYOUT_VERSION, LAYOUT_DAMAGED, LAYOUT_MEMORY };

/* Looks at the header and finds the chunks. Anything but LAYOUT_GOOD: nothing is to be ended. */
enum layout_result layout_begin(struct layout *layout, uint8_t *bytes, size_t size);
void layout_end(struct layout *layout);

/* The element that begins at an address of the process, if it is of that type. */
struct layout_element layout_find(const struct layout *layout, enum logctx_table_type type, uint64_t address);
struct layout_element layout_at(const struct layout *layout, const struct layout_chunk *chunk, uint32_t index);

/* A number of up to 8 bytes; 0 if there is no such field. Signed ones are to be converted by who knows. */
uint64_t layout_number(const struct layout *layout, struct layout_element element, enum logctx_table_field_id id);
/* The number at `index` of a field that is an array of `width` bytes each. */
uint64_t layout_number_at(const struct layout *layout, struct layout_element element, enum logctx_table_field_id id,
                          unsigned width, unsigned index);
/* The field's own bytes; NULL, and a length of 0: there is no such field. */
struct layout_text layout_bytes(const struct layout *layout, struct layout_element element,
                                enum logctx_table_field_id id);
/* The same, up to a NUL. */
struct layout_text layout_inline_text(const struct layout *layout, struct layout_element element,
                                      enum logctx_table_field_id id);
/* An interned string; `at` NULL: none, or outside. */
struct layout_text layout_string(const struct layout *layout, uint64_t address);

/* False: the table does not know the site. `line` 0: `file` says object and offset. */
bool layout_site(const struct layout *layout, uint64_t address, struct layout_text *file, uint32_t *line,
                 struct layout_text *function);

#endif
