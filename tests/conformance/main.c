// SPDX-License-Identifier: Apache-2.0
// logctx-conformance: runs scenarios of recorded behaviour on the library, and says where the library
// differs. The first thread reads, runs and compares, one scenario after the other; expectations are not
// looked at before a scenario has run.

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "run.h"

typedef struct settings {
    bool trace;
    bool verbose;
    const char *group; // NULL: all
    const char *id;    // NULL: all
} settings_t;

typedef struct tally {
    unsigned passed;
    unsigned failed;
} tally_t;

static const char usage[] =
    "Usage: logctx-conformance [OPTION]... FILE.jsonl...\n"
    "Runs the scenarios of each FILE on logctx, prints each difference, and last\n"
    "\"N passed, M failed, 0 skipped\": every op is carried out.\n"
    "\n"
    "      --trace         print what the library did, one line of JSON a scenario, and compare nothing\n"
    "      --only-group G  only the scenarios of this group\n"
    "      --id ID         only the scenario of this id\n"
    "      --verbose       one line for each scenario: passed or failed\n"
    "      --help          this text\n"
    "\n"
    "Exit status: 0 if nothing failed, 1 if something did, 2 if it could not run at all.\n";

static void note(const settings_t *settings, const char *verdict, const char *id)
{
    if (settings->verbose) {
        fprintf(settings->trace ? stderr : stdout, "%s %s\n", verdict, id);
    }
}

// What came of a scenario that could be run to its end.
static bool judge(const settings_t *settings, const run_t *run, const scenario_t *scenario)
{
    if (settings->trace) {
        trace_print(&run->trace, scenario->id, stdout);
        return true;
    }
    if (!scenario->expect) {
        printf("%s: it has no \"expect\" to compare with; use --trace.\n", scenario->id);
        return false;
    }
    return trace_compare(&run->trace, scenario->expect, scenario->id, stdout);
}

static void run_one(const settings_t *settings, const scenario_t *scenario, tally_t *tally)
{
    run_t run;

    bool passed = run_scenario(&run, scenario);
    if (passed) {
        passed = judge(settings, &run, scenario);
    } else {
        fprintf(settings->trace ? stderr : stdout, "%s: %s\n", scenario->id, run.problem);
    }
    run_close(&run);
    *(passed ? &tally->passed : &tally->failed) += 1;
    note(settings, passed ? "passed" : "failed", scenario->id);
}

static bool wanted(const settings_t *settings, const scenario_t *scenario)
{
    return (!settings->group || strcmp(settings->group, scenario->group) == 0) &&
           (!settings->id || strcmp(settings->id, scenario->id) == 0);
}

static void run_line(const settings_t *settings, const char *file, unsigned number, const char *line, size_t length,
                     tally_t *tally)
{
    scenario_t scenario;
    char problem[256];

    if (!scenario_read(&scenario, line, length, problem, sizeof problem)) {
        fprintf(stderr, "%s:%u: %s\n", file, number, problem);
        tally->failed++;
        return;
    }
    if (wanted(settings, &scenario)) {
        run_one(settings, &scenario, tally);
    }
    scenario_close(&scenario);
}

static bool run_file(const settings_t *settings, const char *file, tally_t *tally)
{
    FILE *in = fopen(file, "re");
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;

    if (!in) {
        fprintf(stderr, "%s: it cannot be opened: %s.\n", file, strerror(errno));
        return false;
    }
    for (ssize_t length; (length = getline(&line, &capacity, in)) >= 0;) {
        run_line(settings, file, ++number, line, (size_t)length, tally);
    }
    bool complete = !ferror(in);
    if (!complete) {
        fprintf(stderr, "%s: it cannot be read to its end: %s.\n", file, strerror(errno));
    }
    free(line);
    fclose(in);
    return complete;
}

// Exits for --help and for what it does not understand.
static int read_options(int argc, char **argv, settings_t *settings)
{
    static const struct option options[] = {
        {"trace", no_argument, NULL, 't'},
        {"verbose", no_argument, NULL, 'v'},
        {"only-group", required_argument, NULL, 'g'},
        {"id", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 't':
            settings->trace = true;
            break;
        case 'v':
            settings->verbose = true;
            break;
        case 'g':
            settings->group = optarg;
            break;
        case 'i':
            settings->id = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind == argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return optind;
}

static int conclude(const settings_t *settings, const tally_t *tally, bool complete)
{
    bool none = tally->passed + tally->failed == 0;

    if (none && complete) {
        fputs("logctx-conformance: no scenario in these files has that id or group.\n", stderr);
    }
    // A trace is for a program to compare: nothing but its lines may be on standard output.
    fprintf(settings->trace ? stderr : stdout, "%u passed, %u failed, 0 skipped\n", tally->passed, tally->failed);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("logctx-conformance: standard output cannot be written.\n", stderr);
        return 2;
    }
    return !complete || none ? 2 : tally->failed > 0;
}

int main(int argc, char **argv)
{
    settings_t settings = {0};
    tally_t tally = {0};
    bool complete = true;
    int first = read_options(argc, argv, &settings);

    if (!clock_install()) {
        fputs("logctx-conformance: the library did not accept the test's clock.\n", stderr);
        return 2;
    }
    for (int i = first; i < argc; i++) {
        complete = run_file(&settings, argv[i], &tally) && complete;
    }
    clock_close();
    return conclude(&settings, &tally, complete);
}
