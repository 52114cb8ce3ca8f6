#!/usr/bin/env python3
# How many system calls a million switches make, counted by strace: hardly any, where the kernel has rseq.
# SPDX-License-Identifier: Apache-2.0
"""usage: syscalls.py SWITCHES-PROGRAM"""

import re
import shutil
import subprocess
import sys
import tempfile

MILLION, FEW, BOUND = 1000000, 5000, 5000


def calls(program, *arguments):
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as counts:
        run = subprocess.run(["strace", "-c", "-o", counts.name, program, *map(str, arguments)], capture_output=True,
                             text=True, check=False, timeout=280)
        total = re.search(r"^\s*100\.00\s.*?(\d+)(?:\s+\d+)?\s+total$", counts.read(), re.MULTILINE)
    if run.returncode or not total:
        sys.exit("strace gave no count: " + run.stderr[-500:])
    return int(total.group(1)), run.stdout.strip()


def main():
    if not shutil.which("strace"):
        print("strace is missing (Debian: apt-get install strace).")
        return 77
    program = sys.argv[1]
    asked, _ = calls(program, FEW, "rusage")
    if asked < FEW:
        print("A clock that asks at each of %d switches made %d calls: this check is blind." % (FEW, asked))
        return 1
    few, name = calls(program, 0)
    if not name.startswith("rseq+"):
        print("There is no rseq on this machine (%s), so the kernel is asked at each switch." % name)
        return 0
    many, _ = calls(program, MILLION)
    print("%d system calls for a million switches, at most %d" % (many - few, BOUND))
    return 0 if many - few <= BOUND else 1


sys.exit(main())
