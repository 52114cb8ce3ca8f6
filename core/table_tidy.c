// Files of processes that are gone. With %p in the path each process has a table of its own, and nobody takes the place of one
// that was killed, or left by _exit(): so the next process of the pattern removes all but the latest of them. Only when a
// table is opened, by the thread that does so, under the table's lock.
//
// A file is removed only if its name is of the pattern, it is a table of this user, and its lock is free: whoever lives holds
// it, also in another container. Its lock is ours then until it is removed.
//
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "table_map.h"

enum { LOOKED_AT = 4096, KEPT = 4 };

// Of the newest ones that were found so far, the newest first.
struct left {
    char name[256];
    struct timespec at;
};

// What stands before and behind the number in the last part of the path. False: there is no number, or more than one.
static bool split(const char *pattern, const char **before, size_t *length, const char **behind)
{
    const char *slash = strrchr(pattern, '/');
    const char *number = strstr(pattern, "%p");
    *before = slash ? slash + 1 : pattern;
    if (!number || number < *before || strstr(number + 2, "%p"))
        return false;
    *length = (size_t)(number - *before);
    *behind = number + 2;
    return true;
}

static bool is_of(const char *name, const char *before, size_t length, const char *behind)
{
    if (strncmp(name, before, length) != 0)
        return false;
    size_t digits = strspn(name + length, "0123456789");
    return digits > 0 && digits < 11 && strcmp(name + length + digits, behind) == 0;
}

// Negative: it lives, or is none of ours.
static int open_left(int directory, const char *name, struct timespec *at)
{
    struct stat now;
    char magic[sizeof((struct logctx_table_header *)NULL)->magic];
    int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fd;
    if (fstat(fd, &now) == 0 && S_ISREG(now.st_mode) && now.st_uid == geteuid() &&
        pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
        memcmp(magic, LOGCTX_TABLE_MAGIC, sizeof magic) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *at = now.st_mtim;
        return fd;
    }
    close(fd);
    return -1;
}

static bool is_later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static void remove_left(int directory, const char *name)
{
    struct timespec at;
    int fd = open_left(directory, name, &at);
    if (fd < 0)
        return;
    unlinkat(directory, name, 0);
    close(fd);
}

// Keeps it among the latest; whichever is one too many then goes.
static void consider(int directory, struct left *kept, const char *name)
{
    struct left this = {.name = ""}, one;
    if (strlen(name) >= sizeof this.name)
        return;
    int fd = open_left(directory, name, &this.at);
    if (fd < 0)
        return;
    close(fd);
    strcpy(this.name, name);
    for (int i = 0; i < KEPT; i++)
        if (!kept[i].name[0] || is_later(this.at, kept[i].at)) {
            one = kept[i];
            kept[i] = this;
            this = one;
        }
    if (this.name[0])
        remove_left(directory, this.name);
}

void logctx__table_tidy(int directory, const char *pattern)
{
    const char *before, *behind;
    size_t length;
    if (!split(pattern, &before, &length, &behind))
        return;
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    if (!entries) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct left kept[KEPT] = {{.name = ""}};
    const struct dirent *entry;
    for (int i = 0; i < LOOKED_AT && (entry = readdir(entries)); i++)
        if (is_of(entry->d_name, before, length, behind))
            consider(directory, kept, entry->d_name);
    closedir(entries);
}
