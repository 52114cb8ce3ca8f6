#!/usr/bin/env python3
# What holds for the files of the tree as such: which there may be at the top, what no file may say, what each file of
# source has to begin with. Every rule is first tried on a sample that it has to refuse.
# SPDX-License-Identifier: Apache-2.0
"""usage: files.py SOURCE-DIR"""

import re
import subprocess
import sys
from pathlib import Path

TOP_FOLDERS = {"core", "exporter", "proto", "deploy", "docs", "tests"}
TOP_FILES = {"CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md",
             "SECURITY.md"}
SOURCE = {".c", ".h", ".py", ".sh", ".proto"}
MAX_LINES = 900  # a file with more is about more than one thing
GENERATED = re.compile(r"(^|/)(corpus|wpt)/|\.(jsonl|sum|md|svg|png)$")


def where_it_was_made(text):
    """Absolute paths of somebody's machine, and hosts that packages are fetched from."""
    places = "work", "root", "home"
    hosts = "deb.debian" + ".org", "proxy.golang" + ".org", "registry.npmjs" + ".org", "pypi" + ".org"
    pattern = r"""(^|[\s"'`(=:<,])/(%s)/|%s""" % ("|".join(places), "|".join(map(re.escape, hosts)))
    return re.search(pattern, text, re.MULTILINE)


def unfinished(text):
    return re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", text)


def without_licence(text):
    return "SPDX-License-Identifier: Apache-2.0" not in text[:4000]


def begins_without_words(text):
    first = text.lstrip().splitlines()[:1]
    return not first or not re.match(r"(//|/\*|#|\"\"\")", first[0])


def trailing_space(text):
    return re.search(r"[ \t]+$", text, re.MULTILINE)


def prove_the_rules():
    assert where_it_was_made("see /ro" "ot/x") and where_it_was_made("https://pypi" ".org/x")
    assert not where_it_was_made("a/root/b GET /rooms/1 the parent/root context")
    assert unfinished("// TO" "DO: later") and not unfinished("// a todo list")
    assert without_licence("int x;") and not without_licence("// SPDX-License-Identifier: Apache-2.0\n")
    assert begins_without_words("\nint x;") and not begins_without_words("// words\nint x;")
    assert trailing_space("a \nb") and not trailing_space("a\n b")
    assert strangers(["core/a.c", "vendor/x.c", "notes.txt", ".gitignore"]) == ["notes.txt", "vendor"]


def strangers(names):
    """What stands at the top and should not. Dot files may."""
    found = {("folder" if "/" in name else "file", name.split("/")[0]) for name in names}
    return sorted(top for what, top in found
                  if not top.startswith(".") and top not in (TOP_FOLDERS if what == "folder" else TOP_FILES))


def tree(root):
    """The files that belong to the project: git's, or, in a tree without git, all but the build's."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=root, capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
    return sorted(name for name in names
                  if name and (root / name).is_file() and not re.match(r"build/|\.git/|.*__pycache__/|.*\.swp$", name))


def complaints_about(name, text):
    if where_it_was_made(text):
        yield "names a path or a host of the machine it was made on: %r" % where_it_was_made(text).group(0)
    path = Path(name)
    script = text.startswith("#!")
    if GENERATED.search(name) or not (path.suffix in SOURCE or script or path.name == "CMakeLists.txt"):
        return
    if unfinished(text):
        yield "says that it is not finished: %s" % unfinished(text).group(0)
    if without_licence(text) and path.name != "CMakeLists.txt":
        yield "has no line `SPDX-License-Identifier: Apache-2.0` near its beginning"
    if begins_without_words(text):
        yield "does not begin with a comment that says what lives there"
    if trailing_space(text):
        yield "has a line that ends in spaces"
    if not text.endswith("\n"):
        yield "does not end in a newline"
    if text.count("\n") > MAX_LINES:
        yield "has %d lines; split it at a noun" % text.count("\n")


def main():
    prove_the_rules()
    root = Path(sys.argv[1])
    names = tree(root)
    assert len(names) > 50, "only %d files were found; is the path right?" % len(names)
    wrong = ["%s does not belong at the top of the tree" % name for name in strangers(names)]
    wrong += ["%s is missing" % name for name in sorted(TOP_FILES) if name not in names]
    for name in names:
        if name.startswith("tests/fuzz/corpus/"):
            continue
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        wrong += ["%s %s" % (name, complaint) for complaint in complaints_about(name, text)]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


sys.exit(main())
