// SPDX-License-Identifier: Apache-2.0
// What holds for every row of the table of alerts, whoever evaluates it. One thread; nothing of the library runs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <alerts.h>
#include <ctype.h>
#include <string.h>

#define TRANSITION LOGCTX_ERROR_CLASS_TRANSITION
#define MISUSE LOGCTX_ERROR_CLASS_MISUSE

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static void every_transition_error_is_some_alert(void **state)
{
    (void)state;
    static const logctx_error_class_t classes[] = {
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help) cls,
        LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
    };
    uint32_t watched = 0;
    for (int i = 0; i < ALERT_COUNT; i++)
        watched |= alert_table[i].kinds;
    for (int kind = 0; kind < LOGCTX_ERROR_COUNT; kind++)
        assert_int_equal((watched >> kind) & 1, classes[kind] == TRANSITION);
    assert_int_equal(watched >> LOGCTX_ERROR_COUNT, 0);
}

static void sets_of_kinds_do_not_overlap(void **state)
{
    (void)state;
    const uint32_t sets[] = {ALERT_LOST, ALERT_RESTARTED, ALERT_MISPLACED, ALERT_REENTERED};
    uint32_t seen = 0;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        assert_int_equal(seen & sets[i], 0);
        seen |= sets[i];
    }
}

static void rows_are_told_apart(void **state)
{
    (void)state;
    for (int i = 0; i < ALERT_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            const struct alert *a = &alert_table[i];
            const struct alert *b = &alert_table[j];
            assert_string_not_equal(a->id, b->id);
            assert_string_not_equal(a->title, b->title);
            if (strcmp(a->name, b->name) != 0)
                continue;
            // Alertmanager puts those together, and the more severe one silences the other.
            assert_int_not_equal(a->severity, b->severity);
            assert_string_equal(a->summary, b->summary);
            assert_string_equal(a->anchor, b->anchor);
        }
    }
}

static void windows_fit_the_signal(void **state)
{
    (void)state;
    for (int i = 0; i < ALERT_COUNT; i++) {
        const struct alert *alert = &alert_table[i];
        bool only_over = alert->signal == ALERT_LOSS_COUNT;
        bool only_lately = alert->signal == ALERT_LOSS_RATE || alert->signal == ALERT_AGE;
        assert_int_equal(alert->over == 0, only_lately);
        assert_int_equal(alert->lately == 0, only_over);
        // A metric is exported each minute, and four points make an increase that a missed one does not spoil.
        assert_true(only_over || alert->lately >= 300);
        assert_true(only_over || only_lately || alert->over > alert->lately);
        assert_true(alert->hold >= 0);
        bool about_errors = alert->signal <= ALERT_LOSS_COUNT;
        assert_int_equal(alert->kinds != 0, about_errors);
        if (strcmp(alert->unit, "ratio") == 0) {
            assert_true(alert->limit > 0 && alert->limit < 1);
            assert_true(alert->guard > 0); // else one of one is all
        }
    }
}

static void words_are_of_the_known_ones(void **state)
{
    (void)state;
    static const char *const units[] = {"ratio", "errors/min", "errors", "contexts", "s", NULL};
    static const char *const views[] = {"now", "contexts", "losses", NULL};
    static const char *const groups[] = {"losses", "contexts", "resources", "exporter", NULL};
    for (int i = 0; i < ALERT_COUNT; i++) {
        const struct alert *alert = &alert_table[i];
        assert_true(is_one_of(alert->unit, units));
        assert_true(is_one_of(alert->view, views));
        assert_true(is_one_of(alert->group, groups));
        assert_memory_equal(alert->name, "Logctx", 6);
        assert_int_equal(strlen(alert->anchor), strlen(alert->name));
        for (size_t c = 0; alert->name[c]; c++)
            assert_int_equal(alert->anchor[c], tolower((unsigned char)alert->name[c]));
        assert_int_equal(alert->summary[strlen(alert->summary) - 1], '.');
        assert_int_equal(alert->description[strlen(alert->description) - 1], '.');
    }
}

// Fails on a sentence that has a placeholder that nobody fills in.
static void check_sentence(const struct alert *alert)
{
    for (const char *at = strchr(alert->sentence, '{'); at; at = strchr(at + 1, '{')) {
        size_t length = strcspn(at, "}") + 1;
        bool known = strncmp(at, "{value}", length) == 0 || strncmp(at, "{limit}", length) == 0 ||
                     (strncmp(at, "{over}", length) == 0 && alert->over) ||
                     (strncmp(at, "{lately}", length) == 0 && alert->lately) ||
                     (strncmp(at, "{kind}", length) == 0 && alert->by == ALERT_BY_KIND);
        if (!known)
            fail_msg("%s: nobody fills in %.*s", alert->id, (int)length, at);
    }
    bool says_value = strstr(alert->sentence, "{value}") != NULL;
    assert_int_equal(says_value, alert->signal != ALERT_SILENCE);
}

static void sentences_have_known_placeholders(void **state)
{
    (void)state;
    for (int i = 0; i < ALERT_COUNT; i++)
        check_sentence(&alert_table[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transition_error_is_some_alert),
        cmocka_unit_test(sets_of_kinds_do_not_overlap),
        cmocka_unit_test(rows_are_told_apart),
        cmocka_unit_test(windows_fit_the_signal),
        cmocka_unit_test(words_are_of_the_known_ones),
        cmocka_unit_test(sentences_have_known_placeholders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
