// SPDX-License-Identifier: Apache-2.0
// Prints docs/telemetry.md from the tables in the headers, so that the page cannot say anything else than the
// code. One thread; nothing of the library is called.
#include <logctx/collect.h>
#include <logctx/context.h>
#include <logctx/error.h>
#include <logctx/otlp.h>
#include <logctx/telemetry.h>
#include <stdio.h>
#include <string.h>

#define COUNTER "counter"
#define UPDOWNCOUNTER "up-down counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"
#define STRING "string"
#define STRING_ARRAY "array of strings"
#define INT "integer"
#define DOUBLE "double"
#define TRANSITION "transition"
#define MISUSE "misuse"
#define REFERENCE "Synapse"
#define OURS "logctx"
#define WARN "WARN"
#define ERROR "ERROR"

static void say(const char *text)
{
    puts(text);
}

// "a, b" as `a`, `b`.
static void code_list(const char *list)
{
    for (;;) {
        size_t length = strcspn(list, ",");
        printf("`%.*s`", (int)length, list);
        if (list[length] == '\0')
            return;
        list += length + 1;
        list += strspn(list, " ");
        fputs(", ", stdout);
    }
}

static void metric(const char *name, const char *instrument, const char *unit, const char *attributes, const char *text)
{
    printf("| `%s` | %s | `%s` | ", name, instrument, unit);
    code_list(attributes);
    printf(" | %s |\n", text);
}

static void attribute(const char *key, const char *type, const char *text)
{
    printf("| `%s` | %s | %s |\n", key, type, text);
}

static void bounds(const char *name, const double *values)
{
    printf("| `%s` |", name);
    for (size_t i = 0; i < LOGCTX_BOUNDS; i++)
        printf(" %g", values[i]);
    puts(" |");
}

static void error(const char *name, const char *cls, const char *origin, const char *severity, const char *sentence)
{
    printf("| [`%s`](guide.md#%s) | %s | %s | %s | ", name, name, cls, origin, severity);
    for (; *sentence; sentence++)
        if (!(sentence[0] == '%' && strchr("ABM", sentence[1])))
            putchar(*sentence);
    puts(" |");
}

static void metrics(void)
{
    say("\n## Metrics\n\n"
        "All are cumulative since the start of the process. Those of contexts count own usage, so that\n"
        "contexts + loop + unattributed is the threads' CPU time, and so that sums over kinds count nothing twice. "
        "What is in\n"
        "flight is in every collection with its usage so far.\n\n"
        "| name | instrument | unit | attributes | what it is |\n| --- | --- | --- | --- | --- |");
#define LOGCTX_X(id, name, instrument, unit, attributes, text) metric(name, instrument, unit, attributes, text);
    LOGCTX_METRICS(LOGCTX_X)
#undef LOGCTX_X
    static const double duration[LOGCTX_BOUNDS] = LOGCTX_DURATION_BOUNDS;
    static const double cpu[LOGCTX_BOUNDS] = LOGCTX_CPU_BOUNDS;
    say("\nUpper bounds of the buckets, in seconds; a value on a bound is in the bucket below it:\n\n"
        "| histogram | bounds |\n| --- | --- |");
    bounds("logctx.context.duration", duration);
    bounds("logctx.context.cpu.usage", cpu);
    bounds("logctx.loop.delay", duration);
    say("\nValues of `logctx.type`:\n");
#define LOGCTX_X(id, value, text) say("- `" text "`");
    LOGCTX_TYPES(LOGCTX_X)
#undef LOGCTX_X
    say("\nA `background` context is a background process, one that `logctx_run_as_background_process()` made or "
        "`logctx_new()`.\nA `callback` context is one call of a timer: each time that `logctx_call_later()` or a "
        "looping call is due.\nSee [asynchronous code](async.md#timers).\n\n"
        "At most 2000 kinds exist in a process; contexts of further ones are counted under the kind `_other`. Of "
        "each kind\n"
        "and type at most 15 values of `error.type` are told apart; further ones are `_OTHER`.");
}

static void spans(void)
{
    say("\n## Spans\n\n"
        "One for each context that is exported. Its name is the kind of the context. Attributes that the library "
        "sets:\n\n"
        "| key | type | what it is |\n| --- | --- | --- |");
#define LOGCTX_X(id, key, type, text) attribute(key, type, text);
    LOGCTX_SPAN_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
    say("\nThe `logctx.total.*` are there if the context has had children.\n\n"
        "## Transition errors on spans\n\n"
        "An error is an event named `" LOGCTX_TRANSITION_EVENT
        "` on the span of the context that is concerned. After the span\n"
        "is sealed, or where it will never come, the error is a span of that name and of zero length, a child of the\n"
        "context's. Either way it has these attributes; those that have nothing to say are left out:\n\n"
        "| key | type | what it is |\n| --- | --- | --- |");
#define LOGCTX_X(id, key, type, text) attribute(key, type, text);
    LOGCTX_EVENT_ATTRIBUTES(LOGCTX_X)
#undef LOGCTX_X
}

static void errors(void)
{
    say("\n## Kinds of errors\n\n"
        "The values of `logctx.error.kind`. Alerts on lost CPU time count those of class *transition*. The words are "
        "those of\n"
        "the log line without the names in them; each kind is explained behind its link.\n\n"
        "| kind | class | origin | severity | words |\n| --- | --- | --- | --- | --- |");
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help) error(name, cls, origin, severity, sentence);
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
}

static void drops(void)
{
    say("\n## Why spans are dropped\n\n"
        "The values of `error.type` on `otel.sdk.processor.span.processed` and `otel.sdk.exporter.span.exported`:\n\n"
        "| value | what happened |\n| --- | --- |");
#define LOGCTX_X(id, text, sentence) say("| `" text "` | " sentence " |");
    LOGCTX_DROP_REASONS(LOGCTX_X)
#undef LOGCTX_X
}

int main(void)
{
    say("<!-- Made by docs/gen-telemetry.c from the headers. Change those, and run tests/docs/generated.py --write. "
        "-->\n\n"
        "# Telemetry\n\n"
        "Everything that leaves the process by name. The instrumentation scope is `" LOGCTX_SCOPE_NAME
        "`, version `" LOGCTX_VERSION "`,\nschema `" LOGCTX_SCHEMA_URL
        "`. What the numbers mean is in [the guide](guide.md#what-the-numbers-mean).");
    metrics();
    spans();
    errors();
    drops();
    return 0;
}
