// SPDX-License-Identifier: Apache-2.0
// Prints the tables of telemetry.h, error.h, otlp.h and alerts.h as JSON, for queries.py. One thread; nothing of the library is called.
#include "alerts.h"

#include <logctx/context.h>
#include <logctx/error.h>
#include <logctx/otlp.h>
#include <logctx/telemetry.h>
#include <stdio.h>

#define COUNTER "counter"
#define UPDOWNCOUNTER "updowncounter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"
#define TRANSITION "transition"
#define MISUSE "misuse"

static const char *comma = "";

static void open_list(const char *name)
{
    printf("%s\"%s\": [", comma, name);
    comma = "";
}

static void close_list(void)
{
    fputs("]", stdout);
    comma = ",\n";
}

// None of the texts has a quote or a backslash; one that had would be no JSON, and the reader would say so.
static void item(const char *name, const char *second_key, const char *second, const char *third, const char *fourth)
{
    printf("%s\n  {\"name\": \"%s\", \"%s\": \"%s\", \"unit\": \"%s\", \"attributes\": \"%s\"}", comma, name,
           second_key, second, third, fourth);
    comma = ",";
}

// Its limit, and the kinds of errors that it counts.
static void alert(const char *name, double limit, uint32_t kinds)
{
    printf("%s\n  {\"name\": \"%s\", \"limit\": %g, \"kinds\": [", comma, name, limit);
    comma = "";
#define LOGCTX_X(id, text, cls, origin, severity, sentence, help)                                                      \
    if (kinds & ALERT_BIT(id)) {                                                                                       \
        printf("%s\"%s\"", comma, text);                                                                               \
        comma = ", ";                                                                                                  \
    }
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
    fputs("]}", stdout);
    comma = ",";
}

int main(void)
{
    puts("{");
    open_list("metrics");
#define LOGCTX_X(id, name, instrument, unit, attributes, text) item(name, "instrument", instrument, unit, attributes);
    LOGCTX_METRICS(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    open_list("error_kinds");
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help) item(name, "class", cls, "", "");
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    open_list("types");
#define LOGCTX_X(id, value, text) item(text, "class", "", "", "");
    LOGCTX_TYPES(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    open_list("drop_reasons");
#define LOGCTX_X(id, text, sentence) item(text, "class", "", "", "");
    LOGCTX_DROP_REASONS(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    open_list("span_attributes");
#define LOGCTX_X(id, key, type, text) item(key, "class", "", "", "");
    LOGCTX_SPAN_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    open_list("event_attributes");
#define LOGCTX_X(id, key, type, text) item(key, "class", "", "", "");
    LOGCTX_EVENT_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    open_list("alerts");
#define LOGCTX_X(id, text, name, severity, group, signal, kinds, by, limit, ...) alert(name, limit, kinds);
    LOGCTX_ALERTS(LOGCTX_X)
#undef LOGCTX_X
    close_list();
    puts("\n}");
    return 0;
}
