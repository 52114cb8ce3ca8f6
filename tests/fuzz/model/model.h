// SPDX-License-Identifier: Apache-2.0
// A plain model of the library: what a scenario of tests/conformance leaves as its trace, worked out from the rules of the
// format alone, with lists, recursion and no thought of speed. It is the oracle of fuzz_model.c. It knows nothing of the
// library. A model belongs to one thread; the threads of a scenario are structs in it.

#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

typedef struct model model_t;

/* What a context used; CPU and durations in milliseconds. */
typedef struct model_usage {
    int64_t user, system, transactions, transaction_ms, waited_ms, rows;
} model_usage_t;

typedef struct model_context {
    const char *id; // NULL: none, or it was dropped
    const char *name;
    const char *server;
    const char *home;
    struct model_context *parent, *previous;
    bool finished, started;
    bool dropped;
    bool loose; // handed over: it does not keep its previous one
    int64_t started_user, started_system;
    model_usage_t used;
    const char *process; // the description; NULL: not a background process
    bool gone;           // the process is
    model_usage_t reported;
} model_context_t;

typedef struct model_thread {
    const char *label;
    int64_t user, system;           // the clock
    int64_t tick_user, tick_system; // what follows each reading
    model_context_t *current;
    struct model_thread *starter; // joins this one; NULL: the first
} model_thread_t;

typedef enum model_status { MODEL_NONE, MODEL_OK, MODEL_FAIL, MODEL_WAITING } model_status_t;

typedef struct model_result {
    model_status_t status;
    const char *error;
    int value; // the number of a value, from 1; 0: none
} model_result_t;

typedef struct model_deferred model_deferred_t;

typedef enum model_entry_kind {
    MODEL_PAIR,      // bodies of an op
    MODEL_SWITCH,    // make a context current
    MODEL_HAND_OVER, // somebody waits for the result
    MODEL_COUNT,     // a gather counts this member
    MODEL_END,       // a background process ends
} model_entry_kind_t;

typedef struct model_entry {
    model_entry_kind_t kind;
    json_t *op;
    const char *path;
    model_context_t *context;
    model_deferred_t *to;
    size_t index;
} model_entry_t;

typedef enum model_origin {
    MODEL_BY_NEW,
    MODEL_BY_GATHER,
    MODEL_BY_PROCESS,
    MODEL_BY_THREAD,
    MODEL_BY_WORK
} model_origin_t;

struct model_deferred {
    model_origin_t origin;
    unsigned names; // how many ids it has
    bool called, running, late, cancelling;
    bool returned; // out of a callback, once
    int paused;
    int held; // how much of `paused` is d_pause
    model_result_t result;
    model_deferred_t *waits_for;
    model_entry_t *entries;
    size_t entry_count, entry_capacity;
    json_t *canceller; // the op with the body; NULL: none
    const char *canceller_path;
    model_deferred_t **members; // of a gather
    bool *counted;              // each
    size_t member_count, counted_count;
    unsigned walks; // cancellations on their way through the members
    bool consume;
    const char *outcome; // of the thread's work: the error; NULL: none
    unsigned mark;
};

/* How a body ended. */
typedef struct model_ending {
    bool passes, takes;
    const char *error;
    model_deferred_t *deferred;
    int value;
} model_ending_t;

typedef struct model_name { // of anything but a context
    const char *id;
    void *thing; // NULL: dropped
} model_name_t;

typedef struct model_names {
    model_name_t *items;
    size_t count;
} model_names_t;

typedef struct model_block {
    model_context_t *old, *target;
    bool left; // at least once
} model_block_t;

/* What a bound callback, or a capture, has captured. */
typedef struct model_capture {
    model_context_t *context;
    bool gone;
} model_capture_t;

typedef struct model_row {
    const char *desc;
    int64_t started, in_flight;
    model_usage_t sum;
} model_row_t;

/*
 * Where the ops of a body come from: the next one, borrowed from `ops`; NULL ends the body. `owner` is the op whose body it
 * is, under `key` (both NULL for the scenario itself).
 */
typedef json_t *model_source_t(void *user, model_t *model, const json_t *owner, const char *key, json_t *ops,
                               size_t index);

struct model {
    model_source_t *source;
    void *user;
    json_t *records, *events;
    bool no_readings;
    model_thread_t *thread; // that runs
    model_context_t sentinel;
    model_context_t **contexts; // all, in the order of their making
    size_t context_count;
    model_deferred_t **deferreds; // all
    size_t deferred_count;
    model_names_t deferred_names, blocks, bounds, captures;
    model_context_t **active; // processes
    size_t active_count;
    model_row_t *rows;
    size_t row_count;
    model_ending_t ending;   // of the body that has just run
    model_deferred_t **busy; // whose queues run, or that are being cancelled
    model_result_t *inputs;  // what the functions that run were called with
    size_t busy_count, input_count;
    model_deferred_t **running; // whose function runs, innermost last
    size_t running_count;
    int value_count; // made so far
    unsigned mark;
    unsigned depth;    // of bodies that run
    char problem[160]; // why the scenario is not a valid one; "": it is
    void *blocks_of_memory;
};

/* model.c */
void model_open(model_t *model, model_source_t *source, void *user);
void model_close(model_t *model);
/* Works out the whole trace: model->records. False if the scenario is not a valid one. */
bool model_run(model_t *model, json_t *ops);
/* The source for scenarios whose ops are all there. */
json_t *model_written(void *user, model_t *model, const json_t *owner, const char *key, json_t *ops, size_t index);

/* Memory that lives as long as the model. */
void *model_memory(model_t *model, size_t size);
char *model_text(model_t *model, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An array of the model's that has room for one more. */
void *model_room(model_t *model, void *items, size_t count, size_t size);

void model_event(model_t *model, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
void model_invalid(model_t *model, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Runs the body under `key` of the op; how it ended. */
model_ending_t model_body(model_t *model, json_t *op, const char *path, const char *key);

const char *model_string(model_t *model, const json_t *op, const char *key);
int64_t model_integer(model_t *model, const json_t *op, const char *key);
void model_name_add(model_t *model, model_names_t *names, const char *id, void *thing);
void *model_name_find(model_t *model, const model_names_t *names, const char *id);

/* What carries out an op; a result goes into *result. */
typedef struct model_step {
    json_t *op;
    const char *path;
} model_step_t;
typedef void model_handler_t(model_t *model, const model_step_t *step, json_t **result);
typedef struct model_op {
    const char *name;
    model_handler_t *handler;
} model_op_t;
extern const model_op_t model_context_ops[], model_deferred_ops[], model_process_ops[], model_binding_ops[],
    model_thread_ops[], model_usage_ops[];

/* contexts.c */
model_context_t *model_context_new(model_t *model, const char *name, model_context_t *parent, const char *server);
model_context_t *model_context_find(model_t *model, const char *id);
void model_context_name(model_t *model, model_context_t *context, const char *id);
model_context_t *model_switch(model_t *model, model_context_t *to);
void model_enter(model_t *model, model_context_t *context);
void model_exit(model_t *model, model_context_t *context);
model_block_t model_preserve(model_t *model, model_context_t *target);
void model_preserved(model_t *model, model_block_t *block);
void model_verdict(model_t *model, const model_context_t *expected, const model_context_t *found);

/* usage.c */
bool model_reading(model_t *model, int64_t *user, int64_t *system);
void model_charge(model_context_t *context, const model_usage_t *usage);
model_usage_t model_delta(model_t *model, const model_context_t *context, int64_t user, int64_t system);
model_usage_t model_usage_of(model_t *model, const model_context_t *context);

/* deferreds.c */
model_deferred_t *model_deferred_new(model_t *model, model_origin_t origin);
model_deferred_t *model_deferred_find(model_t *model, const json_t *op, const char *key);
void model_deferred_name(model_t *model, const json_t *op, model_deferred_t *deferred);
void model_fire(model_t *model, model_deferred_t *deferred, model_result_t result);
void model_add(model_t *model, model_deferred_t *deferred, model_entry_t entry);
bool model_is_complete(const model_deferred_t *deferred);
void model_make_yieldable(model_t *model, model_deferred_t *deferred);
json_t *model_complete(const model_deferred_t *deferred);

/* kept.c: what is still there, once names have been dropped */
bool model_is_kept(model_t *model, model_deferred_t *deferred);
/* Whether deferreds keep each other in a ring, through a gather: by deferred.h those are not freed with the last reference. */
bool model_has_ring(model_t *model);
bool model_keeps(model_t *model, model_deferred_t *from, model_deferred_t *to);
int model_values_live(model_t *model);

/* processes.c */
void model_process_started(model_t *model, model_context_t *context);
void model_process_exited(model_t *model, model_context_t *context);
void model_process_ends(model_t *model, model_context_t *context, model_deferred_t *ended, const char *error);

#endif
