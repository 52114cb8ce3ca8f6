// SPDX-License-Identifier: Apache-2.0
// Starts and stops the program under test, and speaks HTTP to it by hand. One thread.

#include "client.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_SECONDS = 60, ARGUMENTS_MAX = 24 };

static void run_program(const struct dashboard *dashboard, const char *const *options)
{
    char *arguments[ARGUMENTS_MAX] = {
        (char *)DASHBOARD,     (char *)"--listen",    (char *)"127.0.0.1:0",       (char *)"--db",
        (char *)dashboard->db, (char *)"--port-file", (char *)dashboard->port_file};
    for (int i = 7; options != NULL && *options != NULL && i < ARGUMENTS_MAX - 1; i++)
        arguments[i] = (char *)*options++;
    execv(DASHBOARD, arguments);
    _exit(127);
}

// The file appears, whole, when the server can be reached; so this is no guess about how long it takes to start.
static void wait_for_port(struct dashboard *dashboard)
{
    for (int i = 0; i < DEADLINE_SECONDS * 100; i++) {
        FILE *file = fopen(dashboard->port_file, "r");
        if (file != NULL) {
            char line[16] = "";
            assert_non_null(fgets(line, sizeof line, file));
            fclose(file);
            dashboard->port = (int)strtol(line, NULL, 10);
            assert_in_range(dashboard->port, 1, 65535);
            return;
        }
        if (waitpid(dashboard->pid, NULL, WNOHANG) != 0)
            fail_msg("the dashboard ended before it listened");
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("no port file after %d s", DEADLINE_SECONDS);
}

void dashboard_restart(struct dashboard *dashboard, const char *const *options)
{
    unlink(dashboard->port_file);
    dashboard->pid = fork();
    assert_true(dashboard->pid >= 0);
    if (dashboard->pid == 0)
        run_program(dashboard, options);
    wait_for_port(dashboard);
}

void dashboard_start(struct dashboard *dashboard, const char *const *options)
{
    strcpy(dashboard->folder, "/tmp/logctx-dashboard-XXXXXX");
    assert_non_null(mkdtemp(dashboard->folder));
    snprintf(dashboard->db, sizeof dashboard->db, "%s/store.db", dashboard->folder);
    snprintf(dashboard->port_file, sizeof dashboard->port_file, "%s/port", dashboard->folder);
    dashboard_restart(dashboard, options);
}

int dashboard_stop(struct dashboard *dashboard, int signal)
{
    int status = 0;
    kill(dashboard->pid, signal);
    assert_int_equal(waitpid(dashboard->pid, &status, 0), dashboard->pid);
    dashboard->pid = 0;
    return status;
}

void dashboard_remove(struct dashboard *dashboard)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", dashboard->folder);
    assert_int_equal(system(command), 0);
}

int client_connect(const struct dashboard *dashboard)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)dashboard->port)};
    struct timeval deadline = {.tv_sec = DEADLINE_SECONDS};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(connection >= 0);
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    assert_int_equal(connect(connection, (struct sockaddr *)&address, sizeof address), 0);
    return connection;
}

void client_send(int connection, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t sent = send(connection, next, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the server has closed: what it said before can still be read
        next += sent;
        length -= (size_t)sent;
    }
}

static bool read_byte(int connection, char *byte)
{
    ssize_t got = recv(connection, byte, 1, 0);
    return got == 1;
}

static char *read_head(int connection)
{
    enum { HEAD_MAX = 8192 };
    char *head = calloc(1, HEAD_MAX);
    assert_non_null(head);
    for (size_t length = 0; length + 1 < HEAD_MAX && read_byte(connection, head + length); length++)
        if (length >= 3 && memcmp(head + length - 3, "\r\n\r\n", 4) == 0)
            return head;
    free(head);
    return NULL;
}

const char *response_header(const struct response *response, const char *name)
{
    static char value[512];
    size_t length = strlen(name);
    for (const char *line = strstr(response->head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
            continue;
        const char *start = line + 2 + length + 1;
        start += strspn(start, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r"), start);
        return value;
    }
    return NULL;
}

bool client_read(int connection, struct response *response)
{
    *response = (struct response){0};
    response->head = read_head(connection);
    if (response->head == NULL)
        return false;
    assert_memory_equal(response->head, "HTTP/1.1 ", 9);
    response->status = (int)strtol(response->head + 9, NULL, 10);
    const char *length = response_header(response, "Content-Length");
    response->length = length != NULL ? (size_t)strtoul(length, NULL, 10) : 0;
    response->body = calloc(1, response->length + 1);
    assert_non_null(response->body);
    for (size_t i = 0; i < response->length; i++)
        assert_true(read_byte(connection, response->body + i));
    // An interim response only asks for the rest of the request.
    if (response->status != 100)
        return true;
    response_free(response);
    return client_read(connection, response);
}

void response_free(struct response *response)
{
    free(response->head);
    free(response->body);
    *response = (struct response){0};
}

struct response client_post(int connection, const char *path, const char *headers, const void *body, size_t length)
{
    char head[1024];
    struct response response;
    int size = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n%s\r\n", path,
                        length, headers);
    assert_true(size > 0 && size < (int)sizeof head);
    client_send(connection, head, (size_t)size);
    client_send(connection, body, length);
    if (!client_read(connection, &response))
        fail_msg("no answer to POST %s", path);
    return response;
}

struct response client_once(const struct dashboard *dashboard, const char *request)
{
    struct response response;
    int connection = client_connect(dashboard);
    client_send(connection, request, strlen(request));
    if (!client_read(connection, &response))
        fail_msg("no answer to %s", request);
    close(connection);
    return response;
}
