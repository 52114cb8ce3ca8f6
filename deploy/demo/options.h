/*
 * options.h: what the command line says. Read once, before there is anything else; the loop's thread owns it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>

struct options {
    const char *address, *port, *port_file, *stats_file, *database, *clock;
    const char *pid_file, *log_file; // NULL: none
    bool daemonize;
};
extern struct options options;

// Returns -1 to go on, or the exit status: after --help, or after a sentence that says what is wrong.
int read_options(int count, char **words);

#endif
