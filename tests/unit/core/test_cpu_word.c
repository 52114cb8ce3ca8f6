/*
 * test_cpu_word.c: the CPU clock on this machine, beside others who use the same word of the thread: signals, forks, critical
 * sections, threads, other clocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include "types.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void burn(void)
{
    for (volatile int i = 0; i < 20000; i++)
        ;
}

static void test_the_name_says_the_mode(void **state)
{
    (void)state;
    const char *name = logctx_cpu_clock_name();
    switch (logctx__cpu_probe()) {
    case CPU_THREAD_CLOCK:
        assert_string_equal(name, "thread clock");
        break;
    case CPU_PREEMPTION:
        assert_non_null(strstr(name, ", preemption only"));
        break;
    case CPU_FULL:
        assert_null(strchr(name, ','));
        assert_ptr_equal(strstr(name, "rseq+"), name);
        break;
    }
}

// A word in memory of ours, as under valgrind, which has no rseq: the kernel is asked far less often than switches come.
static unsigned asked_really;
static bool (*really)(int64_t *ns);
static bool ask_really(int64_t *ns)
{
    asked_really++;
    return really(ns);
}

static void test_a_word_elsewhere(void **state)
{
    (void)state;
    static volatile uint64_t mine;
    enum cpu_mode mode = logctx__cpu_probe();
    really = logctx__cpu_source.total;
    logctx__cpu_source.total = ask_really;
    logctx__cpu_aim(&mine);
    logctx__cpu_force(CPU_FULL);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
    bool counts = logctx__cpu_probe() == CPU_FULL; // not on a processor without a counter
    logctx_t *a = make("word", "a"), *b = make("word", "b");
    assert_true(!counts || mine == logctx__cpu_source.mark);
    for (int i = 0; i < 20000; i++)
        logctx_set_current(i & 1 ? a : b);
    mine = 0;
    burn();
    logctx_set_current(logctx_sentinel());
    assert_true(own_of(a).cpu_ns > 0);
    assert_true(!counts || mine == logctx__cpu_source.mark);
    // One context longer than that would not be believed without the kernel, so it had been asked.
    assert_true(asked_really > 0);
    end(a);
    end(b);
    logctx__cpu_source.total = really;
    logctx__cpu_aim(NULL);
    logctx__cpu_force(mode);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
}

// Everything this thread did is in contexts or outside of them.
static void check_the_books(void)
{
    struct thread *thread = logctx__tls.thread;
    int64_t before, now, after;
    assert_true(logctx__read_cpu_of(thread, &before));
    assert_true(logctx__read_cpu_now(thread, &now));
    assert_true(logctx__read_cpu_of(thread, &after));
    assert_true(before <= now && now <= after);
    assert_int_equal(thread->cpu.total + thread->cpu.to_kernel, now);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static void test_a_signal(void **state)
{
    (void)state;
    struct sigaction ours = {.sa_handler = count_signal}, before;
    sigaction(SIGUSR1, &ours, &before);
    logctx_t *ctx = make("signal", "s");
    logctx_set_current(ctx);
    burn();
    signals = 0;
    raise(SIGUSR1);
    bool cleared = *logctx__tls.thread->cpu.word != logctx__cpu_source.mark;
    burn();
    logctx_set_current(logctx_sentinel());
    assert_int_equal(signals, 1);
    assert_true(cleared);
    assert_true(own_of(ctx).cpu_ns > 0);
    end(ctx);
    sigaction(SIGUSR1, &before, NULL);
    check_the_books();
}

static void test_a_child(void **state)
{
    (void)state;
    logctx_t *ctx = make("fork", "f");
    logctx_set_current(ctx);
    burn();
    logctx_set_current(logctx_sentinel());
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        logctx_t *own = logctx_new(logctx_kind("fork"), NULL);
        logctx_set_current(own);
        burn();
        logctx_set_current(logctx_sentinel());
        logctx_usage_t usage;
        logctx_get_usage(own, &usage, NULL);
        _exit(usage.cpu_ns > 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    end(ctx);
    check_the_books();
}

#if defined(__x86_64__)
// A critical section of somebody else, who leaves his descriptor behind: adds 1 in one piece, or begins again.
static void add_critically(volatile uint64_t *word, uint64_t *cell)
{
    __asm__ volatile(".pushsection .data.rel, \"aw\"\n\t"
                     ".balign 32\n"
                     "1:\n\t"
                     ".long 0, 0\n\t"
                     ".quad 3f, 4f - 3f, 5f\n\t"
                     ".popsection\n"
                     "2:\n\t"
                     "leaq 1b(%%rip), %%rax\n\t"
                     "movq %%rax, %[word]\n"
                     "3:\n\t"
                     "movq %[cell], %%rax\n\t"
                     "addq $1, %%rax\n\t"
                     "movq %%rax, %[cell]\n"
                     "4:\n\t"
                     "jmp 6f\n\t"
                     ".byte 0x0f, 0xb9, 0x3d\n\t"
                     ".long 0x53053053\n"
                     "5:\n\t"
                     "jmp 2b\n"
                     "6:\n"
                     : [word] "+m"(*word), [cell] "+m"(*cell)
                     :
                     : "rax", "cc", "memory");
}

// Interrupted by signals all the time, so that the kernel looks at what is in the word.
static void test_a_critical_section_of_others(void **state)
{
    (void)state;
    struct sigaction ours = {.sa_handler = count_signal};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    static volatile uint64_t mine; // where threads have none
    volatile uint64_t *word = logctx__cpu_word() ? logctx__cpu_word() : &mine;
    logctx_t *ctx = make("critical", "c");
    uint64_t cell = 0, times = 0;
    sigaction(SIGALRM, &ours, NULL); // for good: a last one may come late
    signals = 0;
    setitimer(ITIMER_REAL, &often, NULL);
    while (signals < 200) {
        logctx_set_current(ctx);
        add_critically(word, &cell);
        logctx_set_current(logctx_sentinel());
        add_critically(word, &cell);
        times += 2;
    }
    setitimer(ITIMER_REAL, &never, NULL);
    assert_int_equal(cell, times);
    assert_true(own_of(ctx).cpu_ns > 0);
    end(ctx);
    check_the_books();
}
#endif

static void *run_thread(void *user)
{
    logctx_t *ctx = make("thread", user);
    for (int i = 0; i < 1000; i++) {
        logctx_set_current(ctx);
        if (i % 100 == 0)
            burn();
        logctx_set_current(logctx_sentinel());
    }
    bool charged = own_of(ctx).cpu_ns > 0;
    end(ctx);
    return charged ? user : NULL;
}

static void take_series(void *user, const logctx_series_t *series)
{
    (void)user;
    (void)series;
}

static void take_loop(void *user, const logctx_loop_sums_t *loop)
{
    (void)user;
    assert_true(loop->unattributed_cpu_ns >= 0);
}

static void test_threads_and_collections(void **state)
{
    (void)state;
    pthread_t threads[3];
    static char names[3][2] = {"a", "b", "c"};
    const logctx_collector_t collector = {.series = take_series, .loop = take_loop};
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_thread, names[i]), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(logctx_collect(&collector), LOGCTX_OK);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, names[i]);
    }
}

// A thread that was there while tests had their own clock.
static void *use_after_change(void *user)
{
    pthread_barrier_t *barrier = user;
    logctx_set_default_server(NULL);
    logctx_set_current(logctx_sentinel());
    logctx_loop_check();
    end(make("change", "before"));
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    logctx_t *ctx = make("change", "after");
    logctx_set_current(ctx);
    burn();
    logctx_set_current(logctx_sentinel());
    int64_t cpu_ns = own_of(ctx).cpu_ns;
    end(ctx);
    return (void *)(intptr_t)cpu_ns;
}

static int64_t after_change(const logctx_clock_t *before, const logctx_clock_t *after)
{
    pthread_t thread;
    pthread_barrier_t barrier;
    void *result;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(logctx_set_clock(before), LOGCTX_OK);
    assert_int_equal(pthread_create(&thread, NULL, use_after_change, &barrier), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(logctx_set_clock(after), LOGCTX_OK);
    pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, &result), 0);
    pthread_barrier_destroy(&barrier);
    return (int64_t)(intptr_t)result;
}

static void test_a_change_of_the_clock_reaches_other_threads(void **state)
{
    (void)state;
    assert_true(after_change(logctx_clock("fake"), NULL) > 0);
    assert_int_equal(after_change(NULL, logctx_clock("fake")), 0);
    assert_int_equal(logctx_set_clock(NULL), LOGCTX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test_real(test_the_name_says_the_mode),
        core_test_real(test_a_word_elsewhere),
        core_test_real(test_a_signal),
        core_test_real(test_a_child),
#if defined(__x86_64__)
        core_test_real(test_a_critical_section_of_others),
#endif
        core_test_real(test_threads_and_collections),
        core_test_real(test_a_change_of_the_clock_reaches_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
