// SPDX-License-Identifier: Apache-2.0
// Three questions at once, in one request, and their answers together. One thread.
#include "check.h"
#include "loop.h"

enum { QUESTIONS = 3 };

struct page {
    logctx_t *request;
    logctx_deferred_t *answers[QUESTIONS];
    int numbers[QUESTIONS];
    bool complete;
};

static logctx_result_t answer(void *user, logctx_result_t *result)
{
    (void)result;
    CHECK(in("GET-1"));
    logctx_db_fetched(1);
    return logctx_success(user, NULL);
}

// One question: takes as many milliseconds as its number says.
static logctx_result_t ask(void *user)
{
    const int *number = user;
    logctx_deferred_t *slept = logctx_sleep(&timers, (uint64_t)*number);
    logctx_deferred_add(slept, answer, NULL, user, NULL);
    return logctx_wait_for(slept);
}

static logctx_result_t show(void *user, logctx_result_t *result)
{
    struct page *page = user;
    CHECK(in("GET-1"));
    for (int i = 0; i < QUESTIONS; i++) {
        const logctx_result_t *each = logctx_deferred_result(page->answers[i]);
        CHECK(*(int *)each->value == page->numbers[i]);
        logctx_deferred_unref(page->answers[i]);
    }
    page->complete = true;
    logctx_usage_t own;
    logctx_get_usage(page->request, &own, NULL);
    CHECK(own.db_rows == QUESTIONS);
    end(page->request);
    return *result;
}

static void show_page(struct page *page)
{
    page->request = begin("GET-1");
    for (int i = 0; i < QUESTIONS; i++) // each begins here, and none is waited for
        page->answers[i] = logctx_run_in_background(ask, &page->numbers[i]);
    CHECK(logctx_current() == page->request);
    logctx_deferred_t *all = logctx_make_yieldable(logctx_gather(page->answers, QUESTIONS, true));
    logctx_deferred_add(all, show, NULL, page, NULL);
    logctx_deferred_unref(all);
}

int main(void)
{
    logctx_set_clock(logctx_clock("fake"));
    struct page page = {.numbers = {30, 10, 20}};
    show_page(&page);
    run_loop();
    CHECK(page.complete && all_errors() == 0 && logctx_deferred_pending() == 0);
    return failures > 0;
}
