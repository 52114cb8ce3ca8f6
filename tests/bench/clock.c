// logctx-bench-clock: how exact the CPU time of contexts is. Each is compared with the kernel's clock of the thread, read
// around it; and whole runs, in which one context follows the other, with what that clock says of the run. Then the same for
// mixtures of computing, blocking and system time, by contexts that take turns; and user and
// system time of two kinds that differ. One thread; it needs the library's insides to take its blocking signal away.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16, ZEROS = 16384, PAUSE_NS = 200000, SLEEP_NS = 100000, NAP_NS = 50000 };

static bool bad;   // some figure is beyond its bound
static bool blind; // what blocks is hidden from the library
static int contexts = 1000;
static double loops_of_ns;

static int64_t clock_ns(clockid_t id)
{
    struct timespec at;
    clock_gettime(id, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static int64_t cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void spin(uint64_t loops)
{
    for (volatile uint64_t i = 0; i < loops; i++)
        ;
}

static void compute(int64_t ns)
{
    spin((uint64_t)((double)ns * loops_of_ns));
}

static void measure_spin(void)
{
    enum { LOOPS = 20000000 };
    int64_t began = cpu_ns();
    spin(LOOPS);
    loops_of_ns = LOOPS / (double)(cpu_ns() - began);
}

// What two readings one after the other are apart.
static int64_t reading_cost(void)
{
    enum { TIMES = 10000 };
    int64_t began = cpu_ns(), now = began;
    for (int i = 0; i < TIMES; i++)
        now = cpu_ns();
    return (now - began) / TIMES;
}

// ---- what happens in a context ----

static void pause_for(long ns)
{
    volatile uint64_t *word = logctx__cpu_word();
    uint64_t before = word ? *word : 0;
    struct timespec time = {0, ns};
    nanosleep(&time, NULL);
    if (blind && word)
        *word = before;
}

static void do_nothing(void)
{
}

static void do_sleep(void)
{
    pause_for(SLEEP_NS);
}

static void do_fault(void)
{
    char *pages = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return;
    for (int i = 0; i < PAGES; i++)
        ((volatile char *)pages)[i * PAGE] = 1;
    munmap(pages, (size_t)PAGES * PAGE);
}

static void handle(int signal)
{
    (void)signal;
}

static void do_signal(void)
{
    raise(SIGUSR1);
}

static void do_fork(void)
{
    volatile uint64_t *word = logctx__cpu_word();
    uint64_t before = word ? *word : 0;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    if (blind && word)
        *word = before;
}

static void run_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void do_migrate(void)
{
    run_on(sched_getcpu() == 0 ? 1 : 0);
}

static const struct {
    const char *name;
    void (*happen)(void);
} events[] = {{"-", do_nothing},     {"sleep", do_sleep}, {"page faults", do_fault},
              {"signal", do_signal}, {"fork", do_fork},   {"migration", do_migrate}};

// ---- one row ----

struct row {
    int64_t length;
    bool idle, rival, blind;
    size_t event;
};

static void work(const struct row *row)
{
    compute(row->length / 2);
    events[row->event].happen();
    compute(row->length - row->length / 2);
}

static logctx_t *make(void)
{
    return logctx_new(logctx_kind("exact"), NULL);
}

static int64_t end(logctx_t *ctx)
{
    logctx_usage_t own;
    logctx_get_usage(ctx, &own, NULL);
    logctx_finish(ctx);
    logctx_unref(ctx);
    return own.cpu_ns;
}

// Each context between two readings of the kernel's clock; what is between contexts runs in the sentinel.
static void compare_each(const struct row *row, int count, double *ours, double *theirs)
{
    int64_t cost = reading_cost(), charged = 0, said = 0;
    for (int i = 0; i < count; i++) {
        if (row->idle)
            pause_for(PAUSE_NS);
        logctx_t *ctx = make();
        cpu_ns(); // what is read after a pause is slow the first time
        int64_t from = cpu_ns();
        logctx_set_current(ctx);
        work(row);
        logctx_set_current(logctx_sentinel());
        said += cpu_ns() - from - cost;
        charged += end(ctx);
    }
    *ours = (double)charged / count;
    *theirs = (double)said / count;
}

// One context after the other, and, in an idle loop, one that waits in between. Both numbers are of the whole run.
static void compare_sum(const struct row *row, int count, double *ours, double *theirs)
{
    logctx_t *waiting = make(), *ctx = make();
    int64_t charged = 0;
    logctx_set_current(waiting);
    int64_t from = cpu_ns();
    for (int i = 0; i < count; i++) {
        if (row->idle) {
            logctx_set_current(waiting);
            pause_for(PAUSE_NS);
        }
        logctx_set_current(ctx);
        work(row);
        logctx_t *next = make();
        logctx_set_current(next);
        charged += end(ctx);
        ctx = next;
    }
    int64_t to = cpu_ns();
    logctx_set_current(logctx_sentinel());
    charged += end(ctx) + end(waiting);
    *ours = (double)charged;
    *theirs = (double)(to - from);
}

static pid_t start_rival(void)
{
    run_on(0);
    pid_t rival = fork();
    if (rival == 0)
        for (;;)
            spin(UINT64_MAX);
    return rival;
}

static void free_processor(pid_t rival, const cpu_set_t *all)
{
    if (rival > 0) {
        kill(rival, SIGKILL);
        waitpid(rival, NULL, 0);
    }
    sched_setaffinity(0, sizeof *all, all);
}

static const char *off(double ours, double theirs, double bound, char *text, size_t size)
{
    double percent = theirs > 0 ? 100 * (ours / theirs - 1) : 0;
    bool beyond = percent > bound || percent < -bound;
    bad = bad || beyond;
    snprintf(text, size, "%+.2f %%%s", percent, beyond ? " !" : "");
    return text;
}

static void measure(const struct row *row)
{
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    enum cpu_mode mode = logctx__cpu_probe();
    if (row->blind)
        logctx__cpu_force(CPU_PREEMPTION);
    blind = row->blind;
    logctx_set_clock(NULL); // begins anew
    pid_t rival = row->rival ? start_rival() : 0;
    double ours, theirs, sum, sum_theirs;
    char mean_off[32], sum_off[32];
    compare_each(row, contexts, &ours, &theirs);
    compare_sum(row, contexts, &sum, &sum_theirs);
    free_processor(rival, &all);
    blind = false;
    if (row->blind)
        logctx__cpu_force(mode);
    printf("| %g us | %s | %s | %s | %s | %.2f | %.2f | %s | %s |\n", (double)row->length / 1000,
           row->idle ? "idle" : "busy", row->rival ? "yes" : "no", events[row->event].name, row->blind ? "off" : "on",
           ours / 1000, theirs / 1000, off(ours, theirs, 3, mean_off, sizeof mean_off),
           off(sum, sum_theirs, 0.5, sum_off, sizeof sum_off));
    fflush(stdout);
}

static void measure_all(void)
{
    static const int64_t lengths[] = {5000, 50000, 500000, 5000000};
    printf("| contexts of | loop | rival | in each | blocking signal | us, ours | us, thread clock | off | sum off |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int idle = 0; idle < 2; idle++)
            for (int rival = 0; rival < 2; rival++)
                measure(&(struct row){lengths[i], idle, rival, false, 0});
    for (size_t event = 1; event < sizeof events / sizeof *events; event++)
        for (size_t i = 1; i < 3; i++)
            measure(&(struct row){lengths[i], true, false, false, event});
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int idle = 0; idle < 2; idle++)
            measure(&(struct row){lengths[i], idle, false, true, 0});
    for (size_t i = 1; i < 3; i++)
        measure(&(struct row){lengths[i], true, false, true, 1});
}

// ---- mixtures ----

// What a slice does, and what lies between two; some contexts take turns by chance.
struct mixture {
    const char *name;
    int contexts;
    void (*slice)(unsigned *seed);
    void (*between)(void); // in the sentinel
};

static int64_t any_ns(unsigned *seed, int64_t from, int64_t to)
{
    return from + (int64_t)((double)rand_r(seed) / ((double)RAND_MAX + 1) * (double)(to - from));
}

static ssize_t read_zero(size_t length)
{
    static char buffer[ZEROS];
    static int zeros = -1;
    if (zeros < 0)
        zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    return read(zeros, buffer, length);
}

static void nap(void)
{
    pause_for(NAP_NS);
}

static void burst(unsigned *seed)
{
    compute(any_ns(seed, 1000, 3000));
}

static void turn(unsigned *seed)
{
    compute(any_ns(seed, 1000, 40000));
}

static void fault_burst(unsigned *seed)
{
    do_fault();
    compute(any_ns(seed, 1000, 3000));
}

// Computing, system time, faults and sleeps, one after the other by chance.
static void anything(unsigned *seed)
{
    for (int64_t steps = any_ns(seed, 1, 7); steps > 0; steps--)
        switch (any_ns(seed, 0, 5)) {
        case 0:
            nap();
            break;
        case 1:
            read_zero((size_t)any_ns(seed, 1, ZEROS));
            break;
        case 2:
            do_fault();
            break;
        default:
            compute(any_ns(seed, 500, 30000));
        }
}

static const struct mixture mixtures[] = {
    {"bursts of 1 to 3 us", 1, burst, do_nothing},
    {"the same, a sleep of 50 us between", 1, burst, nap},
    {"1 to 40 us, 200 contexts in turns", 200, turn, do_nothing},
    {"the same, a sleep of 50 us between", 200, turn, nap},
    {"16 page faults and 1 to 3 us", 1, fault_burst, do_nothing},
    {"the same, a sleep of 50 us between", 1, fault_burst, nap},
    {"computing, /dev/zero, faults, sleeps", 1, anything, do_nothing},
    {"the same, 200 contexts in turns", 200, anything, do_nothing},
    {"the same, a sleep of 50 us between", 200, anything, nap},
};

static int64_t end_all(logctx_t **all, int count)
{
    int64_t charged = 0;
    for (int i = 0; i < count; i++)
        charged += end(all[i]);
    return charged;
}

// Each slice between two readings; all of a context's slices are its CPU time.
static void mix_each(const struct mixture *mixture, int slices, logctx_t **all, double *ours, double *theirs)
{
    unsigned seed = 1;
    int64_t cost = reading_cost(), said = 0;
    for (int i = 0; i < slices; i++) {
        mixture->between();
        logctx_t *ctx = all[any_ns(&seed, 0, mixture->contexts)];
        cpu_ns(); // what is read after a pause is slow the first time
        int64_t from = cpu_ns();
        logctx_set_current(ctx);
        mixture->slice(&seed);
        logctx_set_current(logctx_sentinel());
        said += cpu_ns() - from - cost;
    }
    *ours = (double)end_all(all, mixture->contexts) / slices;
    *theirs = (double)said / slices;
}

// From one context to the next; what is between belongs to a context that waits.
static void mix_sum(const struct mixture *mixture, int slices, logctx_t **all, double *ours, double *theirs)
{
    unsigned seed = 2;
    logctx_t *waiting = make();
    logctx_set_current(waiting);
    int64_t from = cpu_ns();
    for (int i = 0; i < slices; i++) {
        if (mixture->between != do_nothing) {
            logctx_set_current(waiting);
            mixture->between();
        }
        logctx_set_current(all[any_ns(&seed, 0, mixture->contexts)]);
        mixture->slice(&seed);
    }
    int64_t to = cpu_ns();
    logctx_set_current(logctx_sentinel());
    *ours = (double)(end_all(all, mixture->contexts) + end(waiting));
    *theirs = (double)(to - from);
}

static void make_all(const struct mixture *mixture, logctx_t **all)
{
    for (int i = 0; i < mixture->contexts; i++)
        all[i] = make();
}

static void measure_mixture(const struct mixture *mixture)
{
    enum { MOST = 200 };
    logctx_t *all[MOST];
    int slices = contexts * 10;
    double ours, theirs, sum, sum_theirs;
    char mean_off[32], sum_off[32];
    logctx_set_clock(NULL); // begins anew
    make_all(mixture, all);
    mix_each(mixture, slices, all, &ours, &theirs);
    make_all(mixture, all);
    mix_sum(mixture, slices, all, &sum, &sum_theirs);
    printf("| %s | %.2f | %.2f | %s | %s |\n", mixture->name, ours / 1000, theirs / 1000,
           off(ours, theirs, 3, mean_off, sizeof mean_off), off(sum, sum_theirs, 0.5, sum_off, sizeof sum_off));
    fflush(stdout);
}

static void measure_mixtures(void)
{
    printf("\n| slices of | us, ours | us, thread clock | off | sum off |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof mixtures / sizeof *mixtures; i++)
        measure_mixture(&mixtures[i]);
}

// ---- user and system time ----

static void read_zeros(int64_t ns)
{
    int64_t end_at = clock_ns(CLOCK_MONOTONIC) + ns;
    while (clock_ns(CLOCK_MONOTONIC) < end_at)
        if (read_zero(ZEROS) < 0)
            return;
}

struct shares {
    double user[2]; // of the computing kind, of the reading one
};

static void take_series(void *user, const logctx_series_t *series)
{
    struct shares *shares = user;
    int kind = strncmp(series->kind, "computing", 9) == 0 ? 0 : strncmp(series->kind, "reading", 7) == 0 ? 1 : -1;
    if (kind >= 0 && series->usage.cpu_ns > 0 && shares->user[kind] < 0)
        shares->user[kind] = (double)series->usage.cpu_user_ns / (double)series->usage.cpu_ns;
}

static void take_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    (void)loop;
}

static void measure_split(int64_t length, bool idle, int64_t run_ns, int number)
{
    char names[2][32];
    snprintf(names[0], sizeof names[0], "computing-%d", number);
    snprintf(names[1], sizeof names[1], "reading-%d", number);
    int64_t end_at = clock_ns(CLOCK_MONOTONIC) + run_ns;
    unsigned seed = 1;
    while (clock_ns(CLOCK_MONOTONIC) < end_at) {
        int kind = rand_r(&seed) & 1;
        logctx_t *ctx = logctx_new(logctx_kind(names[kind]), NULL);
        logctx_set_current(ctx);
        if (kind)
            read_zeros(length);
        else
            compute(length);
        logctx_set_current(logctx_sentinel());
        end(ctx);
        if (idle) {
            logctx_poll_begin();
            pause_for(PAUSE_NS);
            logctx_poll_end();
        }
    }
    struct shares shares = {{-1, -1}};
    logctx_collect(&(logctx_collector_t){.series = take_series, .loop = take_loop, .user = &shares}); // newest first
    bool beyond = shares.user[0] < 0.90 || shares.user[1] > 0.35;
    bad = bad || beyond;
    printf("| %g us | %s | %.1f %% | %.1f %% |%s\n", (double)length / 1000, idle ? "idle" : "busy",
           100 * shares.user[0], 100 * (1 - shares.user[1]), beyond ? " !" : "");
    fflush(stdout);
}

static void measure_splits(int64_t run_ns)
{
    static const int64_t lengths[] = {20000, 200000, 1000000, 5000000, 20000000};
    int number = 0;
    printf("\n| contexts of | loop | computing: user | reading /dev/zero: system |\n| --- | --- | --- | --- |\n");
    for (int idle = 0; idle < 2; idle++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            measure_split(lengths[i], idle, run_ns, number++);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"contexts", required_argument, NULL, 'c'}, {"only", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    const char *only = "";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        only = option == 'o' ? optarg : only;
        contexts = option == 'c' ? atoi(optarg) : option == 'o' ? contexts : 0;
        if (contexts <= 0) {
            fputs("usage: logctx-bench-clock [--contexts NUMBER] [--only total|mix|split]\n", stderr);
            return 2;
        }
    }
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGUSR1, &action, NULL);
    measure_spin();
    printf("clock: %s\n\n", logctx_cpu_clock_name());
    if (!*only || strcmp(only, "total") == 0)
        measure_all();
    if (!*only || strcmp(only, "mix") == 0)
        measure_mixtures();
    if (!*only || strcmp(only, "split") == 0)
        measure_splits((int64_t)contexts * 5000000);
    return bad ? 1 : 0;
}
