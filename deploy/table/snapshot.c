// From the bytes of a table to what they say: contexts, threads, and the process. Owned by the thread that takes it.
//
// SPDX-License-Identifier: Apache-2.0
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIES = 4 }; // of a slot that changes while it is read

struct parse {
    struct snapshot *snapshot;
    snapshot_again_fn again;
    const void *user;
};

static uint64_t number(const struct snapshot *snapshot, struct layout_element element, enum logctx_table_field_id id)
{
    return layout_number(&snapshot->layout, element, id);
}

#define CONTEXT(name) number(snapshot, element, LOGCTX_TABLE_CONTEXT_##name)
#define THREAD(name) number(snapshot, element, LOGCTX_TABLE_THREAD_##name)

// What does not change between a context's creation and its end: if it is the same in two readings, so is the context.
static const enum logctx_table_field_id constant[] = {
    LOGCTX_TABLE_CONTEXT_GENERATION, LOGCTX_TABLE_CONTEXT_SERIES, LOGCTX_TABLE_CONTEXT_NAME,
    LOGCTX_TABLE_CONTEXT_PARENT,     LOGCTX_TABLE_CONTEXT_ROOT,   LOGCTX_TABLE_CONTEXT_CREATED_MONOTONIC,
    LOGCTX_TABLE_CONTEXT_SPAN_ID,    LOGCTX_TABLE_CONTEXT_VALID};

static bool is_used(const struct snapshot *snapshot, struct layout_element element)
{
    return CONTEXT(REFS) != 0;
}

static bool is_same(const struct snapshot *snapshot, struct layout_element first, struct layout_element second)
{
    if (is_used(snapshot, first) != is_used(snapshot, second))
        return false;
    for (size_t i = 0; i < sizeof constant / sizeof constant[0]; i++) {
        if (number(snapshot, first, constant[i]) != number(snapshot, second, constant[i]))
            return false;
    }
    return true;
}

// Reads a slot until two readings agree; the copy has the second of the two then, which began when the first had seen that
// the context was made.
static bool settle(const struct parse *parse, struct layout_element element, const uint8_t *second)
{
    struct snapshot *snapshot = parse->snapshot;
    uint8_t *scratch = malloc(element.size);
    struct layout_element other = {scratch, element.size};
    bool same = false;
    if (scratch)
        memcpy(scratch, second, element.size);
    for (int i = 0; scratch && !(same = is_same(snapshot, element, other)) && i < TRIES; i++) {
        memcpy(element.at, scratch, element.size);
        if (!parse->again(parse->user, (uint64_t)(element.at - snapshot->bytes), scratch, element.size))
            break;
    }
    if (same)
        memcpy(element.at, scratch, element.size);
    free(scratch);
    snapshot->changing += !same;
    return same;
}

// A slot that does not settle counts as free.
static void settle_chunk(const struct parse *parse, const struct layout_chunk *chunk, uint8_t *second)
{
    struct snapshot *snapshot = parse->snapshot;
    if (chunk->bytes == 0 || !parse->again(parse->user, chunk->offset, second, chunk->bytes))
        return;
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct layout_element element = layout_at(&snapshot->layout, chunk, i);
        struct layout_element other = {second + (size_t)i * chunk->element_size, chunk->element_size};
        if (is_same(snapshot, element, other))
            memcpy(element.at, other.at, element.size);
        else if (!settle(parse, element, other.at))
            memset(element.at, 0, element.size);
    }
}

static bool settle_contexts(const struct parse *parse)
{
    const struct layout *layout = &parse->snapshot->layout;
    size_t largest = 0;
    for (size_t i = 0; i < layout->chunk_count; i++) {
        if (layout->chunks[i].type == LOGCTX_TABLE_CONTEXTS && layout->chunks[i].bytes > largest)
            largest = layout->chunks[i].bytes;
    }
    uint8_t *second = largest ? malloc(largest) : NULL;
    if (largest && !second)
        return false;
    for (size_t i = 0; i < layout->chunk_count; i++) {
        if (layout->chunks[i].type == LOGCTX_TABLE_CONTEXTS)
            settle_chunk(parse, &layout->chunks[i], second);
    }
    free(second);
    return true;
}

static void read_thread(const struct parse *parse, struct layout_element element, struct snapshot_thread *out)
{
    struct snapshot *snapshot = parse->snapshot;
    uint64_t offset = (uint64_t)(element.at - snapshot->bytes);
    struct layout_text loop = layout_inline_text(&snapshot->layout, element, LOGCTX_TABLE_THREAD_LOOP_NAME);
    if (loop.length == 4 && memcmp(loop.at, "none", 4) == 0)
        loop.length = 0;
    *out = (struct snapshot_thread){
        .address = snapshot->layout.header.base + offset,
        .id = THREAD(ID),
        .element = element,
        .loop = loop,
        .tid = (int32_t)THREAD(TID),
        .attached = THREAD(ATTACHED) != 0,
        .in_poll = THREAD(IN_POLL) != 0,
        .created = THREAD(CREATED),
        .ended = THREAD(ENDED),
        .attributed_cpu = (int64_t)THREAD(ATTRIBUTED_CPU),
        .current = -1,
        .recent_next = (uint32_t)THREAD(RECENT_NEXT),
    };
    // The entry after the newest one may be half written at any moment.
    uint32_t next = out->recent_next;
    struct logctx_table_field field = snapshot->layout.header.fields[LOGCTX_TABLE_THREAD_RECENT_NEXT];
    if (parse->again && field.size == sizeof next)
        parse->again(parse->user, offset + field.offset, &next, sizeof next);
    out->recent_safe = next + (parse->again != NULL) - snapshot->layout.header.recent_count;
}

static size_t count_of(const struct layout *layout, enum logctx_table_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < layout->chunk_count; i++)
        count += layout->chunks[i].type == type ? layout->chunks[i].count : 0;
    return count;
}

// Those of this process: states that were left in a parent process by fork() are nobody's here.
static bool read_threads(const struct parse *parse)
{
    struct snapshot *snapshot = parse->snapshot;
    const struct layout *layout = &snapshot->layout;
    size_t count = count_of(layout, LOGCTX_TABLE_THREADS);
    snapshot->threads = calloc(count + 1, sizeof *snapshot->threads);
    if (!snapshot->threads)
        return false;
    for (size_t i = 0; i < layout->chunk_count; i++) {
        const struct layout_chunk *chunk = &layout->chunks[i];
        for (uint32_t k = 0; chunk->type == LOGCTX_TABLE_THREADS && k < chunk->count; k++) {
            struct layout_element element = layout_at(layout, chunk, k);
            if (THREAD(PROCESS) != layout->header.process)
                continue;
            struct snapshot_thread *thread = &snapshot->threads[snapshot->thread_count++];
            read_thread(parse, element, thread);
            snapshot->created += thread->created;
            snapshot->ended += thread->ended;
        }
    }
    return true;
}

static int thread_at(const struct snapshot *snapshot, uint64_t address)
{
    size_t low = 0, high = snapshot->thread_count; // chunks and elements go upwards
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->threads[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < snapshot->thread_count && snapshot->threads[low].address == address ? (int)low : -1;
}

static void read_kind(const struct snapshot *snapshot, struct layout_element element, struct snapshot_context *out)
{
    static const char other[] = "_other";
    const struct logctx_table_header *header = &snapshot->layout.header;
    uint64_t series = CONTEXT(SERIES);
    struct layout_element found = layout_find(&snapshot->layout, LOGCTX_TABLE_SERIES, series);
    out->kind = (struct layout_text){other, sizeof other - 1};
    out->type = SNAPSHOT_TYPE_COUNT;
    if (found.at) {
        uint64_t kind = number(snapshot, found, LOGCTX_TABLE_SERIES_KIND);
        uint64_t type = number(snapshot, found, LOGCTX_TABLE_SERIES_TYPE);
        struct layout_text name = layout_string(
            &snapshot->layout,
            number(snapshot, layout_find(&snapshot->layout, LOGCTX_TABLE_KINDS, kind), LOGCTX_TABLE_KIND_NAME));
        out->type = type < SNAPSHOT_TYPE_COUNT ? (unsigned)type : SNAPSHOT_TYPE_COUNT;
        if (name.at)
            out->kind = name;
    } else if (header->series_size > 0 && (series - header->other_series) / header->series_size < SNAPSHOT_TYPE_COUNT) {
        out->type = (unsigned)((series - header->other_series) / header->series_size);
    }
}

static void read_name(const struct snapshot *snapshot, struct layout_element element, struct snapshot_context *out)
{
    struct layout_text whole = layout_string(&snapshot->layout, CONTEXT(NAME));
    uint64_t inline_name = out->address + snapshot->layout.header.fields[LOGCTX_TABLE_CONTEXT_INLINE_NAME].offset;
    out->name = layout_inline_text(&snapshot->layout, element, LOGCTX_TABLE_CONTEXT_INLINE_NAME);
    if (whole.at)
        out->name = whole;
    else
        out->name_is_cut = CONTEXT(NAME) != inline_name;
}

static void copy_id(const struct snapshot *snapshot, struct layout_element element, enum logctx_table_field_id id,
                    uint8_t *out, size_t size)
{
    struct layout_text bytes = layout_bytes(&snapshot->layout, element, id);
    if (bytes.length == size)
        memcpy(out, bytes.at, size);
}

static enum snapshot_state state_of(const struct snapshot *snapshot, struct layout_element element)
{
    if (CONTEXT(STARTED))
        return SNAPSHOT_RUNNING;
    if (CONTEXT(FINISHED))
        return SNAPSHOT_HELD;
    if (CONTEXT(OPEN_TRANSACTIONS))
        return SNAPSHOT_TXN;
    return CONTEXT(SWITCHES) ? SNAPSHOT_IDLE : SNAPSHOT_NEW;
}

// Differences are modulo 2^64, and one that is negative comes from two moments.
static uint64_t since(uint64_t now, uint64_t then)
{
    return (int64_t)(now - then) > 0 ? now - then : 0;
}

static void read_context(const struct snapshot *snapshot, struct layout_element element, struct snapshot_context *out)
{
    *out = (struct snapshot_context){
        .address = snapshot->layout.header.base + (uint64_t)(element.at - snapshot->bytes),
        .element = element,
        .flags = (uint8_t)CONTEXT(FLAGS),
        .state = state_of(snapshot, element),
        .thread = thread_at(snapshot, CONTEXT(WRITER)),
        .generation = (uint32_t)CONTEXT(GENERATION),
        .switches = (uint32_t)CONTEXT(SWITCHES),
        .errors = (uint32_t)CONTEXT(ERRORS),
        .open_transactions = (uint32_t)CONTEXT(OPEN_TRANSACTIONS),
        .age = since(snapshot->now, CONTEXT(CREATED_MONOTONIC)),
        .slice = CONTEXT(STARTED) == 1 ? since(snapshot->now, CONTEXT(START_MONOTONIC)) : 0,
        .cpu = (int64_t)CONTEXT(CPU),
        .cpu_user = (int64_t)CONTEXT(CPU_USER),
        .cpu_system = (int64_t)CONTEXT(CPU_SYSTEM),
        .running = (int64_t)CONTEXT(RUNNING),
        .transactions = (int64_t)CONTEXT(DB_TRANSACTIONS),
        .db = (int64_t)CONTEXT(DB),
        .wait = (int64_t)CONTEXT(DB_WAIT),
        .rows = (int64_t)CONTEXT(DB_ROWS),
        .created_unix = CONTEXT(CREATED_UNIX),
        .parent = CONTEXT(PARENT),
        .created_at = CONTEXT(CREATED_AT),
        .switched_at = CONTEXT(SWITCHED_AT),
    };
    if (out->parent == snapshot->layout.header.sentinel)
        out->parent = 0;
    read_kind(snapshot, element, out);
    read_name(snapshot, element, out);
    copy_id(snapshot, element, LOGCTX_TABLE_CONTEXT_TRACE_ID, out->trace_id, sizeof out->trace_id);
    copy_id(snapshot, element, LOGCTX_TABLE_CONTEXT_SPAN_ID, out->span_id, sizeof out->span_id);
    copy_id(snapshot, element, LOGCTX_TABLE_CONTEXT_PARENT_SPAN_ID, out->parent_span_id, sizeof out->parent_span_id);
}

// One whose maker is of a parent process is inert. One that is not valid is not made yet: its thread may be kept from going on
// for long. (A library of before has no such field.)
static bool is_shown(const struct snapshot *snapshot, struct layout_element element)
{
    bool has_field = snapshot->layout.header.fields[LOGCTX_TABLE_CONTEXT_VALID].size > 0;
    return CONTEXT(REFS) != 0 && (!has_field || CONTEXT(VALID) == 1) && CONTEXT(SERIES) != 0 && CONTEXT(NAME) != 0 &&
           CONTEXT(SPAN_ID) != 0 && thread_at(snapshot, CONTEXT(OWNER)) >= 0;
}

// The last moment that is known of a process that is gone.
static uint64_t last_event(const struct snapshot *snapshot)
{
    const struct layout *layout = &snapshot->layout;
    uint64_t last = layout->header.begun_unix - (uint64_t)layout->header.unix_minus_monotonic;
    for (size_t i = 0; i < layout->chunk_count; i++) {
        const struct layout_chunk *chunk = &layout->chunks[i];
        for (uint32_t k = 0; chunk->type == LOGCTX_TABLE_CONTEXTS && k < chunk->count; k++) {
            struct layout_element element = layout_at(layout, chunk, k);
            uint64_t created = CONTEXT(CREATED_MONOTONIC), started = CONTEXT(START_MONOTONIC);
            if (CONTEXT(REFS) != 0 && (int64_t)(created - last) > 0)
                last = created;
            if (CONTEXT(STARTED) == 1 && (int64_t)(started - last) > 0)
                last = started;
        }
    }
    struct snapshot_switch recent[SNAPSHOT_RECENT_MAX];
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        size_t count = snapshot_recent(snapshot, &snapshot->threads[i], recent);
        for (size_t k = 0; k < count; k++) {
            uint64_t moment = snapshot->now - recent[k].ago;
            if ((int64_t)(moment - last) > 0)
                last = moment;
        }
    }
    return last;
}

// A thread runs one context. Of two that say so, one was copied before the switch, and the other one after it.
static void find_current(struct snapshot *snapshot, size_t index)
{
    struct snapshot_context *context = &snapshot->contexts[index];
    struct snapshot_thread *thread = context->thread >= 0 ? &snapshot->threads[context->thread] : NULL;
    if (!thread)
        return;
    thread->handled += context->state != SNAPSHOT_HELD;
    if (context->state != SNAPSHOT_RUNNING)
        return;
    struct snapshot_context *other = thread->current >= 0 ? &snapshot->contexts[thread->current] : NULL;
    struct snapshot_context *left = !other ? NULL : other->slice < context->slice ? context : other;
    if (left != context)
        thread->current = (long)index;
    if (left) {
        left->state = left->open_transactions ? SNAPSHOT_TXN : SNAPSHOT_IDLE;
        left->slice = 0;
    }
}

static bool read_contexts(struct snapshot *snapshot)
{
    const struct layout *layout = &snapshot->layout;
    size_t count = 0;
    for (int fill = 0; fill < 2; fill++) {
        for (size_t i = 0; i < layout->chunk_count; i++) {
            const struct layout_chunk *chunk = &layout->chunks[i];
            for (uint32_t k = 0; chunk->type == LOGCTX_TABLE_CONTEXTS && k < chunk->count; k++) {
                struct layout_element element = layout_at(layout, chunk, k);
                if (!is_shown(snapshot, element))
                    continue;
                if (fill)
                    read_context(snapshot, element, &snapshot->contexts[snapshot->context_count++]);
                else
                    count++;
            }
        }
        if (!fill)
            snapshot->contexts = calloc(count + 1, sizeof *snapshot->contexts);
        if (!snapshot->contexts)
            return false;
    }
    for (size_t i = 0; i < snapshot->context_count; i++)
        find_current(snapshot, i);
    for (size_t i = 0; i < snapshot->context_count; i++) {
        snapshot->by_state[snapshot->contexts[i].state]++;
        snapshot->errors += snapshot->contexts[i].errors;
    }
    return true;
}

enum layout_result snapshot_parse(struct snapshot *snapshot, uint8_t *bytes, size_t size, uint64_t now,
                                  snapshot_again_fn again, const void *user)
{
    *snapshot = (struct snapshot){.bytes = bytes, .now = now};
    struct parse parse = {snapshot, again, user};
    enum layout_result result = layout_begin(&snapshot->layout, bytes, size);
    if (result == LAYOUT_GOOD && !((!again || settle_contexts(&parse)) && read_threads(&parse)))
        result = LAYOUT_MEMORY;
    if (result == LAYOUT_GOOD && (now == 0 || !snapshot->layout.header.real_clock)) {
        snapshot->at_last_event = true;
        snapshot->now = last_event(snapshot);
    }
    if (result == LAYOUT_GOOD && !read_contexts(snapshot))
        result = LAYOUT_MEMORY;
    const struct logctx_table_header *header = &snapshot->layout.header;
    snapshot->now_unix = snapshot->now + (uint64_t)header->unix_minus_monotonic;
    snapshot->begun = since(snapshot->now_unix, header->begun_unix);
    snapshot->pid = header->pid;
    if (result != LAYOUT_GOOD)
        snapshot_free(snapshot);
    return result;
}

void snapshot_free(struct snapshot *snapshot)
{
    layout_end(&snapshot->layout);
    free(snapshot->contexts);
    free(snapshot->threads);
    free(snapshot->bytes);
    *snapshot = (struct snapshot){0};
}

static bool read_again(const void *user, uint64_t offset, void *out, size_t size)
{
    return source_read(user, offset, out, size);
}

static enum source_result say(enum layout_result result, uint32_t version, char why[SOURCE_WHY])
{
    const char *sentence = "There is no memory left.";
    if (result == LAYOUT_VERSION) {
        snprintf(
            why, SOURCE_WHY,
            "The table is of version %u, and this logctx-top reads version %d. Use the logctx-top of the logctx that "
            "the program is linked with.",
            version, LOGCTX_TABLE_VERSION);
        return SOURCE_UNKNOWN;
    }
    if (result == LAYOUT_NO_TABLE)
        sentence = "There is no table, or it is not finished: the process is only starting. Try again.";
    if (result == LAYOUT_DAMAGED)
        sentence = "The table is damaged: its header says what cannot be. The process may have overwritten it.";
    snprintf(why, SOURCE_WHY, "%s", sentence);
    return result == LAYOUT_NO_TABLE ? SOURCE_NO_TABLE : result == LAYOUT_DAMAGED ? SOURCE_UNKNOWN : SOURCE_TROUBLE;
}

static void look_at_threads(struct snapshot *snapshot, const struct source *source)
{
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        if (snapshot->threads[i].attached)
            snapshot->threads[i].kernel_state = source_thread_state(source, snapshot->threads[i].tid);
    }
}

enum source_result snapshot_take(struct snapshot *snapshot, struct source *source, char why[SOURCE_WHY])
{
    uint8_t *bytes;
    size_t size;
    enum source_result result = source_copy(source, &bytes, &size, why);
    if (result != SOURCE_GOOD)
        return result;
    uint32_t version = 0;
    if (size >= LOGCTX_TABLE_HEADER_SIZE)
        memcpy(&version, bytes + offsetof(struct logctx_table_header, version), sizeof version);
    bool lives = source_lives(source);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t moment = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    enum layout_result parsed =
        snapshot_parse(snapshot, bytes, size, lives ? moment : 0, lives ? read_again : NULL, source);
    if (parsed != LAYOUT_GOOD)
        return say(parsed, version, why);
    snapshot->lives = lives;
    if (source_pid(source))
        snapshot->pid = source_pid(source);
    if (lives)
        look_at_threads(snapshot, source);
    return SOURCE_GOOD;
}
