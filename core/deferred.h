/*
 * deferred.h: internal. Deferreds and the entries of their queues.
 *
 * References: an entry in a queue keeps what it will act on (a hand-over the deferred that waits, a gather's entry the
 * gather); nothing keeps the other way round, so that deferreds which wait for each other go when their producers do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_DEFERRED_H
#define LOGCTX_CORE_DEFERRED_H

#include "types.h"

#include <logctx/bind.h>
#include <logctx/deferred.h>

struct entry;

/*
 * What an entry of the library's own does in its turn. Returns a deferred to be called now (its result set, with a
 * reference for the caller), or NULL. What it wants the result to be afterwards it says by entry->clear.
 */
typedef logctx_deferred_t *step_t(struct entry *entry, const logctx_result_t *result);

enum entry_kind { ENTRY_PAIR, ENTRY_HAND_OVER, ENTRY_STEP };

/* One turn in a queue; while it runs, and what it has called runs, it is a frame of the run's stack. */
struct entry {
    struct thread *owner; /* of the memory */
    struct entry *next;   /* in a queue; on a stack: the frame below */
    enum entry_kind kind;
    bool calls; /* a frame: the first of the deferreds that a step has called */
    bool clear; /* after a step: the result becomes plain success */
    union {
        struct {
            logctx_callback_t *callback, *errback;
            void *user;
            void (*release)(void *user);
        };
        struct {
            step_t *step;
            void (*drop)(struct entry *entry); /* it will never run */
            void *data;
            size_t index;
        };
    };
    logctx_deferred_t *to;      /* hand-over: who waits; frame: whose queue runs; step: whom it will call */
    logctx_deferred_t *resumes; /* a frame with `calls`: who goes on afterwards */
    logctx_capture_t capture;   /* room for the pairs of the library that put a context back */
    logctx_result_t in;         /* a step that runs: what it was called with */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct entry) == 128, "two cache lines: the pool keeps its link in the second");

/* A member is kept once it has its result: until then it keeps the gather, by its entry. NULL: gone, or of no interest. */
struct gather {
    size_t count, counted;
    unsigned cancelling; /* walks over the members: they go on when the first failure has called it */
    bool consume;
    struct {
        logctx_deferred_t *deferred;
        bool kept;
    } members[];
};

struct logctx_deferred {
    struct thread *owner; /* of the memory */
    unsigned refs;        /* 0: freed */
    unsigned paused;
    unsigned waiters; /* hand-overs in its queue */
    bool called : 1, running : 1, waiting : 1;
    bool lent : 1;          /* while it runs: its result is being worked on, and its value not ours to give away */
    bool cancelling : 1;    /* its canceller runs or has run */
    bool late : 1;          /* cancelled without a canceller: one call that comes late is ignored */
    bool handled : 1;       /* somebody has taken note of the failure */
    logctx_result_t result; /* meaningful once called, unless it waits */
    const logctx_site_t *called_at; /* where its result comes from */
    logctx_deferred_t *waiting_on;  /* if `waiting`; not kept; NULL when that one is gone */
    struct entry *first, *last;
    logctx_canceller_t *cancel;
    void *user;
    void (*release)(void *user);
    struct gather *gather; /* NULL: not a gather */
    logctx_deferred_t *next_dead;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct logctx_deferred) == 128, "two cache lines");

/* deferred.c */
LOGCTX_INTERNAL void logctx__deferred_pools(struct pool *deferreds, struct pool *entries);
LOGCTX_INTERNAL struct entry *logctx__entry_new(void);
LOGCTX_INTERNAL void logctx__entry_free(struct entry *entry);
LOGCTX_INTERNAL void logctx__entry_append(logctx_deferred_t *deferred, struct entry *entry);
LOGCTX_INTERNAL bool logctx__deferred_usable(const logctx_deferred_t *deferred);
/* Those whose last reference was given back on this thread. */
LOGCTX_INTERNAL void logctx__deferreds_free(struct thread *thread);
/* Sets called and the result, which is taken over; false, and it is freed, if it was called before. */
LOGCTX_INTERNAL bool logctx__deferred_set(logctx_deferred_t *deferred, logctx_result_t result,
                                          const logctx_site_t *site);
LOGCTX_INTERNAL void logctx__result_free(logctx_result_t *result);

/* A pair of the library's own that makes `ctx` current and passes the result on. False without memory. */
LOGCTX_INTERNAL bool logctx__deferred_add_switch(logctx_deferred_t *deferred, logctx_t *ctx, const logctx_site_t *site);

/* deferred_run.c: runs what can run. The caller keeps the deferred meanwhile. */
LOGCTX_INTERNAL void logctx__deferred_run(logctx_deferred_t *deferred);

/* process.c: work in a root context of type `callback`; `ended` is called when it has ended. NULL: it fails at once. */
LOGCTX_INTERNAL void logctx__run_call(logctx_kind_t *kind, logctx_work_t *work, void *user, logctx_deferred_t *ended,
                                      const logctx_site_t *site);

/* gather.c */
LOGCTX_INTERNAL void logctx__gather_let_go(struct gather *gather);

#endif
