/*
 * address.h: where the server listens, and which Host headers it answers to. A page in a browser can make a name of
 * its own point to 127.0.0.1 and then talk to us as if we were that page's server; it cannot fake the Host header.
 * No state; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_ADDRESS_H
#define DASHBOARD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include <netinet/in.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    socklen_t length;
};

/* Reads HOST:PORT, where HOST is localhost, an IPv4 address, or an IPv6 address in brackets. False: `why` says why. */
bool address_parse(struct address *address, const char *text, char *why, size_t why_size);

/* The address as it stands in a URL, such as 127.0.0.1:4318 or [::1]:4318. */
void address_print(const struct address *address, char *out, size_t out_size);

bool address_is_loopback(const struct address *address);

/*
 * Does a server at this address answer to that Host header (NULL: none was sent)? To loopback names and addresses,
 * to its own address, to any address in digits if it listens on all of them, and to the names in `extra`.
 */
bool address_answers_to(const struct address *address, const char *const *extra, size_t extra_count, const char *host);

#endif
