// The file behind the table: a memfd, or a file of mode 0600 at a path. It is opened, locked and made longer here; threads
// come here under the table's lock.
//
// A path is refused where a store could block or fail: on a disk, unless the host insists; where there is no memory left
// the file does not become longer, since a store to a page that cannot be had would be the end of the process. What is
// there already is never overwritten: the table of a process that crashed is kept as PATH.last, that of one that lives is
// locked, and any other file is somebody else's.
//
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "table_map.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

#define TMPFS 0x01021994 // of linux/magic.h, which not every system's headers have
#define RAMFS 0x858458f6

static __attribute__((format(printf, 3, 4))) bool refuse(char *why, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return false;
}

bool logctx__table_is_ours(const struct table_file *file)
{
    struct stat now;
    return file->fd >= 0 && fstat(file->fd, &now) == 0 && now.st_dev == file->device && now.st_ino == file->inode;
}

// Never 0 to 2, which a host may have closed and expects to get.
static int move_up(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return moved;
}

static bool adopt(int fd, struct table_file *file)
{
    struct stat now;
    file->fd = move_up(fd);
    if (file->fd < 0 || fstat(file->fd, &now) != 0)
        return false;
    file->device = now.st_dev;
    file->inode = now.st_ino;
    return true;
}

static bool open_memfd(struct table_file *file, char *why, size_t size)
{
    int fd = memfd_create(LOGCTX_TABLE_MEMFD, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0)
        fd = memfd_create(LOGCTX_TABLE_MEMFD, MFD_CLOEXEC | MFD_ALLOW_SEALING); // kernels before 6.3
    if (fd < 0 || !adopt(fd, file))
        return refuse(why, size, "the kernel gives no memfd (%m)");
    // Who may open it must not end this process by making it shorter.
    (void)fcntl(file->fd, F_ADD_SEALS, F_SEAL_SHRINK);
    return true;
}

// `%p` stands for the process id, so that every process of a service has a table. False: too long.
static bool expand(const char *path, char *out, size_t size)
{
    size_t at = 0;
    for (; *path; path++) {
        int length = path[0] == '%' && path[1] == 'p' ? snprintf(out + at, size - at, "%d", (int)getpid())
                                                      : snprintf(out + at, size - at, "%c", *path);
        if (length < 0 || (size_t)length >= size - at)
            return false;
        at += (size_t)length;
        path += path[0] == '%' && path[1] == 'p';
    }
    return at > 0;
}

static int open_directory(char *path, const char **name)
{
    char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (slash == path)
        return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    *slash = '\0';
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    *slash = '/';
    return directory;
}

static bool is_in_memory(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && ((uint32_t)fs.f_type == TMPFS || (uint32_t)fs.f_type == RAMFS);
}

static bool holds_a_table(int fd)
{
    char magic[8];
    struct stat now;
    return fstat(fd, &now) == 0 && (now.st_size == 0 || (pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
                                                         memcmp(magic, LOGCTX_TABLE_MAGIC, sizeof magic) == 0));
}

static bool still_leads_to(int directory, const char *name, const struct stat *file)
{
    struct stat there;
    return fstatat(directory, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == file->st_ino &&
           there.st_dev == file->st_dev;
}

// Whether `name` is free now, or is the table of a process that is gone. Then *held is its descriptor, with the lock: nobody
// else puts the file aside, and none that has begun to live, until it is closed. Negative: there is no file.
static bool may_replace(int directory, const char *name, const char *path, char *why, size_t size, int *held)
{
    int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    *held = -1;
    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0)
        return refuse(why, size,
                      errno == ELOOP ? "%s is a symbolic link, which is not followed" : "%s cannot be opened (%m)",
                      path);
    struct stat now;
    bool mine = fstat(fd, &now) == 0 && S_ISREG(now.st_mode) && now.st_uid == geteuid();
    bool unlocked = mine && flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool table = unlocked && holds_a_table(fd), same = unlocked && still_leads_to(directory, name, &now);
    if (table && same) {
        *held = fd;
        return true;
    }
    close(fd);
    if (!mine)
        return refuse(why, size, "%s is there already, and is not a file of this user", path);
    if (!unlocked)
        return refuse(why, size,
                      "%s is the table of another process that lives; put %%p into the path, for its process id", path);
    return refuse(why, size,
                  table ? "%s was taken by another process at the same moment"
                        : "%s is there already, and is not a table of logctx: it is left as it is",
                  path);
}

// Both locks are held, so what is overwritten is of a process that is gone, too.
static bool keep_last(int directory, const char *name, const char *path, char *why, size_t size)
{
    char last[300], last_path[TABLE_PATH_MAX + 8];
    int held;
    if (snprintf(last, sizeof last, "%s.last", name) >= (int)sizeof last)
        return refuse(why, size, "the name of %s is too long", path);
    snprintf(last_path, sizeof last_path, "%s.last", path);
    if (!may_replace(directory, last, last_path, why, size, &held))
        return false;
    bool renamed = renameat(directory, name, directory, last) == 0;
    if (!renamed)
        refuse(why, size, "%s cannot be renamed to %s (%m)", path, last);
    if (held >= 0)
        close(held);
    return renamed;
}

static bool make_way(int directory, const char *name, const char *path, char *why, size_t size)
{
    int held;
    if (!may_replace(directory, name, path, why, size, &held))
        return false;
    bool free = held < 0 || keep_last(directory, name, path, why, size);
    if (held >= 0)
        close(held);
    return free;
}

static bool create(int directory, const char *name, struct table_file *file, char *why, size_t size)
{
    int fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return refuse(why, size, "%s was taken by another process at the same moment", file->path);
    if (fd < 0 || !adopt(fd, file))
        return refuse(why, size, "%s cannot be created (%m)", file->path);
    // Another process may have found the new file before its lock, and have put it aside.
    const struct stat mine = {.st_dev = file->device, .st_ino = file->inode};
    if (flock(file->fd, LOCK_EX | LOCK_NB) == 0 && still_leads_to(directory, name, &mine))
        return true;
    // An empty file that stays would be in the way of the next start.
    if (still_leads_to(directory, name, &mine))
        unlinkat(directory, name, 0);
    close(file->fd);
    file->fd = -1;
    return refuse(why, size, "%s was taken by another process at the same moment", file->path);
}

static bool open_path(const char *path, bool insist, struct table_file *file, char *why, size_t size)
{
    const char *name;
    if (!expand(path, file->path, sizeof file->path))
        return refuse(why, size, "the path is empty or longer than %d bytes", TABLE_PATH_MAX - 1);
    int directory = open_directory(file->path, &name);
    if (directory < 0)
        return refuse(why, size, "the directory of %s cannot be opened (%m)", file->path);
    bool opened = insist || is_in_memory(directory);
    if (!opened)
        refuse(why, size,
               "%s is not on a tmpfs, and a store to a file on a disk can block; choose a path in /run or /dev/shm, or "
               "insist with disk:%s",
               file->path, file->path);
    if (opened)
        logctx__table_tidy(directory, path);
    opened = opened && make_way(directory, name, file->path, why, size) && create(directory, name, file, why, size);
    close(directory);
    return opened;
}

bool logctx__table_open(const char *setting, struct table_file *file, char *why, size_t size)
{
    why[0] = file->path[0] = '\0';
    file->fd = -1;
    bool opened;
    if (strcmp(setting, "off") == 0)
        return false;
    if (strcmp(setting, "memfd") == 0)
        opened = open_memfd(file, why, size);
    else if (strncmp(setting, "disk:", 5) == 0)
        opened = open_path(setting + 5, true, file, why, size);
    else if (strchr(setting, '/'))
        opened = open_path(setting, false, file, why, size);
    else
        opened = refuse(why, size, "\"%.64s\" is none of memfd, off, a path with a slash, and disk:PATH", setting);
    if (opened)
        return true;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
    return false;
}

static bool write_zeros(int fd, size_t from, size_t to)
{
    static const char zeros[LOGCTX_TABLE_PAGE];
    for (; from < to; from += sizeof zeros)
        if (pwrite(fd, zeros, sizeof zeros, (off_t)from) != (ssize_t)sizeof zeros)
            return false;
    return true;
}

// Memory is there when this has said so. Beyond the limit of file sizes the kernel would send a signal to the host.
bool logctx__table_grow(const struct table_file *file, size_t from, size_t to)
{
    struct rlimit limit;
    if (!logctx__table_is_ours(file) ||
        (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < to))
        return false;
    int done;
    do
        done = fallocate(file->fd, 0, (off_t)from, (off_t)(to - from));
    while (done != 0 && errno == EINTR);
    return done == 0 || (errno == EOPNOTSUPP && write_zeros(file->fd, from, to));
}

// Never longer than it is: beyond the limit of file sizes the kernel would send a signal to the host.
bool logctx__table_write(const struct table_file *file, size_t at, const void *data, size_t size)
{
    struct rlimit limit;
    if (!logctx__table_is_ours(file) ||
        (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < at + size))
        return false;
    ssize_t done;
    do
        done = pwrite(file->fd, data, size, (off_t)at);
    while (done < 0 && errno == EINTR);
    return done == (ssize_t)size;
}

// After a good end there is nothing to look at. Only if the path still leads to our file.
void logctx__table_remove(const struct table_file *file)
{
    struct stat there;
    if (file->path[0] && lstat(file->path, &there) == 0 && there.st_dev == file->device && there.st_ino == file->inode)
        unlink(file->path);
}
