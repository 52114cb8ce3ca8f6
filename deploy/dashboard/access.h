/*
 * access.h: who may read and send: pages of other sites may not, and if there is a token, only who knows it. Constant
 * after access_load; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ACCESS_H
#define DASHBOARD_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

enum { ACCESS_TOKEN_MIN = 16, ACCESS_TOKEN_MAX = 256 };

struct access {
    char token[ACCESS_TOKEN_MAX + 1]; /* "": nobody has to know one */
    bool open_ingest;                 /* the token is for reading only */
};

/* Reads the token's file, which only its owner may read: one line, of letters, digits and -._~ (so that it can stand in
 * a header, a URL and a cookie). False: `why` is a sentence for the operator. */
bool access_load(struct access *access, const char *path, char *why, size_t why_size);

/*
 * What a browser says of who asks (headers, NULL: not sent): `origin` and `site` are Origin and Sec-Fetch-Site, `host` is
 * Host. False: a page of another site asks. Programs that are no browsers send neither.
 */
bool access_is_same_site(const char *origin, const char *site, const char *host);

/* Whether the token is known: from an Authorization header, or from a Cookie header. Takes as long for any wrong token of the
 * right length. True if there is none to know. */
bool access_knows_token(const struct access *access, const char *authorization, const char *cookie, unsigned port);
bool access_is_token(const struct access *access, const char *text);

/* The value of a Set-Cookie header that keeps the token in the browser. Cookies do not tell ports apart, so its name does. */
void access_cookie(const struct access *access, unsigned port, char *out, size_t out_size);

#endif
