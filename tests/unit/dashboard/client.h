// SPDX-License-Identifier: Apache-2.0
// A dashboard process and plain sockets to it: what is sent is exactly what the test says, byte for byte. One thread.

#ifndef DASHBOARD_CLIENT_H
#define DASHBOARD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct dashboard {
    pid_t pid;
    int port;
    char folder[64];
    char db[96];
    char port_file[96];
};

struct response {
    int status;
    char *head; /* status line and headers */
    char *body; /* NUL-terminated */
    size_t length;
};

/* Makes a folder and starts the program in it, with more options if there are any (NULL-terminated, or NULL). */
void dashboard_start(struct dashboard *dashboard, const char *const *options);

/* Starts it again on the same store. */
void dashboard_restart(struct dashboard *dashboard, const char *const *options);

/* Sends the signal, and gives what waitpid says. */
int dashboard_stop(struct dashboard *dashboard, int signal);

/* Removes the folder. */
void dashboard_remove(struct dashboard *dashboard);

/* A connection, with a deadline on every read so that a hanging server fails a test instead of stopping it. */
int client_connect(const struct dashboard *dashboard);
void client_send(int connection, const void *bytes, size_t length);

/* One response with its body; asserts that there is one. False only if the connection was closed instead. */
bool client_read(int connection, struct response *response);
void response_free(struct response *response);

/* A POST on a connection that is open; `headers` are whole lines, or "". */
struct response client_post(int connection, const char *path, const char *headers, const void *body, size_t length);

/* The same, or any request as text, on a connection of its own. */
struct response client_once(const struct dashboard *dashboard, const char *request);

/* The value of a header, or NULL; static, until the next call. */
const char *response_header(const struct response *response, const char *name);

#endif
