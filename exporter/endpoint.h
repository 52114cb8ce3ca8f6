/*
 * endpoint.h: where one signal goes: the URL, and what of it may be shown in log lines and metrics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_ENDPOINT_H
#define LOGCTX_EXPORTER_ENDPOINT_H

#include <stdint.h>

struct logctx__endpoint {
    char url[2048];
    char shown[576]; // scheme, host, port and path, each cut: without user, password, query and fragment
    char host[256];
    int64_t port;
};

// From a general variable: a base to which "v1/traces" or the like is appended. From a signal's own one: used as it is.
// NULL, or what is wrong with the URL; *out is then unchanged.
const char *logctx__endpoint_base(struct logctx__endpoint *out, const char *base, const char *path);
const char *logctx__endpoint_exact(struct logctx__endpoint *out, const char *url);

#endif
