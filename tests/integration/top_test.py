#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""logctx-top --json and --once against what a program says of itself: alive, under load, killed, in a core dump; and what it
says when there is nothing to show.

    top_test.py PATH/TO/logctx-top PATH/TO/top_subject
"""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import top_shared

TOP, SUBJECT = sys.argv[1:3]
SAME = "cpu_ns", "db_transactions", "db_ns", "db_wait_ns", "db_rows", "running_ns", "trace_id", "state"
CHURNED = "odd-one", "even-one"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\"\\\u202ename"


def check_contexts(seen, subject):
    """Everything the program said of itself is there, and nothing else but the thread that blocks."""
    by_span = {context["span_id"]: context for context in seen["contexts"]}
    for said in subject.contexts:
        context = by_span.pop(said["span_id"])
        for key in SAME:
            assert context[key] == said[key], (key, context, said)
    (blocked,) = by_span.values()
    assert blocked["name"] == "BLOCKED-1" and blocked["state"] == "running" and blocked["type"] == "background", blocked
    assert blocked["slice_ns"] >= 0 and blocked["thread"] not in (0, seen["process"]["pid"]), blocked
    return {context["name"]: context for context in seen["contexts"]}


def check_details(names, seen):
    assert names["GET-1"]["kind"] == names["GET-2"]["kind"] == "GET /rooms/{id}"
    states = [segment["state"] for segment in names["GET-1"]["segments"]]
    assert "run" in states and "txn" in states and "pool" in states, states
    assert names["GET-2"]["db_open"] == 1 and names["GET-1"]["db_open"] == 0
    (nested,) = (context for context in names.values() if context["type"] == "nested")
    assert nested["parent"] == "GET-2" and nested["parent_span_id"] == names["GET-2"]["span_id"], nested
    assert nested["kind"] == "GET /rooms/{id}-step", nested
    assert re.search(r"top_subject\.c:\d+ make_busy$", names["GET-1"]["switched_at"]), names["GET-1"]
    assert names["NEW-1"]["switched_at"] is None and "top_subject.c:" in names["NEW-1"]["created_at"], names["NEW-1"]
    cut = [name for name, context in names.items() if context["name_is_cut"]]
    assert cut == ["a-name-that-is-longer-than-the-table-has-room-for-1"[:31]], cut
    assert HOSTILE in names and names[HOSTILE]["kind"] == "bad\x1b[31mkind"
    threads = {thread["tid"]: thread for thread in seen["threads"] if thread["attached"]}
    assert threads[names["BLOCKED-1"]["thread"]]["current"] == "BLOCKED-1", threads
    main = threads[seen["process"]["pid"]]
    assert main["current"] is None and main["created"] == 7 and main["recent"], main
    assert main["recent"][0]["to"] == "sentinel" and main["recent"][0]["from"] == "GET-2", main["recent"][0]


def check_live():
    with top_shared.Subject(SUBJECT) as subject:
        seen = top_shared.look(TOP, subject.pid)
        assert seen["process"]["lives"] and seen["process"]["executable"] == "top_subject", seen["process"]
        assert not seen["time_is_of_last_event"] and seen["created"] == 8 and seen["ended"] == 1, seen
        assert seen["by_state"] == {"running": 1, "txn": 1, "idle": 1, "new": 4, "held": 1}, seen["by_state"]
        check_details(check_contexts(seen, subject), seen)
        check_choice(subject.pid)
        check_text(subject.pid)
        assert f"{subject.pid} " in top_shared.run(TOP), "the list of processes lacks it"
        subject.stop()
    assert f"{subject.pid} " not in listed_or_nothing(), "the list of processes has one that has ended"


def listed_or_nothing():
    return subprocess.run([TOP], capture_output=True, text=True, timeout=60, check=False).stdout


def check_choice(pid):
    def names(*arguments):
        return [context["name"] for context in top_shared.look(TOP, *arguments, pid)["contexts"]]

    assert names()[0] == "GET-1" and names("--reverse")[-1] == "GET-1"
    assert names("--sort", "db", "--limit", "2") == ["GET-1", "GET-2"]
    assert sorted(names("--kind", "GET /rooms/{id}")) == ["GET-1", "GET-2"]
    assert names("--filter", "blocked-") == ["BLOCKED-1"] and names("--filter", "nothing like it") == []
    assert names("--sort", "state")[0] == "BLOCKED-1" and names("--sort", "state")[-1] == "HELD-1"
    assert names("--sort", "name") == sorted(names(), key=str.encode)
    assert top_shared.look(TOP, "--limit", "3", pid)["hidden"] == 5


def check_text(pid):
    text = top_shared.run(TOP, "--once", pid)
    titles = re.search(r"^ +AGE .*$", text, re.M).group(0)
    assert titles.split() == "AGE STATE THREAD CPU DB WAIT TXNS ERR TYPE NAME KIND LAST SWITCH".split(), titles
    row = re.search(r"^.* GET-1 .*$", text, re.M).group(0)
    assert re.search(r" idle +\d+ +40\.\dms +15\.0ms +7\.0ms +3 +- +request +GET-1 +GET /rooms/\{id\} +\S+:\d+$", row), row
    assert row.index("GET-1") == titles.index("NAME"), (row, titles)
    assert r"\x1b]0;owned\x07\x1b[2J" in text and r"\u{202e}name" in text, text
    assert all(ord(c) >= 32 or c == "\n" for c in text) and "\u202e" not in text, text
    plain = top_shared.run(TOP, "--once", pid, LC_ALL="C")
    assert plain.isascii() and "GET-1" in plain


def check_load():
    """Whatever is caught in the middle, what stands still is right in every look, and every name belongs to its kind."""
    with top_shared.Subject(SUBJECT) as subject:
        subject.tell("churn")
        caught, created = 0, 0
        for _ in range(60):
            seen = top_shared.look(TOP, subject.pid)
            assert seen["created"] >= created, (seen["created"], created)
            created = seen["created"]
            churned = [c for c in seen["contexts"] if c["name"] in CHURNED]
            for context in churned:
                assert context["kind"] + "-one" == context["name"] and context["type"] == "request", context
                assert context["age_ns"] < 60e9 and context["trace_id"], context
            caught += len(churned)
            seen["contexts"] = [context for context in seen["contexts"] if context not in churned]
            check_contexts(seen, subject)
            running = [c["thread"] for c in churned if c["state"] == "running"]
            assert len(running) == len(set(running)), "two contexts run on one thread"
        assert created > 1000 and caught > 0, (created, caught)
        subject.tell("rest")
        seen = top_shared.look(TOP, subject.pid)
        check_contexts(seen, subject)
        assert seen["created"] - seen["ended"] == 7, seen
        subject.stop()


def check_file(folder):
    table = folder / "table"
    with top_shared.Subject(SUBJECT, LOGCTX_TABLE=f"disk:{table}") as subject:
        for target in subject.pid, table:
            seen = top_shared.look(TOP, target)
            assert seen["process"]["lives"] and seen["process"]["pid"] == subject.pid, seen["process"]
            check_contexts(seen, subject)
        subject.kill()
        seen = top_shared.look(TOP, table)
        assert not seen["process"]["lives"] and not seen["process"]["ended_by_exit"], seen["process"]
        assert seen["time_is_of_last_event"] and seen["process"]["pid"] == subject.pid
        check_details(check_contexts(seen, subject), seen)
        assert "is gone; as it was at " in top_shared.run(TOP, "--once", table)
        # A cut or damaged file is no reason to fall over, and is said.
        whole = table.read_bytes()
        (folder / "cut").write_bytes(whole[:70000])
        top_shared.look(TOP, folder / "cut")
        (folder / "later").write_bytes(whole[:8] + struct.pack("=I", 99) + whole[12:])
        assert "version 99" in top_shared.run(TOP, "--once", folder / "later", status=6)
        (folder / "damaged").write_bytes(whole[:12] + struct.pack("=I", 0xFFFFFFF0) + whole[16:])
        assert "damaged" in top_shared.run(TOP, "--once", folder / "damaged", status=6)


def check_core(folder):
    gdb = shutil.which("gdb")
    if not gdb:
        assert not os.environ.get("CI"), "gdb is missing; deploy/debian.sh names it"
        return print("no gdb: the core dump was not tried")
    program = pathlib.Path(SUBJECT).read_bytes()
    if b"__asan_" in program or b"__tsan_" in program:
        return print("a sanitizer's shadow is terabytes: the core dump was not tried")
    with top_shared.Subject(SUBJECT) as subject:
        done = subprocess.run(
            [gdb, "-p", str(subject.pid), "-batch", "-nx", "-ex", f"generate-core-file {folder}/core"],
            capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        )
        core = folder / "core"
        if not core.exists() and "ptrace" in done.stderr:
            return print("this machine lets no debugger in: the core dump was not tried")
        assert core.exists(), (done.stdout, done.stderr)
        seen = top_shared.look(TOP, core)
        assert seen["process"]["pid"] == subject.pid and not seen["process"]["lives"], seen["process"]
        check_details(check_contexts(seen, subject), seen)
        subject.stop()
    (folder / "short-core").write_bytes(core.read_bytes()[:5000])
    assert "core dump" in top_shared.run(TOP, "--once", folder / "short-core", status=4)


def check_sentences(folder):
    with top_shared.Subject(SUBJECT, LOGCTX_TABLE="off") as subject:
        assert "LOGCTX_TABLE=off" in top_shared.run(TOP, "--once", subject.pid, status=4)
        subject.stop()
    assert f"no process {subject.pid}" in top_shared.run(TOP, "--once", subject.pid, status=3)
    assert "cannot be opened" in top_shared.run(TOP, "--json", folder / "nothing", status=3)
    (folder / "text").write_text("some text\n" * 1000)
    assert "neither the table" in top_shared.run(TOP, folder / "text", status=4)
    assert "is not a file" in top_shared.run(TOP, folder, status=4)
    os.mkfifo(folder / "fifo")
    assert "is not a file" in top_shared.run(TOP, folder / "fifo", status=4)
    for wrong in ("--sort", "size", "1"), ("--limit", "0", "1"), ("--delay", "0", "1"), ("--nonsense",), ("1", "2"), ("0",):
        top_shared.run(TOP, *wrong, status=2)
    assert "logctx-top " in top_shared.run(TOP, "--version") and "PID" in top_shared.run(TOP, "--help")
    if os.geteuid() == 0 and shutil.which("setpriv"):
        check_other_user(folder)


def check_other_user(folder):
    copy = folder / "logctx-top"
    shutil.copy(TOP, copy)
    folder.chmod(0o755)
    with top_shared.Subject(SUBJECT) as subject:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "--once", str(subject.pid)],
            capture_output=True, text=True, timeout=60, check=False,
        )
        assert done.returncode == 5 and "may not be read by this user" in done.stderr, done
        subject.stop()


def main():
    check_live()
    check_load()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_file(folder)
        check_core(folder)
        check_sentences(folder)
    print("logctx-top says what the program says of itself")


main()
