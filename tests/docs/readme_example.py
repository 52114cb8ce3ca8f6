# SPDX-License-Identifier: Apache-2.0
"""README.md's example does what README.md says: readme_example.py PROGRAM

It runs against an endpoint of ours; its span arrives, continues the caller's trace, and its log line
carries the trace. (That the text is the program's source is held by quotes.py.)
"""

import os
import subprocess
import sys

from receiver import Receiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def main():
    with Receiver() as receiver:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.argv[1]],
            env={**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        spans = receiver.spans
    wrong = []
    if done.returncode != 0:
        wrong.append(f"it ended with {done.returncode}: {done.stderr}")
    if TRACE not in done.stderr or "found 3 rows" not in done.stderr:
        wrong.append(f"its log line is not as expected: {done.stderr!r}")
    if len(spans) != 1:
        wrong.append(f"one span should have arrived, but there are {len(spans)}")
    for span in spans:
        said = span["attributes"]
        if (
            span["name"] != "GET /rooms/{id}"
            or span["trace_id"] != TRACE
            or span["parent"] != "00f067aa0ba902b7"
        ):
            wrong.append(f"the span is not as expected: {span}")
        if (
            said.get("logctx.db.transactions") != 1
            or said.get("logctx.db.rows") != 3
            or "logctx.errors" in said
        ):
            wrong.append(f"the span's attributes are not as expected: {said}")
    for problem in wrong:
        print(problem)
    print(done.stderr, end="")
    print(f"{len(spans)} spans, {len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
