/*
 * screen.h: the live view in a terminal, until `q`. Of the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_TOP_SCREEN_H
#define LOGCTX_TOP_SCREEN_H

#include "options.h"
#include "source.h"

/* Changes what the keys change in `options`. Anything but SOURCE_GOOD: `why` is a sentence. */
enum source_result screen_run(struct source *source, struct options *options, char why[SOURCE_WHY]);

#endif
