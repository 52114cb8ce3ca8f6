/*
 * test_cpu_clock.c: the CPU clock that seldom asks the kernel: with a word, a counter and a kernel of our own, where one
 * count is a nanosecond. (Those of this machine: test_cpu_word.c.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include "types.h"

enum { MARK = 0x1000, TICK_NS = 4000000, SHORT = 5000, LONG = 50000, TURN = 8000 };

// ---- a machine of our own ----

static struct {
    uint64_t counter;
    int64_t kernel;
    struct cpu_parts parts;
    uint64_t tick;
    bool broken, parts_broken;
    unsigned asked, parts_asked, ticks_asked, tuned;
    volatile uint64_t word;
} machine;

static uint64_t read_counter(void)
{
    return machine.counter;
}

static bool read_total(int64_t *ns)
{
    machine.asked++;
    *ns = machine.kernel;
    return !machine.broken;
}

// As the kernel does it when it is asked: the exact total, split by the ratio of the ticks so far, and neither part goes down.
static struct {
    double user, system; // ticks; 0: a test sets the parts itself
} counted;

static void split_as_the_kernel(void)
{
    double total = (double)machine.kernel, ticks = counted.user + counted.system;
    int64_t system = ticks > 0 ? (int64_t)(total * counted.system / ticks) : 0;
    if (system < machine.parts.system)
        system = machine.parts.system;
    if (machine.kernel - system < machine.parts.user)
        system = machine.kernel - machine.parts.user;
    machine.parts.system = system / 1000 * 1000; // it tells microseconds
    machine.parts.user = (machine.kernel - system) / 1000 * 1000;
}

static bool read_parts(struct cpu_parts *parts)
{
    machine.parts_asked++;
    if (counted.user > 0)
        split_as_the_kernel();
    *parts = machine.parts;
    return !machine.parts_broken;
}

static uint64_t read_tick(void)
{
    machine.ticks_asked++;
    return machine.tick;
}

static void tune(uint64_t counter)
{
    assert_int_equal(counter, machine.counter);
    machine.tuned++;
}

static struct cpu_source source;
static struct cpu_clock cpu;
static int64_t user_before, system_before;

static int set_up(void **state)
{
    (void)state;
    memset((void *)&machine, 0, sizeof machine);
    counted.user = counted.system = 0;
    machine.counter = 1000000000;
    machine.kernel = 70000000;
    machine.tick = TICK_NS;
    memset((void *)&source, 0, sizeof source);
    source.counter = read_counter;
    source.total = read_total;
    source.parts = read_parts;
    source.monotonic = read_counter;
    source.tick = read_tick;
    source.tune = tune;
    source.tick_ns = TICK_NS;
    source.mark = MARK;
    source.scale = UINT64_C(1) << 32;
    source.mode = CPU_FULL;
    logctx__cpu_clock_begin(&cpu, &source, &machine.word);
    assert_int_equal(machine.word, MARK);
    return 0;
}

// The thread runs undisturbed.
static void run(int64_t ns)
{
    machine.counter += (uint64_t)ns;
    machine.kernel += ns;
}

// It is somewhere else, and the kernel clears the word.
static void lose_processor(int64_t ns)
{
    machine.counter += (uint64_t)ns;
    machine.word = 0;
}

// As a switch reads: what ran since the last reading, in a context or outside.
static logctx_cpu_reading_t look(enum cpu_how how)
{
    logctx_cpu_reading_t reading;
    uint64_t monotonic;
    if (!cpu_clock_fast(&cpu, source.mark, machine.counter, &reading, &monotonic))
        assert_true(logctx__cpu_clock_read(&cpu, &source, machine.counter, how, &reading, &monotonic));
    assert_int_equal(monotonic, machine.counter);
    assert_int_equal(machine.word, source.mark == CPU_NO_MARK ? machine.word : source.mark);
    return reading;
}

// What a context is charged that starts now, and in which `body` happens.
static int64_t charged(void (*body)(void))
{
    logctx_cpu_reading_t start = look(CPU_SENTINEL);
    body();
    logctx_cpu_reading_t stop = look(CPU_CONTEXT);
    user_before = stop.user_ns - start.user_ns;
    system_before = stop.system_ns - start.system_ns;
    return stop.total_ns - start.total_ns;
}

static void run_short(void)
{
    run(SHORT);
}

static void run_long(void)
{
    run(LONG);
}

static void run_disturbed(void)
{
    run(SHORT / 2);
    lose_processor(3 * MS);
    run(SHORT / 2);
}

// A turn of a loop that sleeps.
static void sleep_in_loop(void)
{
    run(TURN / 2);
    lose_processor(10 * MS);
    run(TURN / 2);
}

// ---- the total ----

static void test_short_contexts_ask_nobody(void **state)
{
    (void)state;
    unsigned asked = machine.asked;
    for (int i = 0; i < 50; i++)
        assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(machine.asked, asked);
}

static void test_after_a_sleep_neither(void **state)
{
    (void)state;
    unsigned asked = machine.asked, parts_asked = machine.parts_asked;
    for (int i = 0; i < 50; i++) {
        sleep_in_loop();
        machine.tick += 2 * TICK_NS;
        assert_int_equal(charged(run_short), SHORT);
    }
    assert_int_equal(machine.asked, asked);
    assert_int_equal(machine.parts_asked, parts_asked);
}

static void test_a_disturbed_segment_asks(void **state)
{
    (void)state;
    unsigned asked = machine.asked;
    assert_int_equal(charged(run_disturbed), SHORT);
    assert_int_equal(machine.asked, asked + 1);
}

static void block_unseen(void)
{
    run(SHORT);
    machine.counter += 10 * MS; // and the word is as it was
}

static void test_a_long_segment_asks(void **state)
{
    (void)state;
    unsigned asked = machine.asked;
    assert_int_equal(charged(run_long), LONG);
    assert_int_equal(machine.asked, asked + 1);
    assert_int_equal(charged(block_unseen), SHORT);
    assert_int_equal(machine.asked, asked + 2);
}

static void test_much_that_was_not_asked_about_asks(void **state)
{
    (void)state;
    look(CPU_SENTINEL);
    unsigned asked = machine.asked;
    int64_t from = look(CPU_CONTEXT).total_ns;
    for (int i = 0; i < CPU_UNASKED_NS / SHORT - 1; i++) {
        run(SHORT);
        look(CPU_CONTEXT);
    }
    assert_int_equal(machine.asked, asked);
    run(SHORT);
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, CPU_UNASKED_NS);
    assert_int_equal(machine.asked, asked + 1);
}

// The processor counts what the kernel does not: another machine had it.
static void test_an_overcharge_is_a_debt(void **state)
{
    (void)state;
    int64_t kernel = machine.kernel, from = look(CPU_CONTEXT).total_ns;
    machine.counter += 10000;
    machine.kernel += 4000;
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, 10000);
    lose_processor(MS);
    machine.kernel += 3000;
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, 10000); // 3000 too much
    run(1000);
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, 11000); // undisturbed: nobody asks
    lose_processor(MS);
    machine.kernel += 5000;
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, machine.kernel - kernel);
}

static void test_an_undercharge_is_made_good(void **state)
{
    (void)state;
    look(CPU_SENTINEL);
    int64_t kernel = machine.kernel, from = look(CPU_CONTEXT).total_ns;
    machine.counter += 9000;
    machine.kernel += 10000;
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, 9000);
    lose_processor(MS);
    assert_int_equal(look(CPU_CONTEXT).total_ns - from, machine.kernel - kernel);
}

// What the loop used unseen is not the context's, though the kernel's answer has it.
static void test_the_loop_is_estimated(void **state)
{
    (void)state;
    sleep_in_loop();
    look(CPU_SENTINEL | CPU_ASK); // as a measured turn does
    for (int i = 0; i < 20; i++) {
        sleep_in_loop();
        assert_int_equal(charged(run_short), SHORT);
    }
    // What a collection takes as the slice's beginning is no later than it was, and the doubt covers the difference.
    int64_t kernel = machine.kernel;
    assert_true(cpu.total + cpu.to_kernel_least <= kernel);
    assert_true(cpu.total + cpu.to_kernel_least + cpu.unsure >= kernel);
    sleep_in_loop();
    assert_int_equal(charged(run_disturbed), SHORT);
    look(CPU_SENTINEL | CPU_ASK);
    assert_int_equal(cpu.total + cpu.to_kernel, machine.kernel);
}

// An estimate that is wrong charges no more than what passed, and not less than nothing.
static void test_an_estimate_has_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        sleep_in_loop();
        look(CPU_SENTINEL);
    }
    run(100);
    lose_processor(0);
    logctx_cpu_reading_t start = look(CPU_CONTEXT);
    assert_int_equal(start.total_ns, 100); // nothing was known of the turns: no more than the counter
    cpu.expect = 0;
    sleep_in_loop();
    look(CPU_SENTINEL | CPU_ASK);
    cpu.turn_cost = MS;
    sleep_in_loop();
    start = look(CPU_SENTINEL);
    lose_processor(MS);
    assert_int_equal(look(CPU_CONTEXT).total_ns, start.total_ns);
    assert_int_equal(cpu.total + cpu.to_kernel, machine.kernel);
}

static void test_contexts_that_need_the_kernel_begin_with_it(void **state)
{
    (void)state;
    charged(run_disturbed);
    unsigned asked = machine.asked;
    for (int i = 0; i < CPU_EXPECT_STARTS; i++) {
        sleep_in_loop();
        assert_int_equal(charged(run_short), SHORT);
    }
    assert_int_equal(machine.asked, asked + CPU_EXPECT_STARTS);
    sleep_in_loop();
    assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(machine.asked, asked + CPU_EXPECT_STARTS);
}

static void test_the_loop_is_not_left_alone_for_ever(void **state)
{
    (void)state;
    unsigned asked = machine.asked;
    for (int i = 0; i < CPU_UNSEEN_TURNS_MAX; i++) {
        sleep_in_loop();
        assert_int_equal(charged(run_short), SHORT);
    }
    assert_int_equal(machine.asked, asked);
    sleep_in_loop();
    assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(machine.asked, asked + 1);
    assert_int_equal(cpu.turn_cost, TURN);
}

// ---- modes ----

static void test_the_thread_clock_alone(void **state)
{
    (void)state;
    source.mode = CPU_THREAD_CLOCK;
    source.mark = CPU_NO_MARK;
    source.scale = 0;
    machine.word = 0;
    logctx__cpu_clock_begin(&cpu, &source, &machine.word);
    unsigned asked = machine.asked;
    sleep_in_loop();
    assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(charged(block_unseen), SHORT);
    assert_int_equal(machine.asked, asked + 4);
    assert_int_equal(machine.word, 0);
}

static void test_a_thread_without_a_word(void **state)
{
    (void)state;
    logctx__cpu_clock_begin(&cpu, &source, NULL);
    unsigned asked = machine.asked;
    for (int i = 0; i < 3; i++)
        assert_int_equal(charged(run_short), SHORT);
    assert_true(machine.asked >= asked + 3);
    assert_true(*cpu.word != MARK);
    logctx__cpu_clock_begin(&cpu, &source, &machine.word);
}

static void sleep_unseen_in_loop(void)
{
    run(TURN);
    machine.counter += 10 * MS;
}

static void test_where_blocking_is_not_seen(void **state)
{
    (void)state;
    source.mode = CPU_PREEMPTION;
    unsigned asked = machine.asked;
    sleep_unseen_in_loop();
    assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(machine.asked, asked + 1);
    assert_int_equal(charged(block_unseen), SHORT);
    // A poll may have slept so shortly that nobody can tell.
    asked = machine.asked;
    run(TURN);
    logctx__cpu_clock_poll_ended(&cpu, &source);
    assert_int_equal(machine.word, 0);
    assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(machine.asked, asked + 1);
}

static void test_a_poll_that_would_be_seen(void **state)
{
    (void)state;
    logctx__cpu_clock_poll_ended(&cpu, &source);
    assert_int_equal(machine.word, MARK);
    source.mode = CPU_PREEMPTION;
    machine.word = 0x4711; // somebody else's
    logctx__cpu_clock_poll_ended(&cpu, &source);
    assert_int_equal(machine.word, 0x4711);
}

static void test_no_reading(void **state)
{
    (void)state;
    logctx_cpu_reading_t reading;
    uint64_t monotonic;
    machine.broken = true;
    lose_processor(MS);
    assert_false(logctx__cpu_clock_read(&cpu, &source, machine.counter, CPU_CONTEXT, &reading, &monotonic));
    machine.broken = false;
    machine.parts_broken = true;
    machine.tick += TICK_NS;
    lose_processor(MS);
    assert_false(logctx__cpu_clock_read(&cpu, &source, machine.counter, CPU_CONTEXT, &reading, &monotonic));
    machine.parts_broken = false;
    assert_int_equal(charged(run_short), SHORT);
}

static void test_another_clock(void **state)
{
    (void)state;
    logctx__cpu_clock_rest(&cpu);
    logctx_cpu_reading_t reading;
    uint64_t monotonic;
    assert_false(cpu_clock_fast(&cpu, CPU_NO_MARK, 0, &reading, &monotonic));
    assert_false(cpu_clock_fast(&cpu, MARK, 0, &reading, &monotonic));
    assert_int_equal(machine.word, MARK);
}

// ---- user and system time ----

static void tick(bool in_user)
{
    machine.tick += TICK_NS;
    *(in_user ? &machine.parts.user : &machine.parts.system) += TICK_NS;
}

static void run_with_user_tick(void)
{
    run(LONG);
    tick(true);
}

static void run_with_system_tick(void)
{
    run(LONG);
    tick(false);
}

static void test_a_tick_goes_to_who_ran(void **state)
{
    (void)state;
    charged(run_with_user_tick);
    assert_int_equal(user_before, TICK_NS);
    assert_int_equal(system_before, 0);
    unsigned parts_asked = machine.parts_asked;
    charged(run_long);
    assert_int_equal(machine.parts_asked, parts_asked);
    charged(run_with_system_tick);
    assert_int_equal(user_before, 0);
    assert_int_equal(system_before, TICK_NS);
}

// It is absorbed where the loop is asked about; where not, no context gets it.
static void test_a_tick_of_the_loop_goes_to_nobody(void **state)
{
    (void)state;
    charged(run_disturbed);
    sleep_in_loop();
    tick(false);
    charged(run_with_user_tick);
    assert_int_equal(user_before, TICK_NS);
    assert_int_equal(system_before, 0);
    cpu.expect = 0;
    sleep_in_loop();
    tick(false);
    charged(run_with_user_tick);
    assert_int_equal(user_before, 0);
    assert_int_equal(system_before, 0);
}

static void test_a_tick_of_a_poll_is_another_s(void **state)
{
    (void)state;
    run(LONG);
    tick(false);
    unsigned parts_asked = machine.parts_asked;
    logctx__cpu_clock_poll_begins(&cpu, &source);
    assert_int_equal(machine.parts_asked, parts_asked + 1);
    sleep_in_loop();
    machine.tick += 2 * TICK_NS;
    logctx__cpu_clock_poll_ended(&cpu, &source);
    charged(run_with_user_tick);
    assert_int_equal(user_before, TICK_NS);
    assert_int_equal(system_before, 0);
    assert_int_equal(machine.parts_asked, parts_asked + 2);
    // What was left open before the poll stays so.
    sleep_in_loop();
    tick(false);
    cpu.expect = 0;
    look(CPU_SENTINEL);
    logctx__cpu_clock_poll_ended(&cpu, &source);
    charged(run_with_user_tick);
    assert_int_equal(user_before, 0);
    assert_int_equal(system_before, 0);
}

// The coarse clock is not looked at before a tick can have come.
static void test_ticks_are_not_waited_for(void **state)
{
    (void)state;
    charged(run_with_user_tick);
    unsigned looked = machine.ticks_asked;
    for (int i = 0; i < 100; i++)
        charged(run_short);
    assert_int_equal(machine.ticks_asked, looked);
}

static unsigned draw(unsigned below);
static uint64_t random_state;

// Two kinds in turns, of which one computes and one is in system calls. Ticks fall where they fall.
static void test_ticks_are_told_apart(void **state)
{
    (void)state;
    double credited[2][2] = {{0, 0}, {0, 0}};
    uint64_t next_tick = machine.counter + TICK_NS;
    random_state = 1;
    counted.user = 10;
    counted.system = 7;
    for (int i = 0; i < 100000; i++) {
        unsigned in_system = draw(2);
        lose_processor(draw(500000)); // the loop sleeps
        logctx__cpu_clock_poll_begins(&cpu, &source);
        while (next_tick <= machine.counter) {
            next_tick += TICK_NS;
            machine.tick += TICK_NS;
        }
        logctx__cpu_clock_poll_ended(&cpu, &source);
        logctx_cpu_reading_t start = look(CPU_SENTINEL);
        run(LONG + draw(LONG));
        if (next_tick <= machine.counter) {
            next_tick += TICK_NS;
            machine.tick += TICK_NS;
            *(in_system ? &counted.system : &counted.user) += 1;
        }
        logctx_cpu_reading_t stop = look(CPU_CONTEXT);
        credited[in_system][0] += (double)(stop.user_ns - start.user_ns) / TICK_NS;
        credited[in_system][1] += (double)(stop.system_ns - start.system_ns) / TICK_NS;
    }
    assert_true(credited[0][0] + credited[1][1] > (counted.user + counted.system) / 2);
    assert_true(credited[0][1] < credited[0][0] / 50);
    assert_true(credited[1][0] < credited[1][1] / 50);
}

// ---- whether preemption is seen ----

static void be_preempted(bool seen)
{
    run(LONG);
    if (seen)
        lose_processor(MS);
    machine.parts.preempted++;
    tick(true);
}

static void be_preempted_seen(void)
{
    be_preempted(true);
}

static void be_preempted_unseen(void)
{
    be_preempted(false);
}

static bool read_total_slowly(int64_t *ns)
{
    run(400);
    bool read = read_total(ns);
    run(300);
    return read;
}

static uint64_t read_monotonic_late(void)
{
    run(2000); // an interrupt, or another guest
    return machine.counter;
}

// A question takes its time, and the time is asked for after it: what is told is that of the reading all the same. Here counts
// are nanoseconds, and the counter is the time.
static void test_the_time_is_that_of_the_reading(void **state)
{
    (void)state;
    logctx_cpu_reading_t reading;
    uint64_t monotonic;
    source.total = read_total_slowly;
    source.monotonic = read_monotonic_late;
    source.tune = NULL;
    for (int i = 0; i < 4; i++) {
        run(i & 1 ? LONG : SHORT);
        if (i & 2)
            lose_processor(LONG);
        unsigned asked = machine.asked;
        enum cpu_how how = i & 1 ? CPU_CONTEXT : CPU_CONTEXT | CPU_ASK;
        assert_true(logctx__cpu_clock_read(&cpu, &source, machine.counter, how, &reading, &monotonic));
        assert_int_equal(machine.asked, asked + 1);
        assert_int_equal(monotonic, cpu.base);
        assert_int_equal(cpu.monotonic, cpu.base);
    }
    lose_processor(LONG);
    assert_true(logctx__cpu_clock_read(&cpu, &source, machine.counter, CPU_SENTINEL, &reading, &monotonic));
    assert_int_equal(cpu.monotonic, cpu.base);
}

static void test_a_word_that_is_never_cleared_is_not_believed(void **state)
{
    (void)state;
    for (int i = 0; i < CPU_STRIKES_MAX; i++) {
        assert_int_equal(source.mode, CPU_FULL);
        charged(be_preempted_unseen);
    }
    assert_int_equal(source.mode, CPU_THREAD_CLOCK);
    assert_int_equal(source.mark, CPU_NO_MARK);
    unsigned asked = machine.asked;
    assert_int_equal(charged(run_short), SHORT);
    assert_int_equal(machine.asked, asked + 2);
}

static void test_one_that_was_cleared_once_is(void **state)
{
    (void)state;
    charged(be_preempted_unseen);
    charged(be_preempted_seen);
    for (int i = 0; i < 2 * CPU_STRIKES_MAX; i++)
        charged(be_preempted_unseen); // in the kernel, on behalf of a call
    assert_int_equal(source.mode, CPU_FULL);
}

// ---- whatever happens ----

static unsigned draw(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

static void one_step(bool in_context, int64_t *inside)
{
    int64_t ns = draw(4) ? draw(10000) : draw(200000);
    run(ns);
    *inside += in_context ? ns : 0;
    if (draw(5) == 0)
        lose_processor(draw(5000000));
    if (draw(20) == 0)
        tick(draw(2));
}

// All of the time is known in a busy loop, so the sums are the kernel's; where the loop sleeps, nearly.
static void check_random_walk(enum cpu_mode mode, bool sleeps)
{
    set_up(NULL);
    source.mode = mode;
    int64_t inside = 0, sum = 0, last = 0;
    bool in_context = false;
    int64_t from = 0;
    for (int i = 0; i < 20000; i++) {
        one_step(in_context, &inside);
        if (sleeps && !in_context && draw(2))
            sleep_in_loop();
        logctx_cpu_reading_t now = look(in_context ? CPU_CONTEXT : CPU_SENTINEL);
        assert_true(now.total_ns >= last);
        last = now.total_ns;
        if (in_context)
            sum += now.total_ns - from;
        from = now.total_ns;
        in_context = !sleeps || draw(2);
    }
    int64_t off = sum - inside;
    assert_true(off < inside / 100 && off > -inside / 100);
    assert_true(sleeps || (off < CPU_UNASKED_NS && off > -CPU_UNASKED_NS));
}

static void test_a_random_walk(void **state)
{
    (void)state;
    for (random_state = 1; random_state < 5; random_state++) {
        uint64_t seed = random_state;
        check_random_walk(CPU_FULL, false);
        check_random_walk(CPU_FULL, true);
        check_random_walk(CPU_PREEMPTION, false);
        check_random_walk(CPU_PREEMPTION, true);
        random_state = seed;
    }
}

#define machine_test(name) logctx_unit_test_setup_teardown(name, set_up, NULL)

int main(void)
{
    const struct CMUnitTest tests[] = {
        machine_test(test_short_contexts_ask_nobody),
        machine_test(test_after_a_sleep_neither),
        machine_test(test_a_disturbed_segment_asks),
        machine_test(test_a_long_segment_asks),
        machine_test(test_much_that_was_not_asked_about_asks),
        machine_test(test_an_overcharge_is_a_debt),
        machine_test(test_an_undercharge_is_made_good),
        machine_test(test_the_loop_is_estimated),
        machine_test(test_an_estimate_has_bounds),
        machine_test(test_contexts_that_need_the_kernel_begin_with_it),
        machine_test(test_the_loop_is_not_left_alone_for_ever),
        machine_test(test_the_thread_clock_alone),
        machine_test(test_a_thread_without_a_word),
        machine_test(test_where_blocking_is_not_seen),
        machine_test(test_a_poll_that_would_be_seen),
        machine_test(test_no_reading),
        machine_test(test_another_clock),
        machine_test(test_a_tick_goes_to_who_ran),
        machine_test(test_a_tick_of_the_loop_goes_to_nobody),
        machine_test(test_a_tick_of_a_poll_is_another_s),
        machine_test(test_ticks_are_told_apart),
        machine_test(test_ticks_are_not_waited_for),
        machine_test(test_the_time_is_that_of_the_reading),
        machine_test(test_a_word_that_is_never_cleared_is_not_believed),
        machine_test(test_one_that_was_cleared_once_is),
        machine_test(test_a_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
