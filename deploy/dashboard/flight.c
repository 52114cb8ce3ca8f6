// SPDX-License-Identifier: Apache-2.0
// Reads entries of the flight recorder, and looks for the switch to blame. No state; any thread.

#include "flight.h"

#include <string.h>

#include "site.h"

enum { NAME_MAX_BYTES = 47 }; // of a name in the recorder: logctx_switch_t has the size

static char *last_of(char *text, const char *mark)
{
    char *found = NULL;
    for (char *at = strstr(text, mark); at != NULL; at = strstr(at + 1, mark))
        found = at;
    return found;
}

// Milliseconds, "0.411". The host's locale may have written a comma; this process's locale has no say.
static bool read_ago(const char *text, const char *end, double *seconds)
{
    size_t whole = strspn(text, "0123456789");
    if (whole == 0 || whole > 12 || end - text > 24)
        return false;
    double value = 0;
    double unit = 1;
    const char *at = text;
    for (bool fraction = false; at < end; at++) {
        if (!fraction && (*at == '.' || *at == ',')) {
            fraction = true;
            continue;
        }
        if (*at < '0' || *at > '9')
            break;
        value = value * 10 + (*at - '0');
        unit *= fraction ? 10 : 1;
    }
    *seconds = value / unit / 1000;
    return at == end;
}

// Where one name ends and the other begins, though names may hold anything: the first place that leaves both of them
// short enough, else the first of all.
static char *between_names(char *text, const char *end)
{
    char *first = strstr(text, " -> ");
    for (char *at = first; at != NULL && at < end; at = strstr(at + 1, " -> "))
        if (at - text <= NAME_MAX_BYTES && end - (at + 4) <= NAME_MAX_BYTES)
            return at;
    return first != NULL && first + 4 <= end ? first : NULL;
}

// From the end, where the text is ours, to the names at its beginning.
bool flight_read(char *text, struct flight_switch *entry)
{
    size_t length = strlen(text);
    char *unit = length >= 7 ? text + length - 7 : NULL;
    if (unit == NULL || strcmp(unit, " ms ago") != 0)
        return false;
    char *ago = last_of(text, ", ");
    if (ago == NULL || !read_ago(ago + 2, unit, &entry->ago_s))
        return false;
    *ago = '\0';
    char *where = last_of(text, " at ");
    char *to = where != NULL ? between_names(text, where) : NULL;
    if (to == NULL) {
        *ago = ',';
        return false;
    }
    *unit = *where = *to = '\0';
    entry->from = text;
    entry->to = to + 4;
    entry->where = where + 4;
    entry->ago = ago + 2;
    return true;
}

bool flight_is(const char *recorded, const char *name)
{
    size_t length = strlen(recorded);
    // A character of up to four bytes may have had no room any more.
    if (length > NAME_MAX_BYTES - 4 && length <= NAME_MAX_BYTES && strlen(name) > NAME_MAX_BYTES)
        return strncmp(recorded, name, length) == 0;
    return strcmp(recorded, name) == 0;
}

static bool has_text(const char *text)
{
    return text != NULL && *text != '\0';
}

// The newest switch to that context (NULL: any) at that place (NULL: anywhere), or -1.
static int newest(const struct flight_switch *entries, size_t count, const char *name, const char *where)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].from != NULL && (name == NULL || flight_is(entries[i].to, name)) &&
            (where == NULL || site_same(entries[i].where, where)))
            return (int)i;
    return -1;
}

int flight_last_to(const struct flight_switch *entries, size_t count, const char *name)
{
    return has_text(name) ? newest(entries, count, name, NULL) : -1;
}

int flight_guilty(const struct flight_switch *entries, size_t count, const struct flight_error *error)
{
    const char *name = has_text(error->found) ? error->found : NULL;
    int guilty = -1;
    if (error->blame == BLAME_SWITCH)
        return has_text(error->found_by) ? newest(entries, count, NULL, error->found_by) : -1;
    if (error->blame != BLAME_SETTER)
        return -1;
    if (has_text(error->set_by))
        guilty = newest(entries, count, name, error->set_by);
    // The place may be the one that asked for the callback in which the switch was.
    return guilty < 0 && name != NULL ? newest(entries, count, name, NULL) : guilty;
}
