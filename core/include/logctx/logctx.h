/*
 * logctx/logctx.h: all of the core. Link logctx::core (pkg-config: logctx-core).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_LOGCTX_H
#define LOGCTX_LOGCTX_H

#include <logctx/base.h>
#include <logctx/context.h>
#include <logctx/error.h>
#include <logctx/log.h>
#include <logctx/runtime.h>
#include <logctx/trace.h>
#include <logctx/usage.h>

#endif
