# SPDX-License-Identifier: Apache-2.0
"""The project's Markdown files as the checks of the docs see them: fences, markers, headings, links."""

import pathlib
import re

FENCE = re.compile(r"^```(\w*)\s*$")
MARKER = re.compile(r"^<!-- (\w+): (.*?) -->$")
HEADING = re.compile(r"^(#{1,6}) (.*?)\s*$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXPLICIT_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)"')


class Block:
    """A fenced block: its language, its lines, where they are, and the marker just before it, if any."""

    def __init__(self, language, marker, first, lines):
        self.language = language
        self.marker = marker  # (word, argument) or None
        self.first = first  # index of its first line in the file
        self.lines = lines

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)


def files(root):
    """README.md and the other pages at the top, and all of docs/."""
    root = pathlib.Path(root)
    return sorted(root.glob("*.md")) + sorted((root / "docs").rglob("*.md"))


def blocks(text):
    found, marker, lines, open_at, language = [], None, [], None, ""
    for index, line in enumerate(text.split("\n")):
        fence = FENCE.match(line)
        if open_at is None and fence:
            open_at, language, lines = index + 1, fence.group(1), []
        elif open_at is not None and line == "```":
            found.append(Block(language, marker, open_at, lines))
            open_at, marker = None, None
        elif open_at is not None:
            lines.append(line)
        elif MARKER.match(line):
            marker = MARKER.match(line).groups()
        elif line.strip():
            marker = None
    return found


def replace(text, new):
    """`text` with the blocks in `new`, a list of (block, its new text), changed."""
    lines = text.split("\n")
    for block, content in sorted(new, key=lambda item: -item[0].first):
        lines[block.first : block.first + len(block.lines)] = content.rstrip("\n").split("\n")
    return "\n".join(lines)


def prose(text):
    """The lines outside of fences, with their numbers."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def anchors(text):
    """What a link can point to after '#', by the rules that GitHub and GitLab share."""
    found = set()
    for _, line in prose(text):
        found.update(EXPLICIT_ANCHOR.findall(line))
        heading = HEADING.match(line)
        if not heading:
            continue
        words = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading.group(2)).lower())
        anchor = base = words.replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{base}-{number}"
        found.add(anchor)
    return found
