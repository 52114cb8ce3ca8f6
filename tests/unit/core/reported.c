/*
 * reported.c: looks at the errors of reported.h. Thread: the test's own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reported.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void take_errors_at(logctx_error_kind_t kind, size_t count, const logctx_site_t *site)
{
    for (size_t i = 0; i < count; i++)
        logctx_take_transition_error_at(kind, site);
}

void take_misuse_at(const char *text, const logctx_site_t *site)
{
    const logctx_test_error_t *error = logctx_take_transition_error_at(LOGCTX_ERROR_INVALID_USE, site);
    if (!strstr(error->message, text))
        fail_msg("expected a sentence with \"%s\", got: %s", text, error->message);
}

void assert_at_(const char *text, const char *file, int line)
{
    // Long paths are cut at their beginning, so the end is what counts.
    char want[4096];
    snprintf(want, sizeof want, "%s:%d", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    size_t length = strlen(text), tail = strlen(want);
    if (length < tail || strcmp(text + length - tail, want) != 0)
        fail_msg("expected the place %s, got \"%s\"", want, text);
}

void assert_in_(const char *text, const char *file, int line, const char *function)
{
    char place[4096], want[256];
    snprintf(place, sizeof place, "%s", text);
    snprintf(want, sizeof want, " (%s)", function);
    char *at = strstr(place, want);
    if (!at || at[strlen(want)] != '\0')
        fail_msg("expected a place in%s, got \"%s\"", want, text);
    *at = '\0';
    assert_at_(place, file, line);
}
