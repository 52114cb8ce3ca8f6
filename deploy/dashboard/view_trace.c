// SPDX-License-Identifier: Apache-2.0
// GET /trace/ID: the contexts of one trace as a tree, and those that are linked with it. The reading thread owns
// everything.

#include "view.h"

#include <string.h>

#include "put.h"
#include "trace_context.h"
#include "trace_tree.h"
#include "view_json.h"

static bool parse_id(const char *text, uint8_t id[16])
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 32 || strspn(text, digits) != 32)
        return false;
    for (int i = 0; i < 32; i++) {
        int value = (int)(strchr(digits, text[i]) - digits);
        id[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : id[i / 2] | value);
    }
    return true;
}

// From the start of the trace to the end of it and of what it started. What it was started by may be of yesterday, and
// is left out.
static void measure(const struct tree *tree, int64_t *start, int64_t *end)
{
    *start = INT64_MAX;
    *end = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (node->link == LINK_OUT)
            continue;
        *start = node->start < *start ? node->start : *start;
        *end = node->end > *end ? node->end : *end;
    }
}

// An error that was noticed later belongs to the picture, too.
static double last_error(const json_t *contexts)
{
    double last = 0;
    size_t i, j;
    json_t *context, *error;
    json_array_foreach(contexts, i, context)
    {
        json_array_foreach(json_object_get(context, "errors"), j, error)
        {
            double offset = json_number_value(json_object_get(error, "offset"));
            last = offset > last ? offset : last;
        }
    }
    return last;
}

static bool put_contexts(struct view_call *call, const struct tree *tree, int64_t start)
{
    struct context_reader reader;
    json_t *list = put_list(call->out, "contexts");
    if (context_reader_init(&reader, call->db, tree, start))
        for (size_t i = 0; i < tree->count; i++)
            json_array_append_new(list, context_read(&reader, tree->order[i]));
    return context_reader_clear(&reader);
}

static bool put_trace(struct view_call *call, const struct tree *tree)
{
    int64_t start, end;
    measure(tree, &start, &end);
    put_text(call->out, "trace_id", call->rest);
    put_time(call->out, "start", start);
    put_whole(call->out, "total", (int64_t)tree->total);
    put_whole(call->out, "shown", (int64_t)tree->count);
    bool good = put_contexts(call, tree, start);
    double duration = (double)(end - start) / 1e9;
    double last = last_error(json_object_get(call->out, "contexts"));
    put_real(call->out, "duration", last > duration ? last : duration);
    return good;
}

void view_trace(struct view_call *call)
{
    uint8_t id[16];
    struct tree tree;
    if (!parse_id(call->rest, id)) {
        view_refuse(call, 400, "A trace id has 32 digits, 0 to 9 and a to f.");
        return;
    }
    bool good = tree_read(&tree, call->db, id);
    if (good && tree.total == 0)
        view_refuse(
            call, 404,
            "No context of trace %s is here: it was never received, not sampled, or dropped since to make room.",
            call->rest);
    else if (!good || !put_trace(call, &tree))
        view_failed(call);
    tree_free(&tree);
}
