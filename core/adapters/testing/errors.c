// Transition errors of a test: collected by a hook on whatever thread they happen, matched with what the test expects,
// and judged at its end. Everything is under `errors.mutex`; hooks, and jumps out of a failed test, happen without it.
//
// SPDX-License-Identifier: Apache-2.0
#include "testing_parts.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { LISTED = 256, SHOWN = 16, SHOWN_SWITCHES = 8 };

// OPEN: expected, not come. MATCHED: came and was expected, counted, allowed or taken. WAITING: came, nobody wants it.
enum state { OPEN, MATCHED, WAITING };

struct entry {
    logctx_test_error_t error;
    enum state state;
    const logctx_site_t *site; // of the expectation
};

struct kind {
    uint64_t counted_before; // by the core, when the test began
    uint64_t came;           // through the hook
    uint64_t due;            // expected by number, and not come
    uint64_t unlisted;       // waiting, beyond the end of the list
    const logctx_site_t *due_site;
    bool allowed;
};

static struct {
    pthread_mutex_t mutex;
    bool active;
    logctx_error_hook_t *before, *chained;
    void *before_user, *chained_user;
    size_t count; // of the list; entries that wait are in the order in which they came
    struct entry list[LISTED];
    struct kind kinds[LOGCTX_ERROR_COUNT];
} errors = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static const char *name_of(logctx_error_kind_t kind)
{
    return logctx_error_info(kind)->name;
}

#define COPY(to, from) snprintf((to), sizeof(to), "%s", (from))

static void copy(logctx_test_error_t *to, const logctx_error_t *from)
{
    memset(to, 0, sizeof *to);
    to->came = true;
    to->kind = from->kind;
    COPY(to->message, from->message);
    COPY(to->expected, from->expected);
    COPY(to->found, from->found);
    COPY(to->found_by, from->found_by);
    COPY(to->set_by, from->set_by);
    COPY(to->affected, logctx_name(from->affected));
    COPY(to->current, logctx_name(logctx_current()));
    COPY(to->stack, from->stack);
    to->affected_address = from->affected;
    to->recent_count = from->recent_count < LOGCTX_RECENT_MAX ? from->recent_count : LOGCTX_RECENT_MAX;
    memcpy(to->recent, from->recent, to->recent_count * sizeof *to->recent);
}

// The oldest entry in that state, of that kind or, for LOGCTX_ERROR_COUNT, of any.
static struct entry *find(enum state state, logctx_error_kind_t kind)
{
    for (size_t i = 0; i < errors.count; i++)
        if (errors.list[i].state == state && (kind == LOGCTX_ERROR_COUNT || errors.list[i].error.kind == kind))
            return &errors.list[i];
    return NULL;
}

static struct entry *append(enum state state, logctx_error_kind_t kind, const logctx_site_t *site)
{
    if (errors.count == LISTED)
        return NULL;
    struct entry *entry = &errors.list[errors.count++];
    memset(entry, 0, sizeof *entry);
    entry->state = state;
    entry->error.kind = kind;
    entry->site = site;
    return entry;
}

static void match(const logctx_error_t *error)
{
    struct kind *kind = &errors.kinds[error->kind];
    struct entry *entry = find(OPEN, error->kind);
    kind->came++;
    if (entry) {
        entry->state = MATCHED;
    } else if (kind->due > 0) {
        kind->due--;
    } else if (!kind->allowed) {
        entry = append(WAITING, error->kind, NULL);
        kind->unlisted += entry == NULL;
    }
    if (entry)
        copy(&entry->error, error);
}

static void collect(const logctx_error_t *error, void *user)
{
    (void)user;
    pthread_mutex_lock(&errors.mutex);
    if (errors.active && (unsigned)error->kind < LOGCTX_ERROR_COUNT)
        match(error);
    logctx_error_hook_t *chained = errors.active ? errors.chained : NULL;
    void *chained_user = errors.chained_user;
    pthread_mutex_unlock(&errors.mutex);
    if (chained)
        chained(error, chained_user);
}

void logctx__errors_begin(void)
{
    pthread_mutex_lock(&errors.mutex);
    errors.before = logctx_get_error_hook(&errors.before_user);
    if (errors.before == collect) // put back by a program that had saved it: it would call itself
        errors.before = NULL;
    errors.chained = errors.before;
    errors.chained_user = errors.before_user;
    errors.count = 0;
    memset(errors.kinds, 0, sizeof errors.kinds);
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        errors.kinds[kind].counted_before = logctx_error_count((logctx_error_kind_t)kind);
    errors.active = true;
    pthread_mutex_unlock(&errors.mutex);
    logctx_set_error_hook(collect, NULL);
}

void logctx__errors_end(void)
{
    pthread_mutex_lock(&errors.mutex);
    errors.active = false;
    pthread_mutex_unlock(&errors.mutex);
    logctx_set_error_hook(errors.before, errors.before_user);
}

bool logctx__errors_collected(void)
{
    pthread_mutex_lock(&errors.mutex);
    bool active = errors.active;
    pthread_mutex_unlock(&errors.mutex);
    return active;
}

void logctx_test_chain_hook(logctx_error_hook_t *hook, void *user)
{
    pthread_mutex_lock(&errors.mutex);
    errors.chained = hook;
    errors.chained_user = user;
    pthread_mutex_unlock(&errors.mutex);
}

// ---- what a test says of its errors ----

static void check_call(const char *function, logctx_error_kind_t kind, const logctx_site_t *site)
{
    if ((unsigned)kind >= LOGCTX_ERROR_COUNT)
        logctx__say("ERROR: %s: %d is no kind of error; they are in logctx/error.h\n", function, (int)kind);
    else if (!logctx__errors_collected())
        logctx__say("ERROR: %s was called outside of a test that logctx/testing.h has begun\n", function);
    else
        return;
    _fail(site->file, site->line);
}

const logctx_test_error_t *logctx_expect_transition_error_at(logctx_error_kind_t kind, const logctx_site_t *site)
{
    check_call("logctx_expect_transition_error()", kind, site);
    pthread_mutex_lock(&errors.mutex);
    struct entry *entry = find(WAITING, kind);
    if (entry)
        entry->state = MATCHED;
    else
        entry = append(OPEN, kind, site);
    pthread_mutex_unlock(&errors.mutex);
    if (!entry) {
        logctx__say("ERROR: a test can look at %d errors; logctx_expect_transition_error_count() has no limit\n",
                    LISTED);
        _fail(site->file, site->line);
    }
    return &entry->error;
}

// Up to `count` of the errors of that kind that wait; returns how many.
static uint64_t settle(logctx_error_kind_t kind, uint64_t count)
{
    uint64_t settled = 0;
    struct entry *entry;
    while (settled < count && (entry = find(WAITING, kind)) != NULL) {
        entry->state = MATCHED;
        settled++;
    }
    struct kind *row = &errors.kinds[kind];
    uint64_t more = row->unlisted < count - settled ? row->unlisted : count - settled;
    row->unlisted -= more;
    return settled + more;
}

void logctx_expect_transition_error_count_at(logctx_error_kind_t kind, size_t count, const logctx_site_t *site)
{
    check_call("logctx_expect_transition_error_count()", kind, site);
    pthread_mutex_lock(&errors.mutex);
    errors.kinds[kind].due += count - settle(kind, count);
    errors.kinds[kind].due_site = site;
    pthread_mutex_unlock(&errors.mutex);
}

void logctx_allow_transition_errors_at(logctx_error_kind_t kind, const logctx_site_t *site)
{
    check_call("logctx_allow_transition_errors()", kind, site);
    pthread_mutex_lock(&errors.mutex);
    settle(kind, UINT64_MAX);
    errors.kinds[kind].allowed = true;
    pthread_mutex_unlock(&errors.mutex);
}

const logctx_test_error_t *logctx_take_transition_error_at(logctx_error_kind_t kind, const logctx_site_t *site)
{
    check_call("logctx_take_transition_error()", kind, site);
    pthread_mutex_lock(&errors.mutex);
    struct entry *entry = find(WAITING, LOGCTX_ERROR_COUNT);
    if (entry && entry->error.kind == kind)
        entry->state = MATCHED;
    pthread_mutex_unlock(&errors.mutex);
    if (entry && entry->error.kind == kind)
        return &entry->error;
    if (entry)
        logctx__say("ERROR: expected the error %s, got %s: %s\n", name_of(kind), name_of(entry->error.kind),
                    entry->error.message);
    else
        logctx__say("ERROR: expected the error %s, and there was none\n", name_of(kind));
    _fail(site->file, site->line);
    return NULL;
}

size_t logctx_unexpected_transition_errors(void)
{
    size_t count = 0;
    pthread_mutex_lock(&errors.mutex);
    for (size_t i = 0; i < errors.count; i++)
        count += errors.list[i].state == WAITING;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        count += (size_t)errors.kinds[kind].unlisted;
    pthread_mutex_unlock(&errors.mutex);
    return count;
}

// ---- the end ----

static void describe(const logctx_test_error_t *error)
{
    logctx__say("  %s: %s\n", name_of(error->kind), error->message);
    if (*error->found_by || *error->set_by)
        logctx__say("    %s%s%s%s%s\n", *error->found_by ? "noticed at " : "", error->found_by,
                    *error->found_by && *error->set_by ? ", " : "", *error->set_by ? "set by " : "", error->set_by);
    for (size_t i = 0; i < error->recent_count && i < SHOWN_SWITCHES; i++)
        logctx__say("    %s -> %s at %s, %.3f ms before\n", error->recent[i].from, error->recent[i].to,
                    error->recent[i].where, (double)error->recent[i].ago_ns / 1e6);
    logctx__say("    see %s\n", logctx_error_info(error->kind)->anchor);
}

static void describe_waiting(size_t waiting)
{
    size_t shown = 0;
    for (size_t i = 0; i < errors.count && shown < SHOWN; i++)
        if (errors.list[i].state == WAITING) {
            describe(&errors.list[i].error);
            shown++;
        }
    if (waiting > shown)
        logctx__say("  and %zu more\n", waiting - shown);
}

// Errors that the core has counted and the hook did not get meet what is expected, or are a complaint.
static size_t judge_unseen(logctx_error_kind_t kind)
{
    struct kind *row = &errors.kinds[kind];
    uint64_t counted = logctx_error_count(kind) - row->counted_before;
    uint64_t unseen = counted > row->came ? counted - row->came : 0;
    uint64_t due = unseen < row->due ? unseen : row->due;
    row->due -= due;
    unseen -= due;
    for (struct entry *entry; unseen > 0 && (entry = find(OPEN, kind)) != NULL; unseen--)
        entry->state = MATCHED;
    if (unseen == 0 || row->allowed)
        return 0;
    logctx__say(
        "%s that the test did not expect, counted %llu times, but not by its hook: inside a hook, a logger or a "
        "sink, or while another hook was installed\n",
        name_of(kind), (unsigned long long)unseen);
    return 1;
}

static size_t judge_missing(logctx_error_kind_t kind)
{
    size_t complaints = 0;
    for (size_t i = 0; i < errors.count; i++) {
        const struct entry *entry = &errors.list[i];
        if (entry->state != OPEN || entry->error.kind != kind)
            continue;
        logctx__say("The transition error %s, expected at %s:%d, did not come\n", name_of(kind), entry->site->file,
                    entry->site->line);
        complaints++;
    }
    const struct kind *row = &errors.kinds[kind];
    if (row->due > 0) {
        logctx__say("The transition error %s, expected at %s:%d, did not come often enough: %llu times too few\n",
                    name_of(kind), row->due_site->file, row->due_site->line, (unsigned long long)row->due);
        complaints++;
    }
    return complaints;
}

size_t logctx__errors_judge(void)
{
    size_t complaints = 0, waiting = logctx_unexpected_transition_errors();
    pthread_mutex_lock(&errors.mutex);
    if (waiting > 0) {
        logctx__say("Transition errors that the test did not expect: %zu\n", waiting);
        describe_waiting(waiting);
        complaints++;
    }
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++) {
        complaints += judge_unseen((logctx_error_kind_t)kind);
        complaints += judge_missing((logctx_error_kind_t)kind);
    }
    pthread_mutex_unlock(&errors.mutex);
    return complaints;
}

void logctx__errors_mention(void)
{
    size_t waiting = logctx_unexpected_transition_errors();
    if (waiting == 0)
        return;
    pthread_mutex_lock(&errors.mutex);
    logctx__say("Before it failed, transition errors came that it did not expect: %zu\n", waiting);
    describe_waiting(waiting);
    pthread_mutex_unlock(&errors.mutex);
}
