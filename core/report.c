// Reports: an error on its way to the counters, the hook, the span, and the host's logger. Nothing here is on a fast path;
// it may allocate, and still works, with less detail, when there is no memory.
//
// SPDX-License-Identifier: Apache-2.0
#include "probes.h"

#include <logctx/adapter.h>

#include <inttypes.h>
#include <logctx/telemetry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HAS_BACKTRACE 1
#endif

enum {
#define LOGCTX_X(id, key, type, description) ATTR_##id,
    LOGCTX_EVENT_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
};
static const char *const keys[] = {
#define LOGCTX_X(id, key, type, description) [ATTR_##id] = key,
    LOGCTX_EVENT_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
};

static const uint64_t SECOND = 1000000000u;
enum { LINE_SECONDS = 10, STACK_SECONDS = 1, PLACES = 256, STACK_FRAMES = 32, TEXT_SIZE = 1024, WHERE_SIZE = 256 };

// A kind at a place, for the rates of lines and stacks. Under `places.lock`; a collision restarts the rate.
struct place {
    const logctx_site_t *site;
    logctx_error_kind_t kind;
    bool used;
    bool had_stack;
    uint64_t last_line, last_stack, unsaid;
};
static struct {
    lock_t lock;
    struct place table[PLACES];
} places = {.lock = 0};

static struct {
    lock_t lock;
    logctx_error_hook_t *hook;
    void *user;
} installed = {.lock = 0};

void logctx_set_error_hook(logctx_error_hook_t *hook, void *user)
{
    logctx__lock(&installed.lock);
    installed.hook = hook;
    installed.user = user;
    logctx__unlock(&installed.lock);
}

logctx_error_hook_t *logctx_get_error_hook(void **user)
{
    logctx__lock(&installed.lock);
    logctx_error_hook_t *hook = installed.hook;
    if (user)
        *user = installed.user;
    logctx__unlock(&installed.lock);
    return hook;
}

void logctx__count_error(struct thread *thread, logctx_error_kind_t kind, logctx_t *affected)
{
    ADD_OWNED(thread->errors[kind], 1);
    if (!affected || is_sentinel(affected))
        return;
    atomic_fetch_add_explicit(&affected->errors, 1, memory_order_relaxed);
    struct shard *shard = logctx__shard(thread, affected->series);
    if (shard)
        ADD_OWNED(shard->errors[kind], 1);
}

uint64_t logctx_error_count(logctx_error_kind_t kind)
{
    uint64_t sum = 0;
    if ((unsigned)kind >= LOGCTX_ERROR_COUNT)
        return 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        sum += READ_RELAXED(thread->errors[kind]);
    return sum;
}

bool logctx_in_callback(void)
{
    return logctx__tls.thread && logctx__tls.thread->in_hook > 0;
}

uint64_t logctx_refused_switches(void)
{
    uint64_t sum = 0;
    for (struct thread *thread = logctx__threads(); thread; thread = thread->next)
        sum += READ_RELAXED(thread->refused_switches);
    return sum;
}

struct rates {
    bool line;
    bool stack;
    uint64_t unsaid; /* like it since the last line */
};

static struct rates rates_of(logctx_error_kind_t kind, const logctx_site_t *site)
{
    uint64_t now = logctx__monotonic();
    size_t hash = ((uintptr_t)site >> 4) * 31 + (size_t)kind;
    struct rates rates = {0};
    logctx__lock(&places.lock);
    struct place *place = &places.table[hash % PLACES];
    if (!place->used || place->site != site || place->kind != kind)
        *place = (struct place){.site = site, .kind = kind};
    rates.line = !place->used || now - place->last_line >= LINE_SECONDS * SECOND;
    rates.stack = !place->had_stack || now - place->last_stack >= STACK_SECONDS * SECOND;
    rates.unsaid = place->unsaid;
    place->used = place->had_stack = true;
    place->unsaid = rates.line ? 0 : place->unsaid + 1;
    if (rates.line)
        place->last_line = now;
    if (rates.stack)
        place->last_stack = now;
    logctx__unlock(&places.lock);
    return rates;
}

// The sentence of the kind with the names in it: into `room`, or, where that is too small, allocated. Cut without memory.
static char *sentence_of(const struct occurrence *occurrence, char *room, size_t size)
{
    const char *a = occurrence->expected ? occurrence->expected : occurrence->found ? occurrence->found : "";
    const char *b = occurrence->found ? occurrence->found : "";
    const char *m = occurrence->text ? occurrence->text : "";
    const char *sentence = logctx_error_info(occurrence->kind)->sentence;
    size_t needed = strlen(sentence) + strlen(a) + strlen(b) + strlen(m) + 1;
    char *out = room;
    if (needed > size) {
        out = malloc(needed);
        if (!out)
            out = room;
        else
            size = needed;
    }
    size_t at = 0;
    for (const char *from = sentence; *from && at + 1 < size; from++) {
        const char *insert = NULL;
        if (*from == '%')
            insert = from[1] == 'A' ? a : from[1] == 'B' ? b : from[1] == 'M' ? m : NULL;
        if (!insert) {
            out[at++] = *from;
            continue;
        }
        from++;
        size_t length = strnlen(insert, size - 1 - at);
        memcpy(out + at, insert, length);
        at += length;
    }
    out[at] = '\0';
    return out;
}

static void stack_text(char *out, size_t size)
{
    out[0] = '\0';
#ifdef HAS_BACKTRACE
    void *frames[STACK_FRAMES];
    int count = backtrace(frames, STACK_FRAMES);
    size_t at = 0;
    // The first frames are this file's.
    for (int i = 2; i < count && at < size; i++) {
        char where[160];
        logctx__where_address(frames[i], where, sizeof where);
        int written = snprintf(out + at, size - at, "%s%s", at ? "\n" : "", where);
        if (written < 0)
            break;
        at += (size_t)written;
    }
#else
    (void)size;
#endif
}

static void call_hook(struct thread *thread, const logctx_error_t *error)
{
    void *user;
    logctx_error_hook_t *hook = logctx_get_error_hook(&user);
    if (!hook)
        return;
    thread->in_hook++;
    hook(error, user);
    thread->in_hook--;
}

// On a span a place has its function, too: whoever reads it may not have the source at hand.
static const char *with_function(const char *where, const logctx_site_t *site, char *out, size_t size)
{
    if (!site || !site->file || !site->function)
        return where;
    int length = snprintf(out, size, "%s (%s)", where, site->function);
    return length > 0 && (size_t)length < size ? out : where;
}

static void put_on_span(struct thread *thread, const struct occurrence *occurrence, const logctx_error_t *error,
                        const logctx_site_t *const *sites)
{
    logctx_attr_t attrs[9];
    logctx_value_t recent[LOGCTX_RECENT_MAX];
    char lines[LOGCTX_RECENT_MAX][320], found_by[WHERE_SIZE], set_by[WHERE_SIZE], where[160];
    size_t count = 0;
    attrs[count++] = logctx_attr_string(keys[ATTR_KIND], logctx_error_info(error->kind)->name);
    attrs[count++] = logctx_attr_string(keys[ATTR_MESSAGE], error->message);
    if (*error->expected)
        attrs[count++] = logctx_attr_string(keys[ATTR_EXPECTED], error->expected);
    if (*error->found)
        attrs[count++] = logctx_attr_string(keys[ATTR_FOUND], error->found);
    if (*error->found_by)
        attrs[count++] = logctx_attr_string(
            keys[ATTR_FOUND_BY], with_function(error->found_by, occurrence->found_by, found_by, sizeof found_by));
    if (*error->set_by)
        attrs[count++] = logctx_attr_string(keys[ATTR_SET_BY],
                                            with_function(error->set_by, occurrence->set_by, set_by, sizeof set_by));
    for (size_t i = 0; i < error->recent_count; i++) {
        const logctx_switch_t *entry = &error->recent[i];
        // Without real numbers: their decimal point is the host's locale's.
        uint64_t us = entry->ago_ns / 1000 + (entry->ago_ns % 1000 >= 500);
        int length = snprintf(lines[i], sizeof lines[i], "%s -> %s at %s, %" PRIu64 ".%03" PRIu64 " ms ago",
                              entry->from, entry->to, with_function(entry->where, sites[i], where, sizeof where),
                              us / 1000, us % 1000);
        recent[i] = logctx_attr_string_n("", lines[i], length < 0 ? 0 : strnlen(lines[i], sizeof lines[i])).value;
    }
    if (error->recent_count > 0)
        attrs[count++] = logctx_attr_array(keys[ATTR_RECENT], recent, error->recent_count);
    if (*error->stack)
        attrs[count++] = logctx_attr_string(keys[ATTR_STACK], error->stack);
    logctx__record_error(thread, error->affected, attrs, count, error->kind == LOGCTX_ERROR_UNFINISHED_AT_EXIT);
}

static void write_line(const logctx_error_t *error, uint64_t unsaid)
{
    const logctx_error_info_t *info = logctx_error_info(error->kind);
    char line[TEXT_SIZE + 512], more[64] = "";
    if (unsaid > 0)
        snprintf(more, sizeof more, "; %llu more like it since the last line", (unsigned long long)unsaid);
    snprintf(line, sizeof line, "%.*s (%s%s%s%s%s%s; see %s)", TEXT_SIZE, error->message,
             *error->found_by ? "noticed at " : "", error->found_by, *error->found_by && *error->set_by ? ", " : "",
             *error->set_by ? "set by " : "", error->set_by, more, info->anchor);
    logctx__log_message((logctx_severity_t)info->severity, line);
}

void logctx__report(struct thread *thread, const struct occurrence *occurrence)
{
    if (!thread)
        return;
    logctx_t *affected = occurrence->affected;
    if (!affected || is_inert(affected))
        affected = &logctx__sentinel;
    logctx__count_error(thread, occurrence->kind, affected);
    bool nobody = is_sentinel(affected);
    probe_error(logctx_error_info(occurrence->kind)->name, nobody ? NULL : affected,
                nobody ? "" : affected->profile.name, occurrence->found_by);
    // An error inside a hook is counted and goes no further: the hook would be called for ever.
    if (thread->in_hook > 0)
        return;
    struct rates rates = rates_of(occurrence->kind, occurrence->found_by);
    char room[TEXT_SIZE], found_by[192], set_by[192], stack[4096] = "";
    logctx_switch_t recent[LOGCTX_RECENT_MAX];
    const logctx_site_t *sites[LOGCTX_RECENT_MAX];
    char *message = sentence_of(occurrence, room, sizeof room);
    logctx__where(occurrence->found_by, found_by, sizeof found_by);
    logctx__where(occurrence->set_by, set_by, sizeof set_by);
    if (rates.stack)
        stack_text(stack, sizeof stack);
    logctx_error_t error = {.struct_size = sizeof error,
                            .kind = occurrence->kind,
                            .message = message,
                            .affected = affected,
                            .expected = occurrence->expected ? occurrence->expected : "",
                            .found = occurrence->found ? occurrence->found : "",
                            .found_by = found_by,
                            .set_by = set_by,
                            .recent = recent,
                            .recent_count = logctx__recent(thread, recent, sites, LOGCTX_RECENT_MAX),
                            .stack = stack};
    call_hook(thread, &error);
    if (!nobody)
        put_on_span(thread, occurrence, &error, sites);
    if (rates.line && logctx__has_logger())
        write_line(&error, rates.unsaid);
    if (message != room)
        free(message);
}

void logctx__misuse(const char *text, const logctx_site_t *site)
{
    logctx__report(this_thread(),
                   &(struct occurrence){.kind = LOGCTX_ERROR_INVALID_USE, .text = text, .found_by = site});
}

void logctx_report_misuse(const char *text, const logctx_site_t *site)
{
    const struct thread *thread = site ? NULL : this_thread();
    logctx__misuse(text ? text : "an adapter did not say how", thread ? thread->asking_at : site);
}
