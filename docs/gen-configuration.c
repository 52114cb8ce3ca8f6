// SPDX-License-Identifier: Apache-2.0
// Prints the tables of docs/configuration.md that come from the exporter's own table of settings. One thread;
// nothing of the library is called. Includes an internal header, and nothing of it but the tables.
#include "options.h"

#include <inttypes.h>
#include <stdio.h>

#define INTEGER ""
#define DURATION " ms"

static void number(const char *field, const char *variable, const char *unit, int64_t low, int64_t high,
                   int64_t fallback)
{
    printf("| `%s` | ", field);
    printf(variable ? "`%s`" : "%s", variable ? variable : "-");
    if (fallback == 0)
        printf(" | no bound");
    else
        printf(" | %" PRId64 "%s", fallback, unit);
    printf(" | %" PRId64 " to %" PRId64 " |\n", low, high);
}

static void limit(const char *field, const char *variable, const char *general)
{
    printf("| `%s` | `%s`", field, variable);
    if (general)
        printf(", else `%s`", general);
    puts(" |");
}

static void unsupported(const char *variable, const char *anyway)
{
    printf("| `%s` | ", variable);
    printf(anyway ? "`%s`" : "%s", anyway ? anyway : "-");
    puts(" |");
}

int main(void)
{
    puts("<!-- begin numbers -->\n| field | variable | default | range |\n| --- | --- | --- | --- |");
#define LOGCTX_X(field, variable, type, low, high, fallback) number(#field, variable, type, low, high, fallback);
    LOGCTX__NUMBERS(LOGCTX_X)
#undef LOGCTX_X
    puts("<!-- end numbers -->\n<!-- begin limits -->\n| field | variable |\n| --- | --- |");
#define LOGCTX_X(field, variable, general) limit(#field, variable, general);
    LOGCTX__LIMITS(LOGCTX_X)
#undef LOGCTX_X
    puts("<!-- end limits -->\n<!-- begin unsupported -->\n| variable | no complaint for |\n| --- | --- |");
#define LOGCTX_X(variable, anyway) unsupported(variable, anyway);
    LOGCTX__UNSUPPORTED(LOGCTX_X)
#undef LOGCTX_X
    puts("<!-- end unsupported -->");
    return 0;
}
