/*
 * books.c: keeps the accounts. Lock order: the books' lock is taken last and nothing is called while it is held.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "books.h"

#include <stdio.h>
#include <string.h>

void logctx__books_init(struct logctx__books *books)
{
    memset(books, 0, sizeof *books);
    pthread_mutex_init(&books->lock, NULL);
}

void logctx__books_free(struct logctx__books *books)
{
    pthread_mutex_destroy(&books->lock);
}

void logctx__books_take(struct logctx__books *books, enum logctx__signal signal, uint64_t items)
{
    pthread_mutex_lock(&books->lock);
    books->signals[signal].in_flight += items;
    pthread_mutex_unlock(&books->lock);
}

void logctx__books_accept(struct logctx__books *books, enum logctx__signal signal, uint64_t items, uint64_t rejected)
{
    struct logctx__tally *tally = &books->signals[signal];
    pthread_mutex_lock(&books->lock);
    tally->in_flight -= items;
    tally->exported += items - rejected;
    tally->rejected += rejected;
    pthread_mutex_unlock(&books->lock);
}

void logctx__books_drop(struct logctx__books *books, enum logctx__signal signal, logctx_drop_reason_t reason,
                        uint64_t items, uint64_t in_flight)
{
    struct logctx__tally *tally = &books->signals[signal];
    pthread_mutex_lock(&books->lock);
    tally->in_flight -= in_flight;
    tally->dropped[reason] += items;
    pthread_mutex_unlock(&books->lock);
}

void logctx__books_request(struct logctx__books *books, bool retry)
{
    pthread_mutex_lock(&books->lock);
    books->requests++;
    books->retries += retry ? 1 : 0;
    pthread_mutex_unlock(&books->lock);
}

void logctx__books_connect(struct logctx__books *books, uint64_t connections)
{
    pthread_mutex_lock(&books->lock);
    books->connections += connections;
    pthread_mutex_unlock(&books->lock);
}

void logctx__took_add(struct logctx__took *took, double seconds)
{
    took->min = took->count == 0 || seconds < took->min ? seconds : took->min;
    took->max = took->count == 0 || seconds > took->max ? seconds : took->max;
    took->sum += seconds;
    took->count++;
}

// Statuses are the endpoint's choice: beyond the table's size they share the last row.
static struct logctx__took *row_for(struct logctx__books *books, enum logctx__signal signal, const char *error_type,
                                    long status)
{
    struct logctx__took *rows = books->took[signal];
    size_t *count = &books->took_count[signal];
    for (size_t i = 0; i < *count; i++) {
        if (rows[i].status == status && strcmp(rows[i].error_type, error_type) == 0) {
            return &rows[i];
        }
    }
    if (*count == LOGCTX__TOOK_MAX) {
        return &rows[LOGCTX__TOOK_MAX - 1];
    }
    struct logctx__took *row = &rows[(*count)++];
    bool rest = *count == LOGCTX__TOOK_MAX;
    snprintf(row->error_type, sizeof row->error_type, "%s", rest ? "_OTHER" : error_type);
    row->status = rest ? 0 : status;
    return row;
}

void logctx__books_took(struct logctx__books *books, enum logctx__signal signal, const char *error_type, long status,
                        double seconds)
{
    logctx__took_add(row_for(books, signal, error_type, status), seconds);
}

static uint64_t tally_lost(const struct logctx__tally *tally)
{
    uint64_t lost = tally->rejected;
    for (int reason = 0; reason < LOGCTX_DROP_COUNT; reason++) {
        lost += tally->dropped[reason];
    }
    return lost;
}

uint64_t logctx__books_lost(struct logctx__books *books)
{
    pthread_mutex_lock(&books->lock);
    uint64_t lost = tally_lost(&books->signals[LOGCTX__TRACES]) + tally_lost(&books->signals[LOGCTX__METRICS]);
    pthread_mutex_unlock(&books->lock);
    return lost;
}

struct logctx__tally logctx__books_tally(struct logctx__books *books, enum logctx__signal signal)
{
    pthread_mutex_lock(&books->lock);
    struct logctx__tally tally = books->signals[signal];
    pthread_mutex_unlock(&books->lock);
    return tally;
}

const char *logctx__drop_name(logctx_drop_reason_t reason)
{
    static const char *const names[] = {
#define LOGCTX_X(id, text, sentence) text,
        LOGCTX_DROP_REASONS(LOGCTX_X)
#undef LOGCTX_X
    };
    return names[reason];
}

const char *logctx__drop_sentence(logctx_drop_reason_t reason)
{
    static const char *const sentences[] = {
#define LOGCTX_X(id, text, sentence) sentence,
        LOGCTX_DROP_REASONS(LOGCTX_X)
#undef LOGCTX_X
    };
    return sentences[reason];
}
