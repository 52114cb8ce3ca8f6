# SPDX-License-Identifier: Apache-2.0
"""Log lines that the docs show are those of the examples: logged.py [--write] ROOT EXAMPLES

Under `<!-- logged: PROGRAM KIND -->` stands the line with which the example PROGRAM, in the folder EXAMPLES, tells of
its first error of KIND; a number after KIND chooses a later one. Times and identifiers are masked. With --write the
blocks are brought up to date.
"""

import functools
import pathlib
import re
import subprocess
import sys

import markdown
from bugs import masked


@functools.lru_cache(maxsize=None)
def lines_of(program):
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        sys.exit(f"{program} ended with {done.returncode}:\n{done.stderr}")
    return done.stderr.split("\n")


def logged(root, folder, argument):
    program, kind, *number = argument.split()
    lines = [
        line for line in lines_of(folder / f"example_{program}") if line.endswith(f"see docs/guide.md#{kind})")
    ]
    index = int(number[0]) - 1 if number else 0
    if index >= len(lines):
        return None
    return lines[index].replace(f"{root}/", "") + "\n"


def check(root, folder, write):
    wrong, count = [], 0
    for page in markdown.files(root):
        text = page.read_text(encoding="utf-8")
        new = []
        for block in markdown.blocks(text):
            if block.marker is None or block.marker[0] != "logged":
                continue
            count += 1
            wanted = logged(root, folder, block.marker[1])
            where = f"{page.relative_to(root)}:{block.first}"
            if wanted is None:
                wrong.append(f"{where}: the example says nothing of that kind: {block.marker[1]}")
            elif masked(wanted) != masked(block.text):
                new.append((block, wanted))
                if not write:
                    wrong.append(f"{where}: it says this instead; run tests/docs/update.sh:\n{wanted}")
        if write and new:
            page.write_text(markdown.replace(text, new), encoding="utf-8")
    return wrong, count


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    root = pathlib.Path(words[0]).resolve()
    wrong, count = check(root, pathlib.Path(words[1]), len(words) < len(sys.argv) - 1)
    for line in wrong:
        print(line)
    print(f"{count} lines, {len(wrong)} problems")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
