# SPDX-License-Identifier: Apache-2.0
"""The man pages say what the programs' own help says, and are well formed: man.py ROOT DEMO DASHBOARD TOP

Every option of the help is described on the page and the other way round. mandoc's lint runs where mandoc
is installed.
"""

import pathlib
import re
import shutil
import subprocess
import sys

HELP_ONLY = {"help", "version"}


def described(page):
    """Options that have a paragraph of their own."""
    return set(re.findall(r"^\.It Fl \\-([a-z-]+)", page, re.M))


def synopsis(page):
    part = page[page.index(".Sh SYNOPSIS") : page.index(".Sh DESCRIPTION")]
    return set(re.findall(r"\\-([a-z][a-z-]*)", part))


def helped(program):
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=30, check=False)
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", done.stdout + done.stderr))


def main():
    folder = pathlib.Path(sys.argv[1]) / "docs/man"
    wrong = []
    for name, program in (("logctx-demo.1", sys.argv[2]), ("logctx-dashboard.1", sys.argv[3]), ("logctx-top.1", sys.argv[4])):
        page = (folder / name).read_text(encoding="utf-8")
        options = helped(program)
        if len(options) < 4:
            wrong.append(f"{program} --help shows only: {sorted(options)}")
        for kind, there in (("description", described(page)), ("synopsis", synopsis(page))):
            for option in sorted((options ^ there) - HELP_ONLY):
                wrong.append(f"{name}: --{option} is not both in the help and in the {kind}")
    pages = sorted(str(path) for path in folder.glob("*.[1-8]"))
    mandoc = shutil.which("mandoc")
    if mandoc:
        done = subprocess.run(
            [mandoc, "-T", "lint", "-W", "style", *pages], capture_output=True, text=True, check=False
        )
        # Whether other pages are installed on this machine is not the page's fault.
        wrong += [line for line in done.stdout.split("\n")[:-1] if "referenced manual not found" not in line]
    for problem in wrong:
        print(problem)
    lint = "linted" if mandoc else "not linted, as mandoc is not installed"
    print(f"{len(pages)} pages, {lint}, {len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
