// SPDX-License-Identifier: Apache-2.0
// logctx-top: opens what the command line names, and shows it once or until `q`. One thread.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <logctx/base.h>

#include "print.h"
#include "screen.h"

enum { EXIT_USAGE = 2 };

// What the exit statuses are is in the help and in the man page.
static int status_of(enum source_result result)
{
    static const int statuses[] = {[SOURCE_GOOD] = 0,     [SOURCE_TROUBLE] = 1, [SOURCE_MISSING] = 3,
                                   [SOURCE_NO_TABLE] = 4, [SOURCE_REFUSED] = 5, [SOURCE_UNKNOWN] = 6};
    return statuses[result];
}

static enum source_result show_once(struct source *source, const struct options *options, char why[SOURCE_WHY])
{
    struct snapshot snapshot;
    enum source_result result = snapshot_take(&snapshot, source, why);
    if (result != SOURCE_GOOD)
        return result;
    if (options->mode == MODE_JSON)
        print_json(&snapshot, options, stdout);
    else
        print_table(&snapshot, options, stdout);
    snapshot_free(&snapshot);
    return SOURCE_GOOD;
}

static enum source_result show(struct options *options, char why[SOURCE_WHY])
{
    struct source *source;
    enum source_result result = options->file ? source_open_file(options->file, &source, why)
                                              : source_open_process(options->pid, &source, why);
    if (result != SOURCE_GOOD)
        return result;
    if (options->mode == MODE_SCREEN && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        result = screen_run(source, options, why);
    else
        result = show_once(source, options, why);
    source_close(source);
    return result;
}

static enum source_result list(char why[SOURCE_WHY])
{
    if (print_processes(stdout) > 0)
        return SOURCE_GOOD;
    snprintf(
        why, SOURCE_WHY,
        "There is no process that uses logctx, has made a context, and may be read by this user. Start one, or name "
        "the file of a table.");
    return SOURCE_NO_TABLE;
}

int main(int argc, char **argv)
{
    static struct options options;
    char why[SOURCE_WHY] = "";
    if (!options_read(&options, argc, argv, why, sizeof why)) {
        fprintf(stderr, "logctx-top: %s\n", why);
        return EXIT_USAGE;
    }
    text_begin();
    enum source_result result = SOURCE_GOOD;
    if (options.mode == MODE_HELP)
        fputs(options_help, stdout);
    else if (options.mode == MODE_VERSION)
        puts("logctx-top " LOGCTX_VERSION);
    else
        result = options.mode == MODE_LIST ? list(why) : show(&options, why);
    if (result == SOURCE_GOOD && (fflush(stdout) != 0 || ferror(stdout))) {
        snprintf(why, sizeof why, "The output could not be written: %s.", strerror(errno));
        result = SOURCE_TROUBLE;
    }
    text_end();
    if (result != SOURCE_GOOD)
        fprintf(stderr, "logctx-top: %s\n", why);
    return status_of(result);
}
