#!/usr/bin/env python3
# Whether the bench runs: a short trial of each row, as JSON, the names that must be there, and no allocation where none is
# promised. Nothing about times.
# SPDX-License-Identifier: Apache-2.0
"""usage: trial.py LOGCTX-BENCH"""

import json
import subprocess
import sys

NAMES = """current switch switch_depth64 switch_segments switch_rusage context_span unsampled_span encode_span
bound_call deferred_callback traceparent_parse counter_add counter_add_lookup histogram_record end_to_end end_to_end_gzip bytes_per_live_context weight_core
weight_exporter""".split()
MEMBERS = {"name", "threads", "ns", "floor", "floor_ns", "ratio", "allocs"}
FIGURES = {"end_to_end": "cpu_s_per_million", "end_to_end_gzip": "cpu_s_per_million",
           "bytes_per_live_context": "bytes", "weight_core": "more_ms", "weight_exporter": "more_ms"}
WITHOUT_ALLOCATIONS = """current switch switch_depth64 switch_segments switch_rusage encode_span bound_call
deferred_callback traceparent_parse counter_add counter_add_lookup histogram_record""".split()


def problems(rows):
    found = ["%s is missing" % name for name in NAMES if name not in {row["name"] for row in rows}]
    for row in rows:
        where = "%s on %s threads" % (row["name"], row.get("threads"))
        found += ["%s has no %s" % (where, member) for member in MEMBERS - row.keys()]
        figure = FIGURES.get(row["name"])
        if figure and not isinstance(row.get(figure), (int, float)):
            found.append("%s has no %s" % (where, figure))
        if "error" in row:
            found.append("%s: %s" % (where, row["error"]))
        if row["name"] in WITHOUT_ALLOCATIONS and row.get("allocs") != 0:
            found.append("%s allocates: %s" % (where, row.get("allocs")))
    return found


def main():
    blind = [dict.fromkeys(MEMBERS, 1) | {"name": name} for name in NAMES]
    if len(problems(blind)) != len(WITHOUT_ALLOCATIONS) + len(FIGURES) or "switch is missing" not in problems([]):
        sys.exit("This check does not see allocations, figures or names that it should.")
    run = subprocess.run([sys.argv[1], "--json", "--quick"], capture_output=True, text=True, check=False, timeout=300)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    found = problems(rows) + (["it ended with status %d" % run.returncode] if run.returncode else [])
    print(*found, run.stderr, "%d rows, %d problems" % (len(rows), len(found)), sep="\n")
    return 1 if found else 0


sys.exit(main())
