// SPDX-License-Identifier: Apache-2.0
// libFuzzer: the texts in the attributes of spans that the dashboard takes apart. Each input is read as segments, as a
// call site and as an entry of the flight recorder. Whatever comes: segments are in order and inside of the life and
// add up to it, and the parts of the others are parts of the text. One thread.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flight.h"
#include "segments.h"
#include "site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_segments(const char *text)
{
    struct segments segments;
    const char *why;
    bool good = segments_read(text, &segments, &why);
    require(good == (why == NULL) && good == (segments.count > 0) && segments.count <= SEGMENTS_MAX);
    if (!good)
        return;
    // A life that ends somewhere in the last of them.
    const struct segment *last = &segments.items[segments.count - 1];
    int64_t life = last->offset_us + last->length_us / 2;
    segments_flatten(&segments, life);
    int64_t end = 0;
    for (size_t i = 0; i < segments.count; i++) {
        require(segments.items[i].offset_us >= end && segments.items[i].length_us > 0);
        end = segments.items[i].offset_us + segments.items[i].length_us;
    }
    require(end <= life);
    struct split split = segments_split(&segments, life);
    double sum = split.idle;
    for (int i = 0; i < SEGMENT_STATES; i++)
        sum += split.states[i];
    require(split.idle >= 0 && fabs(sum - (double)life / 1e6) <= 1e-9 * fabs(sum));
}

static void check_site(const char *text)
{
    static struct site site;
    require(site_read(text, &site) == (*text != '\0'));
    require(strstr(text, site.place) != NULL && strstr(text, site.function) != NULL);
    require(strncmp(text, site.path, strlen(site.path)) == 0);
    require((*text != '\0') == (site.place[0] != '\0') && site_same(text, text));
}

static void check_switch(char *text, size_t length)
{
    struct flight_switch entry;
    char *copy = strdup(text);
    require(copy != NULL);
    if (flight_read(text, &entry)) {
        require(entry.from == text && entry.to > entry.from && entry.where > entry.to && entry.ago > entry.where);
        require(entry.ago + strlen(entry.ago) <= text + length && entry.ago_s >= 0 && entry.ago_s < 1e10);
    } else {
        require(strcmp(copy, text) == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (size >= SITE_SIZE || text == NULL) {
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    check_segments(text);
    check_site(text);
    check_switch(text, strlen(text));
    free(text);
    return 0;
}
