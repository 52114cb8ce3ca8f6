// Checked access to a private copy of a table: the header, the chunks, and what lies in them. No state; a copy belongs to
// the thread that reads it.
//
// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

#include <stdlib.h>
#include <string.h>

static enum layout_result read_header(struct layout *layout)
{
    struct logctx_table_header *header = &layout->header;
    if (layout->size < LOGCTX_TABLE_HEADER_SIZE || memcmp(layout->bytes, LOGCTX_TABLE_MAGIC, sizeof header->magic) != 0)
        return LAYOUT_NO_TABLE;
    memcpy(header, layout->bytes, sizeof *header);
    if (header->version != LOGCTX_TABLE_VERSION)
        return LAYOUT_VERSION;
    if (header->header_size < sizeof *header || header->header_size > layout->size ||
        header->header_size % LOGCTX_TABLE_PAGE != 0)
        return LAYOUT_DAMAGED;
    if (header->used < layout->size)
        layout->size = header->used < header->header_size ? header->header_size : (size_t)header->used;
    for (uint32_t i = header->field_count; i < LOGCTX_TABLE_FIELD_COUNT; i++)
        header->fields[i] = (struct logctx_table_field){0};
    return LAYOUT_GOOD;
}

// A chunk at `at`, or one with `size` 0: there the walk ends.
static struct logctx_table_chunk chunk_at(const struct layout *layout, uint64_t at)
{
    struct logctx_table_chunk chunk;
    if (layout->size - at < sizeof chunk)
        return (struct logctx_table_chunk){0};
    memcpy(&chunk, layout->bytes + at, sizeof chunk);
    bool good = chunk.magic == LOGCTX_TABLE_CHUNK_MAGIC && chunk.size >= LOGCTX_TABLE_PAGE &&
                chunk.size % LOGCTX_TABLE_PAGE == 0 && chunk.size <= layout->size - at;
    return good ? chunk : (struct logctx_table_chunk){0};
}

static bool find_chunks(struct layout *layout)
{
    size_t room = 0;
    struct logctx_table_chunk chunk;
    for (uint64_t at = layout->header.header_size; (chunk = chunk_at(layout, at)).size > 0; at += chunk.size) {
        uint32_t bytes = chunk.size - LOGCTX_TABLE_CHUNK_HEADER;
        if (chunk.element_size == 0 || chunk.element_size > bytes)
            continue;
        if (layout->chunk_count == room) {
            room = room ? 2 * room : 64;
            struct layout_chunk *more = realloc(layout->chunks, room * sizeof *more);
            if (!more)
                return false;
            layout->chunks = more;
        }
        uint32_t most = bytes / chunk.element_size;
        uint32_t count = chunk.count < most ? chunk.count : most;
        layout->chunks[layout->chunk_count++] = (struct layout_chunk){.offset = at + LOGCTX_TABLE_CHUNK_HEADER,
                                                                      .type = chunk.type,
                                                                      .element_size = chunk.element_size,
                                                                      .count = count,
                                                                      .bytes = count * chunk.element_size};
    }
    return true;
}

static int compare_sites(const void *a, const void *b)
{
    const struct layout_site *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

static bool find_sites(struct layout *layout)
{
    size_t count = 0;
    for (size_t i = 0; i < layout->chunk_count; i++) {
        if (layout->chunks[i].type == LOGCTX_TABLE_SITES)
            count += layout->chunks[i].count;
    }
    if (count == 0)
        return true;
    layout->sites = malloc(count * sizeof *layout->sites);
    if (!layout->sites)
        return false;
    for (size_t i = 0; i < layout->chunk_count; i++) {
        const struct layout_chunk *chunk = &layout->chunks[i];
        if (chunk->type != LOGCTX_TABLE_SITES || chunk->element_size < sizeof(struct logctx_table_site))
            continue;
        for (uint32_t k = 0; k < chunk->count; k++) {
            struct layout_site *site = &layout->sites[layout->site_count];
            site->at = layout_at(layout, chunk, k).at;
            memcpy(&site->address, site->at + offsetof(struct logctx_table_site, address), sizeof site->address);
            site->order = layout->site_count++;
        }
    }
    if (layout->site_count > 0)
        qsort(layout->sites, layout->site_count, sizeof *layout->sites, compare_sites);
    return true;
}

enum layout_result layout_begin(struct layout *layout, uint8_t *bytes, size_t size)
{
    *layout = (struct layout){.bytes = bytes, .size = size};
    enum layout_result result = read_header(layout);
    if (result == LAYOUT_GOOD && !(find_chunks(layout) && find_sites(layout)))
        result = LAYOUT_MEMORY;
    if (result != LAYOUT_GOOD)
        layout_end(layout);
    return result;
}

void layout_end(struct layout *layout)
{
    free(layout->chunks);
    free(layout->sites);
    layout->chunks = NULL;
    layout->sites = NULL;
    layout->chunk_count = layout->site_count = 0;
}

struct layout_element layout_at(const struct layout *layout, const struct layout_chunk *chunk, uint32_t index)
{
    return (struct layout_element){layout->bytes + chunk->offset + (uint64_t)index * chunk->element_size,
                                   chunk->element_size};
}

// The chunk among whose elements an address lies.
static const struct layout_chunk *chunk_of(const struct layout *layout, enum logctx_table_type type, uint64_t address)
{
    uint64_t offset = address - layout->header.base;
    size_t low = 0, high = layout->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layout->chunks[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct layout_chunk *chunk = &layout->chunks[low - 1];
    return chunk->type == type && offset - chunk->offset < chunk->bytes ? chunk : NULL;
}

struct layout_element layout_find(const struct layout *layout, enum logctx_table_type type, uint64_t address)
{
    const struct layout_chunk *chunk = chunk_of(layout, type, address);
    uint64_t inside = chunk ? address - layout->header.base - chunk->offset : 0;
    if (!chunk || inside % chunk->element_size != 0)
        return (struct layout_element){NULL, 0};
    return layout_at(layout, chunk, (uint32_t)(inside / chunk->element_size));
}

struct layout_text layout_bytes(const struct layout *layout, struct layout_element element,
                                enum logctx_table_field_id id)
{
    struct logctx_table_field field = layout->header.fields[id];
    if (!element.at || field.size == 0 || (uint32_t)field.offset + field.size > element.size)
        return (struct layout_text){NULL, 0};
    return (struct layout_text){(const char *)element.at + field.offset, field.size};
}

uint64_t layout_number(const struct layout *layout, struct layout_element element, enum logctx_table_field_id id)
{
    struct layout_text bytes = layout_bytes(layout, element, id);
    uint8_t byte;
    uint32_t word;
    uint64_t value;
    switch (bytes.length) {
    case sizeof byte:
        return memcpy(&byte, bytes.at, sizeof byte), byte;
    case sizeof word:
        return memcpy(&word, bytes.at, sizeof word), word;
    case sizeof value:
        return memcpy(&value, bytes.at, sizeof value), value;
    default:
        return 0;
    }
}

uint64_t layout_number_at(const struct layout *layout, struct layout_element element, enum logctx_table_field_id id,
                          unsigned width, unsigned index)
{
    struct layout_text bytes = layout_bytes(layout, element, id);
    if (!bytes.at || index >= bytes.length / width)
        return 0;
    uint8_t byte;
    uint64_t value;
    if (width == sizeof byte)
        return memcpy(&byte, bytes.at + index, sizeof byte), byte;
    return memcpy(&value, bytes.at + (size_t)index * width, sizeof value), value;
}

struct layout_text layout_inline_text(const struct layout *layout, struct layout_element element,
                                      enum logctx_table_field_id id)
{
    struct layout_text text = layout_bytes(layout, element, id);
    if (text.at)
        text.length = strnlen(text.at, text.length);
    return text;
}

struct layout_text layout_string(const struct layout *layout, uint64_t address)
{
    const struct layout_chunk *chunk = chunk_of(layout, LOGCTX_TABLE_STRINGS, address);
    if (!chunk)
        return (struct layout_text){NULL, 0};
    uint64_t offset = address - layout->header.base;
    size_t room = (size_t)(chunk->offset + chunk->bytes - offset);
    const char *at = (const char *)layout->bytes + offset;
    size_t length = strnlen(at, room);
    if (length == room)
        return (struct layout_text){NULL, 0};
    return (struct layout_text){at, length < LOGCTX_TABLE_TEXT_MAX ? length : LOGCTX_TABLE_TEXT_MAX};
}

bool layout_site(const struct layout *layout, uint64_t address, struct layout_text *file, uint32_t *line,
                 struct layout_text *function)
{
    size_t low = 0, high = layout->site_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layout->sites[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (address == 0 || low == 0 || layout->sites[low - 1].address != address)
        return false;
    struct logctx_table_site site;
    memcpy(&site, layout->sites[low - 1].at, sizeof site);
    *file = layout_string(layout, site.file);
    *function = layout_string(layout, site.function);
    *line = site.line;
    return file->at != NULL;
}
