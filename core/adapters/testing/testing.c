// The life of a test: set-up, the test itself, its own tear-down, the judgement. All of it belongs to the thread that runs
// the tests.
//
// cmocka leaves a test that fails by a jump, and then runs its tear-down. The judgement is therefore the end of the test
// itself, which only a test reaches that has not failed; the tear-down only cleans up after the others.
//
// SPDX-License-Identifier: Apache-2.0
#include "testing_parts.h"

static struct {
    const logctx_clock_t *clock_before; // NULL: the set-up has not changed it
    void *state;                        // what the test's own functions have
    bool teardown_due;                  // the test's own
    const logctx_t *began_in;           // after its set-up; to be compared only
} test;

// Puts back what the set-up has changed; says nothing and asks for nothing.
static void clean_up(void)
{
    logctx__sentinel_restore();
    if (logctx__errors_collected())
        logctx__errors_end();
    logctx__leftovers_end();
    if (test.clock_before && logctx_set_clock(test.clock_before) == LOGCTX_OK)
        test.clock_before = NULL;
}

static bool change_clock(const logctx_clock_t *clock)
{
    const logctx_clock_t *old = logctx_get_clock();
    if (clock == old)
        return true;
    if (logctx_set_clock(clock) == LOGCTX_OK) {
        // A clock that could not be put back after an earlier test is still to be put back.
        if (!test.clock_before)
            test.clock_before = old;
        return true;
    }
    logctx__say("Test starting with contexts in flight, so that its clock cannot be installed\n");
    logctx__leftovers_list();
    return false;
}

static int begin(const logctx_clock_t *clock)
{
    // A set-up that failed has no tear-down: what it left is no fault of this test.
    if (logctx__errors_collected())
        clean_up();
    if (logctx_in_callback()) {
        logctx__say(
            "Test starting inside an error hook, a logger or a sink, which an earlier test has left by a failed "
            "assertion: note what you see there, and assert it later\n");
        return -1;
    }
    if (logctx__sentinel_judge("starting") > 0 || (clock && !change_clock(clock)))
        return -1;
    if (!logctx__leftovers_begin()) {
        logctx__say("No memory to remember which contexts are in flight\n");
        return -1;
    }
    logctx__errors_begin();
    return 0;
}

static size_t judge(void)
{
    size_t complaints = logctx__sentinel_judge("ending");
    complaints += logctx__errors_judge();
    complaints += logctx__leftovers_judge();
    clean_up();
    return complaints;
}

int logctx_test_setup(void **state)
{
    (void)state;
    return begin(NULL);
}

int logctx_test_setup_fake_clock(void **state)
{
    (void)state;
    return begin(logctx_clock("fake"));
}

int logctx_test_setup_real_clock(void **state)
{
    (void)state;
    return begin(logctx_clock("cpu"));
}

int logctx_test_teardown(void **state)
{
    (void)state;
    if (!logctx__errors_collected()) {
        logctx__say("logctx_test_teardown() was called without logctx_test_setup()\n");
        return -1;
    }
    return judge() > 0 ? -1 : 0;
}

int logctx_test_before(void **state)
{
    const logctx_test_t *self = *state;
    test.teardown_due = false;
    int status = begin(self->clock ? logctx_clock(self->clock) : NULL);
    if (status)
        return status;
    test.state = self->initial_state;
    status = self->setup ? self->setup(&test.state) : 0;
    test.teardown_due = status == 0 && self->teardown;
    test.began_in = logctx_current();
    if (status)
        clean_up();
    return status;
}

void logctx_test_run(void **state)
{
    const logctx_test_t *self = *state;
    self->function(&test.state);
    // The test's own tear-down is not to blame for the context that the test has left, nor to be confused by it; but what
    // its set-up has entered is for the tear-down to leave.
    size_t complaints = logctx_current() == test.began_in ? 0 : logctx__sentinel_judge("ending");
    if (test.teardown_due) {
        test.teardown_due = false;
        int status = self->teardown(&test.state);
        if (status) {
            logctx__say("The tear-down of the test returned %d\n", status);
            complaints++;
        }
    }
    complaints += judge();
    if (complaints > 0)
        _fail(self->file, self->line);
}

int logctx_test_after(void **state)
{
    const logctx_test_t *self = *state;
    int status = 0;
    if (!logctx__errors_collected())
        return 0; // it has come to its end, and was judged
    logctx__sentinel_restore();
    if (test.teardown_due) {
        test.teardown_due = false;
        status = self->teardown(&test.state);
    }
    logctx__errors_mention();
    clean_up();
    return status;
}
