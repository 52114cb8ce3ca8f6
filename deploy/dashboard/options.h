/*
 * options.h: the command line. Read once at the start; everything points into argv or into the options themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_OPTIONS_H
#define DASHBOARD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "store.h"

enum {
    OPTIONS_HOSTS_MAX = 16,
    OPTIONS_PATH_SIZE = 4096,
    OPTIONS_WIDTH_DEFAULT = 110,
    OPTIONS_AGE_MAX = 366 * 86400, /* seconds */
};

struct options {
    enum { MODE_SERVE, MODE_SUMMARY, MODE_HELP, MODE_VERSION } mode;
    struct address listen;
    char db[OPTIONS_PATH_SIZE]; /* of the store to write or to summarise */
    bool db_given;
    size_t max_body;
    struct store_limits limits;
    const char *port_file;  /* NULL: none */
    const char *token_file; /* likewise */
    bool open_ingest;
    const char *hosts[OPTIONS_HOSTS_MAX];
    size_t host_count;
    int width; /* of the summary; 0: as wide as the terminal, or the default */
};

extern const char options_help[];

/* False: `why` is a sentence for the user. */
bool options_read(struct options *options, int argc, char **argv, char *why, size_t why_size);

/* The place of the store if none is named, made with its folders (0700) if they are missing. */
bool options_default_db(struct options *options, char *why, size_t why_size);

#endif
