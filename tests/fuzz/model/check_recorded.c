// SPDX-License-Identifier: Apache-2.0
// Runs recorded scenarios through the model alone, without the library: an oracle that does not know what was recorded is
// none. Each is compared a second time with its last record altered, and has to differ then. One thread.

#include <stdio.h>
#include <stdlib.h>

#include "model.h"

static void print(const char *side, const json_t *record)
{
    char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;

    printf("  %s: %s\n", side, text ? text : "(no record)");
    free(text);
}

static void show(const json_t *expect, const json_t *records)
{
    size_t at = 0;

    while (json_array_get(expect, at) && json_equal(json_array_get(expect, at), json_array_get(records, at))) {
        at++;
    }
    print("recorded", json_array_get(expect, at));
    print("model   ", json_array_get(records, at));
}

static bool notices(json_t *expect, const json_t *records)
{
    json_t *last = json_array_get(expect, json_array_size(expect) - 1);

    json_object_set_new(last, "cur", json_string("nobody"));
    return !json_equal(expect, records);
}

static bool check(json_t *scenario)
{
    model_t model;

    model_open(&model, model_written, NULL);
    bool valid = model_run(&model, json_object_get(scenario, "ops"));
    json_t *expect = json_object_get(scenario, "expect");
    bool same = valid && json_equal(expect, model.records);
    if (!same) {
        printf("%s: differs. %s\n", json_string_value(json_object_get(scenario, "id")), model.problem);
        show(expect, model.records);
    }
    bool passed = same && notices(expect, model.records);
    model_close(&model);
    return passed;
}

int main(int argc, char **argv)
{
    unsigned passed = 0;
    unsigned failed = 0;

    for (int i = 1; i < argc; i++) {
        FILE *in = fopen(argv[i], "re");
        if (!in) {
            perror(argv[i]);
            return 2;
        }
        // One value after the other; at the end of the file there is none.
        for (json_t *scenario; (scenario = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL)); json_decref(scenario)) {
            *(check(scenario) ? &passed : &failed) += 1;
        }
        fclose(in);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
