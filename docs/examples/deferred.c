// SPDX-License-Identifier: Apache-2.0
// A request that waits for its database by a deferred: the producer knows nothing of contexts, the consumer keeps its own.
// One thread.
#include "check.h"
#include <stdlib.h>

static logctx_deferred_t *asked; // a real driver has a queue of them
static const char *cached;
static int ended;

// The producer: a driver that knows nothing of contexts. It keeps one reference and gives one away.
static logctx_deferred_t *count_rooms(void)
{
    if (cached)
        return logctx_deferred_called(logctx_success(strdup(cached), free));
    asked = logctx_deferred_new(NULL, NULL, NULL);
    return logctx_deferred_ref(asked);
}

// The loop calls it, in the sentinel: the answer has come, or NULL if there is none.
static void on_answer(const char *text)
{
    if (text)
        logctx_deferred_succeed(asked, strdup(text), free); // the value is the deferred's from here on
    else
        logctx_deferred_fail(asked, "no_answer", NULL, NULL);
    logctx_deferred_unref(asked);
}

// The consumer's first function: gets the answer and makes another result of it. The text is freed afterwards.
static logctx_result_t to_number(void *user, logctx_result_t *result)
{
    (void)user;
    CHECK(in("GET-1")); // put back by logctx_make_yieldable()
    static long rooms;
    rooms = result->value ? strtol(result->value, NULL, 10) : 0;
    return logctx_success(&rooms, NULL);
}

// The second gets what the first has returned. It answers and ends the request.
static logctx_result_t respond(void *user, logctx_result_t *result)
{
    const long *rooms = result->value;
    CHECK(in("GET-1") && *rooms == 42);
    logctx_log(LOGCTX_INFO, "%ld rooms", *rooms);
    end(user); // the sentinel is current again
    ended++;
    return logctx_success(NULL, NULL);
}

// Or there was a failure: it passes by to_number(), and comes to the first errback.
static logctx_result_t apologize(void *user, logctx_result_t *result)
{
    CHECK(in("GET-1"));
    logctx_set_failed(user, result->error, NULL);
    end(user);
    ended++;
    return logctx_success(NULL, NULL);
}

static void on_request(void)
{
    logctx_t *request = begin("GET-1");
    logctx_deferred_t *rooms = logctx_make_yieldable(count_rooms());
    CHECK(in(cached ? "GET-1" : "sentinel")); // not there yet: rule 3 is kept from here on
    logctx_deferred_add(rooms, to_number, NULL, NULL, NULL);
    logctx_deferred_add(rooms, respond, apologize, request, NULL);
    logctx_deferred_unref(rooms); // the driver's reference keeps it
}

int main(void)
{
    on_request();
    logctx_poll_begin();
    logctx_poll_end();
    on_answer("42");
    CHECK(logctx_current() == logctx_sentinel() && ended == 1);

    on_request();
    on_answer(NULL);
    CHECK(logctx_current() == logctx_sentinel() && ended == 2);

    cached = "42";
    on_request(); // runs to its end
    CHECK(logctx_current() == logctx_sentinel() && ended == 3);
    CHECK(all_errors() == 0 && logctx_deferred_pending() == 0);
    return failures > 0;
}
