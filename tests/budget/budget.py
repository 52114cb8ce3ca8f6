#!/usr/bin/env python3
# The instructions of hot operations, counted by callgrind, held to the budgets that stand above the functions: comments that
# say "at most N instructions for `name`, `name`". Counts, not times: the same on every run of a build.
# SPDX-License-Identifier: Apache-2.0
"""usage: budget.py SOURCE-DIR BUDGET-PROGRAM VALGRIND"""

import concurrent.futures
import re
import subprocess
import sys
from pathlib import Path

BUDGET = re.compile(r"at most (\d+) instructions for ((?:`\w+`(?:, | and )?)+)")
FEW, MANY = 2000, 6000


def budgets(source):
    found = {}
    for file in sorted((source / "core").glob("*.c")):
        text = re.sub(r"\s*\n\s*(?://|\*) ?", " ", file.read_text(encoding="utf-8"))
        for limit, names in BUDGET.findall(text):
            for name in re.findall(r"`(\w+)`", names):
                found[name] = int(limit), file.name
    return found


def count(program, valgrind, *arguments):
    run = subprocess.run([valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", program, *arguments],
                         capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected:
        sys.exit("callgrind gave no count for %s: %s" % (" ".join(arguments), run.stderr[-500:]))
    return int(collected.group(1))


def cost(program, valgrind, name, *more):
    """Of one operation: what a longer run counts more than a shorter one."""
    few, many = (count(program, valgrind, name, str(times), *more) for times in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def main():
    source, program, valgrind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    limits = budgets(source)
    if "switch" not in limits:
        sys.exit("No budget of the switch was found in core/*.c.")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        costs = dict(zip(limits, pool.map(lambda name: cost(program, valgrind, name), limits)))
    slow = cost(program, valgrind, "switch", "slow")
    wrong = 0
    for name, (limit, file) in limits.items():
        over = costs[name] > limit
        wrong += over
        print("%-20s %7.1f instructions, at most %d (%s)%s" % (name, costs[name], limit, file,
                                                               ": OVER ITS BUDGET" if over else ""))
    print("%-20s %7.1f with a clock that asks the kernel" % ("switch", slow))
    if slow <= limits["switch"][0]:
        print("That has to be over the budget: this check is blind.")
        wrong += 1
    return 1 if wrong else 0


sys.exit(main())
