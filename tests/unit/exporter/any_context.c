/*
 * any_context.c: see any_context.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "any_context.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROOTS = 24, LINK_ATTRS = 12, DEPTH = 2, ARENA_LIMIT = 1 << 30 };

struct any_world world = {.any = {.arena = &world.arena}, .limits = {.struct_size = sizeof world.limits}};

static struct logctx__arena kinds_arena;

static void any_id(void *user, void *out, size_t length)
{
    struct any *ids = user;
    for (size_t at = 0; at < length; at += 8) {
        uint64_t bits = any_bits(ids);
        memcpy((char *)out + at, &bits, 8);
    }
}

// The ids have a sequence of their own, which the number of other choices does not shift.
static struct any ids = {.state = 4711};

// Some of 255 bytes and around it, beyond which a kind is "_other"; some that are not UTF-8.
static void make_kinds(void)
{
    struct any names = {.state = 1, .arena = &kinds_arena};
    logctx__arena_init(&kinds_arena, ARENA_LIMIT);
    for (int i = 0; i < KINDS; i++) {
        size_t length = i < 24 ? (size_t)i + 1 : i < 32 ? 120 + (size_t)i - 24 : 250 + (size_t)i - 32;
        struct any_text *name = &world.kind_names[i];
        *name = any_text(&names, length);
        if (name->given_length > 255 || name->valid_length > 255) {
            name->valid = logctx__arena_string(&kinds_arena, "_other");
            name->valid_length = strlen(name->valid);
        }
        world.kinds[i] = logctx_kind(name->given);
    }
}

void any_world_begin(void)
{
    logctx__arena_init(&world.arena, ARENA_LIMIT);
    world.thread_id = (int64_t)syscall(SYS_gettid);
    logctx_get_limits(&world.limits);
    logctx_set_sampler(LOGCTX_SAMPLER_ALWAYS_ON);
    logctx_set_random(any_id, &ids);
    make_kinds();
}

void any_world_end(void)
{
    logctx_set_random(NULL, NULL);
    logctx_set_sampler(LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON);
    logctx__arena_free(&world.arena);
    logctx__arena_free(&kinds_arena);
}

// The model's clock and the library's go together.
static void pass(uint64_t ns)
{
    logctx_fake_time((int64_t)ns);
    world.clock_ns += ns;
}

static uint64_t now_unix(void)
{
    return world.begin_unix_ns + world.clock_ns;
}

// One span under construction: the context and its model.
struct making {
    logctx_t *ctx;
    struct model_span *model;
    struct model_identity identity;
    const char *kind;
    uint64_t entered; // Unix time since which it is current; 0: it is not
    unsigned depth;
    unsigned children;
    unsigned charges;
    bool ascii; // the name
};

// What is set.

static void set_attr(struct making *making)
{
    struct any_attr attr = any_attr(&world.any);
    logctx_status_t expected = model_span_set(making->model, &attr);
    logctx_status_t status = LOGCTX_OK;
    const logctx_value_t *value = &attr.given.value;
    bool plain = attr.key.given_length > 0 && any_one_in(&world.any, 2);
    if (plain && value->type == LOGCTX_VALUE_STRING) {
        status = logctx_set_string(making->ctx, attr.given.key, value->as.bytes.data);
    } else if (plain && value->type == LOGCTX_VALUE_INT) {
        status = logctx_set_int(making->ctx, attr.given.key, value->as.integer);
    } else if (plain && value->type == LOGCTX_VALUE_DOUBLE) {
        status = logctx_set_double(making->ctx, attr.given.key, value->as.real);
    } else if (plain && value->type == LOGCTX_VALUE_BOOL) {
        status = logctx_set_bool(making->ctx, attr.given.key, value->as.boolean);
    } else {
        status = logctx_set_attr(making->ctx, attr.given);
    }
    assert_int_equal(status, expected);
}

// Around 2097151 bytes, beyond which a length takes a fourth byte.
static void set_huge(struct making *making)
{
    struct any_attr attr =
        any_string_attr(&world.any, "huge", any_text(&world.any, 2097152 - 40 + any_below(&world.any, 60)));
    logctx_status_t expected = model_span_set(making->model, &attr);
    assert_int_equal(logctx_set_attr(making->ctx, attr.given), expected);
}

static size_t some_attrs(struct any_attr *attrs, logctx_attr_t *given)
{
    size_t count = any_one_in(&world.any, 3) ? 0 : any_below(&world.any, any_one_in(&world.any, 8) ? LINK_ATTRS : 4);
    for (size_t i = 0; i < count; i++) {
        attrs[i] = any_attr(&world.any);
        given[i] = attrs[i].given;
    }
    return count;
}

static void add_event(struct making *making)
{
    struct any_attr attrs[LINK_ATTRS];
    logctx_attr_t given[LINK_ATTRS];
    size_t count = some_attrs(attrs, given);
    struct any_text name = any_usual_text(&world.any);
    logctx_status_t expected = model_span_event(making->model, now_unix(), &name, attrs, count);
    assert_int_equal(logctx_add_event(making->ctx, name.given, given, count), expected);
}

static void add_link(struct making *making)
{
    struct any_attr attrs[LINK_ATTRS];
    logctx_attr_t given[LINK_ATTRS];
    size_t count = some_attrs(attrs, given);
    logctx_span_context_t to = {.flags = (uint8_t)any_below(&world.any, 256)};
    any_id(&world.any, to.trace_id, sizeof to.trace_id);
    any_id(&world.any, to.span_id, sizeof to.span_id);
    struct any_text text = any_usual_text(&world.any);
    const struct any_text *tracestate = any_one_in(&world.any, 2) ? &text : NULL;
    logctx_status_t expected = model_span_link(making->model, &to, tracestate, attrs, count);
    assert_int_equal(logctx_add_link(making->ctx, &to, tracestate != NULL ? text.given : NULL, given, count), expected);
}

static void set_status(struct making *making)
{
    struct any_text text = any_one_in(&world.any, 50) ? any_text(&world.any, 4090 + any_below(&world.any, 12))
                                                      : any_usual_text(&world.any);
    const struct any_text *message = any_one_in(&world.any, 4) ? NULL : &text;
    const char *given = message != NULL ? text.given : NULL;
    if (any_one_in(&world.any, 2)) {
        logctx_status_code_t code = (logctx_status_code_t)any_below(&world.any, 3);
        model_span_status(making->model, code, message);
        assert_int_equal(logctx_set_status(making->ctx, code, given), LOGCTX_OK);
        return;
    }
    enum { TYPE_CHARACTERS = 64 };
    struct any_text type = any_text(&world.any, any_below(&world.any, 70));
    struct any_text cut = type;
    any_text_cut(&cut, TYPE_CHARACTERS, SIZE_MAX);
    cut.given = cut.valid = any_valid_string(&world.any, &cut);
    cut.given_length = cut.valid_length;
    if (cut.given_length == 0) {
        cut = (struct any_text){.given = logctx__arena_string(&world.arena, "_OTHER"), .given_length = 6};
        cut.valid = cut.given;
        cut.valid_length = cut.given_length;
    }
    struct any_attr attr = any_string_attr(&world.any, "error.type", cut);
    model_span_set(making->model, &attr);
    model_span_status(making->model, LOGCTX_STATUS_ERROR, message);
    assert_int_equal(logctx_set_failed(making->ctx, type.given, given), LOGCTX_OK);
}

// What it uses.

static void use_processor(struct making *making)
{
    // Now and then a life of a millisecond and more, which is described, and CPU time that is split.
    bool much = any_one_in(&world.any, 12);
    int64_t user = any_below(&world.any, much ? 40000000 : 9000);
    int64_t kernel = any_below(&world.any, much ? 4000000 : 900);
    pass((uint64_t)(user + kernel) + any_below(&world.any, 5000));
    logctx_fake_cpu(user, kernel);
    making->model->own.cpu_ns += user + kernel;
    making->model->own.cpu_user_ns += user;
    making->model->own.cpu_system_ns += kernel;
}

static void use_database(struct making *making)
{
    logctx_usage_t *own = &making->model->own;
    int64_t ns = any_below(&world.any, 3000000);
    uint64_t age = now_unix() - making->model->message.start_time_unix_nano;
    uint64_t from = (uint64_t)ns < age ? age - (uint64_t)ns : 0;
    if (++making->charges > 3) {
        return; // a life has a bounded number of stretches
    }
    if (any_one_in(&world.any, 2)) {
        assert_int_equal(logctx_db_transaction(ns), LOGCTX_OK);
        own->db_transactions++;
        own->db_ns += ns;
        model_span_stretch(making->model, "txn", from, age);
    } else {
        int64_t rows = any_below(&world.any, 1000);
        assert_int_equal(logctx_db_waited(ns), LOGCTX_OK);
        logctx_db_fetched(rows);
        own->db_wait_ns += ns;
        own->db_rows += rows;
        model_span_stretch(making->model, "pool", from, age);
    }
}

// The model's side of becoming current, and of being left.
static void started(struct making *making)
{
    making->entered = now_unix();
    making->model->switches++;
}

static void stopped(struct making *making)
{
    uint64_t began = making->model->message.start_time_unix_nano;
    making->model->own.running_ns += (int64_t)(now_unix() - making->entered);
    model_span_stretch(making->model, "run", making->entered - began, now_unix() - began);
    making->entered = 0;
}

// Making it.

struct model_span *any_model(void)
{
    struct model_span *model = logctx__arena_alloc(&world.arena, sizeof *model);
    assert_non_null(model);
    model_span_init(model, &world.any, &world.limits);
    return model;
}

// The ids that the context says it has.
static void take_identity(struct making *making)
{
    logctx_span_context_t *own = logctx__arena_alloc(&world.arena, sizeof *own);
    *own = logctx_get_span_context(making->ctx);
    otlp_span_t *message = &making->model->message;
    message->trace_id = (ProtobufCBinaryData){sizeof own->trace_id, own->trace_id};
    message->span_id = (ProtobufCBinaryData){sizeof own->span_id, own->span_id};
    message->flags |= 0x100 | LOGCTX_FLAG_SAMPLED;
    message->name = (char *)(uintptr_t)making->kind;
}

static void take_parent(struct making *making, const struct making *parent)
{
    otlp_span_t *message = &making->model->message;
    const otlp_span_t *above = &parent->model->message;
    message->parent_span_id = above->span_id;
    message->trace_state = above->trace_state;
    message->flags = above->flags & LOGCTX_FLAG_RANDOM;
    logctx_span_context_t own = logctx_get_span_context(making->ctx);
    assert_memory_equal(own.trace_id, above->trace_id.data, sizeof own.trace_id);
    making->identity.server = parent->identity.server;
    making->depth = parent->depth + 1;
}

static logctx_span_kind_t any_span_kind(struct making *making, logctx_type_t type)
{
    logctx_span_kind_t kind = (logctx_span_kind_t)any_below(&world.any, 6);
    logctx_span_kind_t expected = kind != LOGCTX_SPAN_DEFAULT   ? kind
                                  : type == LOGCTX_TYPE_REQUEST ? LOGCTX_SPAN_SERVER
                                                                : LOGCTX_SPAN_INTERNAL;
    making->model->message.kind = (Opentelemetry__Proto__Trace__V1__Span__SpanKind)expected;
    return kind;
}

// A caller in another process, whose headers are good or bad.
static void any_caller(struct making *making, logctx_opts_t *opts)
{
    static const char *const states[][2] = {
        {NULL, ""}, {"", ""}, {"a=b", "a=b"}, {" vendor@x=1 , b=2,,vendor@x=3", "vendor@x=1,b=2"}, {"not good", ""},
    };
    otlp_span_t *message = &making->model->message;
    logctx_span_context_t *caller = logctx__arena_alloc(&world.arena, sizeof *caller);
    any_id(&world.any, caller->trace_id, sizeof caller->trace_id);
    any_id(&world.any, caller->span_id, sizeof caller->span_id);
    caller->flags = (uint8_t)any_below(&world.any, 4);
    char *header = logctx__arena_array(&world.arena, LOGCTX_TRACEPARENT_SIZE, 1);
    logctx_traceparent_write(caller, header);
    size_t state = any_below(&world.any, sizeof states / sizeof *states);
    opts->traceparent = header;
    opts->tracestate = states[state][0];
    if (any_one_in(&world.any, 6)) {
        header[5] = 'X';
        message->flags = LOGCTX_FLAG_RANDOM;
        return;
    }
    message->parent_span_id = (ProtobufCBinaryData){sizeof caller->span_id, caller->span_id};
    message->trace_state = (char *)(uintptr_t)states[state][1];
    message->flags = 0x200u | (caller->flags & LOGCTX_FLAG_RANDOM);
}

// A name, or none: then it is the kind's with a number, which only the library knows.
static void any_name(struct making *making, logctx_opts_t *opts)
{
    enum { NAME_BYTES = 4096 };
    if (any_one_in(&world.any, 3)) {
        return;
    }
    struct any_text name = any_one_in(&world.any, 200) ? any_text(&world.any, 4090 + any_below(&world.any, 12))
                                                       : any_usual_text(&world.any);
    opts->name = name.given;
    making->ascii = name.ascii;
    any_text_cut(&name, SIZE_MAX, NAME_BYTES);
    making->identity.name = any_valid_string(&world.any, &name);
}

static void any_server(struct making *making, logctx_opts_t *opts)
{
    static const char *const servers[] = {"a.example", "b.example", "\xC3\xA4.example"};
    if (any_one_in(&world.any, 3)) {
        opts->server = making->identity.server = servers[any_below(&world.any, sizeof servers / sizeof *servers)];
    }
}

static void make_context(struct making *making, const struct making *parent)
{
    uint32_t which = any_below(&world.any, KINDS);
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.type = (logctx_type_t)any_below(&world.any, 5);
    opts.span_kind = any_span_kind(making, opts.type);
    making->kind = world.kind_names[which].valid;
    making->identity.type = logctx_type_name(opts.type);
    making->model->message.flags = LOGCTX_FLAG_RANDOM;
    making->model->message.start_time_unix_nano = now_unix();
    if (parent != NULL) {
        opts.parent = parent->ctx;
    } else if (any_one_in(&world.any, 2)) {
        any_caller(making, &opts);
    }
    if (any_one_in(&world.any, 8)) {
        opts.start_unix_ns = now_unix() - any_below(&world.any, 2000000000) + any_below(&world.any, 1000);
        if (opts.start_unix_ns < now_unix()) {
            making->model->message.start_time_unix_nano = opts.start_unix_ns;
        }
    }
    any_name(making, &opts);
    making->ctx = NULL;
    if (parent == NULL) {
        any_server(making, &opts);
        making->ctx = logctx_new(world.kinds[which], &opts);
    } else {
        making->ctx = logctx_new(world.kinds[which], &opts);
        take_parent(making, parent);
    }
}

// As logctx_new_nested() says: "<current>-<suffix>", of the kind "<kind>-<suffix>".
static void make_nested(struct making *making, const struct making *parent)
{
    enum { NAME_BYTES = 4096, KIND_BYTES = 255 };
    static const char *const suffixes[] = {"s", "part of the work", "fetch"};
    const char *suffix = suffixes[any_below(&world.any, sizeof suffixes / sizeof *suffixes)];
    size_t room = strlen(parent->identity.name) + strlen(parent->kind) + strlen(suffix) + 2;
    char *name = logctx__arena_array(&world.arena, room, 1);
    char *kind = logctx__arena_array(&world.arena, room, 1);
    snprintf(name, room, "%s-%s", parent->identity.name, suffix);
    snprintf(kind, room, "%s-%s", parent->kind, suffix);
    if (strlen(name) > NAME_BYTES) {
        name[NAME_BYTES] = '\0';
    }
    bool other = strlen(kind) > KIND_BYTES || strcmp(parent->kind, "_other") == 0;
    making->model->message.start_time_unix_nano = now_unix();
    making->model->message.kind = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__SPAN_KIND__SPAN_KIND_INTERNAL;
    making->ctx = logctx_new_nested(suffix);
    take_parent(making, parent);
    making->kind = other ? "_other" : kind;
    making->identity.name = name;
    making->identity.type = "nested";
}

// As logctx_new_on_thread() says: same name, kind and server.
static void make_on_thread(struct making *making, const struct making *parent)
{
    making->model->message.start_time_unix_nano = now_unix();
    making->model->message.kind = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__SPAN_KIND__SPAN_KIND_INTERNAL;
    making->ctx = logctx_new_on_thread(parent->ctx);
    take_parent(making, parent);
    making->kind = parent->kind;
    making->identity.name = parent->identity.name;
    making->identity.type = "thread";
}

static void make_span(struct making *parent);

static void act(struct making *making)
{
    uint32_t what = any_below(&world.any, 100);
    if (what < 62) {
        set_attr(making);
    } else if (what < 70) {
        add_event(making);
    } else if (what < 74) {
        add_link(making);
    } else if (what < 79) {
        set_status(making);
    } else if (making->entered == 0) {
        pass(any_below(&world.any, 3000));
    } else if (what < 92) {
        use_processor(making);
    } else if (what < 96) {
        use_database(making);
    } else if (making->depth < DEPTH && making->children < 3) {
        making->children++;
        make_span(making);
    }
}

static void count(const struct making *making)
{
    const otlp_span_t *span = &making->model->message;
    world.tally.dropped_attributes += span->dropped_attributes_count;
    world.tally.dropped_events += span->dropped_events_count;
    world.tally.dropped_links += span->dropped_links_count;
    world.tally.parents += making->model->has_children;
    world.tally.nested += strcmp(making->identity.type, "nested") == 0;
    world.tally.remote += (span->flags & 0x200u) != 0;
    world.tally.lives += span->end_time_unix_nano - span->start_time_unix_nano >= 1000000;
    world.tally.failed += span->status != NULL;
    world.tally.huge += making->model->bytes > 2097152;
}

static void add_usage(logctx_usage_t *sum, const logctx_usage_t *amount)
{
    sum->cpu_ns += amount->cpu_ns;
    sum->db_transactions += amount->db_transactions;
    sum->db_ns += amount->db_ns;
    sum->db_wait_ns += amount->db_wait_ns;
    sum->db_rows += amount->db_rows;
}

static void end_model(struct making *making, struct making *parent)
{
    struct model_span *model = making->model;
    model->message.end_time_unix_nano = now_unix();
    add_usage(&model->total, &model->own);
    model_span_seal(model, &making->identity);
    count(making);
    world.models[world.model_count++] = model;
    if (parent != NULL) {
        add_usage(&parent->model->total, &model->total);
        parent->model->has_children = true;
    }
}

static uint32_t any_length_of_life(void)
{
    return any_one_in(&world.any, 400)  ? 260
           : any_one_in(&world.any, 20) ? any_below(&world.any, 60)
                                        : any_below(&world.any, 12);
}

// A span, and those of its children, which end before it. `parent` is current, or NULL.
static void make_span(struct making *parent)
{
    struct making making = {.model = any_model(), .ascii = true};
    making.identity = (struct model_identity){.server = "default", .thread_id = world.thread_id};
    if (parent != NULL && parent->ascii && any_one_in(&world.any, 3)) {
        make_nested(&making, parent);
    } else if (parent != NULL && any_one_in(&world.any, 3)) {
        make_on_thread(&making, parent);
    } else {
        make_context(&making, parent);
    }
    take_identity(&making);
    if (making.identity.name == NULL) {
        size_t kind = strlen(making.kind);
        making.identity.name = logctx__arena_string(&world.arena, logctx_name(making.ctx));
        assert_memory_equal(making.identity.name, making.kind, kind);
        assert_int_equal(making.identity.name[kind], '-');
    }
    making.ascii = making.ascii && (parent == NULL || parent->ascii);
    bool enters = !any_one_in(&world.any, 4);
    if (enters) {
        logctx_enter(making.ctx);
        if (parent != NULL) {
            stopped(parent);
        }
        started(&making);
    }
    if (any_one_in(&world.any, 5000)) {
        set_huge(&making);
    }
    for (uint32_t n = any_length_of_life(); n > 0 && world.model_count < BATCH_MAX - 8; n--) {
        act(&making);
    }
    if (enters) {
        stopped(&making);
        if (parent != NULL) {
            started(parent);
        }
        logctx_exit(making.ctx);
    } else {
        logctx_finish(making.ctx);
    }
    end_model(&making, parent);
    logctx_unref(making.ctx);
}

void any_batch_begin(void)
{
    static const logctx_limits_t low = {.attributes = 6,
                                        .events = 2,
                                        .links = 1,
                                        .attributes_per_event = 3,
                                        .attributes_per_link = 2,
                                        .attribute_value_length = 9,
                                        .span_bytes = 400};
    logctx__arena_free(&world.arena);
    world.model_count = 0;
    logctx_limits_t next = {.attributes = 128,
                            .events = 128,
                            .links = 128,
                            .attributes_per_event = 128,
                            .attributes_per_link = 128,
                            .attribute_value_length = UINT32_MAX,
                            .span_bytes = any_one_in(&world.any, 4) ? 1 << 20 : 16 << 20};
    if (any_one_in(&world.any, 4)) {
        next = low;
    }
    next.struct_size = sizeof next;
    next.live_contexts = world.limits.live_contexts;
    world.limits = next;
    world.any.value_length = world.limits.attribute_value_length;
    assert_int_equal(logctx_set_limits(&world.limits), LOGCTX_OK);
}

void any_batch_make(void)
{
    any_batch_begin();
    for (uint32_t roots = 1 + any_below(&world.any, ROOTS); roots > 0; roots--) {
        make_span(NULL);
    }
}

void any_world_seed(uint64_t seed)
{
    world.any.state = seed;
    world.clock_ns = 0;
    world.begin_unix_ns = logctx_clock("fake")->unix_ns(NULL);
}
