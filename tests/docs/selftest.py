# SPDX-License-Identifier: Apache-2.0
"""The checks of the docs can fail: selftest.py ROOT EXAMPLES

Each is run on a copy of the tree with one thing spoiled, and has to notice; and on the copy as it is, and
has not to.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# The check, the page to spoil, what to replace in it, and by what.
SPOILED = (
    ("links.py", "docs/guide.md", "](telemetry.md)", "](telemetry.html)"),
    ("links.py", "docs/guide.md", "](#the-sentinel)", "](#the-sentinels)"),
    ("links.py", "docs/guide.md", "# The guide\n", "# The guide\n\nSee /" + "home/me/notes.\n"),
    ("quotes.py", "docs/guide.md", "logctx_set_current(logctx_sentinel());", "logctx_set_current(NULL);"),
    ("quotes.py", "docs/guide.md", "<!-- quote: docs/examples/nested.c render -->\n", ""),
    (
        "quotes.py",
        "README.md",
        "<!-- quote: docs/examples/readme.c -->",
        "<!-- quote: docs/examples/nested.c -->",
    ),
    ("logged.py", "docs/guide.md", "deferred already called (", "deferred called twice ("),
    ("logged.py", "docs/async.md", "was lost (noticed", "got lost (noticed"),
    ("logged.py", "docs/async.md", "<!-- logged: forget restarted_finished -->", "<!-- logged: forget context_lost -->"),
    ("tables.py", "docs/guide.md", "### context_lost\n", "### context_mislaid\n"),
    ("tables.py", "docs/guide.md", "> Expected logging context A was lost", "> The context A was lost"),
    ("tables.py", "docs/guide.md", "Transition error, from Synapse.", "Misuse, from Synapse."),
    ("tables.py", "docs/guide.md", "`logctx_finish()`", "`logctx_finnish()`"),
    ("tables.py", "docs/guide.md", "`logctx.segments`", "`logctx.fragments`"),
    ("tables.py", "docs/architecture.md", "| `seal.c` ", "| `steel.c` "),
    ("tables.py", "docs/adapters/uv.md", "`logctx_uv_udp_send`", "`logctx_uv_udp_recv_stop`"),
)


def run(check, root):
    words = [sys.executable, "-B", str(HERE / check), str(root)]
    if check == "logged.py":
        words.append(sys.argv[2])
    return subprocess.run(words, capture_output=True, text=True, check=False)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        skip = shutil.ignore_patterns("build*", ".git")
        shutil.copytree(root, copy, ignore=skip)
        for check in sorted({row[0] for row in SPOILED}):
            done = run(check, copy)
            if done.returncode != 0:
                problems += 1
                print(f"{check} finds a problem where there is none:\n{done.stdout}{done.stderr}")
        for check, page, old, new in SPOILED:
            path = copy / page
            text = path.read_text(encoding="utf-8")
            if old not in text:
                problems += 1
                print(f"{page} has no longer: {old!r}; give the selftest something else to spoil")
                continue
            path.write_text(text.replace(old, new, 1), encoding="utf-8")
            done = run(check, copy)
            if done.returncode != 1 or done.stderr:
                problems += 1
                print(f"{check} does not notice {new!r} in {page}:\n{done.stdout}{done.stderr}")
            path.write_text(text, encoding="utf-8")
    print(f"{len(SPOILED)} spoiled pages, {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
