/*
 * glib_support.h: what the tests of the GLib adapter share: the default main context, attached for the length of a test,
 * and turns of it until something is so. Of the test's own thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTS_GLIB_SUPPORT_H
#define LOGCTX_TESTS_GLIB_SUPPORT_H

#include <logctx/glib.h>

#include "support.h"

/* TSan does not see the locks of GLib, which is not compiled for it: what GLib frees is its own affair. Ours is seen. */
const char *__tsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libglib-2.0.so.0\n";
}

static logctx_glib_t *attached __attribute__((unused));
static int attached_at __attribute__((unused));

static inline int glib_setup(void **state)
{
    core_setup(state);
    attached = logctx_glib_attach(NULL, "test");
    attached_at = __LINE__ - 1;
    assert_non_null(attached);
    return 0;
}

static inline int glib_teardown(void **state)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    logctx_glib_detach(attached);
    return core_teardown(state);
}
#define glib_test(name) logctx_unit_test_setup_teardown(name, glib_setup, glib_teardown)

/* "glib_support.h:line" of the attachment. */
#define assert_at_attachment(text) assert_at_((text), "glib_support.h", attached_at)

/* Turns of the default main context until the condition holds. None waits: a leak is found when there is nothing to come. */
#define TURN_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        while (!(condition))                                                                                           \
            g_main_context_iteration(NULL, FALSE);                                                                     \
    } while (0)

/* Whatever is ready, without waiting; then one more turn, whose poll looks at what was left. */
static inline void turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

#endif
