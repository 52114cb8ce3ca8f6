// Contexts: making, counting references, finishing, freeing; and the sentinel.
//
// Budget: at most 9 instructions for `current`; of a whole life, new, enter, exit and unref, at most 2200 instructions for
// `context_bare`, at most 3800 instructions for `context_span` with a sink, at most 6350 instructions for
// `context_8_attributes`; nothing is allocated.
//
// SPDX-License-Identifier: Apache-2.0
#include "inherited.h"
#include "probes.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sentinel_server[] = "unknown_server_from_sentinel_context";

// Constant but for `lock`, which nobody takes: every function looks for it first.
struct logctx logctx__sentinel = {
    .refs = 1,
    .generation = 1,
    .lock = 0,
    .name = "sentinel",
    .profile = {.name = "sentinel"},
    .root = &logctx__sentinel,
    .previous = &logctx__sentinel,
    .previous_generation = 1,
};

static _Atomic uint64_t refused_without_thread;
static atomic_bool said_limit;

logctx_t *logctx_current(void)
{
    return logctx__tls.current;
}

logctx_t *logctx_sentinel(void)
{
    return &logctx__sentinel;
}

bool logctx_is_sentinel(const logctx_t *ctx)
{
    return is_sentinel(ctx);
}

bool logctx_is_finished(const logctx_t *ctx)
{
    if (!ctx)
        return false;
    return likely(!is_inert(ctx)) ? READ_RELAXED(ctx->finished) : logctx__inherited(ctx)->finished;
}

const char *logctx_name(const logctx_t *ctx)
{
    if (!ctx)
        return logctx__sentinel.name;
    return likely(!is_inert(ctx)) ? ctx->name : logctx__inherited(ctx)->name;
}

const char *logctx_server(const logctx_t *ctx)
{
    const struct shared_string *server = !ctx                     ? NULL
                                         : likely(!is_inert(ctx)) ? ctx->server
                                                                  : logctx__inherited(ctx)->server;
    return server ? server->text : sentinel_server;
}

static const struct series *series_of(const logctx_t *ctx)
{
    if (!ctx)
        return NULL;
    return likely(!is_inert(ctx)) ? ctx->series : logctx__inherited(ctx)->series;
}

logctx_kind_t *logctx_kind_of(const logctx_t *ctx)
{
    const struct series *series = series_of(ctx);
    return series ? series->kind : logctx_kind(NULL);
}

logctx_type_t logctx_type(const logctx_t *ctx)
{
    const struct series *series = series_of(ctx);
    return series ? series->type : LOGCTX_TYPE_CALLBACK;
}

const char *logctx_type_name(logctx_type_t type)
{
    switch (type) {
#define LOGCTX_X(name, value, text)                                                                                    \
    case LOGCTX_TYPE_##name:                                                                                           \
        return text;
        LOGCTX_TYPES(LOGCTX_X)
#undef LOGCTX_X
    }
    return "request";
}

size_t logctx_current_name(char *buffer, size_t size)
{
    const char *name = logctx__tls.current->name;
    size_t length = 0;
    if (!buffer || size == 0)
        return 0;
    for (; name[length] && length + 1 < size; length++)
        buffer[length] = name[length];
    buffer[length] = '\0';
    return length;
}

// The context, if its memory is still in the same use, by this process; else the sentinel.
logctx_t *logctx__if_generation(logctx_t *ctx, uint32_t generation)
{
    return likely(READ_RELAXED(ctx->generation) == generation) && !is_inert(ctx) ? ctx : &logctx__sentinel;
}

void logctx__contexts_in_child(void)
{
    atomic_store_explicit(&refused_without_thread, 0, memory_order_relaxed);
    atomic_store_explicit(&said_limit, false, memory_order_relaxed);
}

// Where a name of that length goes: into the context, into a block of its owner's, or, if it is very long, into memory of its
// own. Called by the owner.
static char *name_room(logctx_t *ctx, size_t length)
{
    if (likely(length < LOGCTX_NAME_INLINE))
        return ctx->profile.name;
    if (length < LOGCTX_NAME_BLOCK)
        return logctx__pool_get(&ctx->owner->names, ctx->owner);
    return malloc(length + 1);
}

static void free_name(logctx_t *ctx)
{
    char *name = (char *)(uintptr_t)ctx->name;
    ctx->name = ctx->series->kind->name;
    if (name == ctx->profile.name || name == ctx->name)
        return;
    if (strlen(name) < LOGCTX_NAME_BLOCK)
        logctx__pool_put(&ctx->owner->names, name, ctx->owner == logctx__tls.thread);
    else
        free(name);
}

// `first` and `second` together, made valid UTF-8 and cut; short ones without an allocation.
static bool set_name(logctx_t *ctx, const char *first, const char *dash, const char *second)
{
    const char *const parts[] = {first, dash, second};
    size_t lengths[3], total = 0;
    for (size_t i = 0; i < 3; i++) {
        lengths[i] = strlen(parts[i]);
        total += logctx__utf8_size(parts[i], lengths[i], LOGCTX__UTF8_NO_LIMIT);
    }
    if (total > LOGCTX_NAME_MAX)
        total = LOGCTX_NAME_MAX;
    char *name = name_room(ctx, total);
    if (!name)
        return false;
    size_t at = 0;
    for (size_t i = 0; i < 3; i++)
        at += logctx__utf8_copy(name + at, total - at, parts[i], lengths[i], LOGCTX__UTF8_NO_LIMIT);
    name[at] = '\0';
    ctx->name = name;
    return true;
}

// Numbers are taken from the kind in blocks: one by one the threads would wait for each other.
static uint64_t next_number(struct shard *shard, struct logctx_kind *kind)
{
    enum { BLOCK = 64 };
    if (shard->next_instance == shard->instances_end) {
        shard->next_instance = atomic_fetch_add_explicit(&kind->instances, BLOCK, memory_order_relaxed);
        shard->instances_end = shard->next_instance + BLOCK;
    }
    return ++shard->next_instance;
}

// KIND-N. The kind's name is valid already, so both are copied.
static bool name_by_number(logctx_t *ctx, struct logctx_kind *kind)
{
    char digits[24];
    size_t at = sizeof digits, kind_length = strlen(kind->name);
    for (uint64_t number = next_number(READ_RELAXED(ctx->shard), kind); at == sizeof digits || number > 0; number /= 10)
        digits[--at] = (char)('0' + number % 10);
    digits[--at] = '-';
    size_t length = kind_length + sizeof digits - at;
    char *name = name_room(ctx, length);
    if (!name)
        return false;
    memcpy(name, kind->name, kind_length);
    memcpy(name + kind_length, digits + at, sizeof digits - at);
    name[length] = '\0';
    ctx->name = name;
    return true;
}

static struct shared_string *server_of(const char *server, const logctx_t *parent,
                                       const struct inherited_facts *inherited)
{
    struct shared_string *string = server ? logctx__string_server(server, LOGCTX_NAME_MAX) : NULL;
    if (string)
        return string;
    if (inherited && inherited->server)
        return logctx__string_ref(inherited->server);
    return parent ? logctx__string_ref(parent->server) : logctx__default_server();
}

static void continue_parent(logctx_t *ctx, const logctx_t *parent)
{
    memcpy(ctx->profile.trace_id, parent->profile.trace_id, sizeof ctx->profile.trace_id);
    memcpy(ctx->parent_span_id, parent->profile.span_id, sizeof ctx->parent_span_id);
    ctx->has_parent_span = true;
    ctx->profile.flags = parent->profile.flags & LOGCTX_FLAG_RANDOM;
    ctx->tracestate = logctx__string_ref(parent->tracestate);
}

// One in another process: its trace goes on, its usage does not.
static void continue_inherited(logctx_t *ctx, const struct inherited_facts *parent)
{
    memcpy(ctx->profile.trace_id, parent->trace_id, sizeof ctx->profile.trace_id);
    memcpy(ctx->parent_span_id, parent->span_id, sizeof ctx->parent_span_id);
    ctx->has_parent_span = true;
    ctx->remote_parent = true;
    ctx->profile.flags = parent->flags & LOGCTX_FLAG_RANDOM;
    ctx->tracestate = logctx__string_ref(parent->tracestate);
}

static void continue_trace(logctx_t *ctx, const logctx_span_context_t *from, const char *tracestate)
{
    memcpy(ctx->profile.trace_id, from->trace_id, sizeof ctx->profile.trace_id);
    memcpy(ctx->parent_span_id, from->span_id, sizeof ctx->parent_span_id);
    ctx->has_parent_span = true;
    ctx->remote_parent = true;
    ctx->profile.flags = from->flags & LOGCTX_FLAG_RANDOM;
    if (!tracestate || !*tracestate)
        return;
    char valid[LOGCTX_TRACESTATE_SIZE];
    size_t length = logctx_tracestate_read(tracestate, strlen(tracestate), valid, sizeof valid);
    if (length > 0)
        ctx->tracestate = logctx__string_new(valid, length, sizeof valid);
}

// Trace id, then the decision, then the span id: the order of the OpenTelemetry SDK (trace/sdk.md, Span creation).
static void set_identity(struct thread *thread, logctx_t *ctx, const struct inherited_facts *inherited,
                         const logctx_opts_t *opts)
{
    logctx_span_context_t caller;
    const logctx_t *parent = ctx->parent;
    bool parent_sampled = false;
    if (unlikely(inherited && inherited->series)) {
        continue_inherited(ctx, inherited);
        parent_sampled = inherited->flags & LOGCTX_FLAG_SAMPLED;
    } else if (parent) {
        continue_parent(ctx, parent);
        parent_sampled = parent->profile.flags & LOGCTX_FLAG_SAMPLED;
    } else if (opts->traceparent && logctx_traceparent_read(opts->traceparent, strlen(opts->traceparent), &caller)) {
        continue_trace(ctx, &caller, opts->tracestate);
        parent_sampled = caller.flags & LOGCTX_FLAG_SAMPLED;
    } else {
        logctx__random_id(thread, ctx->profile.trace_id, sizeof ctx->profile.trace_id);
        ctx->profile.flags = LOGCTX_FLAG_RANDOM;
    }
    if (logctx__sample(ctx->has_parent_span, parent_sampled))
        ctx->profile.flags |= LOGCTX_FLAG_SAMPLED;
    logctx__random_id(thread, ctx->profile.span_id, sizeof ctx->profile.span_id);
}

static void set_times(struct thread *thread, logctx_t *ctx, uint64_t start_unix_ns)
{
    read_times(thread, &ctx->created_monotonic, &ctx->created_unix);
    if (start_unix_ns == 0 || start_unix_ns >= ctx->created_unix)
        return;
    // Work may have begun before the machine did: the difference wraps, and age_ns() takes it back.
    uint64_t earlier = ctx->created_unix - start_unix_ns;
    ctx->created_unix = start_unix_ns;
    ctx->created_monotonic -= earlier;
}

// Once when the limit is reached, and once when there is room again: a quarter of it, or a program that stays at the limit
// would be told with every context.
static void say_limit(uint64_t live, uint64_t limit)
{
    bool reached = live >= limit;
    if (!reached && live > limit - limit / 4)
        return;
    if (likely(READ_RELAXED(said_limit) == reached) || atomic_exchange(&said_limit, reached) == reached)
        return;
    if (reached)
        logctx_log(LOGCTX_WARN,
                   "%llu contexts are in flight, as many as limits.live_contexts allows: further ones are "
                   "counted in the metrics and make no span. Look for contexts that are never finished, or raise it "
                   "with logctx_set_limits()",
                   (unsigned long long)limit);
    else
        logctx_log(LOGCTX_INFO, "There are fewer contexts in flight than limits.live_contexts again: all make spans");
}

// Sums over all threads are dear, so they are made once for every so many contexts, oftener near the limit.
static bool over_limit(struct thread *thread)
{
    uint64_t made = READ_RELAXED(thread->created), limit = READ_RELAXED(logctx__limits.live);
    if (likely(made < thread->live_check_at && limit == thread->live_checked_limit))
        return false;
    thread->live_checked_limit = limit;
    thread->live_check_at = 0;
    uint64_t created = 0, ended = 0, threads = 0;
    for (struct thread *each = logctx__threads(); each; each = each->next, threads++) {
        created += READ_RELAXED(each->created);
        ended += READ_RELAXED(each->ended);
    }
    uint64_t live = created > ended ? created - ended : 0;
    say_limit(live, limit);
    if (live >= limit)
        return true;
    // None: a hook has forked, and this is the child going on with what its parent began.
    thread->live_check_at = made + (limit - live) / (threads ? 2 * threads : 1) + 1;
    return false;
}

// The fields that a stale handle or another thread may look at stay atomic; the rest starts from zero.
static void reset(logctx_t *ctx, struct thread *thread)
{
    // Before all else, for a child of fork() that looks at this memory (inherited.c).
    atomic_store_explicit(&ctx->made, READ_RELAXED(logctx__fork_mark), memory_order_relaxed);
    FENCE(memory_order_release);
    // The caller's and the live one. Released: who gets a reference by generation then sees that this is another use.
    atomic_store_explicit(&ctx->refs, 2, memory_order_release);
    atomic_store_explicit(&ctx->started, SLICE_NONE, memory_order_relaxed);
    atomic_store_explicit(&ctx->finished, false, memory_order_relaxed);
    atomic_store_explicit(&ctx->folded, false, memory_order_relaxed);
    atomic_store_explicit(&ctx->switches, 0, memory_order_relaxed);
    atomic_store_explicit(&ctx->lock, 0, memory_order_relaxed);
    atomic_store_explicit(&ctx->home, READ_RELAXED(thread->id), memory_order_relaxed);
    atomic_store_explicit(&ctx->writer, thread, memory_order_relaxed);
    wipe((char *)ctx + offsetof(struct logctx, start), sizeof *ctx - offsetof(struct logctx, start));
}

static void set_previous(logctx_t *ctx)
{
    ctx->previous = logctx_ref(current_context());
    ctx->previous_generation = READ_RELAXED(ctx->previous->generation);
    atomic_store_explicit(&ctx->previous_held, true, memory_order_relaxed);
}

// Takes the caller's reference to `parent`.
static void set_parent(logctx_t *ctx, logctx_t *parent)
{
    ctx->root = ctx;
    if (!parent || is_sentinel(parent))
        return;
    ctx->parent = parent;
    ctx->root = parent->root;
    if (logctx__family_join(ctx))
        return;
    ctx->parent = NULL;
    ctx->root = ctx;
    logctx_unref(parent);
}

// What every way of making a context shares. `name` set by the caller; `parent` in opts.
static logctx_t *make(struct thread *thread, struct logctx_kind *kind, const logctx_opts_t *opts,
                      const logctx_site_t *site)
{
    if (unlikely(READ_RELAXED(thread->finished_elsewhere) != NULL))
        logctx__adopt_finished(thread);
    struct series *series = logctx__series(kind, opts->type);
    struct shard *shard = logctx__shard(thread, series);
    // Before the memory is taken: it may be that of a parent which is gone, and then it is found to be so here.
    logctx_t *parent = logctx_ref(opts->parent);
    logctx_t *ctx = shard ? logctx__pool_get(&thread->contexts, thread) : NULL;
    if (!ctx) {
        logctx_unref(parent);
        return NULL;
    }
    reset(ctx, thread);
    ctx->series = series;
    atomic_store_explicit(&ctx->shard, shard, memory_order_relaxed);
    ctx->created_at = site;
    const struct inherited_facts *inherited = parent && is_inert(parent) ? logctx__inherited(parent) : NULL;
    set_parent(ctx, inherited ? NULL : parent);
    set_previous(ctx);
    ctx->server = server_of(opts->server, ctx->parent, inherited);
    unsigned span_kind = opts->span_kind != LOGCTX_SPAN_DEFAULT ? (unsigned)opts->span_kind
                         : opts->type == LOGCTX_TYPE_REQUEST    ? LOGCTX_SPAN_SERVER
                                                                : LOGCTX_SPAN_INTERNAL;
    ctx->span_kind = span_kind & 15u;
    set_times(thread, ctx, opts->start_unix_ns);
    set_identity(thread, ctx, inherited, opts);
    ctx->over_limit = over_limit(thread);
    ctx->process = opts->type == LOGCTX_TYPE_BACKGROUND;
    return ctx;
}

// What the sampler decided, in the terms of OpenTelemetry: RECORD_AND_SAMPLE, or else DROP.
static bool is_recorded(const logctx_t *ctx)
{
    return (ctx->profile.flags & LOGCTX_FLAG_SAMPLED) && !ctx->over_limit;
}

static logctx_t *publish(struct thread *thread, logctx_t *ctx, bool named)
{
    if (!named)
        ctx->name = ctx->series->kind->name;
    logctx__profile_fill(ctx);
    ADD_OWNED(thread->created, 1); // before the part of it, which readers look at first
    if (is_recorded(ctx))
        ADD_OWNED(thread->created_sampled, 1);
    struct shard *shard = READ_RELAXED(ctx->shard);
    ADD_OWNED(shard->created, 1);
    if (unlikely(READ_RELAXED(ctx->series->since_unix) == 0))
        atomic_store_explicit(&ctx->series->since_unix, ctx->created_unix, memory_order_relaxed);
    logctx__live_add(shard, ctx);
    return ctx;
}

static logctx_t *refuse(struct thread *thread)
{
    if (thread)
        ADD_OWNED(thread->refused, 1);
    else
        atomic_fetch_add_explicit(&refused_without_thread, 1, memory_order_relaxed);
    return &logctx__sentinel;
}

uint64_t logctx__refused_without_thread(void)
{
    return READ_RELAXED(refused_without_thread);
}

// Callers may be older or newer than the library: what they do not know is zero.
static logctx_opts_t complete(const logctx_opts_t *opts)
{
    logctx_opts_t all = LOGCTX_OPTS_INIT;
    if (opts && opts->struct_size > 0)
        memcpy(&all, opts, opts->struct_size < sizeof all ? opts->struct_size : sizeof all);
    if ((unsigned)all.type >= LOGCTX_TYPE_COUNT || (unsigned)all.span_kind > LOGCTX_SPAN_CONSUMER) {
        logctx__misuse("logctx_new() got a type or span kind outside its enum; request is taken instead", NULL);
        all.type = LOGCTX_TYPE_REQUEST;
        all.span_kind = LOGCTX_SPAN_DEFAULT;
    }
    return all;
}

logctx_t *logctx_new_at(logctx_kind_t *kind, const logctx_opts_t *opts, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    logctx_opts_t all = complete(opts);
    if (!kind)
        logctx__misuse("logctx_new() got a NULL kind; use logctx_kind(\"what the work is\")", site);
    if (!kind)
        kind = logctx_kind(NULL);
    logctx_t *ctx = thread ? make(thread, kind, &all, site) : NULL;
    if (!ctx)
        return refuse(thread);
    return publish(thread, ctx, all.name ? set_name(ctx, all.name, "", "") : name_by_number(ctx, kind));
}

logctx_t *(logctx_new)(logctx_kind_t *kind, const logctx_opts_t *opts)
{
    return logctx_new_at(kind, opts, logctx__site_of_caller(__builtin_return_address(0)));
}

// In the sentinel there is nobody to charge: said, with the new context as the one affected.
static void report_from_sentinel(struct thread *thread, logctx_error_kind_t kind, logctx_t *ctx,
                                 const logctx_site_t *site, const logctx_site_t *set_by)
{
    logctx__report(thread, &(struct occurrence){
                               .kind = kind, .affected = ctx, .found = "sentinel", .found_by = site, .set_by = set_by});
}

logctx_t *logctx_new_nested_at(const char *suffix, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (!thread)
        return refuse(thread);
    if (!suffix)
        logctx__misuse("logctx_new_nested() got a NULL suffix; pass a literal that names the part of the work", site);
    if (!suffix)
        suffix = "nested";
    logctx_t *parent = current_context();
    bool orphan = is_sentinel(parent);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.type = LOGCTX_TYPE_NESTED;
    opts.parent = parent;
    if (orphan)
        opts.server = sentinel_server;
    struct logctx_kind *above = orphan ? logctx_kind("sentinel") : parent->series->kind;
    logctx_t *ctx = make(thread, logctx__nested_kind(above, suffix), &opts, site);
    if (!ctx)
        return refuse(thread);
    publish(thread, ctx, set_name(ctx, parent->name, "-", suffix));
    if (orphan)
        report_from_sentinel(thread, LOGCTX_ERROR_NESTED_FROM_SENTINEL, ctx, site, thread->current_at);
    return ctx;
}

logctx_t *(logctx_new_nested)(const char *suffix)
{
    return logctx_new_nested_at(suffix, logctx__site_of_caller(__builtin_return_address(0)));
}

logctx_t *logctx_new_on_thread_at(logctx_t *caller, const logctx_site_t *site)
{
    struct thread *thread = this_thread();
    if (!thread)
        return refuse(thread);
    if (!caller)
        logctx__misuse("logctx_new_on_thread() got a NULL caller; pass the context that the work is for", site);
    caller = logctx_ref(caller); // the sentinel, if it is gone
    bool orphan = !caller || is_sentinel(caller);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.type = LOGCTX_TYPE_THREAD;
    opts.parent = caller;
    if (orphan)
        opts.server = sentinel_server;
    logctx_t *ctx = make(thread, orphan ? logctx_kind("sentinel") : logctx_kind_of(caller), &opts, site);
    if (ctx)
        publish(thread, ctx, set_name(ctx, logctx_name(caller), "", ""));
    logctx_unref(caller);
    if (!ctx)
        return refuse(thread);
    if (orphan) // who set the sentinel on this thread has nothing to do with it: it was given on another one
        report_from_sentinel(thread, LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL, ctx, site, NULL);
    return ctx;
}

logctx_t *(logctx_new_on_thread)(logctx_t *caller)
{
    return logctx_new_on_thread_at(caller, logctx__site_of_caller(__builtin_return_address(0)));
}

logctx_t *logctx_ref(logctx_t *ctx)
{
    if (!ctx || is_sentinel(ctx) || is_inert(ctx))
        return ctx;
    if (unlikely(atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed) == 0)) {
        atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_relaxed);
        logctx__misuse("logctx_ref() got a context whose last reference was given back; the sentinel is returned",
                       NULL);
        return &logctx__sentinel;
    }
    return ctx;
}

static void report_outlived(struct thread *thread, logctx_t *ctx, const logctx_site_t *site)
{
    if (ctx->parent && READ_RELAXED(ctx->parent->finished))
        logctx__report(thread, &(struct occurrence){.kind = LOGCTX_ERROR_OUTLIVED_PARENT,
                                                    .affected = ctx,
                                                    .expected = logctx_name(ctx),
                                                    .found = logctx_name(ctx->parent),
                                                    .found_by = site,
                                                    .set_by = ctx->created_at});
}

// All of a finish but for the references: false if it was finished before.
static bool finish(struct thread *thread, logctx_t *ctx, const logctx_site_t *site, uint64_t left_at)
{
    if (!thread || is_inert(ctx) || atomic_exchange_explicit(&ctx->finished, true, memory_order_acq_rel))
        return false;
    logctx__charge_running(thread, ctx);
    report_outlived(thread, ctx, site);

    uint64_t now = left_at ? left_at : monotonic_of(thread);
    logctx_usage_t own = logctx__own_usage(ctx), total = logctx__family_total(ctx);
    logctx__split_parts(&own, ctx);
    logctx__split_parts(&total, ctx);
    logctx__seal(thread, ctx, now, &own, &total);
    logctx__family_fold(ctx);
    logctx__count_end(thread, ctx, age_ns(ctx, now), own.cpu_ns);
    probe_finish(ctx, age_ns(ctx, now), own.cpu_ns);
    ADD_OWNED(thread->ended, 1);
    if (is_recorded(ctx))
        ADD_OWNED(thread->ended_sampled, 1);
    if (unlikely(ctx->process))
        logctx__process_exited(thread, ctx, true, site);
    return true;
}

// The live reference: dropped here on the writer, or kept as the pin of what is current; from another thread it is sent
// to the writer, since only it knows whether it is running the context. It is the writer for good: the finish has taken
// the owner's lock, after which nobody takes a context over. A writer that has no thread runs nothing.
static void drop_live_reference(struct thread *thread, logctx_t *ctx)
{
    struct thread *writer = READ_RELAXED(ctx->writer);
    if (writer == thread) {
        if (ctx == current_context() && !thread->pinned)
            thread->pinned = true;
        else
            logctx_unref(ctx);
        return;
    }
    logctx_t *head = READ_RELAXED(writer->finished_elsewhere);
    do {
        ctx->next_foreign = head;
    } while (!atomic_compare_exchange_weak(&writer->finished_elsewhere, &head, ctx));
    if (unlikely(!atomic_load(&writer->attached)))
        logctx__drop_orphans(writer);
}

// For whoever knows ctx by generation only: false if it is gone or about to be.
bool logctx__ref_same(logctx_t *ctx, uint32_t generation)
{
    unsigned refs = is_inert(ctx) ? 0 : READ_RELAXED(ctx->refs);
    while (refs > 0 && READ_RELAXED(ctx->generation) == generation)
        if (atomic_compare_exchange_weak_explicit(&ctx->refs, &refs, refs + 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
            if (READ_RELAXED(ctx->generation) == generation)
                return true;
            logctx_unref(ctx);
            return false;
        }
    return false;
}

// One reference less; true if it was the last. Where ours and the live one are all that an unfinished context has, nobody else
// can finish it any more: that happens here, or, while it is current, when it is left: the reference becomes the pin. What a
// parent process made is never changed here, and never freed.
static bool drop_reference(logctx_t *ctx)
{
    if (is_inert(ctx))
        return false;
    unsigned refs = READ_RELAXED(ctx->refs);
    for (;;) {
        if (unlikely(refs == 0)) {
            logctx__misuse("logctx_unref() got a context whose last reference was given back before", NULL);
            return false;
        }
        struct thread *thread = NULL;
        if (refs == 2 && !READ_RELAXED(ctx->finished))
            thread = this_thread();
        bool here = thread && ctx == current_context() && READ_RELAXED(ctx->writer) == thread;
        if (here && !thread->pinned) {
            thread->pinned = true;
            return false;
        }
        if (here) {
            logctx__misuse(
                "logctx_unref() got the current context once too often; its last reference was given back before",
                NULL);
            return false;
        }
        if (thread) {
            finish(thread, ctx, NULL, 0);
            drop_live_reference(thread, ctx);
            refs = READ_RELAXED(ctx->refs);
            continue;
        }
        if (atomic_compare_exchange_weak_explicit(&ctx->refs, &refs, refs - 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return refs == 1;
    }
}

// What ctx owns, but for its references. Stale handles must find nothing that is freed.
static void let_go(logctx_t *ctx)
{
    logctx__record_discard(ctx);
    logctx__string_unref(ctx->server);
    logctx__string_unref(ctx->tracestate);
    ctx->server = ctx->tracestate = NULL;
    free_name(ctx);
    logctx__family_free(ctx);
}

// The flight recorder may show switches to ctx after its memory is somebody else's.
static void remember_name(struct thread *thread, const logctx_t *ctx)
{
    struct late_name *late = &thread->late[thread->late_next++ % LOGCTX_LATE_NAMES];
    late->ctx = ctx;
    late->generation = READ_RELAXED(ctx->generation);
    memcpy(late->name, ctx->profile.name, sizeof late->name);
}

// Nobody has a reference to ctx any more, so nobody else can reach it. Whom it kept alive is freed in turn, without
// recursion: those that wait for it are linked by next_foreign, which nothing else uses by then.
static void release(logctx_t *ctx)
{
    ctx->next_foreign = NULL;
    while (ctx) {
        logctx_t *dead = ctx->next_foreign;
        logctx_t *const held[] = {ctx->parent, READ_RELAXED(ctx->previous_held) ? ctx->previous : NULL};
        struct thread *owner = ctx->owner;
        __atomic_store_n(&ctx->profile.valid, 0, __ATOMIC_RELAXED);
        FENCE(memory_order_release);
        if (likely(owner == logctx__tls.thread))
            remember_name(owner, ctx);
        let_go(ctx);
        ADD_OWNED(ctx->generation, 1);
        logctx__pool_put(&owner->contexts, ctx, owner == logctx__tls.thread);
        for (size_t i = 0; i < 2; i++)
            if (held[i] && !is_sentinel(held[i]) && drop_reference(held[i])) {
                held[i]->next_foreign = dead;
                dead = held[i];
            }
        ctx = dead;
    }
}

void logctx_unref(logctx_t *ctx)
{
    if (ctx && !is_sentinel(ctx) && drop_reference(ctx))
        release(ctx);
}

void logctx__adopt_finished(struct thread *thread)
{
    logctx_t *ctx = atomic_exchange_explicit(&thread->finished_elsewhere, NULL, memory_order_acquire);
    while (ctx) {
        logctx_t *next = ctx->next_foreign;
        drop_live_reference(thread, ctx);
        ctx = next;
    }
}

bool logctx__finish(struct thread *thread, logctx_t *ctx, const logctx_site_t *site, uint64_t left_at)
{
    if (!finish(thread, ctx, site, left_at))
        return false;
    if (READ_RELAXED(ctx->previous_held)) {
        atomic_store_explicit(&ctx->previous_held, false, memory_order_relaxed);
        logctx_unref(ctx->previous);
    }
    drop_live_reference(thread, ctx);
    return true;
}

void logctx_finish_at(logctx_t *ctx, const logctx_site_t *site)
{
    if (!ctx)
        logctx__misuse("logctx_finish() got a NULL context; pass what logctx_new() returned", site);
    else if (!is_sentinel(ctx))
        logctx__finish(this_thread(), ctx, site, 0);
}

void(logctx_finish)(logctx_t *ctx)
{
    logctx_finish_at(ctx, logctx__site_of_caller(__builtin_return_address(0)));
}
