// SPDX-License-Identifier: Apache-2.0
// The states of the alerts. The evaluating thread owns everything.

#include "alert_board.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert_sentence.h"

#define SECOND INT64_C(1000000000)

// A board that is older cannot tell what was in between. How far back it is looked, and in which steps: as long as an
// alert is pending as often as Prometheus would, or twenty times, which is enough for long ones; and then far coarser,
// since only the time that is shown depends on it. Where it did not hold any more, that step is halved.
#define FORGOTTEN (60 * SECOND)
#define LOOK_BACK (3600 * SECOND)
#define STEP (15 * SECOND)
#define STEPS_OF_HOLD 20
#define COARSE_STEP (300 * SECOND)

const char *const alert_state_names[] = {
    [ALERT_UNKNOWN] = "unknown", [ALERT_QUIET] = "quiet", [ALERT_PENDING] = "pending", [ALERT_FIRING] = "firing"};

// What one evaluation works with. Large, hence not on the stack of each function.
struct evaluation {
    struct signal_reader reader;
    const struct alert_board *before;
    struct alert_board *board;
    struct signal_groups groups;
    struct signal_groups earlier;
    bool forgotten; // what the board knows is too old
};

static bool is_group(const struct signal_group *group, int64_t resource, const char *kind)
{
    return group->resource == resource && strcmp(group->kind, kind) == 0;
}

static bool held(struct evaluation *evaluation, int alert, const struct signal_group *group, int64_t moment)
{
    signal_measure(&evaluation->reader, &alert_table[alert], moment, &evaluation->earlier);
    for (size_t i = 0; i < evaluation->earlier.count; i++)
        if (is_group(&evaluation->earlier.items[i], group->resource, group->kind))
            return evaluation->earlier.items[i].holds;
    return false;
}

// Since when the condition of a group has held: asks the store about one moment after the other, backwards.
static int64_t look_back(struct evaluation *evaluation, int alert, const struct signal_group *group)
{
    struct signal_reader *reader = &evaluation->reader;
    int64_t all[SIGNAL_INSTANCES_MAX];
    size_t count = reader->resource_count;
    int64_t now = evaluation->board->evaluated;
    int64_t since = now;
    memcpy(all, reader->resources, sizeof all);
    if (group->resource != 0) {
        reader->resources[0] = group->resource;
        reader->resource_count = 1;
    }
    int64_t hold = alert_table[alert].hold * SECOND;
    int64_t fine = hold / STEPS_OF_HOLD > STEP ? hold / STEPS_OF_HOLD : STEP;
    while (now - since < LOOK_BACK && !reader->failed) {
        int64_t step = now - since < hold ? fine : COARSE_STEP;
        if (!held(evaluation, alert, group, since - step)) {
            while ((step /= 2) >= STEP / 2)
                since -= held(evaluation, alert, group, since - step) ? step : 0;
            break;
        }
        since -= step;
    }
    memcpy(reader->resources, all, sizeof all);
    reader->resource_count = count;
    return since;
}

static int64_t held_since(struct evaluation *evaluation, int alert, const struct signal_group *group)
{
    const struct alert_board *before = evaluation->before;
    if (evaluation->forgotten)
        return look_back(evaluation, alert, group);
    for (size_t i = 0; i < before->active_count; i++)
        if (before->active[i].alert == alert && is_group(group, before->active[i].resource, before->active[i].kind))
            return before->active[i].since;
    return evaluation->board->evaluated;
}

static void remember(struct alert_board *board, int alert, const struct signal_group *group, int64_t since)
{
    if (board->active_count == ALERT_ACTIVE_MAX)
        return;
    struct alert_active *active = &board->active[board->active_count++];
    *active = (struct alert_active){.alert = alert, .resource = group->resource, .since = since};
    memcpy(active->kind, group->kind, sizeof active->kind);
}

static enum alert_state state_of(const struct alert *alert, const struct signal_group *group, int64_t lasted)
{
    if (!group->known)
        return ALERT_UNKNOWN;
    if (!group->holds)
        return ALERT_QUIET;
    return lasted >= alert->hold * SECOND ? ALERT_FIRING : ALERT_PENDING;
}

// Of two in the same state the one that holds for longer, and else the one with more of it.
static bool is_worse(enum alert_state state, int64_t since, const struct signal_group *group,
                     const struct alert_row *row)
{
    if (state != row->state)
        return state > row->state;
    if (since != row->since)
        return since != 0 && (row->since == 0 || since < row->since);
    return group->value > row->value || (isnan(row->value) && !isnan(group->value));
}

static void name_instance(sqlite3 *db, int64_t resource, char out[ALERT_INSTANCE_SIZE])
{
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(db, "SELECT instance FROM resource WHERE id = ?", -1, &row, NULL);
    sqlite3_bind_int64(row, 1, resource);
    const char *name = sqlite3_step(row) == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
    snprintf(out, ALERT_INSTANCE_SIZE, "%s", name != NULL && strlen(name) < ALERT_INSTANCE_SIZE ? name : "");
    sqlite3_finalize(row);
}

static void evaluate(struct evaluation *evaluation, int alert)
{
    struct alert_board *board = evaluation->board;
    struct alert_row *row = &board->rows[alert];
    const struct signal_group *worst = NULL;
    signal_measure(&evaluation->reader, &alert_table[alert], board->evaluated, &evaluation->groups);
    *row = (struct alert_row){.state = ALERT_UNKNOWN, .value = NAN};
    for (size_t i = 0; i < evaluation->groups.count; i++) {
        const struct signal_group *group = &evaluation->groups.items[i];
        int64_t since = group->known && group->holds ? held_since(evaluation, alert, group) : 0;
        if (since != 0)
            remember(board, alert, group, since);
        enum alert_state state = state_of(&alert_table[alert], group, board->evaluated - since);
        if (!group->known || (worst != NULL && !is_worse(state, since, group, row)))
            continue;
        worst = group;
        row->state = state;
        row->since = since;
        row->value = group->value;
    }
    if (worst != NULL && worst->resource != 0)
        name_instance(evaluation->reader.db, worst->resource, row->instance);
    alert_sentence(&alert_table[alert], worst, row->sentence);
}

bool alert_board_evaluate(struct alert_board *board, sqlite3 *db, const char *service, int64_t moment)
{
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    struct alert_board *next = calloc(1, sizeof *next);
    bool good = evaluation != NULL && next != NULL;
    if (good) {
        evaluation->before = board;
        evaluation->board = next;
        evaluation->forgotten = moment - board->evaluated > FORGOTTEN || moment < board->evaluated;
        next->evaluated = moment;
        if (signal_reader_init(&evaluation->reader, db, service))
            for (int i = 0; i < ALERT_COUNT; i++)
                evaluate(evaluation, i);
        good = signal_reader_clear(&evaluation->reader);
    }
    if (good)
        *board = *next;
    free(next);
    free(evaluation);
    return good;
}
