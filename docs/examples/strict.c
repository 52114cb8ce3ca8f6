// SPDX-License-Identifier: Apache-2.0
// A test of a program's own code that fails at any slip, and sees the spans that the code made. One thread.
#include <logctx/logctx.h>
#include <logctx/recorder.h>
#include <stdio.h>

static unsigned slips;

static void count_slip(const logctx_error_t *error, void *user)
{
    (void)user;
    slips++;
    fprintf(stderr, "%s\n    noticed at %s, set by %s\n", error->message, error->found_by, error->set_by);
    for (size_t i = 0; i < error->recent_count; i++)
        fprintf(stderr, "    %s -> %s at %s\n", error->recent[i].from, error->recent[i].to, error->recent[i].where);
}

static void code_under_test(void)
{
    LOGCTX_SCOPE(logctx_new(logctx_kind("GET /rooms/{id}"), NULL));
    logctx_db_fetched(7);
}

int main(void)
{
    logctx_set_error_hook(count_slip, NULL);
    logctx_recorder_t *recorder = logctx_recorder_new(100);
    if (!recorder)
        return 1;
    code_under_test();
    const logctx_record_t *record = logctx_recorder_find(recorder, "GET /rooms/{id}");
    bool seen = record && logctx_record_span(record)->own.db_rows == 7;
    logctx_recorder_free(recorder);
    logctx_check_unfinished(); // what was made and forgotten is a slip as well
    return seen && slips == 0 ? 0 : 1;
}
