/*
 * endpoint.c: URLs by libcurl's own parser, so that what is accepted here is what will be requested. No state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "endpoint.h"
#include "values.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *check(CURLU *url)
{
    char *scheme = NULL;
    const char *fault = NULL;
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK) {
        return "it has no scheme; write http:// or https:// in front";
    }
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        fault = "its scheme is neither http nor https";
    }
    curl_free(scheme);
    return fault;
}

static void copy_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    out[0] = '\0';
    if (curl_url_get(url, part, &text, flags) == CURLUE_OK) {
        snprintf(out, size, "%s", text);
        curl_free(text);
    }
}

static void describe(CURLU *url, struct logctx__endpoint *out)
{
    char scheme[16];
    char path[256];
    char port[16];
    copy_part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme);
    copy_part(url, CURLUPART_HOST, 0, out->host, sizeof out->host);
    copy_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port);
    copy_part(url, CURLUPART_PATH, 0, path, sizeof path);
    out->port = strtol(port, NULL, 10);
    snprintf(out->shown, sizeof out->shown, "%s://%s:%s%s", scheme, out->host, port, path);
}

static const char *append_path(CURLU *url, const char *path)
{
    char *base = NULL;
    if (curl_url_get(url, CURLUPART_PATH, &base, 0) != CURLUE_OK) {
        return "no memory for it";
    }
    char whole[2048];
    size_t length = strlen(base);
    const char *slash = length > 0 && base[length - 1] == '/' ? "" : "/";
    int written = snprintf(whole, sizeof whole, "%s%s%s", base, slash, path);
    curl_free(base);
    if (written < 0 || (size_t)written >= sizeof whole) {
        return "it is too long";
    }
    return curl_url_set(url, CURLUPART_PATH, whole, 0) == CURLUE_OK ? NULL : "its path cannot be extended";
}

static const char *fill(CURLU *url, const char *text, const char *path, struct logctx__endpoint *out)
{
    if (strlen(text) >= sizeof out->url) {
        return "it is too long";
    }
    char trimmed[sizeof out->url];
    logctx__value_trim(text, trimmed, sizeof trimmed);
    if (curl_url_set(url, CURLUPART_URL, trimmed, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
        return "it is not a URL such as http://localhost:4318";
    }
    const char *fault = check(url);
    if (fault == NULL && path != NULL) {
        fault = append_path(url, path);
    }
    if (fault != NULL) {
        return fault;
    }
    char *whole = NULL;
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK) {
        return "it is not a URL such as http://localhost:4318";
    }
    struct logctx__endpoint made = {.port = 0};
    int written = snprintf(made.url, sizeof made.url, "%s", whole);
    curl_free(whole);
    if (written < 0 || (size_t)written >= sizeof made.url) {
        return "it is too long";
    }
    describe(url, &made);
    *out = made;
    return NULL;
}

static const char *make(struct logctx__endpoint *out, const char *text, const char *path)
{
    CURLU *url = curl_url();
    if (url == NULL) {
        return "no memory for it";
    }
    const char *fault = fill(url, text, path, out);
    curl_url_cleanup(url);
    return fault;
}

const char *logctx__endpoint_base(struct logctx__endpoint *out, const char *base, const char *path)
{
    return make(out, base, path);
}

const char *logctx__endpoint_exact(struct logctx__endpoint *out, const char *url)
{
    return make(out, url, NULL);
}
