// SPDX-License-Identifier: Apache-2.0
// Checks who asks. No state; any thread.

#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static bool check_file(int file, const char *path, char *why, size_t why_size)
{
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(why, why_size, "The token file %.200s is not a regular file.", path);
        return false;
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0 && (status.st_uid == geteuid() || geteuid() == 0))
        return true;
    snprintf(why, why_size, "The token file %.200s can be read by others; make it yours, and chmod it to 600.", path);
    return false;
}

static bool read_token(struct access *access, int file)
{
    char text[ACCESS_TOKEN_MAX + 4];
    ssize_t length = read(file, text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    size_t size = strlen(text);
    if (size < ACCESS_TOKEN_MIN || size > ACCESS_TOKEN_MAX || text[strspn(text, TOKEN_BYTES)] != '\0')
        return false;
    memcpy(access->token, text, size + 1);
    return true;
}

bool access_load(struct access *access, const char *path, char *why, size_t why_size)
{
    access->token[0] = '\0';
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) {
        snprintf(why, why_size, "The token file %.200s cannot be read: %s.", path, strerror(errno));
        return false;
    }
    bool good = check_file(file, path, why, why_size);
    if (good && !read_token(access, file)) {
        snprintf(why, why_size,
                 "The token file %.200s needs one line of %d to %d letters, digits, and -._~ ; such as from "
                 "\"openssl rand -hex 32\".",
                 path, (int)ACCESS_TOKEN_MIN, (int)ACCESS_TOKEN_MAX);
        good = false;
    }
    close(file);
    return good;
}

bool access_is_same_site(const char *origin, const char *site, const char *host)
{
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (origin == NULL)
        return true;
    const char *rest = strstr(origin, "://");
    return rest != NULL && host != NULL && strcasecmp(rest + 3, host) == 0;
}

// Looks at every byte, whatever the ones before it were.
static bool is_equal(const char *secret, const char *text, size_t length)
{
    volatile unsigned char difference = 0;
    if (strlen(secret) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        difference = (unsigned char)(difference | (unsigned char)(secret[i] ^ text[i]));
    return difference == 0;
}

bool access_is_token(const struct access *access, const char *text)
{
    return access->token[0] != '\0' && is_equal(access->token, text, strlen(text));
}

static void cookie_name(unsigned port, char name[32])
{
    snprintf(name, 32, "logctx_dashboard_%u", port);
}

static bool is_in_cookie(const struct access *access, const char *cookie, unsigned port)
{
    char name[32];
    cookie_name(port, name);
    size_t length = strlen(name);
    for (const char *at = cookie; *at != '\0'; at += *at == ';') {
        at += strspn(at, " ");
        size_t size = strcspn(at, ";");
        if (size > length && memcmp(at, name, length) == 0 && at[length] == '=' &&
            is_equal(access->token, at + length + 1, size - length - 1))
            return true;
        at += size;
    }
    return false;
}

bool access_knows_token(const struct access *access, const char *authorization, const char *cookie, unsigned port)
{
    static const char scheme[] = "Bearer ";
    if (access->token[0] == '\0')
        return true;
    if (authorization != NULL && strncasecmp(authorization, scheme, sizeof scheme - 1) == 0 &&
        access_is_token(access, authorization + sizeof scheme - 1))
        return true;
    return cookie != NULL && is_in_cookie(access, cookie, port);
}

void access_cookie(const struct access *access, unsigned port, char *out, size_t out_size)
{
    char name[32];
    cookie_name(port, name);
    snprintf(out, out_size, "%s=%s; Path=/; HttpOnly; SameSite=Strict", name, access->token);
}
