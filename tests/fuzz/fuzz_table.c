/*
 * fuzz_table.c: libFuzzer target for the reader of tables. The input is a table as a process, a file or a core may have it:
 * whatever it says, every text and number that the reader hands on lies inside the copy. Odd inputs change between two
 * readings; inputs that begin as a core dump does go through the reader of those.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot.h"
#include "source_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sum; // so that everything is read

static void read_text(struct layout_text text)
{
    for (size_t i = 0; text.at && i < text.length; i++)
        sum += (uint8_t)text.at[i];
}

static void read_site(const struct layout *layout, uint64_t address)
{
    struct layout_text file, function;
    uint32_t line;
    if (!layout_site(layout, address, &file, &line, &function))
        return;
    read_text(file);
    read_text(function);
}

static void read_context(const struct snapshot *snapshot, const struct snapshot_context *context)
{
    struct snapshot_segment segments[SNAPSHOT_SEGMENTS_MAX];
    if (context->type > SNAPSHOT_TYPE_COUNT || context->state >= SNAPSHOT_STATE_COUNT ||
        context->thread >= (int)snapshot->thread_count || snapshot_find(snapshot, context->address) == NULL)
        abort();
    read_text(context->name);
    read_text(context->kind);
    read_site(&snapshot->layout, context->created_at);
    read_site(&snapshot->layout, context->switched_at);
    sum += snapshot_segments(snapshot, context, segments);
    sum += snapshot_find(snapshot, context->parent) != NULL;
}

static void read_thread(const struct snapshot *snapshot, const struct snapshot_thread *thread)
{
    struct snapshot_switch recent[SNAPSHOT_RECENT_MAX];
    if (thread->current >= (long)snapshot->context_count)
        abort();
    read_text(thread->loop);
    size_t count = snapshot_recent(snapshot, thread, recent);
    for (size_t i = 0; i < count; i++) {
        read_text(recent[i].from);
        read_text(recent[i].to);
        read_site(&snapshot->layout, recent[i].site);
    }
}

struct bytes {
    const uint8_t *data;
    size_t size;
};

// As a process would change it: one byte in a hundred is another one the second time.
static bool read_again(const void *user, uint64_t offset, void *out, size_t size)
{
    const struct bytes *bytes = user;
    if (offset > bytes->size || size > bytes->size - offset)
        return false;
    memcpy(out, bytes->data + offset, size);
    for (size_t i = offset % 97; i < size; i += 97)
        ((uint8_t *)out)[i] ^= (uint8_t)(sum & 1);
    sum += 1;
    return true;
}

static void read_table(const uint8_t *data, size_t size, bool changes)
{
    uint8_t *copy = size ? malloc(size) : NULL; // of that size, so that one byte too many is seen
    if (!copy)
        return;
    memcpy(copy, data, size);
    sum = 0;
    struct bytes bytes = {data, size};
    struct snapshot snapshot;
    if (snapshot_parse(&snapshot, copy, size, changes ? UINT64_C(5000000000) : 0, changes ? read_again : NULL,
                       &bytes) != LAYOUT_GOOD)
        return;
    for (size_t i = 0; i < snapshot.context_count; i++)
        read_context(&snapshot, &snapshot.contexts[i]);
    for (size_t i = 0; i < snapshot.thread_count; i++)
        read_thread(&snapshot, &snapshot.threads[i]);
    snapshot_free(&snapshot);
}

static void read_core(const uint8_t *data, size_t size)
{
    char why[256];
    uint8_t page[LOGCTX_TABLE_PAGE];
    struct core_dump core;
    int fd = memfd_create("core", MFD_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, data, size) == (ssize_t)size && core_is_one(fd) && core_begin(&core, fd, why, sizeof why)) {
        for (uint64_t at = 0; core_read(&core, at, page, sizeof page) > 0 && at < size; at += sizeof page)
            sum += page[0];
        core_end(&core);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && memcmp(data,
                            "\x7f"
                            "ELF",
                            4) == 0)
        read_core(data, size);
    else
        read_table(data, size, size % 2 == 1);
    return 0;
}
