// SPDX-License-Identifier: Apache-2.0
// Reads and prints the listening address, and checks Host headers against it.
// No state; any thread.

#include "address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST_SIZE = 256 };

// The host without its brackets, and the text after the colon: NULL if there is no port. False if it is neither form.
static bool split(const char *text, char host[HOST_SIZE], bool *bracketed, const char **port)
{
    const char *end;
    *bracketed = text[0] == '[';
    if (*bracketed) {
        text++;
        end = strchr(text, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return false;
        *port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = text + strcspn(text, ":");
        *port = *end == ':' ? end + 1 : NULL;
    }
    size_t length = (size_t)(end - text);
    if (length == 0 || length >= HOST_SIZE)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    return true;
}

static bool parse_port(const char *text, in_port_t *port)
{
    if (text == NULL || *text == '\0' || strlen(text) > 5 || text[strspn(text, "0123456789")] != '\0')
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *port = htons((uint16_t)value);
    return value <= UINT16_MAX;
}

static bool set_host(struct address *address, const char *host, bool bracketed)
{
    *address = (struct address){0};
    if (bracketed) {
        address->socket.v6.sin6_family = AF_INET6;
        address->length = sizeof address->socket.v6;
        return inet_pton(AF_INET6, host, &address->socket.v6.sin6_addr) == 1;
    }
    address->socket.v4.sin_family = AF_INET;
    address->length = sizeof address->socket.v4;
    if (strcasecmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return inet_pton(AF_INET, host, &address->socket.v4.sin_addr) == 1;
}

bool address_parse(struct address *address, const char *text, char *why, size_t why_size)
{
    char host[HOST_SIZE];
    bool bracketed;
    const char *port;
    in_port_t number;
    if (!split(text, host, &bracketed, &port) || !parse_port(port, &number) || !set_host(address, host, bracketed)) {
        snprintf(why, why_size,
                 "\"%.100s\" is not an address to listen on; write HOST:PORT with localhost, an IPv4 "
                 "address, or an IPv6 address in brackets, such as 127.0.0.1:4318 or [::1]:4318.",
                 text);
        return false;
    }
    if (bracketed)
        address->socket.v6.sin6_port = number;
    else
        address->socket.v4.sin_port = number;
    return true;
}

void address_print(const struct address *address, char *out, size_t out_size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->socket.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->socket.v6.sin6_addr, host, sizeof host);
        snprintf(out, out_size, "[%s]:%u", host, ntohs(address->socket.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address->socket.v4.sin_addr, host, sizeof host);
        snprintf(out, out_size, "%s:%u", host, ntohs(address->socket.v4.sin_port));
    }
}

bool address_is_loopback(const struct address *address)
{
    if (address->socket.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->socket.v6.sin6_addr);
    return ntohl(address->socket.v4.sin_addr.s_addr) >> 24 == 127;
}

static bool is_everywhere(const struct address *address)
{
    if (address->socket.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&address->socket.v6.sin6_addr);
    return address->socket.v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool same_host(const struct address *a, const struct address *b)
{
    if (a->socket.any.sa_family != b->socket.any.sa_family)
        return false;
    if (a->socket.any.sa_family == AF_INET6)
        return IN6_ARE_ADDR_EQUAL(&a->socket.v6.sin6_addr, &b->socket.v6.sin6_addr);
    return a->socket.v4.sin_addr.s_addr == b->socket.v4.sin_addr.s_addr;
}

bool address_answers_to(const struct address *address, const char *const *extra, size_t extra_count, const char *host)
{
    char name[HOST_SIZE];
    bool bracketed;
    const char *port;
    in_port_t number;
    // Only programs from before HTTP/1.1 leave the header out; a browser never does.
    if (host == NULL)
        return true;
    if (!split(host, name, &bracketed, &port) || (port != NULL && !parse_port(port, &number)))
        return false;
    for (size_t i = 0; i < extra_count; i++)
        if (!bracketed && strcasecmp(name, extra[i]) == 0)
            return true;
    struct address asked;
    if (!set_host(&asked, name, bracketed))
        return false;
    return address_is_loopback(&asked) || same_host(&asked, address) || is_everywhere(address);
}
