#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The live screen of logctx-top in a pseudo terminal, as pyte sees it: what stands where, what each key does, sizes, colours, and
what becomes of hostile names. The program that is looked at stands still, so every screen is known.

    top_screen.py PATH/TO/logctx-top PATH/TO/top_subject
"""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

try:
    import pyte
except ImportError:
    system = pathlib.Path("/usr/bin/python3")
    if system.exists() and os.path.realpath(sys.executable) != os.path.realpath(system):
        os.execv(system, [str(system), "-B", *sys.argv])
    print("pyte is not installed; deploy/debian.sh names it (python3-pyte)")
    sys.exit(77)

import top_shared

TOP, SUBJECT = sys.argv[1:3]
DOWN, END, ESCAPE = "\x1b[B", "\x1b[4~", "\x1b"
PATIENCE = 30


class Screen:
    """logctx-top on a terminal. Everything waits for what is to be seen, never for time."""

    def __init__(self, *arguments, size=(120, 40), **environment):
        self.raw = b""
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="linux", **top_shared.UTF8)  # what pyte is; it scrolls not all as xterm does
            os.environ.pop("NO_COLOR", None)
            os.environ.update(environment)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execv(TOP, [TOP, *map(str, arguments)])

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def rows(self):
        """The lines between the titles and the keys."""
        lines = self.text().split("\n")
        at = next(i for i, line in enumerate(lines) if re.match(r" +AGE", line))
        return [line for line in lines[at + 1 : -1] if line]

    def names(self):
        found = [re.search(r"(GET-\d|BLOCKED-1|NEW-1|HELD-1|GET-2-step|a-name|\\x1b)", row) for row in self.rows()]
        return [name.group(1) for name in found if name]

    def read(self):
        ready, _, _ = select.select([self.terminal], [], [], 0.2)
        try:
            data = os.read(self.terminal, 65536) if ready else b""
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    def wait(self, condition):
        """Until the condition holds for what is on the screen."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if condition(self):
                    return self
            except StopIteration:
                pass  # no titles yet
            if not self.read() or time.monotonic() > end:
                raise AssertionError(f"not seen within {PATIENCE} s, on:\n{self.text()}")

    def press(self, keys, condition):
        os.write(self.terminal, keys.encode())
        return self.wait(condition)

    def end(self):
        os.write(self.terminal, b"q")
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        assert status == 0, status

    def colors(self):
        return {cell.fg for line in self.screen.buffer.values() for cell in line.values()}


def check_first_look(pid):
    # The screen comes in pieces, and a program that has just begun may still be running: all of it is waited for.
    screen = Screen("-d", "0.1", pid).wait(lambda s: "q quit" in s.text() and "+0 -0 a second" in s.text() and
                                           re.search(r"^thread \(\d+\) .*sleeps in BLOCKED-1, since ", s.text(), re.M) and
                                           len(s.rows()) == 8 and any("asleep" in row for row in s.rows()))
    text = screen.text()
    assert re.match(rf"top_subject  pid {pid}  up \d", text), text
    assert "7 in flight: 1 running, 1 txn, 1 idle, 4 new; 1 held; +0 -0 a second" in text, text
    assert re.search(r"^thread \(\d+\) .*sleeps in BLOCKED-1, since ", text, re.M), text
    assert "every 0.1s" in text
    assert sorted(screen.names())[:3] == ["BLOCKED-1", "GET-1", "GET-2"] and len(screen.rows()) == 8, text
    (blocked,) = (row for row in screen.rows() if "BLOCKED-1" in row)
    assert "asleep" in blocked and "top_subject.c:" in blocked, blocked
    assert r"\x1b]0;owned\x07" in text and "\u202e" not in text, text
    assert b"owned\x07" not in screen.raw and b"\xe2\x80\xae" not in screen.raw
    assert b"\x1b[3" in screen.raw and len(screen.colors()) > 2, screen.colors()
    screen.end()


def check_keys(pid):
    screen = Screen("-d", "60", pid).wait(lambda s: "q quit" in s.text() and s.names()[0] == "GET-1")
    screen.press("r", lambda s: s.names()[-1] == "GET-1").press("r", lambda s: s.names()[0] == "GET-1")
    screen.press("s", lambda s: s.names()[0] == "BLOCKED-1" and s.names()[-1] == "HELD-1")
    screen.press("n", lambda s: s.names()[-1] == "a-name")
    for key in "cdw":
        screen.press("s", lambda s: s.names()[0] == "BLOCKED-1")
        screen.press(key, lambda s: sorted(s.names()[:2]) == ["GET-1", "GET-2"])
    screen.press("s", lambda s: s.names()[0] == "BLOCKED-1").press("e", lambda s: s.names()[0] == "GET-1")
    screen.press(" ", lambda s: "PAUSED" in s.text()).press(" ", lambda s: "PAUSED" not in s.text())
    screen.press("-", lambda s: "every 30s" in s.text()).press("+", lambda s: "every 60s" in s.text())
    screen.press("/held", lambda s: s.names() == ["HELD-1"] and "Filter: held_" in s.text())
    screen.press("\x7f\x7f\x7f\x7fzzz", lambda s: "No context in flight matches" in s.text())
    screen.press(ESCAPE, lambda s: len(s.rows()) == 8 and "Filter" not in s.text())
    screen.press("/rooms\r", lambda s: len(s.rows()) == 3 and "[rooms]" in s.text())
    screen.press("/\r", lambda s: len(s.rows()) == 8 and "[rooms]" not in s.text())
    check_details(screen)
    screen.end()


def check_details(screen):
    screen.press("d" + DOWN, lambda s: s.names()[:2] == ["GET-1", "GET-2"])
    screen.press("\r", lambda s: re.search(r"^GET-1   request   kind GET /rooms/\{id\}$", s.text(), re.M))
    # The screen comes in pieces: each is waited for.
    for part in (r"^state    idle, of thread \d+; ", r"^made at  \S*top_subject\.c:\d+ make$", r"^trace    [0-9a-f]{32}",
                 r"^span     [0-9a-f]{16}$", r"^database 3 transactions in 15\.0ms, 0 open; waited 7\.0ms; 33 rows$",
                 r"^cpu      40\.\dms ", r"^life     \[[#wt.]+\]$", r"^ +\S+ ago  GET-2 +-> sentinel +\S+top_subject.c:\d+ main$"):
        screen.wait(lambda s, part=part: re.search(part, s.text(), re.M))
    screen.press(DOWN, lambda s: re.search(r"^GET-2   request", s.text(), re.M))
    screen.press(END, lambda s: not re.search(r"^GET-2   request", s.text(), re.M))
    screen.press("\r", lambda s: "last switches" not in s.text())
    screen.press(ESCAPE, lambda s: len(s.rows()) == 8)


def check_sizes(pid):
    screen = Screen("-d", "60", pid, size=(80, 24)).wait(lambda s: "q quit" in s.text())
    assert len(screen.rows()) == 8 and "KIND" in screen.text(), screen.text()
    for columns, lines in (40, 10), (20, 5), (200, 50), (12, 3), (1, 1), (80, 24):
        screen.resize(columns, lines)
        if lines >= 5:
            screen.wait(lambda s, n=lines: len(s.rows()) == (1 if n == 5 else 8 if n > 20 else s_rows(n)))
        if columns == 200:
            assert "LAST SWITCH" in screen.text()
    # On a small terminal the details take the place of the rows.
    screen.press("\r", lambda s: "trace    " in s.text() and "AGE" not in s.text())
    screen.end()


def s_rows(lines):
    return lines - 2 - 1 - 1 - 1  # head, one thread, titles, keys


def check_without_colors(pid):
    for environment in {"NO_COLOR": "1"}, {"TERM": "vt100"}:
        screen = Screen("-d", "60", pid, **environment).wait(lambda s: "q quit" in s.text() and len(s.rows()) == 8)
        assert screen.colors() == {"default"}, screen.colors()
        assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", screen.raw)
        screen.end()


def check_unknown_terminal(pid):
    screen = Screen(pid, TERM="nonsense")
    while screen.read():
        pass
    _, status = os.waitpid(screen.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1 and "use --once" in screen.text(), (status, screen.text())


def check_end_of_process():
    """What was there last stays on the screen when the process is killed."""
    with top_shared.Subject(SUBJECT) as subject:
        screen = Screen("-d", "0.1", subject.pid).wait(lambda s: "q quit" in s.text() and len(s.rows()) == 8)
        subject.kill()
        screen.wait(lambda s: "is gone; as it was at" in s.text() and "every" not in s.text())
        assert len(screen.rows()) == 8, screen.text()
        screen.press("s", lambda s: s.names()[0] == "BLOCKED-1")
        screen.end()


def check_interrupt(pid):
    """Ctrl-C leaves the terminal as it was: the other screen is put back."""
    screen = Screen("-d", "60", pid, TERM="xterm-256color").wait(lambda s: "q quit" in s.text())
    os.kill(screen.pid, signal.SIGINT)
    while screen.read():
        pass
    os.waitpid(screen.pid, 0)
    assert b"\x1b[?1049h" in screen.raw and screen.raw.rindex(b"\x1b[?1049l") > screen.raw.rindex(b"\x1b[?1049h")


def main():
    with top_shared.Subject(SUBJECT) as subject:
        check_first_look(subject.pid)
        check_keys(subject.pid)
        check_sizes(subject.pid)
        check_without_colors(subject.pid)
        check_unknown_terminal(subject.pid)
        check_interrupt(subject.pid)
        subject.stop()
    check_end_of_process()
    print("the screen of logctx-top shows what it should")


main()
