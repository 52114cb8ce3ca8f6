// SPDX-License-Identifier: Apache-2.0
// The application's own metrics. One thread.
#include "check.h"

#include <logctx/metrics.h>

static logctx_instrument_t *sent;
static logctx_point_t *digests, *durations;
static int64_t queued = 3;

// By the collection, on its thread: what is read here is safe to read there.
static void count_queue(logctx_observer_t *observer, void *user)
{
    const int64_t *length = user;
    logctx_observe(observer, *length, NULL, 0);
}

// Once, at the start.
static void make_metrics(void)
{
    static const double seconds[] = {0.01, 0.1, 1, 10};
    const logctx_attr_t digest = logctx_attr_string("app.mail.kind", "digest");
    sent = logctx_counter("app.mail.sent", "{mail}", "Mails sent.");
    digests = logctx_point(sent, &digest, 1);
    durations = logctx_point(logctx_histogram("app.mail.duration", "s", "Time to send a mail.", seconds, 4), NULL, 0);
    logctx_instrument(&(logctx_instrument_opts_t){.struct_size = sizeof(logctx_instrument_opts_t),
                                                  .kind = LOGCTX_INSTRUMENT_UPDOWNCOUNTER,
                                                  .name = "app.mail.queue.length",
                                                  .unit = "{mail}",
                                                  .observe = count_queue,
                                                  .user = &queued});
}

static void mail_sent(const char *kind, double seconds)
{
    const logctx_attr_t attr = logctx_attr_string("app.mail.kind", kind);
    logctx_instrument_add(sent, 1, &attr, 1); // looks the attributes up
    logctx_point_record(durations, seconds);  // only adds
}

static void see(void *user, const logctx_metric_point_t *point)
{
    int *points = user;
    ++*points;
    if (strcmp(point->name, "app.mail.sent") == 0)
        CHECK(point->integer == (point->attrs[0].value.as.bytes.length == strlen("digest") ? 2 : 1));
    else if (strcmp(point->name, "app.mail.duration") == 0)
        CHECK(point->count == 2 && point->buckets[1] == 1 && point->buckets[2] == 1);
    else
        CHECK(point->integer == 3);
}

int main(void)
{
    int points = 0;
    make_metrics();
    mail_sent("digest", 0.02);
    mail_sent("welcome", 0.2);
    logctx_point_add(digests, 1);
    CHECK(logctx_collect_metrics(see, &points) == LOGCTX_OK);
    CHECK(points == 4);
    return failures ? 1 : 0;
}
