# SPDX-License-Identifier: Apache-2.0
"""The guide's log lines and spans of the three bugs are the demo's: bugs.py [--write] ROOT DEMO

Runs the demo against an endpoint of ours, asks for the three routes, and compares what it logged and sent
with the blocks under `<!-- output: line BUG -->` and `<!-- output: span BUG N -->` (N: how many switches
are shown). Times and identifiers are masked for the comparison. With --write the blocks are brought up to
date.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import markdown
from receiver import Receiver

BUGS = {"lost": "context_lost", "leaked": "leaked_to_loop", "restarted": "restarted_finished"}
EVENT = "logctx.transition_error"
SHOWN = ("logctx.name", "logctx.type", "logctx.errors", "logctx.switches")
MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32}-[0-9a-f]{16}\b"), "TRACE-SPAN"),
    (re.compile(r"\b\d+\.\d+ ms ago"), "AGO"),
)


def until(what, wanted, seconds=30):
    """Waits for something to be true; fails loudly when it does not become so."""
    end = time.monotonic() + seconds
    while not wanted():
        if time.monotonic() > end:
            sys.exit(f"the demo did not {what} within {seconds} s")
        time.sleep(0.01)


def run(demo, folder):
    """What the demo wrote and sent when asked for each bug once, in order."""
    port_file, log = folder / "port", folder / "log"
    with Receiver() as receiver, open(log, "wb") as output:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        environment = {
            **clean,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        child = subprocess.Popen(
            [demo, "--port", "0", "--port-file", str(port_file)],
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            until("listen", lambda: port_file.exists() and port_file.read_text().endswith("\n"))
            for bug in BUGS:
                url = f"http://127.0.0.1:{port_file.read_text().strip()}/bug/{bug}"
                urllib.request.urlopen(url, timeout=30).read()
                # A bug shows when its request, or its timer, is over; the next one is not to mix with it.
                until(f"report {BUGS[bug]}", lambda kind=BUGS[bug]: kind.encode() in log.read_bytes())
        finally:
            child.send_signal(signal.SIGTERM)
            if child.wait(timeout=30) != 0:
                sys.exit(f"the demo ended with {child.returncode}:\n{log.read_text()}")
        return log.read_text(), list(receiver.spans)


def line_of(log, kind):
    lines = [line for line in log.split("\n") if line.endswith(f"see docs/guide.md#{kind})")]
    if len(lines) != 1:
        sys.exit(f"the demo should have logged one {kind}, but there are {len(lines)}:\n{log}")
    return lines[0] + "\n"


def row(indent, key, value):
    return f"{' ' * indent}{key:<24} {value}\n"


def error_rows(indent, said, switches):
    text = "".join(
        row(indent, key, said[key])
        for key in ("kind", "message", "expected", "found", "found_by", "set_by")
        if key in said
    )
    for number, switch in enumerate(said.get("recent", [])[:switches]):
        text += row(indent, "recent" if number == 0 else "", switch)
    return text


def span_of(spans, kind, switches):
    """The span with that error in it, or that is it, as the guide shows it."""
    for span in spans:
        said = span["attributes"]
        inside = [event for event in span["events"] if event["attributes"].get("logctx.error.kind") == kind]
        if span["name"] == EVENT and said.get("logctx.error.kind") == kind:
            if span["nanoseconds"] != 0:
                sys.exit(f"the span of {kind} should have no length: {span}")
            shown = {key.removeprefix("logctx.error."): value for key, value in said.items()}
            return (
                f"span {EVENT}, of no length\n"
                + row(4, "logctx.name", said["logctx.name"])
                + prefixed(shown, 4, switches)
            )
        if inside:
            text = f"span {span['name']}\n" + "".join(row(4, key, said[key]) for key in SHOWN if key in said)
            shown = {
                key.removeprefix("logctx.error."): value for key, value in inside[0]["attributes"].items()
            }
            return text + f"    event {EVENT}\n" + prefixed(shown, 8, switches)
    sys.exit(f"no span with {kind} has arrived")


def prefixed(shown, indent, switches):
    text = error_rows(indent, shown, switches)
    return re.sub(r"^( +)(kind|message|expected|found|found_by|set_by|recent)\b( +)", pad, text, flags=re.M)


def pad(match):
    name = "logctx.error." + match.group(2)
    return f"{match.group(1)}{name:<24} "


def masked(text):
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return text


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    write = len(words) < len(sys.argv) - 1
    root = pathlib.Path(words[0]).resolve()
    guide = root / "docs/guide.md"
    text = guide.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        log, spans = run(words[1], pathlib.Path(folder))
    new, wrong, count = [], 0, 0
    for block in markdown.blocks(text):
        if block.marker is None or block.marker[0] != "output":
            continue
        count += 1
        what, bug, *switches = block.marker[1].split()
        found = line_of(log, BUGS[bug]) if what == "line" else span_of(spans, BUGS[bug], int(switches[0]))
        found = found.replace(f"{root}/", "")
        if masked(found) == masked(block.text):
            continue
        new.append((block, found))
        if not write:
            wrong += 1
            print(
                f"docs/guide.md:{block.first}: the demo says this instead; run tests/docs/update.sh:\n{found}"
            )
    if write and new:
        guide.write_text(markdown.replace(text, new), encoding="utf-8")
    print(f"{count} outputs, {wrong} problems")
    return 1 if wrong or count != 2 * len(BUGS) else 0


if __name__ == "__main__":
    sys.exit(main())
