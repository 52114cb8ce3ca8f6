// SPDX-License-Identifier: Apache-2.0
// Reads the flight recorder of an error, and writes it for the views. No state; any thread.

#include "recorder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "view_json.h"

static void read_entries(struct recorder *recorder, const char *recent)
{
    json_t *array = recent != NULL ? json_loads(recent, 0, NULL) : NULL;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(array, "values"), i, item)
    {
        const char *text = json_string_value(json_object_get(item, "stringValue"));
        char *copy = text != NULL && recorder->count < FLIGHT_MAX ? strdup(text) : NULL;
        if (copy == NULL)
            continue;
        struct flight_switch *entry = &recorder->entries[recorder->count];
        if (!flight_read(copy, entry))
            *entry = (struct flight_switch){.from = NULL};
        recorder->texts[recorder->count++] = copy;
    }
    json_decref(array);
}

void recorder_read(struct recorder *recorder, const struct recorded_error *error)
{
    const struct explanation *explanation = error->kind != NULL ? explain(error->kind) : NULL;
    struct flight_error looked_for = {
        .blame = explanation != NULL ? explanation->blame : BLAME_SETTER,
        .expected = error->expected,
        .found = error->found,
        .found_by = error->found_by,
        .set_by = error->set_by,
    };
    recorder->count = 0;
    read_entries(recorder, error->recent);
    recorder->guilty = flight_guilty(recorder->entries, recorder->count, &looked_for);
}

void recorder_clear(struct recorder *recorder)
{
    while (recorder->count > 0)
        free(recorder->texts[--recorder->count]);
}

static json_t *name(const char *text)
{
    return put_new_text(strcmp(text, "?") != 0 ? text : NULL);
}

// How long the context of a switch stayed current: up to the next switch, or to the error.
static double stayed(const struct recorder *recorder, size_t i)
{
    double until = i > 0 && recorder->entries[i - 1].from != NULL ? recorder->entries[i - 1].ago_s : 0;
    double time = recorder->entries[i].ago_s - until;
    return time > 0 ? round(time * 1e9) / 1e9 : 0; // differences of decimals have a tail
}

static json_t *switch_at(const struct recorder *recorder, size_t i)
{
    const struct flight_switch *entry = &recorder->entries[i];
    json_t *value = json_object();
    if (entry->from == NULL) {
        put_text(value, "text", recorder->texts[i]);
        return value;
    }
    json_object_set_new(value, "from", name(entry->from));
    json_object_set_new(value, "to", name(entry->to));
    json_object_set_new(value, "site", view_site(entry->where));
    json_object_set_new(value, "ago", put_new_real(entry->ago_s));
    json_object_set_new(value, "stayed", put_new_real(stayed(recorder, i)));
    return value;
}

json_t *recorder_switches(const struct recorder *recorder)
{
    json_t *list = json_array();
    for (size_t i = recorder->count; i > 0; i--)
        json_array_append_new(list, switch_at(recorder, i - 1));
    return list;
}

json_t *recorder_since(const struct recorder *recorder, const char *name, int from)
{
    size_t first = from > 0 ? (size_t)from : 0;
    int found = first < recorder->count ? flight_last_to(recorder->entries + first, recorder->count - first, name) : -1;
    if (found < 0)
        return json_null();
    const struct flight_switch *entry = &recorder->entries[first + (size_t)found];
    json_t *value = json_object();
    json_object_set_new(value, "site", view_site(entry->where));
    json_object_set_new(value, "ago", put_new_real(entry->ago_s));
    return value;
}
