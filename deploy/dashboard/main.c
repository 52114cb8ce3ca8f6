// SPDX-License-Identifier: Apache-2.0
// logctx-dashboard: starts the parts in order, waits for a signal, and stops them in the opposite order.
// The main thread only waits; signals are blocked in all others.

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <logctx/base.h>

#include "access.h"
#include "options.h"
#include "receive.h"
#include "server.h"
#include "store.h"
#include "summary.h"
#include "writer.h"

enum {
    GRACE_SECONDS = 5,
    TEND_SECONDS = 60,
    BODIES_FACTOR = 8, // so many of the largest requests at once
    SENTENCE = 512,
};

static void say(const char *sentence)
{
    fprintf(stderr, "logctx-dashboard: %s\n", sentence);
}

// Written under another name first: whoever waits for the file never reads half a number.
static bool write_port_file(const char *path, const struct address *address, char *why, size_t why_size)
{
    char text[80];
    char part[OPTIONS_PATH_SIZE];
    address_print(address, text, sizeof text);
    int length = snprintf(part, sizeof part, "%s.part", path);
    int file = length < (int)sizeof part
                   ? open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)
                   : -1;
    bool written = file >= 0 && dprintf(file, "%s\n", strrchr(text, ':') + 1) > 0;
    if (file >= 0)
        written = close(file) == 0 && written;
    if (written && rename(part, path) == 0)
        return true;
    snprintf(why, why_size, "The port file %.200s cannot be written: %s.", path, strerror(errno));
    return false;
}

static void announce(const struct options *options, const struct address *address)
{
    char text[80];
    char sentence[SENTENCE];
    address_print(address, text, sizeof text);
    snprintf(sentence, sizeof sentence, "listening on http://%s, storing in %.300s", text, options->db);
    say(sentence);
    if (!address_is_loopback(address))
        say(options->open_ingest
                ? "warning: this address can be reached from other machines, and whoever reaches it can fill the "
                  "store. What is read and the token itself can be seen on the way; put a proxy with TLS before it."
                : "warning: this address can be reached from other machines. What is read and sent, and the token "
                  "itself, can be seen on the way; put a proxy with TLS before it.");
}

static void wait_for_signal(const sigset_t *signals, struct writer *writer)
{
    static const struct timespec pause = {.tv_sec = TEND_SECONDS};
    while (sigtimedwait(signals, NULL, &pause) < 0)
        if (errno == EAGAIN)
            writer_tend(writer);
    // A second Ctrl-C does not have to wait for anything.
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static bool load_access(struct access *access, const struct options *options, char *why, size_t why_size)
{
    access->open_ingest = options->open_ingest;
    if (options->token_file != NULL)
        return access_load(access, options->token_file, why, why_size);
    if (address_is_loopback(&options->listen))
        return true;
    snprintf(why, why_size,
             "An address that other machines can reach needs a token: put one into a file that only you can read, "
             "and name it with --token-file.");
    return false;
}

static bool serve_until_signal(const struct options *options, const struct access *access, struct writer *writer,
                               const sigset_t *signals, char *why, size_t why_size)
{
    struct server_options server_options = {
        .address = options->listen,
        .extra_hosts = options->hosts,
        .extra_host_count = options->host_count,
        .max_body = options->max_body,
        .max_bodies = options->max_body * BODIES_FACTOR,
        .access = *access,
        .db_path = options->db,
        .limits = options->limits,
    };
    if (options->port_file != NULL)
        unlink(options->port_file);
    struct server *server = server_start(&server_options, writer, why, why_size);
    if (server == NULL) {
        writer_stop(writer);
        return false;
    }
    announce(options, server_address(server));
    bool good = options->port_file == NULL ||
                write_port_file(options->port_file, server_address(server), why, why_size);
    if (good)
        wait_for_signal(signals, writer);
    server_quiesce(server, GRACE_SECONDS);
    writer_stop(writer);
    server_stop(server);
    return good;
}

static bool serve(struct options *options, char *why, size_t why_size)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    // The log and the index that SQLite keeps beside the store get the rights of the store; this is for the rest.
    umask(S_IRWXG | S_IRWXO);
    struct access access = {.token = ""};
    if (!load_access(&access, options, why, why_size))
        return false;
    if (!options->db_given && !options_default_db(options, why, why_size))
        return false;
    char reason[SENTENCE - 256] = "";
    struct store *store = store_open(options->db, &options->limits, reason, sizeof reason);
    if (store == NULL) {
        snprintf(why, why_size, "The store %.200s cannot be used: %s", options->db, reason);
        return false;
    }
    bool good = false;
    struct writer *writer = writer_start(store, options->max_body * RECEIVE_MEMORY_FACTOR, say);
    if (writer != NULL) {
        good = serve_until_signal(options, &access, writer, &signals, why, why_size);
        writer_free(writer);
    } else {
        snprintf(why, why_size, "The thread that stores cannot be started.");
    }
    store_close(store);
    return good;
}

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col > OPTIONS_WIDTH_DEFAULT)
        return OPTIONS_WIDTH_DEFAULT;
    return size.ws_col;
}

static bool summarise(const struct options *options, char *why, size_t why_size)
{
    const char *no_color = getenv("NO_COLOR");
    struct summary_options summary_options = {
        .width = options->width > 0 ? options->width : terminal_width(),
        .color = isatty(STDOUT_FILENO) != 0 && (no_color == NULL || *no_color == '\0'),
    };
    if (!summary_print(options->db, &summary_options, stdout, why, why_size))
        return false;
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return true;
    snprintf(why, why_size, "The summary could not be written: %s.", strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    static struct options options;
    char why[SENTENCE] = "";
    bool good = options_read(&options, argc, argv, why, sizeof why);
    if (good && options.mode == MODE_HELP)
        fputs(options_help, stdout);
    else if (good && options.mode == MODE_VERSION)
        puts("logctx-dashboard " LOGCTX_VERSION);
    else if (good)
        good = options.mode == MODE_SUMMARY ? summarise(&options, why, sizeof why) : serve(&options, why, sizeof why);
    if (!good)
        say(why);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
