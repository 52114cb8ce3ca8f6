/*
 * probes.h: static probes (USDT) of the provider `logctx`: one nop each while nobody listens, and a note in the library
 * that tells debuggers and tracers where it is and where the arguments are. docs/profilers.md shows how to use them.
 *
 *     switch(from, to, site, name of to)          a context became current; contexts by address, the sentinel too
 *     error(kind, affected, name, site)           a transition error or misuse was found; affected may be 0
 *     finish(context, name, lived ns, cpu ns)     a context was finished
 *
 * Names are those that profilers get: at most 31 bytes. A site is a logctx_site_t. Without <sys/sdt.h> at build time
 * there are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_CORE_PROBES_H
#define LOGCTX_CORE_PROBES_H

#include "types.h"

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#else
#define DTRACE_PROBE4(provider, name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

static inline void probe_switch(const logctx_t *from, const logctx_t *to, const logctx_site_t *site)
{
    DTRACE_PROBE4(logctx, switch, from, to, site, to->profile.name);
}

static inline void probe_error(const char *kind, const logctx_t *affected, const char *name, const logctx_site_t *site)
{
    DTRACE_PROBE4(logctx, error, kind, affected, name, site);
}

static inline void probe_finish(const logctx_t *ctx, uint64_t lived_ns, int64_t cpu_ns)
{
    DTRACE_PROBE4(logctx, finish, ctx, ctx->profile.name, lived_ns, cpu_ns);
}

#endif
