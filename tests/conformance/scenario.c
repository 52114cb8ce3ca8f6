// SPDX-License-Identifier: Apache-2.0
// Reads scenarios, and finds what they need before they run.
// No state; a scenario belongs to the thread that read it.

#include "scenario.h"

#include <stdio.h>

#include "ops.h"

// The keys that hold a body, whatever the op.
static const char *const body_keys[] = {"ops", "cb", "eb", "both", "canceller"};

static bool is_not(char *problem, size_t size, const char *what)
{
    snprintf(problem, size, "A scenario needs %s.", what);
    return false;
}

// Every op is an object with a name, at any depth, so that running one needs to check its own fields only.
static bool check_ops(const json_t *ops, char *problem, size_t size)
{
    if (!json_is_array(ops)) {
        return is_not(problem, size, "\"ops\", and every body of an op, to be an array");
    }
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const json_t *op = json_array_get(ops, i);
        const char *name = json_string_value(json_object_get(op, "op"));
        if (!name) {
            return is_not(problem, size, "every op to be an object with a string \"op\"");
        }
        if (!ops_find(name)) {
            snprintf(problem, size, "There is no op called \"%s\".", name);
            return false;
        }
        for (size_t k = 0; k < sizeof body_keys / sizeof *body_keys; k++) {
            const json_t *body = json_object_get(op, body_keys[k]);
            if (body && !check_ops(body, problem, size)) {
                return false;
            }
        }
    }
    return true;
}

static bool check(scenario_t *scenario, char *problem, size_t size)
{
    scenario->id = json_string_value(json_object_get(scenario->root, "id"));
    scenario->group = json_string_value(json_object_get(scenario->root, "group"));
    scenario->ops = json_object_get(scenario->root, "ops");
    scenario->expect = json_object_get(scenario->root, "expect");

    if (!scenario->id) {
        return is_not(problem, size, "an \"id\", a string");
    }
    if (!scenario->group) {
        return is_not(problem, size, "a \"group\", a string");
    }
    if (scenario->expect && !json_is_array(scenario->expect)) {
        return is_not(problem, size, "\"expect\", if it is there, to be an array");
    }
    return check_ops(scenario->ops, problem, size);
}

bool scenario_read(scenario_t *scenario, const char *line, size_t length, char *problem, size_t size)
{
    json_error_t error;

    *scenario = (scenario_t){.root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error)};
    if (!scenario->root) {
        snprintf(problem, size, "This is not JSON: %s (column %d).", error.text, error.column);
        return false;
    }
    if (!check(scenario, problem, size)) {
        scenario_close(scenario);
        return false;
    }
    return true;
}

void scenario_close(scenario_t *scenario)
{
    json_decref(scenario->root);
    *scenario = (scenario_t){0};
}
