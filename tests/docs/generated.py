# SPDX-License-Identifier: Apache-2.0
"""The generated pages are current: generated.py [--write] ROOT GEN_TELEMETRY GEN_CONFIGURATION GEN_ERRORS

telemetry.md and errors.md are printed whole by their generators; of configuration.md the parts between `<!-- begin X -->` and
`<!-- end X -->`. Also: every environment variable that the exporter's code reads is on that page.
"""

import pathlib
import re
import subprocess
import sys

PART = re.compile(r"<!-- begin (\w+) -->\n.*?<!-- end \1 -->", re.S)


def printed_by(program):
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def with_parts(page, parts):
    """`page` with each of its parts as `parts` has it."""
    current = {match.group(1): match.group(0) for match in PART.finditer(parts)}
    missing = set(current) - {match.group(1) for match in PART.finditer(page)}
    if missing or not current:
        sys.exit(f"configuration.md has no place for: {', '.join(sorted(missing)) or 'anything'}")
    return PART.sub(lambda match: current[match.group(1)], page)


def variables(root):
    """The names that the exporter's code reads; SIGNAL stands for TRACES and METRICS."""
    found = set()
    for source in sorted((root / "exporter").glob("*.[ch]")):
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", source.read_text(encoding="utf-8"), flags=re.S)
        for name in re.findall(r'"(OTEL_[A-Z0-9_%s]+)"', text):
            if not name.endswith("%s"):  # those are completed below
                found.add(name.replace("%s", "SIGNAL"))
        for what in re.findall(r'signal_value\([^"()]*"([A-Z]+)"', text):
            found.update((f"OTEL_EXPORTER_OTLP_{what}", f"OTEL_EXPORTER_OTLP_SIGNAL_{what}"))
    return found


def unexplained(root, page):
    """Names that are on the page neither as they are nor for each signal."""
    known = set(re.findall(r"OTEL_[A-Z0-9_]+", page))
    signals = ("TRACES", "METRICS")
    return sorted(
        name
        for name in variables(root)
        if name not in known
        and not all(name.replace("SIGNAL", signal) in known and "SIGNAL" in name for signal in signals)
    )


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    write = len(words) < len(sys.argv) - 1
    root = pathlib.Path(words[0]).resolve()
    telemetry, configuration = root / "docs/telemetry.md", root / "docs/configuration.md"
    text = configuration.read_text(encoding="utf-8")
    wanted = {
        telemetry: printed_by(words[1]),
        configuration: with_parts(text, printed_by(words[2])),
        root / "docs/errors.md": printed_by(words[3]),
    }
    failed = 0
    for path, content in wanted.items():
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        if write:
            path.write_text(content, encoding="utf-8")
        else:
            failed += 1
            print(f"{path.relative_to(root)} is not what the code says; run tests/docs/generated.py --write")
    for name in unexplained(root, wanted[configuration]):
        failed += 1
        print(f"docs/configuration.md does not explain {name}, which the exporter reads")
    print(f"{len(wanted)} pages, {len(variables(root))} names of variables, {failed} problems")
    # Should the code be written in another way, so that this reads too little of it, it says so.
    expected = {
        "OTEL_EXPORTER_OTLP_SIGNAL_TIMEOUT",
        "OTEL_EXPORTER_OTLP_SIGNAL_ENDPOINT",
        "OTEL_BSP_SCHEDULE_DELAY",
    }
    unread = sorted(expected - variables(root))
    if unread:
        print(f"the names {', '.join(unread)} were not found in exporter/; mend variables() in this script")
    return 1 if failed or unread else 0


if __name__ == "__main__":
    sys.exit(main())
