// One look as one JSON document. Times are whole nanoseconds, ids hexadecimal, and texts valid UTF-8 whatever they were.
// Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "clean.h"
#include "print.h"

static void put_text(FILE *out, struct layout_text text)
{
    char whole[LOGCTX_TABLE_TEXT_MAX + 1] = "";
    size_t length = !text.at ? 0 : text.length < sizeof whole - 1 ? text.length : sizeof whole - 1;
    if (length > 0)
        memcpy(whole, text.at, length);
    whole[length] = '\0';
    fputc('"', out);
    for (const char *at = whole; *at;) {
        uint32_t code;
        size_t step = clean_character(at, &code);
        if (step == 0)
            fputs("\\ufffd", out);
        else if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (char)code);
        else if (code < 0x20 || (code >= 0x7F && code <= 0x9F) || (code >= 0x200B && code <= 0x206F))
            fprintf(out, "\\u%04x", (unsigned)code);
        else
            fwrite(at, 1, step, out);
        at += step ? step : 1;
    }
    fputc('"', out);
}

static void put_hex(FILE *out, const char *name, const uint8_t *bytes, size_t size)
{
    bool any = false;
    for (size_t i = 0; i < size; i++)
        any |= bytes[i] != 0;
    fprintf(out, ",\"%s\":", name);
    if (!any) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02x", bytes[i]);
    fputc('"', out);
}

static void put_member(FILE *out, const char *name, struct layout_text text)
{
    fprintf(out, ",\"%s\":", name);
    if (text.at)
        put_text(out, text);
    else
        fputs("null", out);
}

static void put_site(FILE *out, const char *name, const struct layout *layout, uint64_t address)
{
    char site[DISPLAY_SIZE];
    text_site(layout, address, true, site);
    put_member(out, name, site[0] ? text_of(site) : (struct layout_text){NULL, 0});
}

static void put_state(FILE *out, char state)
{
    if ((state >= 'A' && state <= 'Z') || (state >= 'a' && state <= 'z'))
        fprintf(out, ",\"kernel_state\":\"%c\"", state);
    else
        fputs(",\"kernel_state\":null", out);
}

static void put_segments(FILE *out, const struct snapshot *snapshot, const struct snapshot_context *context)
{
    static const char *const names[] = {"run", "pool", "txn"};
    struct snapshot_segment segments[SNAPSHOT_SEGMENTS_MAX];
    size_t count = snapshot_segments(snapshot, context, segments);
    fputs(",\"segments\":[", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s{\"offset_us\":%" PRIu64 ",\"length_us\":%" PRIu64 ",\"state\":\"%s\"}", i ? "," : "",
                segments[i].offset_us, segments[i].length_us,
                segments[i].state < 3 ? names[segments[i].state] : "other");
    fputc(']', out);
}

static void put_context(FILE *out, const struct snapshot *snapshot, const struct snapshot_context *context)
{
    const struct snapshot_thread *thread = context->thread >= 0 ? &snapshot->threads[context->thread] : NULL;
    const struct snapshot_context *parent = context->parent ? snapshot_find(snapshot, context->parent) : NULL;
    fputs("{\"name\":", out);
    put_text(out, context->name);
    fprintf(out, ",\"name_is_cut\":%s", context->name_is_cut ? "true" : "false");
    put_member(out, "kind", context->kind);
    fprintf(out, ",\"type\":\"%s\",\"state\":\"%s\"", snapshot_type_name(context->type),
            snapshot_state_name(context->state));
    fprintf(out, ",\"thread\":%" PRId32, thread ? thread->tid : 0);
    fprintf(out, ",\"age_ns\":%" PRIu64 ",\"slice_ns\":%" PRIu64 ",\"created_unix_ns\":%" PRIu64, context->age,
            context->slice, context->created_unix);
    fprintf(out,
            ",\"cpu_ns\":%" PRId64 ",\"cpu_user_ns\":%" PRId64 ",\"cpu_system_ns\":%" PRId64 ",\"running_ns\":%" PRId64,
            context->cpu, context->cpu_user, context->cpu_system, context->running);
    fprintf(out,
            ",\"db_transactions\":%" PRId64 ",\"db_ns\":%" PRId64 ",\"db_wait_ns\":%" PRId64 ",\"db_rows\":%" PRId64
            ",\"db_open\":%" PRIu32,
            context->transactions, context->db, context->wait, context->rows, context->open_transactions);
    fprintf(out, ",\"switches\":%" PRIu32 ",\"errors\":%" PRIu32, context->switches, context->errors);
    put_hex(out, "trace_id", context->trace_id, sizeof context->trace_id);
    put_hex(out, "span_id", context->span_id, sizeof context->span_id);
    put_hex(out, "parent_span_id", context->parent_span_id, sizeof context->parent_span_id);
    fprintf(out, ",\"sampled\":%s", context->flags & 1 ? "true" : "false");
    put_member(out, "parent", parent ? parent->name : (struct layout_text){NULL, 0});
    put_site(out, "created_at", &snapshot->layout, context->created_at);
    put_site(out, "switched_at", &snapshot->layout, context->switched_at);
    put_segments(out, snapshot, context);
    fputc('}', out);
}

static void put_recent(FILE *out, const struct snapshot *snapshot, const struct snapshot_thread *thread)
{
    struct snapshot_switch recent[SNAPSHOT_RECENT_MAX];
    size_t count = snapshot_recent(snapshot, thread, recent);
    fputs(",\"recent\":[", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s{\"ago_ns\":%" PRIu64, i ? "," : "", recent[i].ago);
        put_member(out, "from", recent[i].from);
        put_member(out, "to", recent[i].to);
        put_site(out, "at", &snapshot->layout, recent[i].site);
        fputc('}', out);
    }
    fputc(']', out);
}

static void put_thread(FILE *out, const struct snapshot *snapshot, const struct snapshot_thread *thread)
{
    fprintf(out, "{\"tid\":%" PRId32 ",\"attached\":%s,\"in_poll\":%s", thread->tid,
            thread->attached ? "true" : "false", thread->in_poll ? "true" : "false");
    put_member(out, "loop", thread->loop.length ? thread->loop : (struct layout_text){NULL, 0});
    put_state(out, thread->kernel_state);
    fprintf(out,
            ",\"created\":%" PRIu64 ",\"ended\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"attributed_cpu_ns\":%" PRId64,
            thread->created, thread->ended, thread->handled, thread->attributed_cpu);
    put_member(out, "current",
               thread->current >= 0 ? snapshot->contexts[thread->current].name : (struct layout_text){NULL, 0});
    put_recent(out, snapshot, thread);
    fputc('}', out);
}

static void put_process(FILE *out, const struct snapshot *snapshot)
{
    const struct logctx_table_header *header = &snapshot->layout.header;
    fprintf(out, "{\"version\":1,\"process\":{\"pid\":%d,\"lives\":%s,\"ended_by_exit\":%s", (int)snapshot->pid,
            snapshot->lives ? "true" : "false", header->state == LOGCTX_TABLE_ENDED ? "true" : "false");
    put_member(out, "executable",
               (struct layout_text){header->executable, strnlen(header->executable, sizeof header->executable)});
    put_member(out, "service", (struct layout_text){header->service, strnlen(header->service, sizeof header->service)});
    put_member(out, "library", (struct layout_text){header->library, strnlen(header->library, sizeof header->library)});
    fprintf(out, ",\"up_ns\":%" PRIu64 "},\"time_unix_ns\":%" PRIu64 ",\"time_is_of_last_event\":%s", snapshot->begun,
            snapshot->now_unix, snapshot->at_last_event ? "true" : "false");
    fprintf(out, ",\"created\":%" PRIu64 ",\"ended\":%" PRIu64 ",\"by_state\":{", snapshot->created, snapshot->ended);
    for (unsigned i = 0; i < SNAPSHOT_STATE_COUNT; i++)
        fprintf(out, "%s\"%s\":%zu", i ? "," : "", snapshot_state_name((enum snapshot_state)i), snapshot->by_state[i]);
    fprintf(out, "},\"unseen\":{\"elsewhere\":%" PRIu64 ",\"changing\":%" PRIu64 "}", header->elsewhere,
            snapshot->changing);
}

void print_json(const struct snapshot *snapshot, const struct options *options, FILE *out)
{
    put_process(out, snapshot);
    fputs(",\n\"threads\":[", out);
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        fputs(i ? ",\n" : "\n", out);
        put_thread(out, snapshot, &snapshot->threads[i]);
    }
    struct rows rows = rows_select(snapshot, options);
    fputs("],\n\"contexts\":[", out);
    for (size_t i = 0; i < rows.count; i++) {
        fputs(i ? ",\n" : "\n", out);
        put_context(out, snapshot, rows.rows[i]);
    }
    fprintf(out, "],\n\"hidden\":%zu}\n", rows.hidden);
    rows_free(&rows);
}
