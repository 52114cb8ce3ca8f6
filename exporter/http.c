/*
 * http.c: what we want of libcurl: HTTP/1.1 or whatever the URL's scheme needs for it, verified TLS, no redirects, no
 * signals, bounded answers. The resolver runs in a thread of libcurl, and is left behind if it hangs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http.h"
#include "fork.h"

#include <logctx/base.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST_WAIT_MS = 3600 * 1000, CONNECT_TIMEOUT_MS = 30000, FIRST_CAPACITY = 1024 };

static const char user_agent[] = "OTel-OTLP-Exporter-C/" LOGCTX_VERSION;

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct logctx__request *request = user;
    size_t more = size * count;
    if (more > request->limit - request->length) {
        request->oversize = true;
        return 0;
    }
    if (more > request->capacity - request->length) {
        size_t wider = request->capacity == 0 ? FIRST_CAPACITY : request->capacity;
        while (wider - request->length < more) {
            wider *= 2;
        }
        uint8_t *body = realloc(request->body, wider);
        if (body == NULL) {
            request->no_memory = true;
            return 0;
        }
        request->body = body;
        request->capacity = wider;
    }
    memcpy(request->body + request->length, bytes, more);
    request->length += more;
    return more;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *user)
{
    static const char name[] = "Retry-After:";
    struct logctx__request *request = user;
    size_t length = size * count;
    if (length > sizeof name - 1 && strncasecmp(bytes, name, sizeof name - 1) == 0) {
        snprintf(request->retry_after, sizeof request->retry_after, "%.*s", (int)(length - (sizeof name - 1)),
                 bytes + sizeof name - 1);
    }
    return length;
}

// Programs that the host starts must not inherit our connections, nor must children of fork.
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)user;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    logctx__fork_opened(fd);
    return fd;
}

static int close_socket(void *user, curl_socket_t fd)
{
    (void)user;
    logctx__fork_closing(fd);
    return close(fd);
}

bool logctx__http_init(struct logctx__http *http)
{
    http->multi = curl_multi_init();
    return http->multi != NULL;
}

void logctx__http_free(struct logctx__http *http)
{
    if (http->multi != NULL) {
        curl_multi_cleanup(http->multi);
        http->multi = NULL;
    }
}

static bool append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL) {
        return false;
    }
    *list = longer;
    return true;
}

static bool make_headers(struct curl_slist **list, const struct logctx__signal_options *options, bool gzip)
{
    bool good = append(list, "Content-Type: application/x-protobuf");
    // Without it libcurl asks first and waits a second if the body is large.
    good = good && append(list, "Expect:");
    good = good && (!gzip || append(list, "Content-Encoding: gzip"));
    for (size_t i = 0; good && i < options->header_count; i++) {
        good = append(list, options->headers[i]);
    }
    return good;
}

static bool set_options(CURL *easy, struct logctx__request *request, const struct logctx__signal_options *options)
{
    int64_t connect_ms = options->timeout_ms != 0 && options->timeout_ms < CONNECT_TIMEOUT_MS ? options->timeout_ms
                                                                                              : CONNECT_TIMEOUT_MS;
    CURLcode code = CURLE_OK;
#define SET(option, value) code = code == CURLE_OK ? curl_easy_setopt(easy, option, value) : code
    SET(CURLOPT_URL, options->endpoint.url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); // a resolver that hangs is left behind, not joined
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_USERAGENT, user_agent);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, request);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, request);
    SET(CURLOPT_ERRORBUFFER, request->trouble);
    SET(CURLOPT_PRIVATE, request);
#undef SET
    return code == CURLE_OK;
}

bool logctx__request_init(struct logctx__request *request, const struct logctx__signal_options *options, size_t limit)
{
    *request = (struct logctx__request){.limit = limit, .easy = curl_easy_init()};
    return request->easy != NULL && make_headers(&request->plain_headers, options, false) &&
           make_headers(&request->gzip_headers, options, true) && set_options(request->easy, request, options);
}

void logctx__request_free(struct logctx__request *request, struct logctx__http *http)
{
    logctx__request_cancel(request, http);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->plain_headers);
    curl_slist_free_all(request->gzip_headers);
    free(request->body);
    *request = (struct logctx__request){.easy = NULL};
}

bool logctx__request_send(struct logctx__request *request, struct logctx__http *http, const uint8_t *body,
                          size_t length, bool gzip)
{
    request->length = 0;
    request->oversize = request->no_memory = false;
    request->retry_after[0] = request->trouble[0] = '\0';
    CURL *easy = request->easy;
    bool good = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, gzip ? request->gzip_headers : request->plain_headers) ==
                    CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length) == CURLE_OK &&
                curl_multi_add_handle(http->multi, easy) == CURLM_OK;
    request->under_way = good;
    return good;
}

void logctx__request_cancel(struct logctx__request *request, struct logctx__http *http)
{
    if (request->under_way) {
        curl_multi_remove_handle(http->multi, request->easy);
        request->under_way = false;
    }
}

void logctx__http_perform(struct logctx__http *http)
{
    int running = 0;
    curl_multi_perform(http->multi, &running);
}

static enum logctx__exchange classify(const struct logctx__request *request, CURLcode code)
{
    if (code == CURLE_OK) {
        return LOGCTX__ANSWERED;
    }
    if (request->oversize) {
        return LOGCTX__OVERSIZE;
    }
    switch (code) {
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_UNSUPPORTED_PROTOCOL: // an answer without a status line looks like HTTP/0.9
    case CURLE_WEIRD_SERVER_REPLY:
        return LOGCTX__UNREADABLE;
    default:
        return LOGCTX__NO_ANSWER;
    }
}

static void fill_answer(struct logctx__answer *answer, struct logctx__request *request, CURLcode code)
{
    *answer = (struct logctx__answer){.exchange = classify(request, code),
                                      .body = request->body,
                                      .length = request->length,
                                      .retry_after = request->retry_after[0] != '\0' ? request->retry_after : NULL,
                                      .trouble = ""};
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    char *type = NULL;
    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
    answer->content_type = type;
    if (answer->exchange == LOGCTX__OVERSIZE) {
        answer->trouble = "its answer is larger than max_response_bytes";
    } else if (request->no_memory) {
        answer->trouble = "no memory for its answer";
    } else if (code != CURLE_OK) {
        answer->trouble = request->trouble[0] != '\0' ? request->trouble : curl_easy_strerror(code);
    }
}

struct logctx__request *logctx__http_finished(struct logctx__http *http, struct logctx__answer *answer,
                                              long *connections)
{
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(http->multi, &left);
    while (message != NULL && message->msg != CURLMSG_DONE) {
        message = curl_multi_info_read(http->multi, &left);
    }
    if (message == NULL) {
        return NULL;
    }
    CURLcode code = message->data.result;
    char *private = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    struct logctx__request *request = (void *)private;
    *connections = 0;
    curl_easy_getinfo(request->easy, CURLINFO_NUM_CONNECTS, connections);
    fill_answer(answer, request, code);
    logctx__request_cancel(request, http);
    return request;
}

void logctx__http_wait(struct logctx__http *http, int64_t timeout_ms)
{
    int64_t wait = timeout_ms < 0 ? 0 : timeout_ms < LONGEST_WAIT_MS ? timeout_ms : LONGEST_WAIT_MS;
    curl_multi_poll(http->multi, NULL, 0, (int)wait, NULL);
}

void logctx__http_wake(struct logctx__http *http)
{
    CURLM *multi = http->multi;
    if (multi != NULL) {
        curl_multi_wakeup(multi);
    }
}
