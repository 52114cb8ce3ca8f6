# SPDX-License-Identifier: Apache-2.0
"""docs/guide.md shows what a test says that finds a slip: slip.py [--write] ROOT PROGRAM

The program is docs/examples/testing.c without the line that expects the error, so its test has to fail. Compared is
the block under `<!-- said: slip -->`, but for the times; with --write it is brought up to date.
"""

import pathlib
import re
import subprocess
import sys

import markdown

TEST = "test_late_timer_is_noticed"


def said_by(program):
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    # One stream is not the other's, so the order between them is by what belongs to the test.
    lines = done.stderr.splitlines() + done.stdout.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Transition errors"))
    last = next(i for i, line in enumerate(lines) if "error: Failure!" in line)
    failed = any(re.match(rf"\[  FAILED  \] {TEST}", line) for line in lines)
    if done.returncode != 1 or not failed:
        sys.exit(f"{program} ended with {done.returncode}; one test of it has to fail:\n" + "\n".join(lines))
    return "\n".join(lines[first : last + 1]) + "\n"


def without_times(text):
    return re.sub(r"[\d.]+ ms before", "0.001 ms before", text)


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    page = pathlib.Path(words[0]) / "docs/guide.md"
    text = page.read_text(encoding="utf-8")
    shown = [block for block in markdown.blocks(text) if block.marker == ("said", "slip")]
    said = without_times(said_by(words[1]))
    if len(shown) != 1:
        sys.exit(f"{page} has {len(shown)} blocks under <!-- said: slip -->; it should have one")
    if "--write" in sys.argv:
        page.write_text(markdown.replace(text, [(shown[0], said)]), encoding="utf-8")
    elif without_times(shown[0].text) != said:
        sys.exit(f"docs/guide.md:{shown[0].first} differs from what the test says (slip.py --write):\n{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
