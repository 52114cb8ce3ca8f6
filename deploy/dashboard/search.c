// SPDX-License-Identifier: Apache-2.0
// One pass over the index of contexts, newest first, until all of the window is seen or the time for it is over. The rows
// themselves are read only where a filter needs an attribute. The reading thread owns everything.

#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attribute_text.h"

enum { MATCHES_MAX = 2 << 20, SLIPS_MAX = 1 << 20, CHECK_EVERY = 512, TRACE_SPANS_MAX = 1024 };

// How long the pass may take of the time for the whole answer.
#define LEAVE_SECONDS 3.5

enum column {
    COLUMN_ID,
    COLUMN_END,
    COLUMN_START,
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_CONTEXT,
    COLUMN_STATUS,
    COLUMN_CPU,
    COLUMN_RUNNING,
    COLUMN_TRANSACTIONS,
    COLUMN_DB_TIME,
    COLUMN_DB_WAIT,
    COLUMN_ERRORS,
};

// One context of the pass.
struct candidate {
    int64_t id;
    double duration;
    double cpu;
    double wait;
    bool failed;
    const char *kind;
    const char *type;
    const char *name;
    size_t kind_index;
    const struct slip *slip;
    int64_t errors;
};

struct filter {
    const struct params *params;
    const char *q;
    char q_key[256]; // of key=value; "": it is not of that form
    const char *q_value;
    const char *sort;
    int64_t upto;
    double min_duration, max_duration, min_cpu, max_cpu, min_wait;
    bool failed, slipped;
    uint64_t error_kind; // a bit; 0: no such filter, or no such kind
    bool never;          // asks for a kind of error that nothing had
    bool by_trace;       // q is the id of a trace
    int64_t trace_spans[TRACE_SPANS_MAX];
    size_t trace_span_count;
    sqlite3_stmt *attributes;
};

static int by_span(const void *a, const void *b)
{
    const struct slip *x = a;
    const struct slip *y = b;
    return (x->span > y->span) - (x->span < y->span);
}

const struct slip *search_slip(const struct search *search, int64_t span)
{
    if (search->slip_count == 0)
        return NULL;
    return bsearch(&(struct slip){.span = span}, search->slips, search->slip_count, sizeof *search->slips, by_span);
}

static struct tally *count_up(struct tally *tallies, size_t *count, size_t most, const char *name)
{
    size_t i = 0;
    while (i < *count && strncmp(tallies[i].name, name, sizeof tallies[i].name - 1) != 0)
        i++;
    if (i == most)
        return NULL;
    if (i == *count) {
        strncpy(tallies[i].name, name, sizeof tallies[i].name - 1);
        (*count)++;
    }
    return &tallies[i];
}

static struct slip *new_slip(struct search *search)
{
    static const size_t first = 256;
    size_t count = search->slip_count;
    if (count == SLIPS_MAX)
        return NULL;
    // A power of two, and full: it grows.
    if (count == 0 || (count >= first && (count & (count - 1)) == 0)) {
        struct slip *slips = realloc(search->slips, (count == 0 ? first : 2 * count) * sizeof *slips);
        if (slips == NULL)
            return NULL;
        search->slips = slips;
    }
    return &search->slips[search->slip_count++];
}

// A context's errors come before its end, and so perhaps before the window: by how much is not known. A day is looked at.
static void read_slips(struct search *search, struct view_call *call)
{
    sqlite3_stmt *statement =
        view_query(call, "SELECT span, kind, count(*) FROM transition_error WHERE time > :from - 86400000000000 AND "
                         "time <= :to AND late = 0 AND " VIEW_OF_SERVICE " GROUP BY span, kind ORDER BY span, min(id)");
    while (sqlite3_step(statement) == SQLITE_ROW) {
        int64_t span = sqlite3_column_int64(statement, 0);
        struct tally *tally = count_up(search->error_kinds, &search->error_kind_count, SEARCH_ERROR_KINDS_MAX,
                                       view_text_of(statement, 1));
        if (tally == NULL)
            continue;
        uint32_t kind = (uint32_t)(tally - search->error_kinds);
        struct slip *slip = search->slip_count > 0 ? &search->slips[search->slip_count - 1] : NULL;
        if (slip == NULL || slip->span != span) {
            slip = new_slip(search);
            if (slip == NULL)
                break;
            *slip = (struct slip){.span = span, .kind = kind};
        }
        slip->count += (uint32_t)sqlite3_column_int(statement, 2);
        slip->kinds |= UINT64_C(1) << kind;
    }
    view_finish(call, statement);
}

static void read_filter(struct filter *filter, const struct search *search, struct view_call *call)
{
    const struct params *params = call->params;
    *filter = (struct filter){
        .params = params,
        .q = params_text(params, "q"),
        .sort = params_text(params, "sort"),
        .upto = (int64_t)params_number(params, "upto", 9e15),
        .min_duration = params_number(params, "min_duration", -INFINITY),
        .max_duration = params_number(params, "max_duration", INFINITY),
        .min_cpu = params_number(params, "min_cpu", -INFINITY),
        .max_cpu = params_number(params, "max_cpu", INFINITY),
        .min_wait = params_number(params, "min_wait", -INFINITY),
        .failed = params_text(params, "failed") != NULL,
        .slipped = params_text(params, "slipped") != NULL,
    };
    if (filter->sort == NULL)
        filter->sort = "end";
    const char *error_kind = params_text(params, "error_kind");
    for (size_t i = 0; error_kind != NULL && i < search->error_kind_count; i++)
        if (strcmp(search->error_kinds[i].name, error_kind) == 0)
            filter->error_kind = UINT64_C(1) << i;
    filter->never = error_kind != NULL && filter->error_kind == 0;
    const char *equals = filter->q != NULL ? strchr(filter->q, '=') : NULL;
    if (equals != NULL && equals > filter->q && (size_t)(equals - filter->q) < sizeof filter->q_key) {
        memcpy(filter->q_key, filter->q, (size_t)(equals - filter->q));
        filter->q_value = equals + 1;
    }
    if (filter->q_value != NULL || params_text(params, "attribute") != NULL)
        filter->attributes = view_query(call, "SELECT attributes FROM span WHERE id = ?");
}

static bool has_one_of(const struct params *params, const char *name, const char *text, bool otherwise)
{
    const struct param *param = params_next(params, name, params->items);
    if (param == NULL)
        return otherwise;
    for (; param != NULL; param = params_next(params, name, param + 1))
        if (text != NULL && strcmp(param->text, text) == 0)
            return true;
    return false;
}

static const char *attributes_of(const struct filter *filter, int64_t id)
{
    sqlite3_reset(filter->attributes);
    sqlite3_bind_int64(filter->attributes, 1, id);
    return sqlite3_step(filter->attributes) == SQLITE_ROW ? view_text_of(filter->attributes, 0) : NULL;
}

static bool has_attributes(const struct filter *filter, const struct candidate *candidate)
{
    const struct param *param = params_next(filter->params, "attribute", filter->params->items);
    const char *json = param != NULL ? attributes_of(filter, candidate->id) : NULL;
    for (; param != NULL; param = params_next(filter->params, "attribute", param + 1)) {
        const char *equals = strchr(param->text, '=');
        if (json == NULL || equals == NULL ||
            !attribute_is(json, param->text, (size_t)(equals - param->text), equals + 1))
            return false;
    }
    return true;
}

static bool is_in_trace(const struct filter *filter, int64_t id)
{
    for (size_t i = 0; i < filter->trace_span_count; i++)
        if (filter->trace_spans[i] == id)
            return true;
    return false;
}

static bool has_q(const struct filter *filter, const struct candidate *candidate)
{
    if (filter->by_trace)
        return is_in_trace(filter, candidate->id);
    if (filter->q == NULL || strcasestr(candidate->kind, filter->q) != NULL ||
        (candidate->name != NULL && strcasestr(candidate->name, filter->q) != NULL))
        return true;
    const char *json = filter->q_value != NULL ? attributes_of(filter, candidate->id) : NULL;
    return json != NULL && attribute_is(json, filter->q_key, strlen(filter->q_key), filter->q_value);
}

// What is not known is in no range that was asked for.
static bool in_range(double value, double least, double most)
{
    return (isinf(least) && isinf(most)) || (value >= least && value <= most);
}

static bool matches(const struct filter *filter, const struct candidate *candidate)
{
    const struct params *params = filter->params;
    return candidate->id <= filter->upto && !filter->never &&
           in_range(candidate->duration, filter->min_duration, filter->max_duration) &&
           in_range(candidate->cpu, filter->min_cpu, filter->max_cpu) &&
           in_range(candidate->wait, filter->min_wait, INFINITY) && (!filter->failed || candidate->failed) &&
           (!filter->slipped || candidate->errors > 0) &&
           (filter->error_kind == 0 || (candidate->slip != NULL && (candidate->slip->kinds & filter->error_kind))) &&
           has_one_of(params, "kind", candidate->kind, true) &&
           !has_one_of(params, "not_kind", candidate->kind, false) &&
           has_one_of(params, "type", candidate->type, true) && has_q(filter, candidate) &&
           has_attributes(filter, candidate);
}

static double sort_number(const char *sort, const struct candidate *candidate, sqlite3_stmt *statement)
{
    static const struct {
        const char *name;
        enum column column;
    } columns[] = {
        {"end", COLUMN_END},         {"start", COLUMN_START},     {"running", COLUMN_RUNNING},
        {"db_time", COLUMN_DB_TIME}, {"db_wait", COLUMN_DB_WAIT}, {"db_transactions", COLUMN_TRANSACTIONS},
        {"cpu", COLUMN_CPU},
    };
    if (strcmp(sort, "duration") == 0)
        return candidate->duration;
    if (strcmp(sort, "errors") == 0)
        return (double)candidate->errors;
    if (strcmp(sort, "kind") == 0)
        return (double)candidate->kind_index;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        if (strcmp(sort, columns[i].name) == 0)
            return view_real_of(statement, (int)columns[i].column);
    return 0;
}

static bool keep(struct search *search, const struct filter *filter, const struct candidate *candidate,
                 sqlite3_stmt *statement)
{
    if (search->match_count == search->match_capacity) {
        size_t capacity = search->match_capacity > 0 ? 2 * search->match_capacity : 4096;
        struct match *grown = capacity <= MATCHES_MAX ? realloc(search->matches, capacity * sizeof *grown) : NULL;
        if (grown == NULL)
            return false;
        search->matches = grown;
        search->match_capacity = capacity;
    }
    struct match *match = &search->matches[search->match_count++];
    match->id = candidate->id;
    if (strcmp(filter->sort, "name") != 0)
        match->key.number = sort_number(filter->sort, candidate, statement);
    else
        strncpy(match->key.text, candidate->name != NULL ? candidate->name : candidate->kind, sizeof match->key.text);
    return true;
}

static struct candidate read_candidate(struct search *search, sqlite3_stmt *statement)
{
    struct candidate candidate = {
        .id = sqlite3_column_int64(statement, COLUMN_ID),
        .cpu = view_real_of(statement, COLUMN_CPU),
        .wait = view_real_of(statement, COLUMN_DB_WAIT),
        .failed = sqlite3_column_int(statement, COLUMN_STATUS) == 2,
        .kind = view_text_of(statement, COLUMN_NAME),
        .type = view_text_of(statement, COLUMN_TYPE),
        .name = view_text_of(statement, COLUMN_CONTEXT),
        .errors = sqlite3_column_int64(statement, COLUMN_ERRORS),
    };
    int64_t life = sqlite3_column_int64(statement, COLUMN_END) - sqlite3_column_int64(statement, COLUMN_START);
    candidate.duration = life > 0 ? (double)life / 1e9 : 0;
    candidate.slip = search_slip(search, candidate.id);
    if (candidate.slip != NULL && candidate.errors < candidate.slip->count)
        candidate.errors = candidate.slip->count;
    candidate.kind_index = kinds_find(&search->kinds, candidate.kind, candidate.type);
    return candidate;
}

static void count(struct search *search, const struct candidate *candidate, double db)
{
    kinds_add(&search->kinds, candidate->kind_index,
              &(struct kind_sample){.duration = candidate->duration,
                                    .cpu = candidate->cpu,
                                    .db = db,
                                    .wait = candidate->wait,
                                    .errors = candidate->errors,
                                    .failed = candidate->failed});
    if (candidate->type != NULL) {
        struct tally *tally = count_up(search->types, &search->type_count, SEARCH_TYPES_MAX, candidate->type);
        if (tally != NULL)
            tally->count++;
    }
    uint64_t kinds = candidate->slip != NULL ? candidate->slip->kinds : 0;
    for (size_t i = 0; kinds >> i != 0 && i < search->error_kind_count; i++)
        search->error_kinds[i].count += (int64_t)(kinds >> i & 1);
    if (candidate->id > search->newest)
        search->newest = candidate->id;
}

// A trace is found by its id: the spans that it has are few.
static void read_trace(struct filter *filter, struct view_call *call)
{
    uint8_t id[16];
    if (filter->q == NULL || !view_read_hex(filter->q, id, sizeof id))
        return;
    filter->by_trace = true;
    sqlite3_stmt *statement = view_query(call, "SELECT id FROM span WHERE trace_id = ? ORDER BY id LIMIT ?");
    sqlite3_bind_blob(statement, 1, id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, TRACE_SPANS_MAX);
    while (sqlite3_step(statement) == SQLITE_ROW)
        filter->trace_spans[filter->trace_span_count++] = sqlite3_column_int64(statement, 0);
    view_finish(call, statement);
}

static void pass(struct search *search, struct view_call *call, struct filter *filter)
{
    // By name, so that it is an error should the index ever not do.
    sqlite3_stmt *statement =
        view_query(call, "SELECT id, end, start, name, type, context, status, cpu, running, db_transactions, db_time, "
                         "db_wait, errors FROM span INDEXED BY span_end WHERE end > :from AND end <= :to "
                         "AND " VIEW_OF_SERVICE " AND " VIEW_IS_CONTEXT " ORDER BY end DESC");
    search->complete = true;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        struct candidate candidate = read_candidate(search, statement);
        count(search, &candidate, view_real_of(statement, COLUMN_DB_TIME));
        search->oldest_end = sqlite3_column_int64(statement, COLUMN_END);
        search->searched++;
        bool kept = !matches(filter, &candidate) || keep(search, filter, &candidate, statement);
        if (!kept || (search->searched % CHECK_EVERY == 0 && view_time_left(call) < LEAVE_SECONDS)) {
            search->complete = false;
            break;
        }
    }
    view_finish(call, statement);
}

struct order {
    int sign; // 1: ascending
    bool text;
};

// What is not known is last in both directions; of equal ones the newer is first.
static int compare(const void *a, const void *b, void *argument)
{
    const struct match *x = a;
    const struct match *y = b;
    const struct order *order = argument;
    int result = 0;
    if (order->text)
        result = order->sign * strncmp(x->key.text, y->key.text, sizeof x->key.text);
    else if (isnan(x->key.number) || isnan(y->key.number))
        result = isnan(x->key.number) - isnan(y->key.number);
    else
        result = order->sign * ((x->key.number > y->key.number) - (x->key.number < y->key.number));
    return result != 0 ? result : (x->id < y->id) - (x->id > y->id);
}

static void sort_matches(struct search *search, const struct filter *filter)
{
    const char *order_name = params_text(filter->params, "order");
    struct order order = {
        .sign = order_name != NULL && strcmp(order_name, "asc") == 0 ? 1 : -1,
        .text = strcmp(filter->sort, "name") == 0,
    };
    if (strcmp(filter->sort, "kind") == 0)
        for (size_t i = 0; i < search->match_count; i++)
            search->matches[i].key.number = (double)search->kinds.items[(size_t)search->matches[i].key.number].rank;
    // The pass itself goes from the newest end to the oldest.
    if (search->match_count > 0 && (order.sign > 0 || strcmp(filter->sort, "end") != 0))
        qsort_r(search->matches, search->match_count, sizeof *search->matches, compare, &order);
}

void search_run(struct search *search, struct view_call *call)
{
    struct filter filter;
    *search = (struct search){0};
    kinds_init(&search->kinds);
    if (search->kinds.items == NULL) {
        view_refuse(call, 503, "There is no memory for the answer now; try again in a moment.");
        return;
    }
    read_slips(search, call);
    read_filter(&filter, search, call);
    read_trace(&filter, call);
    if (call->outcome.status == 200)
        pass(search, call, &filter);
    sqlite3_finalize(filter.attributes);
    search->total = search->searched;
    if (!search->complete && call->outcome.status == 200)
        search->total = view_number(call, "SELECT count(*) FROM span INDEXED BY span_end WHERE end > :from AND "
                                          "end <= :to AND " VIEW_OF_SERVICE " AND " VIEW_IS_CONTEXT);
    kinds_finish(&search->kinds);
    sort_matches(search, &filter);
}

void search_free(struct search *search)
{
    kinds_free(&search->kinds);
    free(search->matches);
    free(search->slips);
}
