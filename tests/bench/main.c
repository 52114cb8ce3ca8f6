// logctx-bench: what operations cost, as ratios to a floor that is measured in turns with them. A line for each, as a table
// or as JSON.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROUNDS = 31, BATCH_NS = 2000000, QUICK_ROUNDS = 3, QUICK_BATCH_NS = 1000, THREADS_MAX = 2 };

bool bench_is_quick;

static const bench_op_t *const subjects[] = {
    bench_switch_ops, bench_async_ops,    bench_span_ops,   bench_metrics_ops, bench_memory_ops,
#ifdef BENCH_EXPORTER
    bench_encode_ops, bench_delivery_ops, bench_weight_ops,
#endif
};
enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t bench_thread_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t bench_process_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void read_thread_clock(uint64_t times)
{
    struct timespec at;
    for (uint64_t i = 0; i < times; i++)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
}

static void read_rusage(uint64_t times)
{
    struct rusage usage;
    for (uint64_t i = 0; i < times; i++)
        getrusage(RUSAGE_THREAD, &usage);
}

const bench_floor_t bench_thread_clock = {"thread_clock", read_thread_clock};
const bench_floor_t bench_getrusage = {"getrusage", read_rusage};

static uint64_t time_of(void (*run)(uint64_t), uint64_t times)
{
    uint64_t began = bench_thread_ns();
    run(times);
    return bench_thread_ns() - began;
}

// How often it has to run for a batch of a length that can be measured.
static uint64_t batch_size(void (*run)(uint64_t))
{
    uint64_t times = 16, enough = bench_is_quick ? QUICK_BATCH_NS : BATCH_NS;
    while (time_of(run, times) < enough && times < UINT64_C(1) << 32)
        times *= 2;
    return times;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

double bench_median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

// One measurement: what its threads share, and what each of them found.
struct measurement {
    const bench_op_t *op;
    const bench_floor_t *floor;
    pthread_barrier_t together;
    double ns[THREADS_MAX], floor_ns[THREADS_MAX];
    uint64_t times[THREADS_MAX];
    uint64_t allocations; // while operations ran, not floors
};

struct worker {
    struct measurement *measurement;
    unsigned number;
    pthread_t thread;
};

// In turns, so that what disturbs the machine disturbs both; the threads at the same time, for they may disturb each other.
static void *work(void *user)
{
    struct worker *worker = user;
    struct measurement *all = worker->measurement;
    const bench_op_t *op = all->op;
    unsigned rounds = bench_is_quick ? QUICK_ROUNDS : ROUNDS;
    double costs[ROUNDS], floors[ROUNDS];
    if (op->begin)
        op->begin();
    uint64_t times = batch_size(op->run), floor_times = batch_size(all->floor->run);
    pthread_barrier_wait(&all->together);
    uint64_t before = bench_allocations();
    for (unsigned i = 0; i < rounds; i++) {
        pthread_barrier_wait(&all->together);
        costs[i] = (double)time_of(op->run, times) / (double)times;
        pthread_barrier_wait(&all->together);
        floors[i] = (double)time_of(all->floor->run, floor_times) / (double)floor_times;
    }
    pthread_barrier_wait(&all->together);
    if (worker->number == 0)
        all->allocations = bench_allocations() - before;
    pthread_barrier_wait(&all->together);
    if (op->end)
        op->end();
    all->ns[worker->number] = bench_median(costs, rounds);
    all->floor_ns[worker->number] = bench_median(floors, rounds);
    all->times[worker->number] = times * rounds;
    return NULL;
}

static double mean(const double *values, unsigned count)
{
    double sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

static void measure(const bench_op_t *op, bench_row_t *row)
{
    struct measurement all = {.op = op, .floor = op->floor ? op->floor : &bench_thread_clock};
    struct worker workers[THREADS_MAX];
    if (op->prepare)
        op->prepare();
    pthread_barrier_init(&all.together, NULL, row->threads);
    for (unsigned i = 0; i < row->threads; i++) {
        workers[i] = (struct worker){.measurement = &all, .number = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            fputs("logctx-bench: no thread could be made.\n", stderr);
            exit(1);
        }
    }
    uint64_t times = 0;
    for (unsigned i = 0; i < row->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        times += all.times[i];
    }
    pthread_barrier_destroy(&all.together);
    row->ns = mean(all.ns, row->threads);
    row->floor = all.floor->name;
    row->floor_ns = mean(all.floor_ns, row->threads);
    row->allocs = (double)all.allocations / (double)times;
    if (op->extra)
        op->extra(row);
    if (op->done)
        op->done();
}

static void print_number(const char *key, double value, int digits)
{
    if (isnan(value))
        printf("\"%s\": null, ", key);
    else
        printf("\"%s\": %.*f, ", key, digits, value);
}

static void print_json(const bench_row_t *row)
{
    printf("{\"name\": \"%s\", \"threads\": %u, ", row->name, row->threads);
    print_number("ns", row->ns, 2);
    if (row->floor)
        printf("\"floor\": \"%s\", ", row->floor);
    else
        printf("\"floor\": null, ");
    print_number("floor_ns", row->floor_ns, 2);
    print_number("ratio", row->ns / row->floor_ns, 4);
    if (isnan(row->allocs))
        printf("\"allocs\": null");
    else
        printf("\"allocs\": %.4f", row->allocs);
    printf("%s%s}\n", row->extra[0] ? ", " : "", row->extra);
}

static void print_line(const bench_row_t *row)
{
    printf("%-22s %u ", row->name, row->threads);
    if (isnan(row->ns))
        printf("%13s ", "");
    else
        printf("%10.1f ns ", row->ns);
    if (row->floor && !isnan(row->floor_ns))
        printf(" %8.3f of %s (%.0f ns)", row->ns / row->floor_ns, row->floor, row->floor_ns);
    if (!isnan(row->allocs))
        printf("  %.4f allocations", row->allocs);
    printf("  %s\n", row->extra);
}

static bool run_row(const bench_op_t *op, unsigned threads, bool json)
{
    bench_row_t row = {.name = op->name, .threads = threads, .ns = NAN, .floor_ns = NAN, .allocs = NAN};
    if (op->figure)
        op->figure(&row);
    else
        measure(op, &row);
    (json ? print_json : print_line)(&row);
    fflush(stdout);
    return !row.extra[0] || !strstr(row.extra, "\"error\"");
}

static int usage(void)
{
    fputs("usage: logctx-bench [--json] [--quick] [--list] [--filter PART-OF-A-NAME]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"quick", no_argument, NULL, 'q'},
                                            {"list", no_argument, NULL, 'l'},
                                            {"filter", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    bool json = false, list = false, good = true;
    const char *filter = "";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return usage();
        json = json || option == 'j';
        list = list || option == 'l';
        bench_is_quick = bench_is_quick || option == 'q';
        filter = option == 'f' ? optarg : filter;
    }
    if (optind < argc)
        return usage();
    int rows = 0;
    for (unsigned subject = 0; subject < SUBJECTS; subject++)
        for (const bench_op_t *op = subjects[subject]; op->name; op++)
            for (unsigned threads = 1; strstr(op->name, filter) && threads <= (op->two ? 2u : 1u); threads++, rows++) {
                if (list)
                    printf("%s %u\n", op->name, threads);
                else
                    good = run_row(op, threads, json) && good;
            }
    if (rows == 0)
        fprintf(stderr, "logctx-bench: no row has '%s' in its name; --list shows them.\n", filter);
    return rows > 0 && good ? 0 : 1;
}
