// SPDX-License-Identifier: Apache-2.0
// Database time: measured by the library from begin to end, or reported by code that has measured by itself. One
// thread.
#include <logctx/logctx.h>

struct query {
    logctx_db_t measured; // lives on the heap with the query, across callbacks
    logctx_t *ctx;
};

static void send_query(struct query *query)
{
    query->ctx = logctx_current();
    logctx_db_begin(&query->measured);
    logctx_set_current(logctx_sentinel()); // pending
}

static void on_result(struct query *query, int64_t rows)
{
    logctx_set_current(query->ctx);
    logctx_db_end(&query->measured); // one transaction, charged to the context that began it
    logctx_db_fetched(rows);
}

// A pool that knows how long its users waited, a driver that knows how long its transactions took.
static logctx_status_t report(int64_t waited_ns, int64_t took_ns)
{
    logctx_status_t status = logctx_db_waited(waited_ns);
    return status == LOGCTX_OK ? logctx_db_transaction(took_ns) : status;
}

int main(void)
{
    logctx_t *request = logctx_new(logctx_kind("GET /rooms/{id}"), NULL);
    logctx_enter(request);
    struct query query;
    send_query(&query);
    on_result(&query, 20);
    if (report(40000, 1200000) != LOGCTX_OK || report(-1, 0) != LOGCTX_E_NEGATIVE)
        return 1;
    logctx_usage_t own;
    logctx_get_usage(request, &own, NULL);
    logctx_exit(request);
    logctx_unref(request);
    return own.db_transactions == 2 && own.db_rows == 20 && own.db_wait_ns == 40000 ? 0 : 1;
}
