// Gather: one deferred for many. Each member has an entry that counts it; the last one, or the first failure, calls the
// gather. On the thread of the deferreds.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred.h"

#include <stdlib.h>

// Called or dropped, a gather has no further use for its members, unless it is just cancelling them.
void logctx__gather_let_go(struct gather *gather)
{
    if (gather->cancelling > 0)
        return;
    for (size_t i = 0; i < gather->count; i++) {
        logctx_deferred_t *member = gather->members[i].deferred;
        bool kept = gather->members[i].kept;
        gather->members[i].deferred = NULL;
        gather->members[i].kept = false;
        if (kept)
            logctx_deferred_unref(member);
    }
}

// True if that decides the gather. A member that has its result has no entry any more that could say that it is gone.
static bool count_result(logctx_deferred_t *deferred, size_t index, const char *error)
{
    struct gather *gather = deferred->gather;
    gather->counted++;
    if (deferred->called && gather->cancelling == 0)
        return false;
    if (gather->members[index].deferred) {
        logctx_deferred_ref(gather->members[index].deferred);
        gather->members[index].kept = true;
    }
    if (deferred->called || (!error && gather->counted < gather->count))
        return false;
    logctx_result_t result = error ? logctx_failure(LOGCTX_FIRST_ERROR, NULL, NULL) : logctx_success(NULL, NULL);
    return logctx__deferred_set(deferred, result, NULL);
}

static logctx_deferred_t *count_member(struct entry *entry, const logctx_result_t *result)
{
    logctx_deferred_t *gather = entry->to;
    entry->clear = gather->gather->consume && result->error;
    if (count_result(gather, entry->index, result->error)) {
        logctx__gather_let_go(gather->gather);
        return gather;
    }
    logctx_deferred_unref(gather);
    return NULL;
}

static void drop_member(struct entry *entry)
{
    entry->to->gather->members[entry->index].deferred = NULL;
    logctx_deferred_unref(entry->to);
}

static void add_member(logctx_deferred_t *gather, size_t index, logctx_deferred_t *member)
{
    struct entry *entry = logctx__deferred_usable(member) ? logctx__entry_new() : NULL;
    if (!entry) {
        if (count_result(gather, index, LOGCTX_NO_MEMORY))
            logctx__gather_let_go(gather->gather);
        return;
    }
    entry->kind = ENTRY_STEP;
    entry->step = count_member;
    entry->drop = drop_member;
    entry->index = index;
    entry->to = logctx_deferred_ref(gather);
    gather->gather->members[index].deferred = gather->called ? NULL : member;
    logctx__entry_append(member, entry);
    if (!member->called)
        return;
    logctx_deferred_ref(member);
    logctx__deferred_run(member);
    logctx_deferred_unref(member);
}

logctx_deferred_t *logctx_gather(logctx_deferred_t *const *members, size_t count, bool consume)
{
    if (count > 0 && !members)
        logctx__misuse("logctx_gather() got NULL instead of its members", NULL);
    if (!members)
        count = 0;
    struct gather *gather = count < SIZE_MAX / 64 ? calloc(1, sizeof *gather + count * sizeof *gather->members) : NULL;
    logctx_deferred_t *deferred = gather ? logctx_deferred_new(NULL, NULL, NULL) : NULL;
    if (!deferred) {
        free(gather);
        return NULL;
    }
    gather->count = count;
    gather->consume = consume;
    deferred->gather = gather;
    if (count == 0)
        logctx__deferred_set(deferred, logctx_success(NULL, NULL), NULL);
    for (size_t i = 0; i < count; i++)
        add_member(deferred, i, members[i]);
    return deferred;
}
