// SPDX-License-Identifier: Apache-2.0
// Callbacks for somebody else's code: bound ones, for who takes a function and a `void *`; captures for the others. One
// thread.
#include "check.h"

// ---- a library that calls back with a `void *` ----

struct source {
    void (*on_data)(void *user);
    void *user;
};

static void source_watch(struct source *source, void (*on_data)(void *user), void *user)
{
    source->on_data = on_data;
    source->user = user;
}

static struct source stream;

struct connection {
    logctx_t *ctx;
    logctx_bound_t *bound;
    int chunks;
};

static void on_data(void *user)
{
    struct connection *connection = user;
    CHECK(in("GET-1"));
    connection->chunks++;
    logctx_db_fetched(1); // charged to the request
} // the caller's context is put back after this: rules 3 and 4 are kept without a line of ours

static void read_body(struct connection *connection)
{
    connection->ctx = begin("GET-1");
    connection->bound = logctx_bind(on_data, connection); // keeps what is current now
    source_watch(&stream, logctx_bound_call, connection->bound);
    logctx_set_current(logctx_sentinel());
}

static void end_body(struct connection *connection)
{
    logctx_bound_free(connection->bound); // also allowed in on_data()
    logctx_set_current(connection->ctx);
    end(connection->ctx);
}

// ---- a library whose callbacks have another signature ----

typedef void resolved_t(int status, const char *address, void *user);

static void resolve(resolved_t *resolved, void *user)
{
    resolved(0, "192.0.2.1", user); // at once here; a real one from the loop
}

struct lookup {
    logctx_capture_t capture;
    char address[48];
};

static void on_resolved(int status, const char *address, void *user)
{
    struct lookup *lookup = user;
    logctx_resumed_t resumed = logctx_resume(&lookup->capture);
    CHECK(in("GET-2") && status == 0);
    snprintf(lookup->address, sizeof lookup->address, "%s", address);
    logctx_capture_clear(&lookup->capture);
    logctx_resume_end(&resumed); // on every way out
}

static void look_up(struct lookup *lookup)
{
    logctx_t *request = begin("GET-2");
    logctx_capture_init(&lookup->capture, LOGCTX_HERE);
    logctx_set_current(logctx_sentinel());
    resolve(on_resolved, lookup);
    CHECK(logctx_current() == logctx_sentinel());
    logctx_set_current(request);
    end(request);
}

// ---- what a callback leaves behind ----

static void forgetful(void *user)
{
    logctx_set_current(user); // wrong: another context than that of the callback, and it is left
}

static void left_behind(void)
{
    logctx_t *other = begin("GET-3");
    logctx_set_current(logctx_sentinel());
    logctx_bound_call_once(logctx_bind(forgetful, other)); // frees the bound callback first
    CHECK(logctx_error_count(LOGCTX_ERROR_LEAKED_TO_LOOP) == 1 && all_errors() == 1);
    CHECK(logctx_current() == logctx_sentinel());
    logctx_set_current(other);
    end(other);
}

int main(void)
{
    struct connection connection = {0};
    read_body(&connection);
    stream.on_data(stream.user);
    stream.on_data(stream.user);
    CHECK(connection.chunks == 2 && logctx_current() == logctx_sentinel());
    end_body(&connection);
    struct lookup lookup;
    look_up(&lookup);
    CHECK(strcmp(lookup.address, "192.0.2.1") == 0 && all_errors() == 0);
    left_behind();
    return failures > 0;
}
