// The daemon: going to the background, the pid file, and the pipe on which the foreground waits. The one file of the core
// that opens files and ends processes (docs/decisions/0006-daemonize-in-the-core.md).
//
// Everything that can fail for a reason which a person can mend is done in the foreground, before the first fork.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REASON_MAX = 1000, PID_TEXT_MAX = 24, TRIES = 16 };

// What comes through the pipe: one of these, and a sentence behind the second.
enum { READY = 'R', FAILED = 'F' };

// Under `lock`, but for `pid`, which is written before there is a second thread. Descriptors: -1 if there is none.
struct logctx_daemon {
    lock_t lock;
    atomic_int pid; // of the daemon; another one, or 0: this process is not it
    atomic_int pid_fd;
    atomic_int pipe_fd; // the end that is written to
    char pid_path[PATH_MAX];
};
static struct logctx_daemon the_daemon = {.pid_fd = -1, .pipe_fd = -1};

// What is opened before the fork.
struct prepared {
    int null_fd, log_fd, directory_fd, pid_fd;
    int pipe[2];
    char pid_path[PATH_MAX];
};

static bool is_daemon(const logctx_daemon_t *daemon)
{
    return READ_RELAXED(daemon->pid) == getpid();
}

static void close_fd(atomic_int *fd)
{
    int open = atomic_exchange_explicit(fd, -1, memory_order_relaxed);
    if (open >= 0)
        close(open);
}

// A child of the daemon must neither hold the lock of its pid file nor keep the foreground waiting.
void logctx__daemon_in_child(void)
{
    if (READ_RELAXED(the_daemon.pid) == 0)
        return;
    atomic_store_explicit(&the_daemon.pid, 0, memory_order_relaxed);
    close_fd(&the_daemon.pid_fd);
    close_fd(&the_daemon.pipe_fd);
}

// Preparing, in the foreground.

static logctx_status_t refuse(logctx_status_t status, const char *what, const char *path, const char *why)
{
    logctx_log(LOGCTX_ERROR_SEVERITY, "logctx_daemonize: %s%s%s: %s", what, *path ? " " : "", path, why);
    return status;
}

// Not 0 to 2, which will be standard input, output and error.
static int open_high(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return high;
}

// The daemon will run in another directory.
static bool make_absolute(char out[PATH_MAX], const char *path)
{
    char here[PATH_MAX] = "";
    if (path[0] != '/' && (!getcwd(here, sizeof here - 1)))
        return false;
    int length = snprintf(out, PATH_MAX, "%s%s%s", here, *here ? "/" : "", path);
    return length > 0 && length < PATH_MAX;
}

// A pid file holds a number, or nothing yet. What looks otherwise was named by mistake, and is not overwritten.
static bool looks_like_pid_file(int fd, const struct stat *file, char text[PID_TEXT_MAX])
{
    ssize_t length = pread(fd, text, PID_TEXT_MAX - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    size_t digits = strspn(text, "0123456789"), line = digits + (text[digits] == '\n');
    return S_ISREG(file->st_mode) && file->st_nlink == 1 && file->st_uid == geteuid() && length < PID_TEXT_MAX - 1 &&
           (ssize_t)line == length;
}

// Opened and locked, or -1 and *status. A daemon that ends removes its file: then the lock is on a file that nobody finds.
static int lock_pid_file(const char *path, logctx_status_t *status)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct stat file, there;
        char text[PID_TEXT_MAX] = "";
        int fd = open_high(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &file) != 0) {
            *status = refuse(LOGCTX_E_IO, "the pid file cannot be made:", path, strerror(errno));
            return -1;
        }
        bool ours = looks_like_pid_file(fd, &file, text);
        if (!ours)
            *status = refuse(LOGCTX_E_IO, "the pid file is something else and is left alone:", path,
                             "it is not a file of ours with a process id; name another one");
        else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            char why[64] = "another daemon is starting"; // and has not written its number yet
            text[strcspn(text, "\n")] = '\0';
            if (*text)
                snprintf(why, sizeof why, "process %s is running as another daemon", text);
            *status = refuse(LOGCTX_E_STATE, "the pid file is locked:", path, why);
        } else if (stat(path, &there) == 0 && there.st_dev == file.st_dev && there.st_ino == file.st_ino) {
            return fd;
        } else {
            close(fd);
            continue;
        }
        close(fd);
        return -1;
    }
    *status = refuse(LOGCTX_E_STATE, "the pid file changes all the time:", path, "others are starting too");
    return -1;
}

static void forget(struct prepared *prepared)
{
    if (prepared->pid_fd >= 0)
        unlink(prepared->pid_path); // empty or stale, and the lock is ours
    const int fds[] = {prepared->null_fd, prepared->log_fd,  prepared->directory_fd,
                       prepared->pid_fd,  prepared->pipe[0], prepared->pipe[1]};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool make_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(low[i]);
    }
    return ends[0] >= 0 && ends[1] >= 0;
}

static logctx_status_t prepare(struct prepared *prepared, const logctx_daemon_opts_t *opts)
{
    *prepared = (struct prepared){-1, -1, -1, -1, {-1, -1}, ""};
    const char *directory = opts->directory ? opts->directory : "/";
    logctx_status_t status = LOGCTX_OK;
    if (opts->pid_file && !make_absolute(prepared->pid_path, opts->pid_file))
        return refuse(LOGCTX_E_INVALID, "the pid file's path is too long:", opts->pid_file, "use a shorter one");
    prepared->null_fd = open_high("/dev/null", O_RDWR);
    if (prepared->null_fd < 0)
        return refuse(LOGCTX_E_IO, "it cannot be opened:", "/dev/null", strerror(errno));
    prepared->log_fd = opts->log_file ? open_high(opts->log_file, O_WRONLY | O_APPEND | O_CREAT)
                                      : open_high("/dev/null", O_RDWR);
    if (prepared->log_fd < 0)
        return refuse(LOGCTX_E_IO, "the log file cannot be opened:", opts->log_file ? opts->log_file : "/dev/null",
                      strerror(errno));
    prepared->directory_fd = open_high(directory, O_PATH | O_DIRECTORY);
    if (prepared->directory_fd < 0)
        return refuse(LOGCTX_E_IO, "there is no such directory to run in:", directory, strerror(errno));
    if (!make_pipe(prepared->pipe))
        return refuse(LOGCTX_E_IO, "no pipe could be made", "", strerror(errno));
    if (opts->pid_file)
        prepared->pid_fd = lock_pid_file(prepared->pid_path, &status);
    return status;
}

// The foreground, and the process in the middle.

static void say(const char *text)
{
    for (size_t done = 0, length = strlen(text); done < length;) {
        ssize_t written = write(STDERR_FILENO, text + done, length - done);
        if (written <= 0 && errno != EINTR)
            return;
        done += written > 0 ? (size_t)written : 0;
    }
}

static _Noreturn void wait_and_leave(int pipe_fd, pid_t middle)
{
    char message[REASON_MAX + 2];
    size_t length = 0;
    while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
        ;
    for (;;) {
        ssize_t got = read(pipe_fd, message + length, sizeof message - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
        if (message[0] == READY)
            _exit(0);
    }
    message[length] = '\0';
    say("The daemon did not start: ");
    say(length > 0 ? message + 1 : "it ended before it was ready; its log may tell why");
    say("\n");
    _exit(1);
}

// At most PIPE_BUF bytes: whole or not at all. A foreground that was interrupted is nobody to complain to, and the signal
// for a pipe without a reader is the host's: it is held back.
static void tell(int fd, char what, const char *reason)
{
    char message[REASON_MAX + 2];
    int length = snprintf(message, sizeof message, "%c%s", what, reason);
    size_t size = length < (int)sizeof message ? (size_t)length : sizeof message - 1;
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    while (write(fd, message, size) < 0 && errno == EINTR)
        ;
    const struct timespec at_once = {0, 0};
    if (!sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static _Noreturn void give_up(const struct prepared *prepared, const char *what)
{
    char reason[REASON_MAX];
    snprintf(reason, sizeof reason, "%s: %s", what, strerror(errno));
    tell(prepared->pipe[1], FAILED, reason);
    if (prepared->pid_fd >= 0)
        unlink(prepared->pid_path);
    _exit(1);
}

// A session leader could get a terminal; its child cannot.
static void split_off(const struct prepared *prepared)
{
    if (setsid() < 0)
        give_up(prepared, "setsid() failed");
    pid_t pid = fork();
    if (pid < 0)
        give_up(prepared, "the second fork() failed");
    if (pid > 0)
        _exit(0);
}

// The daemon.

static bool write_pid(int fd)
{
    char text[PID_TEXT_MAX];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    return fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length;
}

static void at_exit(void)
{
    logctx_daemon_end(&the_daemon);
}

static void settle(struct prepared *prepared)
{
    static bool registered; // atexit handlers are inherited by a daemon's child that becomes a daemon itself
    if (fchdir(prepared->directory_fd) != 0)
        give_up(prepared, "the directory cannot be entered");
    if (dup2(prepared->null_fd, STDIN_FILENO) < 0 || dup2(prepared->log_fd, STDOUT_FILENO) < 0 ||
        dup2(prepared->log_fd, STDERR_FILENO) < 0)
        give_up(prepared, "standard input and output cannot be redirected");
    if (prepared->pid_fd >= 0 && !write_pid(prepared->pid_fd))
        give_up(prepared, "the pid file cannot be written");
    close(prepared->null_fd);
    close(prepared->log_fd);
    close(prepared->directory_fd);
    memcpy(the_daemon.pid_path, prepared->pid_path, sizeof the_daemon.pid_path);
    atomic_store_explicit(&the_daemon.pid_fd, prepared->pid_fd, memory_order_relaxed);
    atomic_store_explicit(&the_daemon.pipe_fd, prepared->pipe[1], memory_order_relaxed);
    atomic_store_explicit(&the_daemon.pid, getpid(), memory_order_relaxed);
    if (!registered)
        registered = atexit(at_exit) == 0;
}

// What was current when the daemon was made.
struct left_current {
    bool any;
    char name[LOGCTX_KIND_NAME_MAX + 1];
    const logctx_site_t *set_by;
};

static struct left_current leave_current(const logctx_site_t *site)
{
    struct left_current left = {.any = !is_sentinel(current_context())};
    if (!left.any)
        return left;
    struct thread *thread = logctx__tls.thread;
    snprintf(left.name, sizeof left.name, "%s", logctx_name(current_context()));
    left.set_by = thread ? thread->current_at : NULL;
    logctx__switch(thread, &logctx__sentinel, site);
    return left;
}

// In the daemon, which is the one that goes on: its counters and its log are what an operator looks at.
static void report(const struct left_current *left, const logctx_site_t *site)
{
    if (left->any)
        logctx__report(this_thread(), &(struct occurrence){.kind = LOGCTX_ERROR_UNEXPECTED_CONTEXT,
                                                           .expected = "sentinel",
                                                           .found = left->name,
                                                           .found_by = site,
                                                           .set_by = left->set_by});
}

// Field 20 of /proc/self/stat; the name in field 2 may contain anything. Where nobody tells, the caller is believed.
static bool has_other_threads(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 20; field++)
        at = strchr(at + 1, ' ');
    return at && strtol(at + 1, NULL, 10) > 1;
}

static logctx_status_t may_daemonize(const logctx_site_t *site)
{
    if (logctx_in_callback())
        return LOGCTX_E_STATE;
    const char *wrong = NULL;
    if (is_daemon(&the_daemon))
        wrong = "logctx_daemonize() was called in a daemon; call it once";
    else if (has_other_threads())
        wrong = "logctx_daemonize() was called with other threads running, which the daemon would not have; call it "
                "before the exporter and other threads are started";
    if (!wrong)
        return LOGCTX_OK;
    logctx__misuse(wrong, site);
    return LOGCTX_E_STATE;
}

logctx_status_t logctx_daemonize_at(const logctx_daemon_opts_t *given, logctx_daemon_t **daemon,
                                    const logctx_site_t *site)
{
    logctx_daemon_opts_t opts = LOGCTX_DAEMON_OPTS_INIT;
    struct prepared prepared;
    if (!daemon || (given && given->struct_size == 0))
        return LOGCTX_E_INVALID;
    *daemon = NULL;
    if (given)
        memcpy(&opts, given, given->struct_size < sizeof opts ? given->struct_size : sizeof opts);
    logctx_status_t status = may_daemonize(site);
    if (status != LOGCTX_OK)
        return status;
    status = prepare(&prepared, &opts);
    if (status != LOGCTX_OK) {
        forget(&prepared);
        return status;
    }
    struct left_current left = leave_current(site);
    pid_t middle = fork();
    if (middle < 0) {
        status = refuse(LOGCTX_E_IO, "fork() failed", "", strerror(errno));
        report(&left, site);
        forget(&prepared);
        return status;
    }
    if (middle > 0) {
        close(prepared.pipe[1]);
        wait_and_leave(prepared.pipe[0], middle);
    }
    close(prepared.pipe[0]);
    split_off(&prepared);
    settle(&prepared);
    report(&left, site);
    *daemon = &the_daemon;
    return LOGCTX_OK;
}

logctx_status_t(logctx_daemonize)(const logctx_daemon_opts_t *opts, logctx_daemon_t **daemon)
{
    return logctx_daemonize_at(opts, daemon, logctx__site_of_caller(__builtin_return_address(0)));
}

// Its life.

static logctx_status_t tell_once(logctx_daemon_t *daemon, char what, const char *reason)
{
    if (!daemon)
        return LOGCTX_E_INVALID;
    if (!is_daemon(daemon))
        return LOGCTX_E_STATE;
    int fd = atomic_exchange_explicit(&daemon->pipe_fd, -1, memory_order_relaxed);
    if (fd < 0)
        return LOGCTX_OK;
    tell(fd, what, reason);
    close(fd);
    return LOGCTX_OK;
}

logctx_status_t logctx_daemon_ready(logctx_daemon_t *daemon)
{
    return tell_once(daemon, READY, "");
}

logctx_status_t logctx_daemon_failed(logctx_daemon_t *daemon, const char *reason)
{
    return tell_once(daemon, FAILED, reason && *reason ? reason : "it gave no reason");
}

void logctx_daemon_end(logctx_daemon_t *daemon)
{
    if (!daemon || !is_daemon(daemon))
        return;
    logctx__lock(&daemon->lock);
    int fd = atomic_exchange_explicit(&daemon->pid_fd, -1, memory_order_relaxed);
    struct stat file, there;
    // Somebody may have removed it by hand, and another daemon made its own.
    if (fd >= 0 && fstat(fd, &file) == 0 && stat(daemon->pid_path, &there) == 0 && file.st_dev == there.st_dev &&
        file.st_ino == there.st_ino)
        unlink(daemon->pid_path);
    if (fd >= 0)
        close(fd);
    close_fd(&daemon->pipe_fd);
    atomic_store_explicit(&daemon->pid, 0, memory_order_relaxed);
    logctx__unlock(&daemon->lock);
}
