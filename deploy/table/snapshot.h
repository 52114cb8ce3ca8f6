/*
 * snapshot.h: what a table said at one moment: the process, its contexts in flight, its threads and their flight recorders.
 * Taken from a private copy; what changed while it was copied is read again, or left out and counted. A snapshot belongs to
 * the thread that took it; the texts in it live as long as it does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_DEPLOY_TABLE_SNAPSHOT_H
#define LOGCTX_DEPLOY_TABLE_SNAPSHOT_H

#include "layout.h"
#include "source.h"

enum snapshot_state {
    SNAPSHOT_RUNNING, /* current on its thread */
    SNAPSHOT_TXN,     /* a database transaction is open */
    SNAPSHOT_IDLE,    /* waits for something */
    SNAPSHOT_NEW,     /* was never current */
    SNAPSHOT_HELD,    /* finished, and somebody holds a reference */
    SNAPSHOT_STATE_COUNT
};

enum { SNAPSHOT_TYPE_COUNT = 5, SNAPSHOT_SEGMENTS_MAX = 64, SNAPSHOT_RECENT_MAX = 256 };

/* request, background, nested, thread, callback; "unknown" for anything else. */
const char *snapshot_type_name(unsigned type);
/* running, txn, idle, new, held. */
const char *snapshot_state_name(enum snapshot_state state);

struct snapshot_context {
    uint64_t address;
    struct layout_element element;
    struct layout_text name, kind;
    bool name_is_cut; /* the rest of it is outside of the table */
    uint8_t flags;
    unsigned type;
    enum snapshot_state state;
    int thread; /* index of the thread that may run it, and does if it is running; -1: not known */
    uint32_t generation, switches, errors, open_transactions;
    uint64_t age, slice; /* ns; slice: how long it has been current by now, 0 if it is not */
    int64_t cpu, cpu_user, cpu_system, running, transactions, db, wait, rows; /* times in ns, without the slice */
    uint64_t created_unix, parent;                                            /* address; 0: none */
    uint64_t created_at, switched_at;                                         /* sites, for layout_site() */
    uint8_t trace_id[16], span_id[8], parent_span_id[8];
};

struct snapshot_thread {
    uint64_t address, id;
    struct layout_element element;
    struct layout_text loop; /* length 0: not a loop */
    int32_t tid;
    bool attached, in_poll;
    char kernel_state; /* R, S, D ...; 0: not known */
    uint64_t created, ended;
    int64_t attributed_cpu;
    uint64_t handled; /* contexts in flight that it may run */
    long current;     /* index of the context that it runs; -1: none */
    uint32_t recent_next;
    uint32_t recent_safe; /* entries from this one on were not overwritten while they were copied */
};

struct snapshot {
    uint8_t *bytes;
    struct layout layout;
    bool lives;         /* the process is there */
    bool at_last_event; /* `now` is the time of the last thing that is known to have happened */
    uint64_t now;       /* monotonic ns of the process */
    uint64_t now_unix;
    uint64_t begun; /* ns since the table was made */
    pid_t pid;
    uint64_t created, ended;           /* contexts, by all threads of this process */
    uint64_t changing;                 /* slots that did not stand still long enough to be read */
    struct snapshot_context *contexts; /* by address */
    size_t context_count;
    struct snapshot_thread *threads;
    size_t thread_count;
    size_t by_state[SNAPSHOT_STATE_COUNT];
    uint64_t errors; /* of the contexts here */
};

struct snapshot_segment {
    uint64_t offset_us, length_us;
    unsigned state; /* 0 run, 1 waited for a connection, 2 in a transaction */
};

/* One switch. A text without `at`: the context has ended, and its name with it. */
struct snapshot_switch {
    struct layout_text from, to;
    uint64_t site, ago;
};

/* Anything but SOURCE_GOOD: `why` is a sentence, and there is nothing to free. */
enum source_result snapshot_take(struct snapshot *snapshot, struct source *source, char why[SOURCE_WHY]);
void snapshot_free(struct snapshot *snapshot);

/* The same from bytes alone, which become the snapshot's. `again` reads them once more (NULL: they do not change). */
typedef bool (*snapshot_again_fn)(const void *user, uint64_t offset, void *out, size_t size);
enum layout_result snapshot_parse(struct snapshot *snapshot, uint8_t *bytes, size_t size, uint64_t now,
                                  snapshot_again_fn again, const void *user);

/* By address; NULL: not in flight any more. */
const struct snapshot_context *snapshot_find(const struct snapshot *snapshot, uint64_t address);
/* How its life went, in order of time; how many. */
size_t snapshot_segments(const struct snapshot *snapshot, const struct snapshot_context *context,
                         struct snapshot_segment out[SNAPSHOT_SEGMENTS_MAX]);
/* The thread's last switches, newest first; how many. */
size_t snapshot_recent(const struct snapshot *snapshot, const struct snapshot_thread *thread,
                       struct snapshot_switch out[SNAPSHOT_RECENT_MAX]);

#endif
