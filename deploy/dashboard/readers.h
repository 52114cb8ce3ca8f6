/*
 * readers.h: the threads that answer views: few, each with its own connection to the store, so that a slow question holds
 * neither ingestion nor the next one. Any thread submits; a job is the reader's from submission until `done`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_READERS_H
#define DASHBOARD_READERS_H

#include "view.h"

struct readers;

/* How many answers can wait, and how long one may take. */
enum { READERS_COUNT = 2, READERS_QUEUE_MAX = 64, READERS_SECONDS = 5 };

struct reading {
    const struct view *view;
    struct params params;
    char rest[VIEW_REST_SIZE];
    struct outcome outcome; /* status 200: `text` is the answer, from malloc; else the sentence is */
    char *text;
    size_t length;
    void (*done)(struct reading *reading); /* on the reader's thread, outside of locks */
    void *user;
    struct reading *next; /* the readers' */
};

/* `settings` and `path` have to stay. NULL: no memory, or no thread. */
struct readers *readers_start(const struct view_settings *settings, const char *path);

/* False: too many wait, or the end has come; the job is untouched. */
bool readers_submit(struct readers *readers, struct reading *reading);

/* Breaks off what is being answered (503), and ends the threads. From then on every submission is refused. */
void readers_stop(struct readers *readers);

/* After readers_stop, when nobody can submit any more. */
void readers_free(struct readers *readers);

#endif
