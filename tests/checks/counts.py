#!/usr/bin/env python3
# How tests/run.sh counts: a ctest run with a test of each fate, and what junit_counts.py makes of it. A test whose
# program is missing must not pass for a skipped one, and in CI a skipped one is a failure.
# SPDX-License-Identifier: Apache-2.0
"""usage: counts.py CTEST"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

COUNTS = Path(__file__).resolve().parent.parent / "junit_counts.py"
FATES = """
add_test(good true)
add_test(wrong false)
add_test(missing /no/such/program)
add_test(skipped sh -c "exit 77")
set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)
add_test(slow sleep 60)
set_tests_properties(slow PROPERTIES TIMEOUT 1)
"""


def count(report, status, ci):
    environment = dict(os.environ, CI="true" if ci else "false")
    result = subprocess.run([sys.executable, str(COUNTS), str(report), str(status)], env=environment,
                            capture_output=True, text=True, check=False)
    return result.returncode, result.stdout.strip()


def expect(what, found, expected):
    if found != expected:
        sys.exit("%s: counted as %r, expected %r" % (what, found, expected))


def main():
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        Path(folder, "CTestTestfile.cmake").write_text(FATES, encoding="utf-8")
        run = subprocess.run([sys.argv[1], "--test-dir", folder, "--output-junit", str(report)],
                             capture_output=True, check=False)
        expect("one of each", count(report, run.returncode, ci=False), (0, "1 3 1"))
        expect("one of each in CI", count(report, run.returncode, ci=True), (0, "1 4 0"))
        Path(folder, "CTestTestfile.cmake").write_text("add_test(good true)\n", encoding="utf-8")
        run = subprocess.run([sys.argv[1], "--test-dir", folder, "--output-junit", str(report)],
                             capture_output=True, check=False)
        expect("a good one", count(report, run.returncode, ci=True), (0, "1 0 0"))
        expect("a good one, and ctest itself fails", count(report, 8, ci=True)[0], 1)
        report.write_text("<testsuite", encoding="utf-8")
        expect("half a report", count(report, 0, ci=True)[0], 1)
        report.unlink()
        expect("no report", count(report, 0, ci=True), (0, "0 0 0"))
        expect("no report after a failure", count(report, 8, ci=True)[0], 1)


main()
