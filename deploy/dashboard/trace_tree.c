// SPDX-License-Identifier: Apache-2.0
// Reads the spans of a trace and puts them in order. The reading thread owns everything.

#include "trace_tree.h"

#include <stdlib.h>
#include <string.h>

#include <logctx/telemetry.h>

// An error that was noticed after its context had been sent is a span of its own. It is shown with its context, if
// that is there.
#define IS_SHOWN(span)                                                                                                 \
    "NOT (" span ".name = '" LOGCTX_TRANSITION_EVENT "' AND " span ".parent_id IS NOT NULL AND EXISTS "                \
    "(SELECT 1 FROM span AS up WHERE up.trace_id = " span ".trace_id AND up.span_id = " span ".parent_id))"
#define COLUMNS(span)                                                                                                  \
    span ".id, " span ".resource, " span ".start, " span ".end, " span ".trace_id, " span ".span_id, " span ".parent_" \
         "id"

static const char own_sql[] = "SELECT " COLUMNS("s") " FROM span AS s WHERE s.trace_id = ?1 AND " IS_SHOWN(
    "s") " ORDER BY s.start, s.id LIMIT ?2";
static const char count_sql[] = "SELECT count(*) FROM span AS s WHERE s.trace_id = ?1 AND " IS_SHOWN("s");

// Of other traces only: a link inside of one is shown as a link.
static const char out_sql[] =
    "SELECT " COLUMNS("s") ", own.span_id FROM span AS own JOIN link ON link.span = own.id "
                           "JOIN span AS s ON s.trace_id = link.trace_id AND s.span_id = link.span_id "
                           "WHERE own.trace_id = ?1 AND s.trace_id <> ?1 ORDER BY s.start, s.id LIMIT ?2";
static const char in_sql[] =
    "SELECT " COLUMNS("s") ", link.span_id FROM link JOIN span AS s ON s.id = link.span "
                           "WHERE link.trace_id = ?1 AND s.trace_id <> ?1 AND EXISTS (SELECT 1 FROM span AS own "
                           "WHERE own.trace_id = ?1 AND own.span_id = link.span_id) ORDER BY s.start, s.id LIMIT ?2";
static void copy_id(sqlite3_stmt *row, int column, uint8_t *out, int size)
{
    const void *bytes = sqlite3_column_blob(row, column);
    if (bytes != NULL && sqlite3_column_bytes(row, column) == size)
        memcpy(out, bytes, (size_t)size);
}

static struct node *add_node(struct tree *tree, sqlite3_stmt *row)
{
    struct node *node = &tree->nodes[tree->count++];
    *node = (struct node){
        .id = sqlite3_column_int64(row, 0),
        .resource = sqlite3_column_int64(row, 1),
        .start = sqlite3_column_int64(row, 2),
        .end = sqlite3_column_int64(row, 3),
        .parent_is = sqlite3_column_type(row, 6) == SQLITE_NULL ? PARENT_NONE : PARENT_MISSING,
        .parent = -1,
        .first_child = -1,
        .last_child = -1,
        .next = -1,
    };
    // A clock that was set back must not make a life of negative length.
    if (node->end < node->start)
        node->end = node->start;
    copy_id(row, 4, node->trace_id, 16);
    copy_id(row, 5, node->span_id, 8);
    copy_id(row, 6, node->parent_id, 8);
    return node;
}

static bool read_own(struct tree *tree, sqlite3 *db, const uint8_t trace_id[16])
{
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(db, own_sql, -1, &row, NULL);
    sqlite3_bind_blob(row, 1, trace_id, 16, SQLITE_STATIC);
    sqlite3_bind_int(row, 2, TREE_MAX);
    while (sqlite3_step(row) == SQLITE_ROW)
        add_node(tree, row);
    if (row == NULL || sqlite3_finalize(row) != SQLITE_OK)
        return false;
    tree->total = tree->count;
    if (tree->count < TREE_MAX)
        return true;
    sqlite3_prepare_v2(db, count_sql, -1, &row, NULL);
    sqlite3_bind_blob(row, 1, trace_id, 16, SQLITE_STATIC);
    if (sqlite3_step(row) == SQLITE_ROW)
        tree->total = (size_t)sqlite3_column_int64(row, 0);
    return row != NULL && sqlite3_finalize(row) == SQLITE_OK;
}

static bool is_known(const struct tree *tree, int64_t id, size_t from)
{
    for (size_t i = from; i < tree->count; i++)
        if (tree->nodes[i].id == id)
            return true;
    return false;
}

// What is beyond the bound is counted, and not shown.
static bool read_linked(struct tree *tree, sqlite3 *db, const uint8_t trace_id[16], enum node_link link, size_t from)
{
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(db, link == LINK_OUT ? out_sql : in_sql, -1, &row, NULL);
    sqlite3_bind_blob(row, 1, trace_id, 16, SQLITE_STATIC);
    sqlite3_bind_int(row, 2, TREE_LINKED_MAX);
    while (sqlite3_step(row) == SQLITE_ROW) {
        if (is_known(tree, sqlite3_column_int64(row, 0), from))
            continue;
        tree->total++;
        if (tree->count == TREE_MAX || tree->count - from >= TREE_LINKED_MAX)
            continue;
        struct node *node = add_node(tree, row);
        node->link = link;
        copy_id(row, 7, node->linked_to, 8);
    }
    return row != NULL && sqlite3_finalize(row) == SQLITE_OK;
}

// What a process that was started by this trace did is a part of the story: the rest of its trace comes too.
static bool read_rest(struct tree *tree, sqlite3 *db, size_t from)
{
    sqlite3_stmt *row = NULL;
    size_t linked = tree->count;
    sqlite3_prepare_v2(db, own_sql, -1, &row, NULL);
    for (size_t i = from; i < linked && row != NULL; i++) {
        if (tree->nodes[i].link == LINK_OUT || tree->nodes[i].parent_is != PARENT_NONE)
            continue;
        sqlite3_bind_blob(row, 1, tree->nodes[i].trace_id, 16, SQLITE_STATIC);
        sqlite3_bind_int(row, 2, TREE_LINKED_MAX);
        while (sqlite3_step(row) == SQLITE_ROW) {
            if (is_known(tree, sqlite3_column_int64(row, 0), from))
                continue;
            tree->total++;
            if (tree->count < TREE_MAX && tree->count - from < TREE_LINKED_MAX)
                add_node(tree, row);
        }
        if (sqlite3_reset(row) != SQLITE_OK)
            break;
    }
    return row != NULL && sqlite3_finalize(row) == SQLITE_OK;
}

// For finding a node by its ids.
struct key {
    uint8_t ids[24]; // trace and span
    int index;
};

static void make_key(struct key *key, const uint8_t trace_id[16], const uint8_t span_id[8], int index)
{
    memcpy(key->ids, trace_id, 16);
    memcpy(key->ids + 16, span_id, 8);
    key->index = index;
}

static int by_ids(const void *a, const void *b)
{
    return memcmp(((const struct key *)a)->ids, ((const struct key *)b)->ids, 24);
}

// Nodes come by their start, so that appended children are in order.
static void adopt(struct tree *tree, int parent, int child)
{
    struct node *node = &tree->nodes[child];
    struct node *above = &tree->nodes[parent];
    node->parent = parent;
    node->parent_is = PARENT_RECEIVED;
    if (above->last_child >= 0)
        tree->nodes[above->last_child].next = child;
    else
        above->first_child = child;
    above->last_child = child;
}

static bool find_parents(struct tree *tree)
{
    struct key *keys = malloc((tree->count + 1) * sizeof *keys);
    if (keys == NULL)
        return false;
    for (size_t i = 0; i < tree->count; i++)
        make_key(&keys[i], tree->nodes[i].trace_id, tree->nodes[i].span_id, (int)i);
    qsort(keys, tree->count, sizeof *keys, by_ids);
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        struct key wanted;
        make_key(&wanted, node->trace_id, node->parent_id, 0);
        const struct key *found =
            node->parent_is == PARENT_NONE ? NULL : bsearch(&wanted, keys, tree->count, sizeof *keys, by_ids);
        if (found != NULL && found->index != (int)i)
            adopt(tree, found->index, (int)i);
    }
    free(keys);
    return true;
}

// A parent that is not in the tree may be in the store all the same: beyond the bound, or above a link.
static bool look_for_missing(struct tree *tree, sqlite3 *db)
{
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(db, "SELECT 1 FROM span WHERE trace_id = ? AND span_id = ?", -1, &row, NULL);
    for (size_t i = 0; i < tree->count && row != NULL; i++) {
        struct node *node = &tree->nodes[i];
        if (node->parent_is != PARENT_MISSING)
            continue;
        sqlite3_bind_blob(row, 1, node->trace_id, 16, SQLITE_STATIC);
        sqlite3_bind_blob(row, 2, node->parent_id, 8, SQLITE_STATIC);
        if (sqlite3_step(row) == SQLITE_ROW)
            node->parent_is = PARENT_RECEIVED;
        if (sqlite3_reset(row) != SQLITE_OK)
            break;
    }
    return row != NULL && sqlite3_finalize(row) == SQLITE_OK;
}

// What is below a node, the node included. A node that has a place keeps it, so that circles end.
static size_t place(struct tree *tree, bool *placed, int root, size_t at)
{
    int depth = 0;
    for (int i = root; i >= 0;) {
        struct node *node = &tree->nodes[i];
        int next = -1;
        if (!placed[i]) {
            placed[i] = true;
            node->depth = depth;
            tree->order[at++] = i;
            next = node->first_child;
        }
        if (next >= 0) {
            depth++;
        } else {
            while (i != root && tree->nodes[i].next < 0) {
                i = tree->nodes[i].parent;
                depth--;
            }
            next = i == root ? -1 : tree->nodes[i].next;
        }
        i = next;
    }
    return at;
}

static bool order_nodes(struct tree *tree)
{
    bool *placed = calloc(tree->count + 1, sizeof *placed);
    size_t at = 0;
    if (placed == NULL)
        return false;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].parent < 0)
            at = place(tree, placed, (int)i, at);
    // Parents in a circle have no root: the first of them is taken for one.
    for (size_t i = 0; i < tree->count; i++)
        if (!placed[i])
            at = place(tree, placed, (int)i, at);
    free(placed);
    return at == tree->count;
}

bool tree_read(struct tree *tree, sqlite3 *db, const uint8_t trace_id[16])
{
    *tree =
        (struct tree){.nodes = calloc(TREE_MAX, sizeof *tree->nodes), .order = calloc(TREE_MAX, sizeof *tree->order)};
    if (tree->nodes == NULL || tree->order == NULL || !read_own(tree, db, trace_id))
        return false;
    size_t own = tree->count;
    return read_linked(tree, db, trace_id, LINK_OUT, own) && read_linked(tree, db, trace_id, LINK_IN, own) &&
           read_rest(tree, db, own) && find_parents(tree) && look_for_missing(tree, db) && order_nodes(tree);
}

void tree_free(struct tree *tree)
{
    free(tree->nodes);
    free(tree->order);
}
