// The command line of logctx-top. Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char options_help[] =
    "logctx-top shows the contexts of a running program that uses logctx, or those that a crash has left. The program "
    "is\n"
    "neither asked nor stopped.\n"
    "\n"
    "  logctx-top                       list the processes that can be looked at\n"
    "  logctx-top [OPTION ...] PID      look at one, live\n"
    "  logctx-top [OPTION ...] FILE     look at the table's file, or a core dump\n"
    "\n"
    "  -d, --delay SECONDS  between two looks (default 2; 0.1 to 60)\n"
    "  --once               print one look as plain text, and end\n"
    "  --json               print one look as JSON, and end\n"
    "  --sort KEY           age (default), cpu, db, wait, errors, name or state\n"
    "  --reverse            the other way round\n"
    "  --limit N            the first N contexts only\n"
    "  --kind KIND          contexts of this kind only\n"
    "  --filter TEXT        contexts only with this text in their name or kind\n"
    "\n"
    "Keys: a c d w e n s sort, r reverses, / filters, space pauses, + and - change the delay, arrows and pages move,\n"
    "Enter shows details, q quits. Other: --help, --version.\n"
    "\n"
    "The exit status is 0; 1: trouble; 2: the command line; 3: no such process or file; 4: it has no table; 5: not\n"
    "permitted; 6: a table of another version, or damaged.\n";

const char *const sort_names[SORT_COUNT] = {"age", "cpu", "db", "wait", "errors", "name", "state"};

enum { ONCE = 256, JSON, SORT, REVERSE, LIMIT, KIND, FILTER, HELP, VERSION };

static bool complain(char *why, size_t why_size, const char *value, const char *name, const char *what)
{
    snprintf(why, why_size, "\"%.60s\" is no value for --%s; give %s.", value, name, what);
    return false;
}

static bool set_delay(struct options *options, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0.1 && seconds <= 60))
        return false;
    options->delay_ms = (unsigned)(seconds * 1000 + 0.5);
    return true;
}

static bool set_sort(struct options *options, const char *text)
{
    for (unsigned i = 0; i < SORT_COUNT; i++) {
        if (strcmp(text, sort_names[i]) == 0) {
            options->sort = (enum sort)i;
            return true;
        }
    }
    return false;
}

static bool set_limit(struct options *options, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    options->limit = strtoull(text, NULL, 10);
    return digits > 0 && digits < 19 && text[digits] == '\0' && options->limit > 0;
}

static bool set_option(struct options *options, int option, const char *value, char *why, size_t why_size)
{
    switch (option) {
    case 'd':
        return set_delay(options, value) || complain(why, why_size, value, "delay", "seconds from 0.1 to 60");
    case SORT:
        return set_sort(options, value) ||
               complain(why, why_size, value, "sort", "one of age, cpu, db, wait, errors, name, state");
    case LIMIT:
        return set_limit(options, value) || complain(why, why_size, value, "limit", "a number from 1 up");
    case FILTER:
        snprintf(options->filter, sizeof options->filter, "%s", value);
        return strlen(value) < sizeof options->filter ||
               complain(why, why_size, value, "filter", "a text of at most 127 bytes");
    case KIND:
        options->kind = value;
        return true;
    case REVERSE:
        options->reverse = true;
        return true;
    case ONCE:
        options->mode = MODE_ONCE;
        return true;
    case JSON:
        options->mode = MODE_JSON;
        return true;
    case HELP:
        options->mode = MODE_HELP;
        return true;
    case VERSION:
        options->mode = MODE_VERSION;
        return true;
    default:
        snprintf(why, why_size, "There is no such option, or it lacks its value; logctx-top --help lists them.");
        return false;
    }
}

static bool set_target(struct options *options, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0')
        options->file = text;
    else
        options->pid = (pid_t)strtol(text, NULL, 10);
    return options->file || options->pid > 0;
}

bool options_read(struct options *options, int argc, char **argv, char *why, size_t why_size)
{
    static const struct option known[] = {{"delay", required_argument, NULL, 'd'},
                                          {"once", no_argument, NULL, ONCE},
                                          {"json", no_argument, NULL, JSON},
                                          {"sort", required_argument, NULL, SORT},
                                          {"reverse", no_argument, NULL, REVERSE},
                                          {"limit", required_argument, NULL, LIMIT},
                                          {"kind", required_argument, NULL, KIND},
                                          {"filter", required_argument, NULL, FILTER},
                                          {"help", no_argument, NULL, HELP},
                                          {"version", no_argument, NULL, VERSION},
                                          {NULL, 0, NULL, 0}};
    *options = (struct options){.mode = MODE_SCREEN, .delay_ms = 2000};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "d:", known, NULL)) >= 0;) {
        if (!set_option(options, option, optarg, why, why_size))
            return false;
    }
    if (options->mode == MODE_HELP || options->mode == MODE_VERSION)
        return true;
    if (optind == argc) {
        if (options->mode == MODE_JSON)
            return snprintf(why, why_size, "--json needs a process or a file; logctx-top alone lists processes."),
                   false;
        options->mode = MODE_LIST;
        return true;
    }
    if (optind + 1 < argc || !set_target(options, argv[optind])) {
        snprintf(why, why_size, "Give one process id or one file; logctx-top --help says how.");
        return false;
    }
    return true;
}
