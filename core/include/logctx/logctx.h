/*
 * logctx/logctx.h: what programs need of the core. Link logctx::core (pkg-config: logctx-core). For exporters and tests
 * there are collect.h, sink.h, recorder.h and telemetry.h besides, and daemon.h for programs that go to the background.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_LOGCTX_H
#define LOGCTX_LOGCTX_H

#include <logctx/base.h>
#include <logctx/bind.h>
#include <logctx/context.h>
#include <logctx/deferred.h>
#include <logctx/error.h>
#include <logctx/log.h>
#include <logctx/loop.h>
#include <logctx/process.h>
#include <logctx/runtime.h>
#include <logctx/timers.h>
#include <logctx/trace.h>
#include <logctx/usage.h>

#endif
