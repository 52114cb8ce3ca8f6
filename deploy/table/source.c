// Where a table lies, and copies of its bytes. A process is found by the descriptor that it keeps open on its table, and a
// descriptor of its folder in /proc tells whether it is still the same one. One thread.
//
// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/table.h"
#include "source_core.h"

struct source {
    enum source_kind kind;
    int fd;   // of the table or the core
    int proc; // /proc/PID; negative: none
    pid_t pid;
    bool same_namespace; // a thread's id means the same here
    struct core_dump core;
};

enum { TABLE_BYTES_MAX = 1 << 30 }; // what the core reserves at most; a file that claims more is cut here

static enum source_result refuse(enum source_result result, char why[SOURCE_WHY], const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum source_result refuse(enum source_result result, char why[SOURCE_WHY], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, SOURCE_WHY, format, arguments);
    va_end(arguments);
    return result;
}

static struct source *new_source(enum source_kind kind, int fd)
{
    struct source *source = calloc(1, sizeof *source);
    if (source)
        *source = (struct source){.kind = kind, .fd = fd, .proc = -1};
    return source;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    core_end(&source->core);
    close(source->fd);
    if (source->proc >= 0)
        close(source->proc);
    free(source);
}

enum source_kind source_kind(const struct source *source)
{
    return source->kind;
}

pid_t source_pid(const struct source *source)
{
    return source->pid;
}

// What stands in a small file of /proc, NUL-terminated; false: nothing.
static bool read_small(int folder, const char *name, char *out, size_t size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, out, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

// The letter behind the name, which may hold anything, also parentheses.
static char state_in(const char *stat)
{
    const char *end = strrchr(stat, ')');
    return end && end[1] == ' ' ? end[2] : '\0';
}

bool source_lives(const struct source *source)
{
    char stat[1024];
    if (source->proc < 0 || !read_small(source->proc, "stat", stat, sizeof stat))
        return false;
    char state = state_in(stat);
    return state && !strchr("ZXx", state);
}

char source_thread_state(const struct source *source, int32_t tid)
{
    char name[64], stat[1024];
    if (source->proc < 0 || !source->same_namespace || tid <= 0)
        return '\0';
    snprintf(name, sizeof name, "task/%" PRId32 "/stat", tid);
    return read_small(source->proc, name, stat, sizeof stat) ? state_in(stat) : '\0';
}

// The process's id as it sees itself: the last one of the line.
static pid_t inner_pid(int proc, pid_t pid)
{
    char status[4096];
    const char *line = read_small(proc, "status", status, sizeof status) ? strstr(status, "\nNSpid:") : NULL;
    if (!line)
        return pid;
    long last = pid;
    char *at = (char *)(uintptr_t)line + strlen("\nNSpid:");
    for (; *at == '\t' || *at == ' '; last = strtol(at, &at, 10))
        continue;
    return (pid_t)last;
}

static bool read_header(int fd, struct logctx_table_header *header)
{
    struct stat file;
    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_size >= LOGCTX_TABLE_HEADER_SIZE &&
           pread(fd, header, sizeof *header, 0) == (ssize_t)sizeof *header &&
           memcmp(header->magic, LOGCTX_TABLE_MAGIC, sizeof header->magic) == 0;
}

struct search {
    pid_t inner;    // whose table is looked for
    int fd;         // the best one so far
    uint64_t begun; // its age: a table made later is the one in use
    pid_t other;    // a table is there, of that process: a parent's
    bool refused;
};

// A descriptor of the process that may be its table. By memfd's name; or any file that is not empty, for one at a path.
static void try_descriptor(struct search *search, int folder, const char *name, bool memfd)
{
    static const char link[] = "/memfd:" LOGCTX_TABLE_MEMFD;
    char target[256];
    struct stat file;
    struct logctx_table_header header;
    ssize_t length = readlinkat(folder, name, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    if ((strncmp(target, link, sizeof link - 1) == 0) != memfd || fstatat(folder, name, &file, 0) != 0 ||
        !S_ISREG(file.st_mode) || file.st_size < LOGCTX_TABLE_HEADER_SIZE)
        return;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    search->refused |= fd < 0 && (errno == EACCES || errno == EPERM) && memfd;
    bool good = fd >= 0 && read_header(fd, &header);
    // What another version's header says of its process is not known; who reads the table will say so.
    bool known = good && header.version == LOGCTX_TABLE_VERSION;
    bool own = good && (!known || header.pid == search->inner);
    if (good && !own)
        search->other = header.pid;
    if (own && (search->fd < 0 || header.begun_boottime > search->begun)) {
        if (search->fd >= 0)
            close(search->fd);
        search->fd = fd;
        search->begun = header.begun_boottime;
    } else if (fd >= 0) {
        close(fd);
    }
}

// False: the folder of descriptors may not be read.
static bool search_descriptors(struct search *search, int proc, bool memfd)
{
    int folder = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *descriptors = folder >= 0 ? fdopendir(folder) : NULL;
    if (!descriptors)
        return folder >= 0 ? (close(folder), false) : false;
    for (struct dirent *entry; (entry = readdir(descriptors));) {
        if (entry->d_name[0] != '.')
            try_descriptor(search, folder, entry->d_name, memfd);
    }
    closedir(descriptors);
    return true;
}

static enum source_result say_refused(pid_t pid, char why[SOURCE_WHY])
{
    return refuse(SOURCE_REFUSED, why,
                  "Process %d may not be read by this user: it is another user's, or has rights of its own. Run "
                  "logctx-top as that user, or as root.",
                  (int)pid);
}

static enum source_result say_no_table(pid_t pid, const struct search *search, char why[SOURCE_WHY])
{
    if (search->refused)
        return say_refused(pid, why);
    if (search->other)
        return refuse(SOURCE_NO_TABLE, why,
                      "Process %d has only the table of process %d, which it was forked from; it has one of its own as "
                      "soon as it uses logctx. Look at process %d, or wait.",
                      (int)pid, (int)search->other, (int)search->other);
    return refuse(SOURCE_NO_TABLE, why,
                  "Process %d has no table: it does not use logctx, has made no context yet, or was started with "
                  "LOGCTX_TABLE=off. logctx-top without arguments lists the processes that have one.",
                  (int)pid);
}

enum source_result source_open_process(pid_t pid, struct source **out, char why[SOURCE_WHY])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return refuse(
            SOURCE_MISSING, why,
            "There is no process %d. If it has crashed, name the file of its table (LOGCTX_TABLE) or its core "
            "dump; logctx-top without arguments lists the processes that live.",
            (int)pid);
    struct search search = {.inner = inner_pid(proc, pid), .fd = -1};
    bool readable = search_descriptors(&search, proc, true);
    if (readable && search.fd < 0)
        search_descriptors(&search, proc, false);
    struct source *source = search.fd >= 0 ? new_source(SOURCE_PROCESS, search.fd) : NULL;
    enum source_result result = SOURCE_GOOD;
    if (!readable && errno != ENOENT && errno != ESRCH)
        result = say_refused(pid, why);
    else if (search.fd < 0)
        result = say_no_table(pid, &search, why);
    else if (!source)
        result = refuse(SOURCE_TROUBLE, why, "There is no memory left.");
    if (result != SOURCE_GOOD) {
        if (search.fd >= 0)
            close(search.fd);
        free(source);
        close(proc);
        return result;
    }
    source->proc = proc;
    source->pid = pid;
    source->same_namespace = search.inner == pid;
    *out = source;
    return SOURCE_GOOD;
}

// The process that holds the lock on the file, which it does for its life; 0: nobody.
static pid_t holder_of(int fd)
{
    struct stat file;
    FILE *locks = fopen("/proc/locks", "re");
    if (!locks || fstat(fd, &file) != 0)
        return locks ? (fclose(locks), 0) : 0;
    pid_t found = 0;
    char line[256];
    while (!found && fgets(line, sizeof line, locks)) {
        int pid;
        unsigned major_number, minor_number;
        uint64_t inode;
        if (sscanf(line, "%*[0-9]: FLOCK %*s WRITE %d %x:%x:%" SCNu64, &pid, &major_number, &minor_number, &inode) ==
                4 &&
            major(file.st_dev) == major_number && minor(file.st_dev) == minor_number && file.st_ino == inode)
            found = pid;
    }
    fclose(locks);
    return found;
}

static enum source_result finish_file(struct source *source, const char *path, char why[SOURCE_WHY])
{
    char reason[SOURCE_WHY - 256] = "";
    struct logctx_table_header header;
    if (core_is_one(source->fd)) {
        source->kind = SOURCE_CORE;
        return core_begin(&source->core, source->fd, reason, sizeof reason)
                   ? SOURCE_GOOD
                   : refuse(SOURCE_NO_TABLE, why, "In %.200s, %s.", path, reason);
    }
    if (!read_header(source->fd, &header))
        return refuse(SOURCE_NO_TABLE, why,
                      "%.200s is neither the table of a program that uses logctx nor a core dump. Name the file that "
                      "LOGCTX_TABLE named for it, or that file with .last behind it.",
                      path);
    pid_t holder = holder_of(source->fd);
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/%d", (int)holder);
    source->proc = holder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    source->pid = source->proc >= 0 ? holder : 0;
    source->same_namespace = source->pid != 0 && header.pid == source->pid;
    return SOURCE_GOOD;
}

enum source_result source_open_file(const char *path, struct source **out, char why[SOURCE_WHY])
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return refuse(SOURCE_REFUSED, why,
                      "%.200s may not be read by this user. Run logctx-top as the user whose process wrote it, or as "
                      "root.",
                      path);
    if (fd < 0)
        return refuse(SOURCE_MISSING, why,
                      "%.200s cannot be opened: %s. Give the number of a process, the file of a table, or a core dump.",
                      path, strerror(errno));
    struct source *source = new_source(SOURCE_FILE, fd);
    if (!source) {
        close(fd);
        return refuse(SOURCE_TROUBLE, why, "There is no memory left.");
    }
    enum source_result result = fstat(fd, &file) == 0 && S_ISREG(file.st_mode)
                                    ? finish_file(source, path, why)
                                    : refuse(SOURCE_NO_TABLE, why, "%.200s is not a file; name one.", path);
    if (result == SOURCE_GOOD)
        *out = source;
    else
        source_close(source);
    return result;
}

static size_t read_some(const struct source *source, uint64_t offset, void *out, size_t size)
{
    if (source->kind == SOURCE_CORE)
        return core_read(&source->core, offset, out, size);
    size_t done = 0;
    for (ssize_t got = 1; done < size && got > 0; done += got > 0 ? (size_t)got : 0)
        got = pread(source->fd, (char *)out + done, size - done, (off_t)(offset + done));
    return done;
}

bool source_read(const struct source *source, uint64_t offset, void *out, size_t size)
{
    return offset < TABLE_BYTES_MAX && read_some(source, offset, out, size) == size;
}

static uint64_t bytes_there(const struct source *source)
{
    struct stat file;
    if (source->kind == SOURCE_CORE)
        return TABLE_BYTES_MAX;
    return fstat(source->fd, &file) == 0 ? (uint64_t)file.st_size : 0;
}

enum source_result source_copy(struct source *source, uint8_t **bytes, size_t *size, char why[SOURCE_WHY])
{
    struct logctx_table_header header;
    if (read_some(source, 0, &header, sizeof header) != sizeof header)
        return refuse(SOURCE_UNKNOWN, why, "The table has been cut off while it was read; try again.");
    uint64_t there = bytes_there(source);
    uint64_t wanted = header.used < there ? header.used : there;
    if (wanted > TABLE_BYTES_MAX)
        wanted = TABLE_BYTES_MAX;
    if (wanted < LOGCTX_TABLE_HEADER_SIZE)
        wanted = LOGCTX_TABLE_HEADER_SIZE;
    *bytes = malloc((size_t)wanted);
    if (!*bytes)
        return refuse(SOURCE_TROUBLE, why, "There is no memory for a copy of the table, which has %" PRIu64 " bytes.",
                      wanted);
    *size = read_some(source, 0, *bytes, (size_t)wanted);
    return SOURCE_GOOD;
}

void source_each_process(void (*visit)(struct source *source, void *user), void *user)
{
    char why[SOURCE_WHY];
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        struct source *source = NULL;
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end != '\0' || pid <= 0 || source_open_process((pid_t)pid, &source, why) != SOURCE_GOOD)
            continue;
        visit(source, user);
        source_close(source);
    }
    if (processes)
        closedir(processes);
}
