# SPDX-License-Identifier: Apache-2.0
"""What the docs say about names agrees with the tables in the headers: tables.py ROOT

- Each kind of error has its section in guide.md, with its sentence, class and origin, and the four
  questions answered.
- No page names a `logctx.*` metric or attribute that telemetry.h does not have, nor a function that no
  header declares.
- Each file of core/ and exporter/ has its line in architecture.md, and architecture.md names no other.
"""

import pathlib
import re
import sys

import markdown

STRING = r'"((?:[^"\\]|\\.)*)"'
KIND = re.compile(
    rf"X\((\w+),\s*{STRING},\s*(\w+),\s*(\w+),\s*(\w+),\s*((?:{STRING}\s*)+),\s*((?:{STRING}\s*)+)\)", re.S
)


def joined(literals):
    return "".join(re.findall(STRING, literals))


def error_kinds(root):
    """Rows of the X-macro: name, class, origin, sentence."""
    text = (root / "core/include/logctx/error.h").read_text(encoding="utf-8").replace("\\\n", "\n")
    text = text[text.index("#define LOGCTX_ERRORS(X)") :]
    text = text[: text.index("typedef enum")]
    return [(row[1], row[2], row[3], joined(row[5])) for row in KIND.findall(text)]


def sections(text):
    found, name = {}, None
    for _, line in markdown.prose(text):
        heading = markdown.HEADING.match(line)
        if heading:
            name = heading.group(2)
            found[name] = []
        elif name:
            found[name].append(line)
    return {key: "\n".join(lines) for key, lines in found.items()}


def check_errors(root):
    kinds = error_kinds(root)
    if len(kinds) < 20:
        yield f"error.h: only {len(kinds)} kinds could be read from its table"
    guide = sections((root / "docs/guide.md").read_text(encoding="utf-8"))
    for name, cls, origin, sentence in kinds:
        where = f"docs/guide.md, section {name}"
        if name not in guide:
            yield f"{where}: there is none"
            continue
        text = guide[name]
        quoted = re.sub(r"%([ABM])", r"\1", sentence)
        if f"> {quoted}\n" not in text:
            yield f"{where}: the sentence is not the table's: {quoted}"
        first = " ".join(text.split("\n\n")[1].split())
        wanted = "Misuse" if cls == "MISUSE" else "Transition error"
        if not first.startswith(wanted) or ("from Synapse" in first) != (origin == "REFERENCE"):
            yield f"{where}: does not begin with its class and origin ({wanted}, {origin})"
        flat = " ".join(text.lower().split())
        for question in ("what happened", "how it is found", "cause", "fix"):
            if question not in flat:
                yield f"{where}: does not say: {question}"


def telemetry_names(root):
    text = (root / "core/include/logctx/telemetry.h").read_text(encoding="utf-8")
    return set(re.findall(r'"(logctx\.[a-z_.]+)"', text)) | set(
        re.findall(r"\b(logctx\.(?:kind|loop\.name))\b", text)
    )


def functions(root):
    found = set()
    for header in (*root.glob("*/include/logctx/*.h"), *root.glob("core/adapters/*/include/logctx/*.h")):
        found.update(re.findall(r"\b((?:logctx|LOGCTX)_\w+)\b", header.read_text(encoding="utf-8")))
    return found


def check_names(root):
    names, known = telemetry_names(root), functions(root)
    for page in markdown.files(root):
        text = page.read_text(encoding="utf-8")
        for name in sorted(set(re.findall(r"\blogctx\.[a-z_]+(?:\.[a-z_]+)*", text))):
            family = any(other.startswith(name + ".") for other in names)
            if name not in names and not family and not name.endswith((".h", ".pc")):
                yield f"{page.relative_to(root)}: {name} is not in telemetry.h"
        for name in sorted(set(re.findall(r"`(logctx_\w+|LOGCTX_[A-Z]\w+)\b", text))):
            if name not in known and "__" not in name:
                yield f"{page.relative_to(root)}: no public header has {name}"


def check_architecture(root):
    text = (root / "docs/architecture.md").read_text(encoding="utf-8")
    for room in ("core", "exporter"):
        there = {path.name for path in (root / room).glob("*.[ch]")}
        # A header is its source file's, and is named with it.
        there = {name for name in there if not (name.endswith(".h") and name[:-1] + "c" in there)}
        part = re.search(rf"<!-- files: {room} -->\n(.*?)\n(?:\n|\Z)", text, re.S)
        named = set(re.findall(r"`([\w]+\.[ch])`", part.group(1))) if part else set()
        for name in sorted(there - named):
            yield f"docs/architecture.md: {room}/{name} is missing"
        for name in sorted(named - there):
            yield f"docs/architecture.md: {room}/{name} is not there"


def check_uv(root):
    """The page about libuv promises every wrapped function."""
    headers = (root / "core/adapters/uv/include/logctx").glob("*.h")
    text = "".join(header.read_text(encoding="utf-8") for header in headers)
    wrapped = set(re.findall(r"\b(logctx_uv_[a-z0-9_]+)\(", text))
    page = (root / "docs/adapters/uv.md").read_text(encoding="utf-8")
    for name in sorted(wrapped):
        if not name.endswith("_at") and f"`{name}" not in page:
            yield f"docs/adapters/uv.md: {name} is missing"
    if len(wrapped) < 100:
        yield f"core/adapters/uv: only {len(wrapped)} functions were found; is the pattern still right?"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    wrong = [problem for check in (check_errors, check_names, check_architecture, check_uv) for problem in check(root)]
    for problem in wrong:
        print(problem)
    print(
        f"{len(error_kinds(root))} kinds of errors, {len(telemetry_names(root))} names, {len(wrong)} problems"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
