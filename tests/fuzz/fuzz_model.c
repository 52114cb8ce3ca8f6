/*
 * fuzz_model.c: libFuzzer target for the contexts, deferreds and background processes of core. The bytes become a scenario
 * of tests/conformance while a plain model (model/) works out what it leaves; the library runs it with the conformance
 * driver, and has to leave the same trace, and nothing else. A difference is printed with the scenario, as a line for
 * tests/conformance/scenarios-own.jsonl. The first thread owns everything, and the driver its threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <logctx/logctx.h>

#include "clock.h"
#include "model/generator.h"
#include "run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_scenario(const json_t *ops, const json_t *expect)
{
    json_t *scenario =
        json_pack("{s:s, s:s, s:O, s:O}", "id", "found/found", "group", "found", "ops", ops, "expect", expect);

    if (json_dumpf(scenario, stderr, JSON_COMPACT) == 0) {
        putc('\n', stderr);
    }
    json_decref(scenario);
}

static void compare(const json_t *ops, const json_t *expect)
{
    const scenario_t scenario = {.id = "found", .group = "found", .ops = ops};
    run_t run;

    bool valid = run_scenario(&run, &scenario);
    if (!valid || !json_equal(expect, run.trace.records)) {
        fprintf(stderr, "%s\n", run.problem);
        print_scenario(ops, expect);
        trace_compare(&run.trace, expect, "found", stderr);
        abort();
    }
    run_close(&run);
}

// Of the clock, and so that no kind of a process comes after there is no room for more.
static void prepare(void)
{
    static bool prepared;

    if (prepared) {
        return;
    }
    prepared = true;
    logctx_kind("sweep");
    logctx_kind("mail");
    if (!clock_install()) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    generator_t generator = {.bytes = data, .left = size};
    json_t *ops = json_array();
    model_t model;

    prepare();
    model_open(&model, generator_next, &generator);
    // What a ring keeps would be left over in this process, for all inputs that come after.
    if (model_run(&model, ops) && !model_has_ring(&model)) {
        compare(ops, model.records);
    }
    model_close(&model);
    json_decref(ops);
    return 0;
}
