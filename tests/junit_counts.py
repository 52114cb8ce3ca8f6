#!/usr/bin/env python3
# Prints `passed failed skipped` of a report that ctest wrote, for tests/run.sh. A test whose program is missing
# counts as failed, not as skipped; with CI=true so does every test that skipped itself.
# SPDX-License-Identifier: Apache-2.0
"""usage: junit_counts.py REPORT.xml CTEST-STATUS"""

import os
import sys
import xml.etree.ElementTree as ElementTree


def state_of(case):
    status = case.get("status")
    if status == "run":
        return "passed"
    why = case.find("skipped")
    asked = why is not None and why.get("message", "").startswith(("SKIP_RETURN_CODE", "SKIP_REGULAR_EXPRESSION"))
    if status == "disabled" or (status == "notrun" and asked):
        return "failed" if os.environ.get("CI") == "true" else "skipped"
    return "failed"


def main():
    report, status = sys.argv[1], int(sys.argv[2])
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        if status == 0 and isinstance(error, FileNotFoundError):
            print(0, 0, 0)  # no test matched, and ctest was content
            return 0
        print("junit_counts.py: %s: %s" % (report, error), file=sys.stderr)
        return 1
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in cases:
        state = state_of(case)
        counts[state] += 1
        if case.get("status") == "notrun":
            print("   %s: %s: %s" % (state, case.get("name"), case.find("skipped").get("message")
                                     if case.find("skipped") is not None else "not run"), file=sys.stderr)
    print(counts["passed"], counts["failed"], counts["skipped"])
    # A failure of ctest itself that no test shows.
    return 1 if status != 0 and counts["failed"] == 0 and not counts["skipped"] else 0


sys.exit(main())
