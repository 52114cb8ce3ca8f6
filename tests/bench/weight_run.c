// Starts two programs in turns, and prints the medians: ns and most bytes of the one, and of the other. A program of its
// own, because the system counts the memory of who starts a program with that program's.
//     logctx-bench-weight-run RUNS PROGRAM OTHER-PROGRAM ENDPOINT
//
// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 1001 };

// From the start to the end of the program, and the most memory that it had at a time.
static bool run(const char *program, const char *endpoint, double *ns, double *bytes)
{
    struct timespec began, ended;
    struct rusage usage;
    int status = 0;
    clock_gettime(CLOCK_MONOTONIC, &began);
    pid_t child = vfork();
    if (child == 0) {
        execl(program, program, endpoint, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    *ns = (double)(ended.tv_sec - began.tv_sec) * 1e9 + (double)(ended.tv_nsec - began.tv_nsec);
    *bytes = (double)usage.ru_maxrss * 1024;
    return true;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static double ns[2][RUNS_MAX], bytes[2][RUNS_MAX];
    int runs = argc == 5 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > RUNS_MAX)
        return 2;
    for (int i = 0; i < runs; i++)
        for (int which = 0; which < 2; which++)
            if (!run(argv[2 + which], argv[4], &ns[which][i], &bytes[which][i])) {
                fprintf(stderr, "%s failed.\n", argv[2 + which]);
                return 1;
            }
    for (int which = 0; which < 2; which++)
        printf("%.0f %.0f\n", median(ns[which], runs), median(bytes[which], runs));
    return 0;
}
