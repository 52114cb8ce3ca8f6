/*
 * logctx/testing.h: cmocka tests that fail when the code under test loses, leaks or forgets a context. Link
 * logctx::testing (pkg-config: logctx-testing).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TESTING_H
#define LOGCTX_TESTING_H

#include <logctx/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set-up and tear-down for cmocka: they fail a test that starts or ends in another context than the sentinel. */
LOGCTX_API int logctx_test_setup(void **state);
LOGCTX_API int logctx_test_teardown(void **state);

#ifdef __cplusplus
}
#endif
#endif
