// Instruments: made once, found by scope and name. Their list only grows; readers walk it without a lock.
//
// SPDX-License-Identifier: Apache-2.0
#include "instrument.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_LENGTH = 255, UNIT_MAX_LENGTH = 63, TEXT_MAX_LENGTH = 1024 };

// metrics/sdk.md, Explicit bucket histogram aggregation.
static const double default_bounds[] = {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};

// Adding is under `lock`; the list is in the order of creation.
static struct {
    lock_t lock;
    unsigned count;
    _Atomic(logctx_instrument_t *) first;
    logctx_instrument_t *last;
} registry = {.lock = 0};

logctx_instrument_t *logctx__instruments(void)
{
    return atomic_load_explicit(&registry.first, memory_order_acquire);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_is_good(const char *name)
{
    if (!name || !is_letter(name[0]))
        return false;
    size_t length = 0;
    for (; name[length]; length++)
        if (length == NAME_MAX_LENGTH ||
            !(is_letter(name[length]) || (name[length] >= '0' && name[length] <= '9') || strchr("_.-/", name[length])))
            return false;
    return true;
}

static bool unit_is_good(const char *unit)
{
    return strlen(unit) <= UNIT_MAX_LENGTH && logctx__utf8_is_ascii(unit, strlen(unit));
}

static bool bounds_are_good(const logctx_instrument_opts_t *opts)
{
    if (opts->bound_count > LOGCTX_METRIC_BOUNDS_MAX || (!opts->bounds && opts->bound_count > 0))
        return false;
    for (size_t i = 0; i < opts->bound_count; i++)
        if (!isfinite(opts->bounds[i]) || (i > 0 && !(opts->bounds[i] > opts->bounds[i - 1])))
            return false;
    return true;
}

// What is wrong, as a sentence; NULL: nothing.
static const char *wrong_with(const logctx_instrument_opts_t *opts)
{
    if (!name_is_good(opts->name))
        return "an instrument needs a name of a letter and at most 254 letters, digits, and the characters _ . - /";
    if ((unsigned)opts->kind > LOGCTX_INSTRUMENT_HISTOGRAM)
        return "an instrument's kind is outside its enum";
    if (!unit_is_good(opts->unit))
        return "an instrument's unit has more than 63 characters, or some that are not ASCII";
    if (!bounds_are_good(opts))
        return "a histogram's bounds must be at most 64 finite numbers that rise";
    if (opts->observe && opts->kind == LOGCTX_INSTRUMENT_HISTOGRAM)
        return "a histogram cannot be observed by a callback; record its values";
    return NULL;
}

// Callers may be older or newer than the library: what they do not know is zero.
static logctx_instrument_opts_t complete(const logctx_instrument_opts_t *opts)
{
    logctx_instrument_opts_t all = {.struct_size = sizeof all};
    memcpy(&all, opts, opts->struct_size < sizeof all ? opts->struct_size : sizeof all);
    all.unit = all.unit ? all.unit : "";
    all.description = all.description ? all.description : "";
    all.scope = all.scope && *all.scope ? all.scope : "app";
    all.scope_version = all.scope_version ? all.scope_version : "";
    if (all.kind == LOGCTX_INSTRUMENT_HISTOGRAM) {
        all.is_double = true;
        if (!all.bounds && all.bound_count == 0) {
            all.bounds = default_bounds;
            all.bound_count = sizeof default_bounds / sizeof default_bounds[0];
        }
    } else {
        all.bounds = NULL;
        all.bound_count = 0;
    }
    return all;
}

static bool is_same(const logctx_instrument_t *there, const logctx_instrument_opts_t *opts)
{
    return there->kind == opts->kind && there->is_double == opts->is_double && strcmp(there->unit, opts->unit) == 0 &&
           there->bound_count == opts->bound_count &&
           (opts->bound_count == 0 ||
            memcmp(there->bounds, opts->bounds, opts->bound_count * sizeof *opts->bounds) == 0);
}

// `same`: one that is the same in all; else any of that name, the first one.
static logctx_instrument_t *find(const logctx_instrument_opts_t *opts, bool same)
{
    for (logctx_instrument_t *each = logctx__instruments(); each;
         each = atomic_load_explicit(&each->next, memory_order_acquire))
        if (strcasecmp(each->name, opts->name) == 0 && strcmp(each->scope, opts->scope) == 0 &&
            strcmp(each->scope_version, opts->scope_version) == 0 && (!same || is_same(each, opts)))
            return each;
    return NULL;
}

static char *copy_text(const char *text)
{
    size_t length = strlen(text), room = logctx__utf8_size(text, length, LOGCTX__UTF8_NO_LIMIT);
    room = room < TEXT_MAX_LENGTH ? room : TEXT_MAX_LENGTH;
    char *copy = malloc(room + 1);
    if (copy)
        copy[logctx__utf8_copy(copy, room, text, length, LOGCTX__UTF8_NO_LIMIT)] = '\0';
    return copy;
}

static void discard(logctx_instrument_t *instrument)
{
    char *const texts[] = {(char *)(uintptr_t)instrument->name, (char *)(uintptr_t)instrument->unit,
                           (char *)(uintptr_t)instrument->description, (char *)(uintptr_t)instrument->scope,
                           (char *)(uintptr_t)instrument->scope_version};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free(instrument->bounds);
    free(instrument);
}

static logctx_instrument_t *make(const logctx_instrument_opts_t *opts)
{
    logctx_instrument_t *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->kind = opts->kind;
    made->is_double = opts->is_double;
    made->name = copy_text(opts->name);
    made->unit = copy_text(opts->unit);
    made->description = copy_text(opts->description);
    made->scope = copy_text(opts->scope);
    made->scope_version = copy_text(opts->scope_version);
    made->bound_count = (uint32_t)opts->bound_count;
    made->bounds = malloc((opts->bound_count + 1) * sizeof *made->bounds);
    if (!made->name || !made->unit || !made->description || !made->scope || !made->scope_version || !made->bounds) {
        discard(made);
        return NULL;
    }
    if (opts->bound_count > 0)
        memcpy(made->bounds, opts->bounds, opts->bound_count * sizeof *made->bounds);
    return made;
}

// Under the lock. `namesake`: another one of that name, if this one had to be made beside it.
static logctx_instrument_t *find_or_make(logctx_instrument_opts_t *opts, bool *full, logctx_instrument_t **namesake)
{
    logctx_instrument_t *there = find(opts, true);
    *full = !there && registry.count == INSTRUMENTS_MAX;
    *namesake = there ? NULL : find(opts, false);
    if (*namesake)
        opts->name = (*namesake)->name; // as it was written first
    if (there || *full || !(there = make(opts)))
        return there;
    registry.count++;
    atomic_store_explicit(registry.last ? &registry.last->next : &registry.first, there, memory_order_release);
    registry.last = there;
    return there;
}

static void set_observer(logctx_instrument_t *instrument, logctx_observe_t *observe, void *user)
{
    logctx__collecting_lock();
    instrument->observe = observe;
    instrument->user = user;
    logctx__collecting_unlock();
}

logctx_instrument_t *logctx_instrument(const logctx_instrument_opts_t *opts)
{
    const char *wrong =
        "logctx_instrument() got NULL, or a struct_size of 0; set it to sizeof(logctx_instrument_opts_t)";
    logctx_instrument_opts_t all = {.struct_size = 0};
    if (opts && opts->struct_size > 0) {
        all = complete(opts);
        wrong = wrong_with(&all);
    }
    if (wrong) {
        logctx__misuse(wrong, NULL);
        return NULL;
    }
    bool full;
    logctx_instrument_t *namesake;
    logctx__lock(&registry.lock);
    logctx_instrument_t *instrument = find_or_make(&all, &full, &namesake);
    logctx__unlock(&registry.lock);
    if (full)
        logctx_log(LOGCTX_WARN, "There are %d instruments, as many as there may be: the metric %s is left out",
                   INSTRUMENTS_MAX, all.name);
    if (instrument && namesake)
        logctx_log(
            LOGCTX_WARN,
            "The metric %s of the scope %s is there already, with another kind, type, unit or other bounds; both "
            "are exported. Give one of them another name",
            instrument->name, instrument->scope);
    if (instrument && all.observe)
        set_observer(instrument, all.observe, all.user);
    return instrument;
}

void logctx_instrument_stop_observing(logctx_instrument_t *instrument)
{
    if (instrument)
        set_observer(instrument, NULL, NULL);
}

static logctx_instrument_t *simple(logctx_instrument_kind_t kind, const char *name, const char *unit,
                                   const char *description)
{
    return logctx_instrument(&(logctx_instrument_opts_t){.struct_size = sizeof(logctx_instrument_opts_t),
                                                         .kind = kind,
                                                         .name = name,
                                                         .unit = unit,
                                                         .description = description});
}

logctx_instrument_t *logctx_counter(const char *name, const char *unit, const char *description)
{
    return simple(LOGCTX_INSTRUMENT_COUNTER, name, unit, description);
}

logctx_instrument_t *logctx_updowncounter(const char *name, const char *unit, const char *description)
{
    return simple(LOGCTX_INSTRUMENT_UPDOWNCOUNTER, name, unit, description);
}

logctx_instrument_t *logctx_gauge(const char *name, const char *unit, const char *description)
{
    return simple(LOGCTX_INSTRUMENT_GAUGE, name, unit, description);
}

logctx_instrument_t *logctx_histogram(const char *name, const char *unit, const char *description, const double *bounds,
                                      size_t bound_count)
{
    return logctx_instrument(&(logctx_instrument_opts_t){.struct_size = sizeof(logctx_instrument_opts_t),
                                                         .kind = LOGCTX_INSTRUMENT_HISTOGRAM,
                                                         .name = name,
                                                         .unit = unit,
                                                         .description = description,
                                                         .bounds = bounds,
                                                         .bound_count = bound_count});
}
