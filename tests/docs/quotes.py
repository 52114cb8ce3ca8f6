# SPDX-License-Identifier: Apache-2.0
"""Every C block of the docs is a quotation of code that is compiled: quotes.py [--write] ROOT

A block stands under one of
    <!-- quote: PATH -->                 the whole file
    <!-- quote: PATH NAME ... -->        these functions or structs, with the comments right above them
    <!-- quote: PATH NAME from TEXT -->  the rest of a function's body, from the line that has TEXT
With --write the blocks are brought up to date.
"""

import pathlib
import re
import sys
import textwrap

import markdown

# Folders whose C files the build compiles.
COMPILED = ("docs/examples/", "deploy/demo/")


def definition(source, name):
    """The lines that define the function or struct `name`, with the comment above."""
    lines = source.split("\n")
    start = re.compile(rf"^(?:[a-z].*[\s*]{name}\(|(?:typedef )?struct {name} \{{)")
    for first, line in enumerate(lines):
        if not start.match(line) or line.endswith(";"):
            continue
        last = next(i for i in range(first, len(lines)) if lines[i].startswith("}"))
        while first > 0 and lines[first - 1].startswith("//") and "SPDX" not in lines[first - 1]:
            first -= 1
        while lines[first].startswith("// ----"):  # a divider of the file's
            first += 1
        return "\n".join(lines[first : last + 1]) + "\n"
    raise KeyError(name)


def rest_of_body(text, start):
    """From the line of a definition that has `start` to the one before its closing brace, dedented."""
    lines = text.rstrip("\n").split("\n")
    first = [number for number, line in enumerate(lines) if start in line]
    if not first:
        raise ValueError(f"no line of the definition has: {start}")
    return textwrap.dedent("\n".join(lines[first[0] : -1]) + "\n")


def expected(root, argument):
    argument, _, start = argument.partition(" from ")
    path, *names = argument.split()
    if not path.startswith(COMPILED):
        raise ValueError(f"{path} is not in a folder that is compiled ({', '.join(COMPILED)})")
    source = (root / path).read_text(encoding="utf-8")
    text = "\n".join(definition(source, name) for name in names) if names else source
    return rest_of_body(text, start) if start else text


def check(root, write):
    wrong, count = [], 0
    for page in markdown.files(root):
        text = page.read_text(encoding="utf-8")
        new = []
        for block in markdown.blocks(text):
            if block.language != "c":
                continue
            count += 1
            where = f"{page.relative_to(root)}:{block.first}"
            if block.marker is None or block.marker[0] != "quote":
                wrong.append(
                    f"{where}: C code without <!-- quote: PATH NAME --> above it; nothing holds it to code"
                )
                continue
            try:
                wanted = expected(root, block.marker[1])
            except (OSError, ValueError) as problem:
                wrong.append(f"{where}: {problem}")
                continue
            except KeyError as problem:
                wrong.append(f"{where}: there is no definition of {problem} in {block.marker[1].split()[0]}")
                continue
            if block.text != wanted:
                new.append((block, wanted))
        if new and write:
            page.write_text(markdown.replace(text, new), encoding="utf-8")
        elif new:
            wrong += [
                f"{page.relative_to(root)}:{block.first}: the code differs from {block.marker[1]}; "
                "run tests/docs/quotes.py --write"
                for block, _ in new
            ]
    return wrong, count


def main():
    words = sys.argv[1:]
    write = "--write" in words
    root = pathlib.Path([word for word in words if word != "--write"][0]).resolve()
    wrong, count = check(root, write)
    for line in wrong:
        print(line)
    print(f"{count} C blocks, {len(wrong)} problems")
    # Without any block this check would see nothing.
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
