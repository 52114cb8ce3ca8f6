// SPDX-License-Identifier: Apache-2.0
// Looks up what is said about a kind of error. No state; any thread.

#include "explain.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    const char *anchor;
} kinds[LOGCTX_ERROR_COUNT] = {
#define DASHBOARD_X(id, name, cls, origin, severity, sentence, help)                                                   \
    [LOGCTX_ERROR_##id] = {name, "docs/guide.md#" name},
    LOGCTX_ERRORS(DASHBOARD_X)
#undef DASHBOARD_X
};

static const struct explanation explanations[LOGCTX_ERROR_COUNT] = {
#define DASHBOARD_X(id, blame, means, cause, fix, example)                                                             \
    [LOGCTX_ERROR_##id] = {BLAME_##blame, means, cause, fix, example},
    EXPLANATIONS(DASHBOARD_X)
#undef DASHBOARD_X
};

static int find(const char *kind)
{
    for (int i = 0; i < LOGCTX_ERROR_COUNT; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return i;
    return -1;
}

const struct explanation *explain(const char *kind)
{
    int found = find(kind);
    return found >= 0 && explanations[found].means != NULL ? &explanations[found] : NULL;
}

const char *explain_anchor(const char *kind)
{
    int found = find(kind);
    return found >= 0 ? kinds[found].anchor : "";
}
