// Daemons: each test runs a command that goes to the background, in a directory of its own. The daemon says what it sees in
// lines through a pipe, and ends when the test's end of another pipe is closed: no daemon outlives the test.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include <logctx/daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif

enum { REFUSED = 10, HANGS_AFTER_S = 60 };

static char folder[64], pid_file[128], log_file[128];

struct command {
    pid_t foreground;
    FILE *lines; // of the daemon
    int control; // written to, or closed
    int errors;  // the foreground's standard error
};

// The daemon's side.

static int lines_fd, control_fd;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (length > (int)sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    if (write(lines_fd, line, (size_t)length) != length)
        _exit(99);
}

static void wait_for_test(void)
{
    char byte;
    while (read(control_fd, &byte, 1) < 0 && errno == EINTR)
        ;
}

static void say_errors(const logctx_error_t *error, void *user)
{
    (void)user;
    say("error %s: %s", logctx_error_info(error->kind)->name, error->message);
}

static void say_log(const logctx_log_line_t *line, void *user)
{
    (void)user;
    say("log %s", line->message);
}

static void host_handler(void)
{
    say("atexit");
}

// The test's side.

static logctx_daemon_opts_t usual(void)
{
    logctx_daemon_opts_t opts = LOGCTX_DAEMON_OPTS_INIT;
    opts.pid_file = pid_file;
    opts.log_file = log_file;
    opts.directory = folder;
    return opts;
}

static int run_command(const logctx_daemon_opts_t *opts, int (*body)(logctx_daemon_t *daemon))
{
    logctx_daemon_t *daemon = NULL;
    atexit(host_handler);
    logctx_status_t status = logctx_daemonize(opts, &daemon);
    if (status == LOGCTX_OK)
        return body(daemon);
    say("refused %d", status);
    return REFUSED;
}

static void in_test_child(struct command *command, int lines[2], int control[2], int errors[2])
{
    (void)command;
    alarm(HANGS_AFTER_S);
    dup2(errors[1], STDERR_FILENO);
    lines_fd = lines[1];
    control_fd = control[0];
    close(lines[0]);
    close(control[1]);
    close(errors[0]);
    close(errors[1]);
    logctx_set_error_hook(say_errors, NULL);
    logctx_set_logger(say_log, NULL);
}

// `body` runs in the daemon, `before` in the foreground before that.
static struct command start(const logctx_daemon_opts_t *opts, void (*before)(void),
                            int (*body)(logctx_daemon_t *daemon))
{
    struct command command;
    int lines[2], control[2], errors[2];
    assert_int_equal(pipe2(lines, O_CLOEXEC), 0);
    assert_int_equal(pipe2(control, O_CLOEXEC), 0);
    assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
    command.foreground = fork();
    assert_true(command.foreground >= 0);
    if (command.foreground == 0) {
        in_test_child(&command, lines, control, errors);
        if (before)
            before();
        exit(run_command(opts, body));
    }
    close(lines[1]);
    close(control[0]);
    close(errors[1]);
    command.lines = fdopen(lines[0], "r");
    command.control = control[1];
    command.errors = errors[0];
    return command;
}

static const char *next_line(struct command *command)
{
    static char line[512];
    if (!fgets(line, sizeof line, command->lines))
        return "(end)";
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static int foreground_status(struct command *command)
{
    int status = 0;
    assert_int_equal(waitpid(command->foreground, &status, 0), command->foreground);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void go_on(struct command *command)
{
    assert_int_equal(write(command->control, "x", 1), 1);
}

// The last line of the daemon has been read, and so it has ended.
static void finish(struct command *command)
{
    assert_string_equal(next_line(command), "(end)");
    fclose(command->lines);
    close(command->control);
    close(command->errors);
}

static const char *errors_of(struct command *command)
{
    static char text[2048];
    size_t length = 0;
    for (ssize_t got;
         length < sizeof text - 1 && (got = read(command->errors, text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
    return text;
}

static const char *read_file(const char *path)
{
    static char text[512];
    int fd = open(path, O_RDONLY);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[length > 0 ? length : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static bool exists(const char *path)
{
    struct stat file;
    return lstat(path, &file) == 0;
}

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/logctx-daemon.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(pid_file, sizeof pid_file, "%s/pid", folder);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(pid_file);
    unlink(log_file);
    return rmdir(folder);
}

// A whole life.

static int live(logctx_daemon_t *daemon)
{
    char here[PATH_MAX];
    struct stat input, null;
    say("pid %d", (int)getpid());
    say("session %d", getsid(0) != getpid() && getpgrp() == getsid(0));
    say("in %s", getcwd(here, sizeof here));
    say("input %d", fstat(0, &input) == 0 && stat("/dev/null", &null) == 0 && input.st_rdev == null.st_rdev);
    say("sentinel %d", logctx_is_sentinel(logctx_current()));
    dprintf(STDOUT_FILENO, "out\n");
    dprintf(STDERR_FILENO, "err\n");
    wait_for_test();
    say("ready %d %d", logctx_daemon_ready(daemon), logctx_daemon_ready(daemon));
    wait_for_test();
    return 0;
}

static void test_life(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, NULL, live);
    int pid = 0, status;
    assert_int_equal(sscanf(next_line(&command), "pid %d", &pid), 1);
    assert_true(pid > 0 && pid != command.foreground);
    assert_string_equal(next_line(&command), "session 1");
    char here[128];
    snprintf(here, sizeof here, "in %s", folder);
    assert_string_equal(next_line(&command), here);
    assert_string_equal(next_line(&command), "input 1");
    assert_string_equal(next_line(&command), "sentinel 1");
    assert_int_equal(waitpid(command.foreground, &status, WNOHANG), 0); // it waits
    assert_int_equal(atoi(read_file(pid_file)), pid);
    struct stat file;
    assert_int_equal(stat(pid_file, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(stat(log_file, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    go_on(&command);
    assert_string_equal(next_line(&command), "ready 0 0");
    assert_int_equal(foreground_status(&command), 0);
    assert_true(exists(pid_file));
    go_on(&command);
    assert_string_equal(next_line(&command), "atexit"); // once: not in the foreground, not in between
    finish(&command);
    assert_false(exists(pid_file));
    assert_string_equal(read_file(log_file), "out\nerr\n");
}

static int end_early(logctx_daemon_t *daemon)
{
    logctx_daemon_ready(daemon);
    logctx_daemon_end(daemon);
    logctx_daemon_end(daemon);
    say("gone %d, then %d", access(pid_file, F_OK), logctx_daemon_ready(daemon));
    return 0;
}

static void test_end(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, NULL, end_early);
    assert_string_equal(next_line(&command), "gone -1, then -7");
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), 0);
}

// A relative pid file is in the directory of the call, and no file at all is needed.

static void enter_folder(void)
{
    if (chdir(folder) != 0)
        _exit(98);
}

static int become_ready(logctx_daemon_t *daemon)
{
    logctx_daemon_ready(daemon);
    say("pid file %d", access(pid_file, F_OK));
    wait_for_test();
    return 0;
}

static void test_paths(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = LOGCTX_DAEMON_OPTS_INIT;
    opts.pid_file = "pid";
    struct command command = start(&opts, enter_folder, become_ready);
    assert_string_equal(next_line(&command), "pid file 0");
    go_on(&command);
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), 0);
    assert_false(exists(pid_file));

    command = start(NULL, NULL, become_ready);
    assert_string_equal(next_line(&command), "pid file -1");
    go_on(&command);
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), 0);
}

// Failing.

static int fail_to_start(logctx_daemon_t *daemon)
{
    logctx_daemon_failed(daemon, "port 80 is taken");
    return 1;
}

static int die(logctx_daemon_t *daemon)
{
    (void)daemon;
    raise(SIGKILL);
    return 0;
}

static void test_failures_reach_the_foreground(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, NULL, fail_to_start);
    assert_int_equal(foreground_status(&command), 1);
    assert_string_equal(errors_of(&command), "The daemon did not start: port 80 is taken\n");
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_false(exists(pid_file));

    command = start(&opts, NULL, die);
    assert_int_equal(foreground_status(&command), 1);
    assert_non_null(strstr(errors_of(&command), "it ended before it was ready"));
    finish(&command);
    assert_true(exists(pid_file)); // killed: the next one finds it stale
    command = start(&opts, NULL, end_early);
    assert_string_equal(next_line(&command), "gone -1, then -7");
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), 0);
}

// Pid files.

static void assert_refused(const logctx_daemon_opts_t *opts, logctx_status_t status, const char *word)
{
    char expected[32];
    struct command command = start(opts, NULL, live);
    const char *line = next_line(&command);
    assert_non_null(strstr(line, "log logctx_daemonize: "));
    if (!strstr(line, word))
        fail_msg("\"%s\" is not in: %s", word, line);
    snprintf(expected, sizeof expected, "refused %d", status);
    assert_string_equal(next_line(&command), expected);
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), REFUSED);
}

static void test_second_is_refused(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, NULL, become_ready);
    assert_string_equal(next_line(&command), "pid file 0");
    assert_int_equal(foreground_status(&command), 0);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d ", atoi(read_file(pid_file)));
    assert_refused(&opts, LOGCTX_E_STATE, pid);
    assert_true(exists(pid_file)); // the running daemon's
    go_on(&command);
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_false(exists(pid_file));
}

static void test_pid_files_of_others(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    write_file(pid_file, "1\n"); // a process that lives, and has no lock: the number was used again
    struct command command = start(&opts, NULL, become_ready);
    assert_string_equal(next_line(&command), "pid file 0");
    assert_true(atoi(read_file(pid_file)) > 1);
    go_on(&command);
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), 0);

    write_file(pid_file, "precious\n");
    assert_refused(&opts, LOGCTX_E_IO, "something else");
    assert_string_equal(read_file(pid_file), "precious\n");
    const char binary[] = "42\0precious"; // with a byte after which text ends
    FILE *file = fopen(pid_file, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(binary, 1, sizeof binary, file), sizeof binary);
    assert_int_equal(fclose(file), 0);
    assert_refused(&opts, LOGCTX_E_IO, "something else");
    unlink(pid_file);
    write_file(pid_file, "");
    int lock = open(pid_file, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    assert_refused(&opts, LOGCTX_E_STATE, "another daemon is starting");
    close(lock);
    unlink(pid_file);
    assert_int_equal(symlink(log_file, pid_file), 0);
    assert_refused(&opts, LOGCTX_E_IO, pid_file);
    unlink(pid_file);
}

// What the daemon forks.

static int fork_and_die(logctx_daemon_t *daemon)
{
    pid_t child = fork();
    if (child == 0) {
        say("child %d", logctx_daemon_ready(daemon));
        logctx_daemon_end(daemon);
        pid_t grandchild = fork();
        if (grandchild == 0)
            exit(0); // with the library's handler
        waitpid(grandchild, NULL, 0);
        say("pid file %d", access(pid_file, F_OK));
        wait_for_test();
        _exit(0);
    }
    logctx_daemon_ready(daemon);
    wait_for_test();
    raise(SIGKILL);
    return 0;
}

static void test_children_of_the_daemon(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, NULL, fork_and_die);
    assert_string_equal(next_line(&command), "child -7");
    assert_string_equal(next_line(&command), "atexit");
    assert_string_equal(next_line(&command), "pid file 0");
    assert_int_equal(foreground_status(&command), 0);
    assert_refused(&opts, LOGCTX_E_STATE, "another daemon");
    int pid = atoi(read_file(pid_file));
    assert_int_equal(kill(pid, SIGKILL), 0);
    // The child lives on and does not hold the lock: as soon as the daemon is gone another one can start.
    int fd = open(pid_file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    close(fd);
    struct command next = start(&opts, NULL, end_early);
    assert_string_equal(next_line(&next), "gone -1, then -7");
    assert_string_equal(next_line(&next), "atexit");
    finish(&next);
    assert_int_equal(foreground_status(&next), 0);
    go_on(&command);
    finish(&command);
}

// Contexts and threads.

static logctx_t *main_context;

static void enter_main(void)
{
    logctx_opts_t opts = LOGCTX_OPTS_INIT;
    opts.name = "main";
    main_context = logctx_new(logctx_kind("main"), &opts);
    logctx_enter(main_context);
}

static int leave_main(logctx_daemon_t *daemon)
{
    say("sentinel %d", logctx_is_sentinel(logctx_current()));
    logctx_exit(main_context);
    logctx_unref(main_context);
    logctx_books_t books;
    logctx_get_books(&books);
    say("created %d, errors %d", (int)books.created, (int)logctx_error_count(LOGCTX_ERROR_UNEXPECTED_CONTEXT));
    say("again %d", logctx_daemonize(NULL, &daemon));
    logctx_daemon_t *none = NULL;
    logctx_daemon_ready(none);
    return 0;
}

static void test_in_a_context(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, enter_main, leave_main);
    const char *line = next_line(&command);
    assert_string_equal(line, "error unexpected_context: Expected logging context sentinel but found main");
    assert_non_null(strstr(next_line(&command), "Expected logging context sentinel but found main (noticed at "));
    assert_string_equal(next_line(&command), "sentinel 1");
    assert_string_equal(next_line(&command), "created 0, errors 1");
    assert_non_null(strstr(next_line(&command), "error invalid_use"));
    assert_non_null(strstr(next_line(&command), "call it once"));
    assert_string_equal(next_line(&command), "again -7");
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), 1); // it never said that it was ready
}

static pthread_barrier_t never;

static void *wait_for_ever(void *user)
{
    pthread_barrier_wait(&never);
    return user;
}

static void start_thread(void)
{
    pthread_t thread;
    pthread_barrier_init(&never, NULL, 2);
    pthread_create(&thread, NULL, wait_for_ever, NULL);
}

static void test_with_threads(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = usual();
    struct command command = start(&opts, start_thread, live);
    assert_non_null(strstr(next_line(&command), "error invalid_use"));
    assert_non_null(strstr(next_line(&command), "with other threads running"));
    assert_string_equal(next_line(&command), "refused -7");
    assert_string_equal(next_line(&command), "atexit");
    finish(&command);
    assert_int_equal(foreground_status(&command), REFUSED);
    assert_false(exists(pid_file));
}

static void test_bad_options(void **state)
{
    (void)state;
    logctx_daemon_opts_t opts = LOGCTX_DAEMON_OPTS_INIT;
    logctx_daemon_t *daemon = NULL;
    assert_int_equal(logctx_daemonize(&opts, NULL), LOGCTX_E_INVALID);
    opts.struct_size = 0;
    assert_int_equal(logctx_daemonize(&opts, &daemon), LOGCTX_E_INVALID);
    assert_int_equal(logctx_daemon_ready(NULL), LOGCTX_E_INVALID);
    assert_int_equal(logctx_daemon_failed(NULL, "reason"), LOGCTX_E_INVALID);
    logctx_daemon_end(NULL);
    opts = usual();
    opts.directory = "/nowhere/at/all";
    assert_refused(&opts, LOGCTX_E_IO, "/nowhere/at/all");
    opts = usual();
    opts.log_file = "/nowhere/at/all";
    assert_refused(&opts, LOGCTX_E_IO, "/nowhere/at/all");
    opts = usual();
    opts.pid_file = "/nowhere/at/all";
    assert_refused(&opts, LOGCTX_E_IO, "/nowhere/at/all");
    char path[PATH_MAX + 1];
    memset(path, 'x', sizeof path - 1);
    path[PATH_MAX] = '\0';
    opts.pid_file = path;
    assert_refused(&opts, LOGCTX_E_INVALID, "too long");
    assert_false(exists(pid_file));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_life),
        TEST(test_end),
        TEST(test_paths),
        TEST(test_failures_reach_the_foreground),
        TEST(test_second_is_refused),
        TEST(test_pid_files_of_others),
        TEST(test_children_of_the_daemon),
        TEST(test_in_a_context),
        TEST(test_with_threads),
        TEST(test_bad_options),
    };
#if THREAD_SANITIZER
    print_message("ThreadSanitizer has a thread of its own, so nothing becomes a daemon: these tests are skipped\n");
    (void)tests;
    return 0;
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
