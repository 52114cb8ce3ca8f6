// SPDX-License-Identifier: Apache-2.0
// One loop gives a connection to another: its context goes with it, and neither thread reports an error. Two threads;
// a connection, with its context, belongs to whoever took it from the queue last.
#include <logctx/logctx.h>
#include <pthread.h>

struct connection {
    logctx_t *request; // a reference of the connection's own
    unsigned lines;
};

// A queue of one. Its lock is what orders the two threads.
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct connection *waiting;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};

static void push(struct connection *connection)
{
    pthread_mutex_lock(&queue.mutex);
    queue.waiting = connection;
    pthread_cond_signal(&queue.cond);
    pthread_mutex_unlock(&queue.mutex);
}

static struct connection *pop(void)
{
    pthread_mutex_lock(&queue.mutex);
    while (!queue.waiting)
        pthread_cond_wait(&queue.cond, &queue.mutex);
    struct connection *connection = queue.waiting;
    queue.waiting = NULL;
    pthread_mutex_unlock(&queue.mutex);
    return connection;
}

static void give_away(struct connection *connection)
{
    logctx_set_current(logctx_sentinel()); // leave it first: from push() on the other loop may run it
    push(connection);
}

static void *other_loop(void *unused)
{
    struct connection *connection = pop();
    logctx_hand_over(connection->request);   // this thread is its home now
    logctx_set_current(connection->request); // so no error, and what runs is charged to it
    connection->lines++;
    logctx_exit(connection->request); // the sentinel again: it was current when the context came here
    return unused;
}

int main(void)
{
    struct connection connection = {logctx_new(logctx_kind("GET /feed"), NULL), 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, other_loop, NULL) != 0)
        return 1;
    logctx_enter(connection.request);
    connection.lines++;
    give_away(&connection);
    pthread_join(thread, NULL);

    bool right = logctx_is_finished(connection.request) && connection.lines == 2;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        right = right && logctx_error_count((logctx_error_kind_t)kind) == 0;
    logctx_unref(connection.request);
    return right ? 0 : 1;
}
