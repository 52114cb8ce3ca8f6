// Settings of the process: limits, sampler, default server, source of random ids. Numbers are relaxed atomics, read one by
// one where they are needed; what is more than a number is under `lock`.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <string.h>

#define MAX_SPAN_BYTES (64u << 20)

struct limits logctx__limits = {128, 128, 128, 128, 128, UINT32_MAX, 1u << 20, 1000000};

static atomic_int sampler = LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON;

static struct {
    lock_t lock;
    struct shared_string *default_server; /* NULL: "default" */
    _Atomic(struct shared_string *)
        plain_server; /* the same if it is kept for ever: then it is read without the lock */
    logctx_random_t *random;
    void *random_user;
} settings = {.lock = 0};
atomic_bool logctx__has_custom_random;

void logctx_get_limits(logctx_limits_t *out)
{
    if (!out)
        return;
    *out = (logctx_limits_t){.struct_size = sizeof *out,
                             .attributes = READ_RELAXED(logctx__limits.attributes),
                             .events = READ_RELAXED(logctx__limits.events),
                             .links = READ_RELAXED(logctx__limits.links),
                             .attributes_per_event = READ_RELAXED(logctx__limits.attributes_per_event),
                             .attributes_per_link = READ_RELAXED(logctx__limits.attributes_per_link),
                             .attribute_value_length = READ_RELAXED(logctx__limits.value_length),
                             .span_bytes = READ_RELAXED(logctx__limits.span_bytes),
                             .live_contexts = READ_RELAXED(logctx__limits.live)};
}

static void set(atomic_uint *cell, uint32_t value)
{
    atomic_store_explicit(cell, value, memory_order_relaxed);
}

logctx_status_t logctx_set_limits(const logctx_limits_t *in)
{
    if (!in || in->struct_size == 0)
        return LOGCTX_E_INVALID;
    logctx_limits_t all;
    logctx_get_limits(&all);
    memcpy(&all, in, in->struct_size < sizeof all ? in->struct_size : sizeof all);
    if (all.span_bytes > MAX_SPAN_BYTES)
        return LOGCTX_E_INVALID;
    set(&logctx__limits.attributes, all.attributes);
    set(&logctx__limits.events, all.events);
    set(&logctx__limits.links, all.links);
    set(&logctx__limits.attributes_per_event, all.attributes_per_event);
    set(&logctx__limits.attributes_per_link, all.attributes_per_link);
    set(&logctx__limits.value_length, all.attribute_value_length);
    set(&logctx__limits.span_bytes, all.span_bytes);
    set(&logctx__limits.live, all.live_contexts);
    return LOGCTX_OK;
}

void logctx_set_sampler(logctx_sampler_t value)
{
    atomic_store_explicit(&sampler, (int)value, memory_order_relaxed);
}

logctx_sampler_t logctx_get_sampler(void)
{
    return (logctx_sampler_t)READ_RELAXED(sampler);
}

bool logctx__sample(bool has_parent, bool parent_sampled)
{
    switch (logctx_get_sampler()) {
    case LOGCTX_SAMPLER_ALWAYS_ON:
        return true;
    case LOGCTX_SAMPLER_ALWAYS_OFF:
        return false;
    case LOGCTX_SAMPLER_PARENTBASED_ALWAYS_OFF:
        return has_parent && parent_sampled;
    case LOGCTX_SAMPLER_PARENTBASED_ALWAYS_ON:
        break;
    }
    return !has_parent || parent_sampled;
}

// Under the lock.
static void set_default_server(struct shared_string *string)
{
    bool plain = string && READ_RELAXED(string->refs) == 0;
    settings.default_server = string;
    atomic_store_explicit(&settings.plain_server, plain ? string : NULL, memory_order_release);
}

void logctx_set_default_server(const char *server)
{
    struct shared_string *string = server ? logctx__string_server(server, 255) : NULL;
    logctx__lock(&settings.lock);
    struct shared_string *old = settings.default_server;
    set_default_server(string);
    logctx__unlock(&settings.lock);
    logctx__string_unref(old);
}

// A reference for the caller; NULL only without memory.
struct shared_string *logctx__default_server(void)
{
    struct shared_string *plain = atomic_load_explicit(&settings.plain_server, memory_order_acquire);
    if (likely(plain != NULL))
        return plain;
    logctx__lock(&settings.lock);
    if (!settings.default_server)
        set_default_server(logctx__string_server("default", 255));
    struct shared_string *string = logctx__string_ref(settings.default_server);
    logctx__unlock(&settings.lock);
    return string;
}

void logctx_set_random(logctx_random_t *fill, void *user)
{
    logctx__lock(&settings.lock);
    settings.random = fill;
    settings.random_user = user;
    atomic_store_explicit(&logctx__has_custom_random, fill != NULL, memory_order_relaxed);
    logctx__unlock(&settings.lock);
}

bool logctx__custom_random(void *out, size_t length)
{
    if (!READ_RELAXED(logctx__has_custom_random))
        return false;
    logctx__lock(&settings.lock);
    logctx_random_t *fill = settings.random;
    void *user = settings.random_user;
    logctx__unlock(&settings.lock);
    if (fill)
        fill(user, out, length);
    return fill != NULL;
}
