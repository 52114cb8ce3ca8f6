#!/usr/bin/env python3
# clang-tidy with the tree's .clang-tidy over what is shipped: core, exporter, proto, deploy. Reads which files those
# are, and how they are compiled, from the build's compile_commands.json.
# SPDX-License-Identifier: Apache-2.0
"""usage: tidy.py SOURCE-DIR BUILD-DIR"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOMS = "core", "exporter", "proto", "deploy"


def shipped_files(source, build):
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    files = {Path(entry["file"]) for entry in commands}
    return sorted(str(file) for file in files
                  if source in file.parents and build not in file.parents
                  and file.relative_to(source).parts[0] in ROOMS)


def tidy(file, *arguments):
    result = subprocess.run(["clang-tidy", "--quiet", file, *arguments], capture_output=True, text=True, check=False)
    wrong = [line for line in result.stdout.splitlines() if ": error: " in line or ": warning: " in line]
    return result.returncode, "\n".join(wrong or result.stderr.splitlines()[-3:])


def prove_it_sees(source):
    """A condition without a consequence, in a file that is compiled with nothing special."""
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder, "sample.c")
        sample.write_text("int f(void);\nint f(void) { int n = 0; if (n); n = 1; return n; }\n", encoding="utf-8")
        status, _ = tidy(str(sample), "--config-file=%s" % (source / ".clang-tidy"), "--")
    if status == 0:
        sys.exit("clang-tidy finds nothing in a sample that is wrong; this check is blind.")


def main():
    if not shutil.which("clang-tidy"):
        print("clang-tidy is missing (Debian: apt-get install clang-tidy).")
        return 77
    source, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    prove_it_sees(source)
    files = shipped_files(source, build)
    if len(files) < 20:
        print("Only %d files of ours are in %s/compile_commands.json." % (len(files), build))
        return 1
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS") or os.cpu_count() or 1)) as pool:
        # What only gcc knows.
        commands = (build / "compile_commands.json").read_text(encoding="utf-8").replace(" -mtls-dialect=gnu2", "")
        Path(folder, "compile_commands.json").write_text(commands, encoding="utf-8")
        for file, (status, output) in zip(files, pool.map(lambda file: tidy(file, "-p", folder), files)):
            if status != 0:
                wrong += 1
                print(file, output, sep="\n")
    print("%d files, %d with complaints" % (len(files), wrong))
    return 1 if wrong else 0


sys.exit(main())
