#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of logctx-demo, looked at as operators look at a server: what its log says and what its counters count, from the
command that starts it to the signal that ends it, in the foreground and as a daemon, with clients that leave in the middle.
A clean life shows none of the sentences in WORDS and counts no transition error; then each mistake is made once, and shows
exactly its sentences.

    demo_life.py PATH/TO/logctx-demo SOURCE-FOLDER-OF-THE-DEMO
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "docs"))

import demo_smoke as smoke  # noqa: E402
from demo_smoke import CLOSE, answers, check, read_all, read_one  # noqa: E402
from receiver import Receiver  # noqa: E402

DEMO, SOURCES = sys.argv[1], pathlib.Path(sys.argv[2])

# What operators look for, and the kind that each sentence belongs to.
WORDS = {
    "Expected logging context": None,  # of context_lost and of unexpected_context
    "Expected previous context": "previous_context_mismatch",
    "was lost": "context_lost",
    "went backwards": "utime_backwards",
    "without recording a start rusage": "stop_without_start",
    "Re-starting finished": "restarted_finished",
    "re-entered without a proc": "bgproc_reentered",
}

# Each mistake: the sentences of WORDS that it shows, once each, and the kinds that it counts, once each. Some cannot be had
# alone: a process that ended is a finished context, so to re-enter it is to restart it, too; and who takes a thread's context
# away has started it and stopped it on the wrong thread before its own thread can miss the reading.
MISTAKES = {
    "daemonize-in-main": (["Expected logging context"], ["unexpected_context"]),
    "fork-keeps-clock": (["went backwards"], ["utime_backwards"]),
    "background-reentered": (
        ["Re-starting finished", "re-entered without a proc"],
        ["restarted_finished", "bgproc_reentered"],
    ),
    "thread-borrows-context": (
        ["without recording a start rusage"],
        ["started_on_different_thread", "stopped_on_different_thread", "stop_without_start"],
    ),
    "entered-elsewhere": (["Expected previous context"], ["previous_context_mismatch"]),
}
BUGS = {
    "lost": (["Expected logging context", "was lost"], ["context_lost"]),
    "restarted": (["Re-starting finished"], ["restarted_finished"]),
    "leaked": ([], ["leaked_to_loop"]),
}

# A line of the log: time, severity, request, server, trace and span.
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z [A-Z]+ (\S+) (\S+) (\[[0-9a-f]{32}-[0-9a-f]{16}\] )?.")
REQUESTS = re.compile(r"main|shutdown|prune_rooms-\d+|[A-Z_]+-\d+")
LEAVING = struct.pack("ii", 1, 0)  # SO_LINGER: a reset instead of a farewell


def until(what, wanted, seconds=60):
    """Waits for something to be true; fails loudly when it does not become so."""
    end = time.monotonic() + seconds
    while not wanted():
        if time.monotonic() > end:
            sys.exit(f"within {seconds} s there was no {what}")
        time.sleep(0.01)


class Server(smoke.Demo):
    """A logctx-demo in the foreground or as a daemon, with its files in a folder of its own, that is reachable at once."""

    def __init__(self, folder, endpoint, *words, daemon=False):
        self.folder, self.daemon = pathlib.Path(folder), daemon
        self.clean_up()
        started = self.command(endpoint, *words)
        if daemon:
            # The foreground ends when the daemon can be reached; what it inherited is not kept open by the daemon.
            done = subprocess.run(started, capture_output=True, env=self.environment, timeout=60, check=False)
            check("the foreground ends well", (done.returncode, done.stdout + done.stderr), (0, b""))
            self.pid = int((self.folder / "pid").read_text())
        else:
            self.process = subprocess.Popen(started, env=self.environment)
            self.pid = self.process.pid
            until("line that it listens", lambda: "Listening on" in self.text())
        self.pidfd = os.pidfd_open(self.pid)
        self.port = int((self.folder / "port").read_text())

    def clean_up(self):
        for name in ("port", "stats", "log"):
            (self.folder / name).unlink(missing_ok=True)

    def command(self, endpoint, *words):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        self.environment = clean | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        files = {name: str(self.folder / name) for name in ("port", "stats", "log", "pid")}
        command = [DEMO, "--port", "0", "--port-file", files["port"], "--stats-file", files["stats"]]
        command += ["--log-file", files["log"]] + (["--daemonize", "--pid-file", files["pid"]] if self.daemon else [])
        return command + list(words)

    def text(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def send(self, number):
        signal.pidfd_send_signal(self.pidfd, number)

    def wait(self):
        """Until it has ended; its exit code, or 0 for a daemon, which is not our child."""
        if not self.daemon:
            return self.process.wait(120)
        ended, _, _ = select.select([self.pidfd], [], [], 120)
        if not ended:
            sys.exit(f"the daemon did not end:\n{self.text()}")
        return 0

    def finish(self):
        code = self.wait()
        os.close(self.pidfd)
        return code, json.loads((self.folder / "stats").read_text())

    def stop(self, number=signal.SIGTERM):
        self.send(number)
        return self.finish()

    def ask(self, *lines):
        """A request on a connection of its own, of which no answer has been read yet."""
        connection = self.connect()
        connection.sendall(b"".join(lines))
        return connection


def get(path, more=b""):
    return b"GET " + path + b" HTTP/1.1\r\n" + more + b"\r\n"


# ---- Clients that leave ----


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEAVING)
    connection.close()


def leave(demo):
    """Clients that leave while their requests are pending. Returns how many of these there are, by kind."""
    demo.ask(get(b"/slow/60000")).close()
    two = [demo.ask(get(b"/slow/60000")) for _ in range(2)]  # at once
    for connection in two:
        connection.close()
    after = demo.ask(get(b"/rooms/1"))
    check("the first of a connection", read_one(after)[0], 200)
    after.sendall(get(b"/slow/60000"))
    after.close()
    demo.ask(get(b"/slow/60000"), get(b"/rooms/2"), get(b"/rooms/3")).close()  # what stands behind is not begun
    half = demo.ask(get(b"/slow/60000"))
    half.shutdown(socket.SHUT_WR)  # nobody stays to hear the answer
    check("no answer to who has said goodbye", read_all(half), b"")
    half.close()
    flood = demo.ask(get(b"/slow/100"), b"x" * 30000)  # more than there is room for: its leaving is not seen, and it is slow
    flood.close()
    # Some at work, some waiting for a worker. The first of them may be done before their clients have left, not all.
    for connection in [demo.ask(get(b"/report")) for _ in range(40)]:
        connection.close()
    return {("GET /slow/{ms}", 499): 6, ("GET /report", 499): 1, ("GET /rooms/{id}", 200): 1, ("GET /slow/{ms}", 200): 1}


def leave_rudely(demo):
    """The same by a reset, which may come before the request is read: nothing to count exactly."""
    for path in (b"/slow/60000", b"/report", b"/rooms/1", b"/bug/none") * 3:
        reset(demo.ask(get(path)))
    demo.ask(b"GET /rooms/1 HTT").close()  # no request yet
    reset(demo.ask(b"POST /rooms HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"))


def wait_well(demo):
    """Clients that stay: for a while, in a queue, and behind each other."""
    check("a slow answer", demo.get(b"/slow/1")[::2], (200, b"It is time.\n"))
    check("no number", demo.get(b"/slow/soon")[0], 400)
    check("too slow", demo.get(b"/slow/100000")[0], 400)
    paths = [b"/slow/5", b"/rooms/1", b"/report", b"/nope", b"/slow/0", b"/rooms/2"]
    said = demo.talk(b"".join(get(path) for path in paths) + get(b"/rooms/3", CLOSE))
    check("pipelined, in order", [a[0] for a in said], [200, 200, 200, 404, 200, 200, 200])
    with demo.connect() as connection:
        connection.sendall(get(b"/slow/200") + get(b"/rooms/4")[:9])
        connection.sendall(get(b"/rooms/4", CLOSE)[9:])
        check("the second in pieces, while the first waits", [a[0] for a in answers(read_all(connection))], [200, 200])
    many = demo.talk(get(b"/nope") * 400 + get(b"/nope", CLOSE))
    check("many at once", [a[0] for a in many], [404] * 401)
    return {("GET /slow/{ms}", 200): 4, ("GET /slow/{ms}", 400): 2, ("GET /rooms/{id}", 200): 4, ("GET /report", 200): 1,
            ("GET", 404): 402}


def end_in_the_middle(demo, number):
    """A signal while requests are pending. What computes is finished, what only waits is sent away, who idles is closed."""
    idle, half, slow = demo.connect(), demo.ask(b"GET /rooms/1 HTTP/1.1\r\n"), demo.ask(get(b"/slow/60000"))
    reports = [demo.ask(get(b"/report")) for _ in range(6)]
    gone = demo.ask(get(b"/slow/60000"))
    # Connected last and answered: the requests before were read by then.
    check("a request before the end", demo.get(b"/rooms/1")[0], 200)
    gone.close()
    demo.send(number)
    reports.pop().close()
    check("a report of the last moment", [[a[0] for a in answers(read_all(c))] for c in reports], [[200]] * 5)
    check("who only waits is told that it is over", [a[0] for a in answers(read_all(slow))], [503])
    check("who idles is closed", (read_all(idle), read_all(half)), (b"", b""))
    for connection in [idle, half, slow, *reports]:
        connection.close()


# ---- What is looked at ----


def words_in(log):
    return {word: count for word in WORDS if (count := sum(word in line for line in log.splitlines()))}


def errors_counted(receiver):
    """What arrived of logctx.transition.errors, by kind."""
    return {dict(key[1:])["logctx.error.kind"]: value for key, value in receiver.points.items()
            if key[0] == "logctx.transition.errors"}


def look_at_lines(log):
    """Every line is of work that has a context: none is of the sentinel, and none is anything but a line of the log (a
    sanitizer's, a library's). No line is excused here; what the exporter's own thread says is looked at by itself."""
    strange = [line for line in log.splitlines()
               if not ((match := LINE.match(line)) and match.group(3) and REQUESTS.fullmatch(match.group(1)))]
    check("lines without a context", strange, [])
    names = [LINE.match(line).group(1) for line in log.splitlines() if LINE.match(line)]
    check("it begins in main, and shutdown is there", (names[:1], "shutdown" in names), (["main"], True))


def look_at_books(stats, receiver):
    library = stats["library"]
    smoke.balance(stats)
    sent = sum(library[name] for name in ("exported", "rejected", "queued", "in_flight", "spooled"))
    check("the exporter's books", (library["taken"], sent), (library["exported"], library["taken"]))
    own = [span for span in receiver.spans if span["name"] != "logctx.transition_error"]
    check("a span for each context", len(own), library["ended"])
    live = {value for key, value in receiver.points.items() if key[0] == "logctx.context.in_flight"}
    check("nothing is in flight", live, {0})
    counted = sum(value for key, value in receiver.points.items() if key[0] == "http.server.request.duration")
    check("http.server.request.duration", counted, stats["requests_total"])


def look_at_cancelled(stats, receiver):
    gone = [span["attributes"] for span in receiver.spans if span["attributes"].get("http.response.status_code") == 499]
    check("spans of clients that left", len(gone), stats["cancelled"])
    check("what they say", {said.get("error.type") for said in gone}, {"cancelled"})
    check("all of them had something pending", {said["http.route"] for said in gone}, {"/slow/{ms}", "/report"})


def clean_life(daemon, number):
    """Everything that a server meets in its life, and no sign of a mistake."""
    print(f"== a clean life, {'as a daemon' if daemon else 'in the foreground'}")
    with Receiver() as receiver, tempfile.TemporaryDirectory() as folder:
        demo = Server(folder, receiver.endpoint, daemon=daemon)
        wanted = collections.Counter()
        for part in (smoke.protocol, smoke.limits, wait_well, leave):
            wanted.update(part(demo))
        until("end of who waited", lambda: len(re.findall(r"GET /slow/60000 499$", demo.text(), re.M)) >= 6)
        until("end of the reports", lambda: len(re.findall(r"GET /report \d+$", demo.text(), re.M)) >= 42)
        until("answer to the flood", lambda: "/slow/100 200" in demo.text())
        leave_rudely(demo)
        end_in_the_middle(demo, number)
        code, stats = demo.finish()
        check("exit code", code, 0)
        counted = collections.Counter({(row["kind"], row["status"]): row["count"] for row in stats["requests"]})
        check("at least these requests", dict(wanted - counted), {})
        look_at_lines(demo.text())
        check("sentences of mistakes", words_in(demo.text()), {})
        check("errors by the library's count", smoke.errors_of(stats), {})
        check("errors that arrived", errors_counted(receiver), dict.fromkeys(stats["library"]["errors"], 0))
        look_at_books(stats, receiver)
        look_at_cancelled(stats, receiver)
        if daemon:
            check("the pid file is gone", (pathlib.Path(folder) / "pid").exists(), False)


# ---- Mistakes ----


def place_of(mark):
    """file:line of a mistake, as the library reports it."""
    found = [f"deploy/demo/{path.name}:{number}" for path in sorted(SOURCES.glob("*.c"))
             for number, line in enumerate(path.read_text().splitlines(), 1) if re.search(f"// {mark}$", line)]
    if len(found) != 1:
        sys.exit(f"one line should be marked // {mark}, not {found}")
    return found[0]


def named_in_spans(receiver, kind, place):
    """In how many spans an event of that kind, or a span that is the error, names the place."""
    said = [event["attributes"] for span in receiver.spans for event in span["events"]]
    said += [span["attributes"] for span in receiver.spans]
    places = [(s, [s.get(key, "").partition(" (") for key in ("logctx.error.found_by", "logctx.error.set_by")]) for s in said]
    return sum(s.get("logctx.error.kind") == kind and place in [where for where, _, function in both if function]
               for s, both in places)


def look_at_mistake(mark, words, kinds, log, stats, receiver, has_span=True):
    place = place_of(mark)
    check(f"{mark}: its sentences, once each", words_in(log), dict.fromkeys(words, 1))
    check(f"{mark}: by the library's count", smoke.errors_of(stats), dict.fromkeys(kinds, 1))
    arrived = {kind: count for kind, count in errors_counted(receiver).items() if count}
    check(f"{mark}: by the counters that arrived", arrived, dict.fromkeys(kinds, 1))
    lines = [line for line in log.splitlines() if "see docs/guide.md#" in line]
    check(f"{mark}: a line for each kind, which names the place", [place in line for line in lines], [True] * len(kinds))
    for kind in kinds:
        check(f"{mark}: a span names the place, for {kind}", named_in_spans(receiver, kind, place), int(has_span))
    look_at_books(stats, receiver)


def mistakes():
    shown = set()
    for name, (words, kinds) in MISTAKES.items():
        with Receiver() as receiver, tempfile.TemporaryDirectory() as folder:
            daemon = name in ("daemonize-in-main", "fork-keeps-clock")
            demo = Server(folder, receiver.endpoint, "--mistake", name, daemon=daemon)
            check(f"{name}: it serves all the same", demo.get(b"/report")[0], 200)
            code, stats = demo.stop()
            check(f"{name}: exit code", code, 0)
            # The context that was current at the fork is of the foreground, which has no exporter: no span of it exists.
            look_at_mistake(f"MISTAKE: {name}", words, kinds, demo.text(), stats, receiver, name != "daemonize-in-main")
            shown.update(words)
    for bug, (words, kinds) in BUGS.items():
        with Receiver() as receiver, tempfile.TemporaryDirectory() as folder:
            demo = Server(folder, receiver.endpoint)
            check(f"{bug}: it is answered", demo.get(b"/bug/" + bug.encode())[0], 200)
            code, stats = demo.stop()
            check(f"{bug}: exit code", code, 0)
            look_at_mistake(f"BUG: {bug}", words, kinds, demo.text(), stats, receiver)
            shown.update(words)
            if bug == "lost":
                sentinel = [line for line in demo.text().splitlines() if LINE.match(line).group(1) == "sentinel"]
                check("lines of the sentinel would be seen", len(sentinel), 2)
    check("every sentence has been seen", sorted(shown), sorted(WORDS))


def usage():
    done = subprocess.run([DEMO, "--mistake=none"], capture_output=True, text=True, timeout=60, check=False)
    said = (done.returncode, [name for name in MISTAKES if name not in done.stderr], '"none"' in done.stderr)
    check("a mistake that nobody knows", said, (2, [], True))
    done = subprocess.run([DEMO, "--pid-file", "x"], capture_output=True, text=True, timeout=60, check=False)
    check("a pid file of no daemon", (done.returncode, "--daemonize" in done.stderr.splitlines()[0]), (2, True))


# ---- Starting and stopping ----


def refused(demo, endpoint, *words):
    """Another one is started with the same files, and is not to be. What it says."""
    command = demo.command(endpoint, *words)
    done = subprocess.run(command, capture_output=True, text=True, env=demo.environment, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def lives_of_daemons():
    with Receiver() as receiver, tempfile.TemporaryDirectory() as folder:
        pid_file = pathlib.Path(folder) / "pid"
        demo = Server(folder, receiver.endpoint, daemon=True)
        check("the pid file is the daemon's", (pid_file.stat().st_mode & 0o777, pid_file.read_text()),
              (0o600, f"{demo.pid}\n"))
        code, said = refused(demo, receiver.endpoint)
        check("a second daemon", (code, f"process {demo.pid} is running as another daemon" in said, said.count("\n")),
              (1, True, 1))
        other = pathlib.Path(folder) / "other.pid"
        code, said = refused(demo, receiver.endpoint, "--port", str(demo.port), "--pid-file", str(other))
        check("a port in use", (code, "Cannot listen on" in said, said.count("\n")), (1, True, 1))
        until("removal of its pid file", lambda: not other.exists())  # it ends after the foreground
        code, said = refused(demo, receiver.endpoint, "--database", folder, "--pid-file", str(other))
        check("no database", (code, "cannot be used" in said, said.count("\n")), (1, True, 1))
        until("removal of its pid file", lambda: not other.exists())
        check("the first one is not disturbed", demo.get(b"/rooms/1")[0], 200)
        demo.send(signal.SIGKILL)
        demo.wait()
        check("a pid file is left by a daemon that was killed", pid_file.read_text(), f"{demo.pid}\n")
        demo = Server(folder, receiver.endpoint, daemon=True)
        check("a stale pid file is taken over", pid_file.read_text(), f"{demo.pid}\n")
        demo.stop(signal.SIGINT)
        check("the pid file is gone", pid_file.exists(), False)
        look_at_lines(demo.text())


@contextlib.contextmanager
def silent_endpoint():
    """Takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def second_signal():
    """The first signal waits for the endpoint, the second does not."""
    with silent_endpoint() as endpoint, tempfile.TemporaryDirectory() as folder:
        demo = Server(folder, endpoint)
        demo.send(signal.SIGTERM)
        until("line about the signal", lambda: "Signal 15" in demo.text())
        demo.send(signal.SIGINT)
        check("a second signal", demo.wait(), -signal.SIGINT)
        os.close(demo.pidfd)


def no_endpoint():
    """What the exporter says comes from its own thread, on which no work of the application runs, so it is no sign of work
    that has lost its context. It does not look like one either: it is of `logctx-export`, not of the sentinel."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as server:
            closed = f"http://127.0.0.1:{server.getsockname()[1]}"
        demo = Server(folder, closed)
        check("it serves without an endpoint", demo.get(b"/rooms/1")[0], 200)
        until("line of the exporter", lambda: " logctx-export " in demo.text())
        code, _ = demo.stop()
        own = [line for line in demo.text().splitlines() if not line.split(" ")[2] == "logctx-export"]
        check("exit code", code, 0)
        look_at_lines("\n".join(own))


def main():
    usage()
    clean_life(False, signal.SIGTERM)
    clean_life(True, signal.SIGINT)
    mistakes()
    lives_of_daemons()
    second_signal()
    no_endpoint()
    print(f"{smoke.checks[True]} passed, {smoke.checks[False]} failed")
    return 1 if smoke.checks[False] else 0


if __name__ == "__main__":
    sys.exit(main())
