# The Prometheus text format, as far as the Collector's Prometheus exporter writes it: samples, exemplars left
# out.
# SPDX-License-Identifier: Apache-2.0
"""Samples out of a scrape."""

import re
from typing import NamedTuple

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"'
_SAMPLE = re.compile(r"(%s)(?:\{((?:%s,?)*)\})? (\S+)" % (_NAME, _LABEL))
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Sample(NamedTuple):
    name: str
    labels: dict
    value: float


def samples(text):
    """The samples of a scrape, in order; a line that is neither sample nor comment is a ValueError."""
    found = []
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        if match is None:
            raise ValueError("not a sample of the Prometheus text format: %r" % line)
        labels = {name: _unescape(value) for name, value in re.findall(_LABEL, match[2] or "")}
        found.append(Sample(match[1], labels, float(match[5])))
    return found


def _unescape(value):
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), value)
