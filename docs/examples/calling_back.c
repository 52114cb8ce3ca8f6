// SPDX-License-Identifier: Apache-2.0
// Calling a deferred from within a request: the bare form, which lets the functions of others change the context of the
// caller, and three ways to call so that they cannot. One thread.
#include "check.h"
#include "loop.h"

static logctx_deferred_t *lock; // who waits for the lock

// GET-2 waits for the lock that GET-1 has. It keeps the rules: it is woken in its own context.
static void wait_for_lock(logctx_callback_t *woken)
{
    logctx_t *waiter = begin("GET-2");
    lock = logctx_deferred_new(NULL, NULL, NULL);
    logctx_make_yieldable(lock);
    logctx_deferred_add(lock, woken, NULL, waiter, NULL);
}

// It has the lock now, ends, and leaves the sentinel, as rule 3 says.
static logctx_result_t woken_and_done(void *user, logctx_result_t *result)
{
    CHECK(in("GET-2"));
    end(user);
    return *result;
}

// It has the lock now, has more to do later, and leaves its own context behind instead of the sentinel.
static logctx_result_t woken_and_careless(void *user, logctx_result_t *result)
{
    (void)user;
    CHECK(in("GET-2"));
    return *result;
}

static void release_bare(void)
{
    logctx_deferred_call_here(lock, logctx_success(NULL, NULL)); // wrong, in a request: no switch before or after
    logctx_deferred_unref(lock);
}

static void release_preserving(void)
{
    logctx_deferred_succeed(lock, NULL, NULL); // or logctx_deferred_fail(), logctx_deferred_cancel()
    logctx_deferred_unref(lock);
}

static void release_in_a_block(void)
{
    LOGCTX_PRESERVE(logctx_sentinel()); // one block for all that is called in it
    logctx_deferred_call_here(lock, logctx_success(NULL, NULL));
    logctx_deferred_unref(lock);
}

// GET-1 releases its lock in the middle of its work; what is current for the rest of it?
static const char *rest_of_work(logctx_callback_t *woken, void (*release)(void))
{
    wait_for_lock(woken);
    logctx_set_current(logctx_sentinel());
    static char found[32];
    logctx_t *holder = begin("GET-1");
    release();
    snprintf(found, sizeof found, "%s", logctx_name(logctx_current()));
    end(holder); // judges
    return found;
}

static bool gives(logctx_callback_t *woken, void (*release)(void), const char *found)
{
    return strcmp(rest_of_work(woken, release), found) == 0;
}

static void bare(void)
{
    CHECK(gives(woken_and_done, release_bare, "sentinel"));
    CHECK(logctx_error_count(LOGCTX_ERROR_CONTEXT_LOST) == 1);
    CHECK(gives(woken_and_careless, release_bare, "GET-2"));
    CHECK(logctx_error_count(LOGCTX_ERROR_UNEXPECTED_CONTEXT) == 1);
}

static void right(void)
{
    uint64_t before = all_errors();
    CHECK(gives(woken_and_done, release_preserving, "GET-1"));
    CHECK(gives(woken_and_done, release_in_a_block, "GET-1"));
    CHECK(all_errors() == before);
    CHECK(gives(woken_and_careless, release_preserving, "GET-1")); // its mistake is reported, and is not ours any more
    CHECK(logctx_error_count(LOGCTX_ERROR_UNEXPECTED_CONTEXT) == 2 && all_errors() == before + 1);
}

// ---- the third way: what is called sees to it ----

static logctx_result_t notified(void *user, logctx_result_t *result)
{
    (void)user;
    CHECK(in("GET-1"));
    return *result;
}

// Work that keeps the rules: it has to wait, so it returns with the sentinel.
static logctx_result_t notify(void *user)
{
    logctx_deferred_t *slept = logctx_sleep(&timers, 5);
    logctx_deferred_add(slept, notified, NULL, user, NULL);
    return logctx_wait_for(slept);
}

static logctx_result_t notify_plainly(void *user, logctx_result_t *result)
{
    (void)result;
    return notify(user);
}

static logctx_result_t notify_in_background(void *user, logctx_result_t *result)
{
    (void)result;
    return logctx_wait_for(logctx_run_in_background(notify, user));
}

// Whether the bare form leaves GET-1 current, if that is what was added to the deferred.
static bool may_be_called_bare(logctx_callback_t *added)
{
    logctx_t *request = begin("GET-1");
    logctx_deferred_t *happened = logctx_deferred_new(NULL, NULL, NULL);
    logctx_deferred_add(happened, added, NULL, NULL, NULL);
    logctx_deferred_call_here(happened, logctx_success(NULL, NULL));
    bool kept = logctx_current() == request;
    logctx_set_current(logctx_sentinel());
    run_loop(); // 5 ms later: notified() in GET-1
    logctx_deferred_unref(happened);
    logctx_set_current(request);
    end(request);
    return kept;
}

static void third_way(void)
{
    uint64_t before = all_errors();
    CHECK(may_be_called_bare(notify_in_background) && all_errors() == before);
    CHECK(!may_be_called_bare(notify_plainly));
    CHECK(all_errors() == before + 1); // and once more, when the timer wakes it: nobody sets the sentinel after it
}

int main(void)
{
    static int standard_error = 2;
    logctx_set_logger(logctx_log_to_fd, &standard_error);
    logctx_set_clock(logctx_clock("fake"));
    bare();
    right();
    third_way();
    return failures > 0;
}
