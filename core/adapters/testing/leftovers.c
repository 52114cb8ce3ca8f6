// What a test leaves behind: another context than the sentinel, contexts that nobody has finished, deferreds that nobody
// has called.
//
// SPDX-License-Identifier: Apache-2.0
#include "testing_parts.h"

#include <logctx/deferred.h>
#include <logctx/usage.h>

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 16 };

// What there was when the test began, which is not its own.
static struct {
    logctx_snapshot_t *list; // contexts in flight
    size_t count;
    size_t deferreds; // not called
} before;

// All contexts in flight, to be freed by the caller. More may be made by other threads meanwhile, and are left out.
static bool snapshot(logctx_snapshot_t **list, size_t *count)
{
    size_t room = logctx_get_snapshot(NULL, 0);
    *list = calloc(room > 0 ? room : 1, sizeof **list);
    if (!*list)
        return false;
    size_t there = logctx_get_snapshot(*list, room);
    *count = there < room ? there : room;
    return true;
}

bool logctx__leftovers_begin(void)
{
    logctx__leftovers_end();
    before.deferreds = logctx_deferred_pending();
    return snapshot(&before.list, &before.count);
}

void logctx__leftovers_end(void)
{
    free(before.list);
    before.list = NULL;
    before.count = 0;
}

static bool was_there(const logctx_snapshot_t *context)
{
    for (size_t i = 0; i < before.count; i++)
        if (memcmp(before.list[i].span_id, context->span_id, sizeof context->span_id) == 0 &&
            memcmp(before.list[i].trace_id, context->trace_id, sizeof context->trace_id) == 0)
            return true;
    return false;
}

static void describe(const logctx_snapshot_t *context)
{
    logctx__say("  %s (%s of kind %s), last seen at %s\n", context->name, logctx_type_name(context->type),
                context->kind, context->where);
}

// Says those that are not in `before`, under a headline.
static size_t list_new(const char *headline)
{
    logctx_snapshot_t *list;
    size_t count, left = 0, shown = 0;
    if (!snapshot(&list, &count)) {
        logctx__say("No memory to look for unfinished contexts\n");
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        left += !was_there(&list[i]);
    if (left > 0)
        logctx__say("%s: %zu\n", headline, left);
    for (size_t i = 0; i < count && shown < SHOWN; i++)
        if (!was_there(&list[i])) {
            describe(&list[i]);
            shown++;
        }
    if (left > shown)
        logctx__say("  and %zu more\n", left - shown);
    free(list);
    return left > 0;
}

static size_t judge_deferreds(void)
{
    size_t now = logctx_deferred_pending();
    if (now <= before.deferreds)
        return 0;
    logctx__say("Deferreds that the test made and did not call: %zu; whoever waits for them waits for ever\n",
                now - before.deferreds);
    return 1;
}

size_t logctx__leftovers_judge(void)
{
    return list_new("Contexts that the test made and did not finish") + judge_deferreds();
}

void logctx__leftovers_list(void)
{
    logctx__leftovers_end();
    list_new("Contexts in flight");
}

size_t logctx__sentinel_judge(const char *when)
{
    logctx_t *current = logctx_current();
    if (logctx_is_sentinel(current))
        return 0;
    logctx__say("Test %s with non-sentinel logging context %s\n", when, logctx_name(current));
    if (logctx__errors_collected())
        logctx_set_current(logctx_sentinel()); // an error of this switch belongs to what is judged next
    else
        logctx__sentinel_restore();
    return 1;
}

void logctx__sentinel_restore(void)
{
    if (logctx_is_sentinel(logctx_current()))
        return;
    // An error of this switch is the test's, which has been or will be told; the program's hook has not asked for it.
    void *user;
    logctx_error_hook_t *hook = logctx_get_error_hook(&user);
    logctx_set_error_hook(NULL, NULL);
    logctx_set_current(logctx_sentinel());
    logctx_set_error_hook(hook, user);
}
