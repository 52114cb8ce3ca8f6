/*
 * http.h: POST over libcurl without blocking: requests under way in one multi handle, which any thread may wake.
 * Everything but logctx__http_wake() is for the thread that owns it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_EXPORTER_HTTP_H
#define LOGCTX_EXPORTER_HTTP_H

#include "options.h"
#include "response.h"

#include <curl/curl.h>

struct logctx__http {
    CURLM *_Atomic multi; // NULL: not made yet, and then its thread will look for what it was to be woken for
};

// One endpoint's request, used again and again over a connection that is kept alive.
struct logctx__request {
    CURL *easy;
    struct curl_slist *plain_headers;
    struct curl_slist *gzip_headers;
    uint8_t *body; // of the answer; at most `limit` bytes
    size_t length;
    size_t capacity;
    size_t limit;
    bool oversize;
    bool no_memory;
    bool under_way;
    char retry_after[64];
    char trouble[CURL_ERROR_SIZE];
};

bool logctx__http_init(struct logctx__http *http);
void logctx__http_free(struct logctx__http *http);

bool logctx__request_init(struct logctx__request *request, const struct logctx__signal_options *options, size_t limit);
void logctx__request_free(struct logctx__request *request, struct logctx__http *http);

// Begins to send. `body` must stay until the answer is there or the request is cancelled. False: could not begin.
bool logctx__request_send(struct logctx__request *request, struct logctx__http *http, const uint8_t *body,
                          size_t length, bool gzip);
void logctx__request_cancel(struct logctx__request *request, struct logctx__http *http);

/*
 * Lets everything that is under way get on. Then, as long as there are any: the next request that is finished, its
 * answer (which lives until the request is sent again) and how many connections it opened.
 */
void logctx__http_perform(struct logctx__http *http);
struct logctx__request *logctx__http_finished(struct logctx__http *http, struct logctx__answer *answer,
                                              long *connections);

// Waits until something happens on a connection, somebody wakes, or the time is over.
void logctx__http_wait(struct logctx__http *http, int64_t timeout_ms);
// Any thread, and as long as the handle lives.
void logctx__http_wake(struct logctx__http *http);

#endif
