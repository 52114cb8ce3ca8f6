# SPDX-License-Identifier: Apache-2.0
"""README.md's summary is what the dashboard prints about the demo: capture.py [--write] ROOT DEMO DASHBOARD

Runs both, sends requests with the three bugs among them, and cuts the summary as README.md shows it.
Figures differ from run to run; compared are the titles, the kinds, and the places of the error. With
--write the block under `<!-- capture: summary -->` is brought up to date, from a longer run.
"""

import http.client
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import markdown

CLIENTS = 4
SWITCHES_SHOWN = 4
ROUNDS = 3  # of the bugs
BUGS = ("lost", "leaked", "restarted")


def requests_of(client, number):
    """One in 40 a report, one in 5 a new room, the others queries."""
    if number % 40 == 0:
        return "GET", "/report", None
    if number % 5 == 0:
        return "POST", "/rooms", f"Room {client}"
    return "GET", f"/rooms/{number % 100 + 1}", None


def send(port, client, end, least):
    """Requests over one connection, until it is time and there have been enough of them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    number = 0
    while number < least or time.monotonic() < end:
        connection.request(*requests_of(client, number))
        connection.getresponse().read()
        number += 1
    connection.close()


def bugs(port):
    for _ in range(ROUNDS):
        for bug in BUGS:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", f"/bug/{bug}")
            connection.getresponse().read()
            connection.close()


def start(words, port_file, log, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    child = subprocess.Popen(
        [*words, "--port-file", str(port_file)], env={**clean, **variables}, stdout=log, stderr=log
    )
    end = time.monotonic() + 30
    while not (port_file.exists() and port_file.read_text().endswith("\n")):
        if child.poll() is not None or time.monotonic() > end:
            sys.exit(f"{words[0]} does not start")
        time.sleep(0.01)
    return child, int(port_file.read_text())


def stop(child):
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    if child.wait(timeout=30) != 0:
        sys.exit(f"{child.args[0]} ended with {child.returncode}")


def summary(demo, dashboard, seconds):
    with tempfile.TemporaryDirectory() as name, open(pathlib.Path(name) / "log", "wb") as log:
        folder = pathlib.Path(name)
        store = str(folder / "store.db")
        receiver, port = start(
            [dashboard, "--listen", "127.0.0.1:0", "--db", store], folder / "dashboard.port", log
        )
        try:
            server, at = start(
                [demo, "--port", "0"],
                folder / "demo.port",
                log,
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
                OTEL_BSP_SCHEDULE_DELAY="200",
            )
            try:
                end = time.monotonic() + seconds
                clients = [threading.Thread(target=send, args=(at, i, end, 40)) for i in range(CLIENTS)]
                for client in clients:
                    client.start()
                for client in clients:
                    client.join()
                bugs(at)
            finally:
                stop(server)
        finally:
            stop(receiver)
        words = [dashboard, "--summary", store, "--width", "100"]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def section(text, title, until=r"^\S"):
    """From the line that begins with `title` to the next one that `until` matches."""
    lines = text.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith(title))
    last = next((i for i in range(first + 1, len(lines)) if re.match(until, lines[i])), len(lines))
    return "\n".join(lines[first:last]).rstrip()


def cut(text):
    error = section(text, "TRANSITION ERRORS", r"  (?!context_lost)[a-z]").split("\n")
    shown = next(i for i, line in enumerate(error) if "last switches" in line) + 1 + SWITCHES_SHOWN
    parts = [
        section(text, "CONTEXTS"),
        section(text, "WHAT THEY COST"),
        "…",
        "\n".join(error[:shown] + ["    …"]),
    ]
    return "\n\n".join([*parts, "  …", section(text, "BOOKS")]) + "\n"


def essence(text):
    """Titles, kinds and places: what is the same in each run. A short one may see no background job."""
    found = set(re.findall(r"^([A-Z][A-Z ]+[A-Z])", text, re.M))
    found |= {
        "  ".join(row) for row in re.findall(r"^  (\S+(?: \S+)*)  +(request|thread|nested)\b", text, re.M)
    }
    return found | set(re.findall(r"[\w/.-]+\.c:\d+", text))


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    write = len(words) < len(sys.argv) - 1
    root = pathlib.Path(words[0]).resolve()
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = next((b for b in markdown.blocks(text) if b.marker == ("capture", "summary")), None)
    if block is None:
        sys.exit("README.md has no block under <!-- capture: summary -->")
    fresh = cut(summary(words[1], words[2], 8 if write else 0.5).replace(f"{root}/", ""))
    there, now = essence(block.text), essence(fresh)
    if write:
        readme.write_text(markdown.replace(text, [(block, fresh)]), encoding="utf-8")
        return 0
    for name in sorted(there ^ now):
        print(f"README.md's summary {'has' if name in there else 'lacks'} {name!r}; run tests/docs/update.sh")
    print(f"{len(now)} things compared, {len(there ^ now)} problems")
    return 1 if there != now or len(now) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
