# SPDX-License-Identifier: Apache-2.0
"""Every link of the docs leads somewhere in the tree, and each anchor to a heading: links.py ROOT

Links to other sites are not followed. Also: no page names a path of the machine it was written on.
"""

import pathlib
import re
import sys

import markdown

OUTSIDE = re.compile(r"^[a-z]+:")
MACHINE = re.compile(r"(?<![\w.~])/(?:work|root|home)/")


def problem_of(page, target, texts):
    path, _, anchor = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    if not place.exists():
        return f"there is no {target}"
    if not anchor:
        return None
    if place not in texts:
        return f"{target} has an anchor, but is not a page of the docs"
    return None if anchor in markdown.anchors(texts[place]) else f"{place.name} has no heading for #{anchor}"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    texts = {page: page.read_text(encoding="utf-8") for page in markdown.files(root)}
    wrong, count = [], 0
    for page, text in texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            if MACHINE.search(line):
                wrong.append((page, number, "a path of the machine that it was written on"))
        for number, line in markdown.prose(text):
            for target in markdown.LINK.findall(line):
                if OUTSIDE.match(target):
                    continue
                count += 1
                problem = problem_of(page, target, texts)
                if problem:
                    wrong.append((page, number, problem))
    for page, number, problem in wrong:
        print(f"{page.relative_to(root)}:{number}: {problem}")
    print(f"{len(texts)} pages, {count} links, {len(wrong)} problems")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
