// SPDX-License-Identifier: Apache-2.0
// Puts numbers into the sentences of the alerts. No state; any thread.

#include "alert_sentence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "display.h"

enum { QUANTITY_SIZE = 64 };

static void duration(double seconds, char *out, size_t out_size)
{
    double minutes = floor(seconds / 60);
    if (seconds < 120 && seconds != 60)
        snprintf(out, out_size, seconds < 10 && seconds != floor(seconds) ? "%.1f s" : "%.0f s", seconds);
    else if (minutes < 120 && minutes != 60)
        snprintf(out, out_size, "%.0f min", minutes);
    else if (fmod(minutes, 60) != 0 && minutes < 24 * 60)
        snprintf(out, out_size, "%.0f h %.0f min", floor(minutes / 60), fmod(minutes, 60));
    else
        snprintf(out, out_size, "%.0f h", floor(minutes / 60));
}

// As many digits as tell something: 0.012, 0.3, 4.2, 37.
static void number(double value, char *out, size_t out_size)
{
    if (value != 0 && fabs(value) < 0.1)
        snprintf(out, out_size, "%.2g", value);
    else
        display_number(value, fabs(value) < 9.95 && fabs(value - round(value)) >= 0.05 ? 1 : 0, out, out_size);
}

void alert_quantity(double value, const char *unit, char *out, size_t out_size)
{
    char digits[QUANTITY_SIZE];
    if (!isfinite(value)) {
        snprintf(out, out_size, "an unknown part");
    } else if (strcmp(unit, "ratio") == 0) {
        number(100 * value, digits, sizeof digits);
        snprintf(out, out_size, "%s %%", digits);
    } else if (strcmp(unit, "s") == 0) {
        duration(value, out, out_size);
    } else {
        number(value, out, out_size);
    }
}

struct replacement {
    const char *mark;
    char text[SIGNAL_KIND_SIZE];
};

static void fill(const char *form, const struct replacement *replacements, size_t count, char *out, size_t out_size)
{
    size_t used = 0;
    while (*form != '\0' && used + 1 < out_size) {
        const struct replacement *found = NULL;
        for (size_t i = 0; i < count && found == NULL; i++)
            if (strncmp(form, replacements[i].mark, strlen(replacements[i].mark)) == 0)
                found = &replacements[i];
        int length = found != NULL ? snprintf(out + used, out_size - used, "%s", found->text)
                                   : snprintf(out + used, out_size - used, "%c", *form);
        used += (size_t)length < out_size - used ? (size_t)length : out_size - used - 1;
        form += found != NULL ? strlen(found->mark) : 1;
    }
    out[used] = '\0';
}

// "1 switches over" becomes "1 switch over".
static void make_singular(char *sentence)
{
    size_t end = 2 + strcspn(sentence + 2, " ");
    size_t drop =
        end > 4 && (memcmp(sentence + end - 4, "ches", 4) == 0 || memcmp(sentence + end - 4, "sses", 4) == 0) ? 2 : 1;
    if (end > 3 && sentence[end - 1] == 's')
        memmove(sentence + end - drop, sentence + end, strlen(sentence + end) + 1);
}

static void tell(const struct alert *alert, const struct signal_group *group, char out[ALERT_SENTENCE_SIZE])
{
    struct replacement replacements[] = {
        {.mark = "{value}"}, {.mark = "{limit}"}, {.mark = "{over}"}, {.mark = "{lately}"}, {.mark = "{kind}"}};
    size_t size = sizeof replacements[0].text;
    alert_quantity(group->value, alert->unit, replacements[0].text, size);
    alert_quantity(alert->limit, alert->unit, replacements[1].text, size);
    duration(alert->over, replacements[2].text, size);
    // The window is how long it has to be silent; how long it is says more.
    duration(alert->signal == ALERT_SILENCE && group->holds ? group->value : alert->lately, replacements[3].text, size);
    snprintf(replacements[4].text, size, "%s", group->kind[0] != '\0' ? group->kind : "context");
    fill(alert->sentence, replacements, sizeof replacements / sizeof replacements[0], out, ALERT_SENTENCE_SIZE);
    if (strncmp(alert->sentence, "{value} ", 8) == 0 && strncmp(out, "1 ", 2) == 0)
        make_singular(out);
}

static void tell_too_little(const struct alert *alert, const struct signal_group *group, char out[ALERT_SENTENCE_SIZE])
{
    static const char *const units[] = {
        [ALERT_LOSS_RATIO] = "contexts", [ALERT_CPU_SHARE] = "s of CPU",    [ALERT_WAIT_SHARE] = "transactions",
        [ALERT_DROP_SHARE] = "spans",    [ALERT_FAILURE_SHARE] = "exports", [ALERT_SILENCE] = NULL,
    };
    char found[QUANTITY_SIZE];
    char wanted[QUANTITY_SIZE];
    char over[QUANTITY_SIZE];
    number(group->guarded, found, sizeof found);
    number(alert->guard, wanted, sizeof wanted);
    duration(alert->over, over, sizeof over);
    snprintf(out, ALERT_SENTENCE_SIZE, "Too little to go by: %s %s over %s, of at least %s.", found,
             units[alert->signal] != NULL ? units[alert->signal] : "", over, wanted);
}

static void tell_missing(const struct alert *alert, char out[ALERT_SENTENCE_SIZE])
{
    char over[QUANTITY_SIZE];
    duration(alert->lately > 0 ? alert->lately : alert->over, over, sizeof over);
    if (alert->signal == ALERT_SILENCE)
        snprintf(out, ALERT_SENTENCE_SIZE, "Not known: no metrics have come from this service yet.");
    else if (alert->signal == ALERT_GROWTH)
        snprintf(out, ALERT_SENTENCE_SIZE,
                 "Not known: no process has reported %s both now and %.0f min ago, to compare.",
                 signal_metrics(alert->signal), alert->over / 60.0);
    else
        snprintf(out, ALERT_SENTENCE_SIZE, "Not known: no %s came over %s.", signal_metrics(alert->signal), over);
}

void alert_sentence(const struct alert *alert, const struct signal_group *group, char out[ALERT_SENTENCE_SIZE])
{
    if (group == NULL || !group->known) {
        tell_missing(alert, out);
    } else if (alert->signal == ALERT_SILENCE && !group->holds) {
        char ago[QUANTITY_SIZE];
        duration(group->value, ago, sizeof ago);
        snprintf(out, ALERT_SENTENCE_SIZE, "The newest metrics are %s old.", ago);
    } else if (!isnan(group->guarded) && alert->signal == ALERT_GROWTH) {
        char value[QUANTITY_SIZE];
        number(group->value, value, sizeof value);
        snprintf(out, ALERT_SENTENCE_SIZE, "%s more in flight than %.0f min ago, which traffic explains.", value,
                 alert->over / 60.0);
    } else if (!isnan(group->guarded)) {
        tell_too_little(alert, group, out);
    } else if (isnan(group->value)) {
        snprintf(out, ALERT_SENTENCE_SIZE, "Nothing has happened that it could be measured by.");
    } else {
        tell(alert, group, out);
    }
}
