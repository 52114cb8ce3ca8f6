/*
 * trace_tree.h: which spans belong to a trace, how they hang together, and what is linked with them. Bounded, also if
 * the parents run in circles. The reading thread owns everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_TRACE_TREE_H
#define DASHBOARD_TRACE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

/* Nodes of a tree, and those of them that are there because of a link. */
enum { TREE_MAX = 2000, TREE_LINKED_MAX = 200 };

enum node_link { LINK_NONE, LINK_OUT, LINK_IN };
enum node_parent { PARENT_NONE, PARENT_RECEIVED, PARENT_MISSING };

struct node {
    int64_t id; /* of the span's row */
    int64_t resource;
    int64_t start;
    int64_t end;
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_id[8];
    enum node_parent parent_is;
    enum node_link link;  /* of the node itself, not of those below it */
    uint8_t linked_to[8]; /* the span of the trace that it is linked with */
    int depth;
    int parent; /* indexes of nodes, or -1 */
    int first_child;
    int last_child;
    int next;
};

struct tree {
    struct node *nodes;
    int *order; /* indexes of nodes: parents before children, siblings by their start, then what is linked */
    size_t count;
    size_t total; /* of the trace's own and of what is linked with them, also beyond the bound */
};

/* False: no memory, or the database failed. In any case to be freed. */
bool tree_read(struct tree *tree, sqlite3 *db, const uint8_t trace_id[16]);
void tree_free(struct tree *tree);

#endif
