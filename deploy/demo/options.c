// SPDX-License-Identifier: Apache-2.0
// The command line. On the only thread that there is by then.
#include "options.h"
#include "mistakes.h"

#include <getopt.h>
#include <logctx/logctx.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct options options = {.address = "127.0.0.1",
                          .port = "8080",
                          .port_file = "/dev/null",
                          .stats_file = "/dev/null",
                          .database = ":memory:",
                          .clock = "cpu"};

enum { ADDRESS = 1, PORT, PORT_FILE, STATS_FILE, DATABASE, CLOCK, PID_FILE, LOG_FILE, MISTAKE, DAEMONIZE, HELP };
static const struct option known[] = {{"address", required_argument, NULL, ADDRESS},
                                      {"port", required_argument, NULL, PORT},
                                      {"port-file", required_argument, NULL, PORT_FILE},
                                      {"stats-file", required_argument, NULL, STATS_FILE},
                                      {"database", required_argument, NULL, DATABASE},
                                      {"clock", required_argument, NULL, CLOCK},
                                      {"daemonize", no_argument, NULL, DAEMONIZE},
                                      {"pid-file", required_argument, NULL, PID_FILE},
                                      {"log-file", required_argument, NULL, LOG_FILE},
                                      {"mistake", required_argument, NULL, MISTAKE},
                                      {"help", no_argument, NULL, HELP},
                                      {NULL, 0, NULL, 0}};

static void print_usage(FILE *out)
{
    fputs("usage: logctx-demo [--address 127.0.0.1] [--port 8080] [--port-file FILE] [--stats-file FILE] "
          "[--database FILE]\n"
          "                   [--clock cpu|rusage|wall] [--daemonize] [--pid-file FILE] [--log-file FILE] "
          "[--mistake NAME]\n"
          "mistakes:",
          out);
    const char *name;
    for (size_t i = 0; (name = mistake_name(i)); i++)
        fprintf(out, " %s", name);
    fputs("\n", out);
}

static const char **text_of(int option)
{
    switch (option) {
    case ADDRESS:
        return &options.address;
    case PORT:
        return &options.port;
    case PORT_FILE:
        return &options.port_file;
    case STATS_FILE:
        return &options.stats_file;
    case DATABASE:
        return &options.database;
    case CLOCK:
        return &options.clock;
    case PID_FILE:
        return &options.pid_file;
    case LOG_FILE:
        return &options.log_file;
    default:
        return NULL;
    }
}

// False after a sentence.
static bool take(int option, const char *text)
{
    const char **place = text_of(option);
    if (place)
        *place = text;
    else if (option == DAEMONIZE)
        options.daemonize = true;
    else if (option == MISTAKE && !choose_mistake(text))
        return fprintf(stderr, "logctx-demo: there is no mistake \"%s\".\n", text), false;
    return option != '?'; // getopt has written the sentence
}

int read_options(int count, char **words)
{
    int option;
    while ((option = getopt_long(count, words, "", known, NULL)) >= 0) {
        if (option == HELP)
            return print_usage(stdout), 0;
        if (!take(option, optarg))
            return print_usage(stderr), 2;
    }
    if (optind < count)
        return fprintf(stderr, "logctx-demo: it takes options only, not \"%s\".\n", words[optind]), print_usage(stderr),
               2;
    if (!logctx_clock(options.clock) || logctx_set_clock(logctx_clock(options.clock)))
        return fprintf(stderr, "logctx-demo: there is no clock \"%s\".\n", options.clock), print_usage(stderr), 2;
    if (options.pid_file && !options.daemonize && !mistake_daemonizes())
        return fputs("logctx-demo: --pid-file is for --daemonize.\n", stderr), print_usage(stderr), 2;
    options.daemonize = options.daemonize || mistake_daemonizes();
    return -1;
}
