# PromQL as far as our own queries need it: which metrics a query selects, with which matchers, under which function, and
# by which labels it groups. promtool says whether a query is PromQL at all; here is only what it means for our names.
# SPDX-License-Identifier: Apache-2.0
"""Selectors and groupings out of a PromQL expression, and OpenTelemetry names as Prometheus writes them."""

import re
from typing import NamedTuple

_TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<duration>\[[^\]]*\])
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:ms|[smhdwy])?(?:\d+(?:ms|[smhdwy]))*)
  | (?P<name>\$?[A-Za-z_:][A-Za-z0-9_:]*)
  | (?P<mark>=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>@])
""", re.X)
_GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = _GROUPINGS | {"bool", "offset", "and", "or", "unless", "atan2", "inf", "nan", "start", "end"}
_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "By": "bytes", "1": ""}


class Matcher(NamedTuple):
    label: str
    operator: str
    value: str


class Selector(NamedTuple):
    metric: str
    matchers: list
    range: str  # what stands in the brackets, or ""
    function: str  # the call that it is the argument of, or ""


class Grouping(NamedTuple):
    word: str  # by, without, on, ...
    labels: list
    selectors: list  # those inside of what is aggregated; of on() and its like, all of the query


def translated(name, instrument, unit):
    """The names of the series of an OpenTelemetry metric, by Prometheus's default strategy."""
    words = [word for word in re.split(r"[^A-Za-z0-9:]+", name) if word]
    unit = re.sub(r"\{[^}]*\}", "", unit)
    if unit:
        word = _UNITS[unit]  # a unit that nobody has thought of yet is an error here
        if word and word not in words:
            words.append(word)
        if unit == "1" and instrument == "gauge":
            words.append("ratio")
    if instrument == "counter":
        words = [word for word in words if word != "total"] + ["total"]
    base = "_".join(words)
    return [base + suffix for suffix in ("_bucket", "_sum", "_count")] if instrument == "histogram" else [base]


def label(key):
    """An attribute's key as a label."""
    return re.sub(r"[^A-Za-z0-9_]", "_", key)


def _tokens(text):
    place, found = 0, []
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise ValueError("cannot read %r in %r" % (text[place:place + 20], text))
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found


def _closing(tokens, start):
    """The index of the bracket that closes the one at `start`."""
    depth = 0
    for index in range(start, len(tokens)):
        if tokens[index][1] in ("(", "{") and tokens[index][0] == "mark":
            depth += 1
        if tokens[index][1] in (")", "}") and tokens[index][0] == "mark":
            depth -= 1
            if not depth:
                return index
    raise ValueError("a bracket is not closed")


def _matchers(tokens):
    found, index = [], 0
    while index < len(tokens):
        (_, key), (_, operator), (kind, value) = tokens[index:index + 3]
        if kind != "text":
            raise ValueError("the value of %s is no text" % key)
        found.append(Matcher(key, operator, value[1:-1].replace("\\\\", "\\")))
        index += 4
    return found


def _function_around(tokens, index):
    """The name before the bracket that stands around `index`."""
    depth = 0
    for place in range(index - 1, -1, -1):
        kind, text = tokens[place]
        if kind == "mark" and text == ")":
            depth += 1
        if kind == "mark" and text == "(":
            if not depth:
                before = tokens[place - 1] if place else ("", "")
                return before[1] if before[0] == "name" and before[1] not in _WORDS else ""
            depth -= 1
    return ""


def read(text):
    """(selectors, groupings) of an expression."""
    tokens = _tokens(text)
    in_list, lists = set(), []
    for index, (kind, word) in enumerate(tokens):
        if kind == "name" and word in _GROUPINGS and tokens[index + 1:index + 2] == [("mark", "(")]:
            end = _closing(tokens, index + 1)
            in_list.update(range(index + 1, end + 1))
            lists.append((index, end))
    placed = []
    for index, (kind, word) in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else ("", "")
        if kind != "name" or index in in_list or word in _WORDS or after == ("mark", "(") or word.startswith("$"):
            continue
        if any(start < index < end for start, end in _braces(tokens)):
            continue
        if index + 1 < len(tokens) and after[1] in _GROUPINGS:  # sum by (...)
            continue
        end, matchers = index, []
        if after == ("mark", "{"):
            end = _closing(tokens, index + 1)
            matchers = _matchers(tokens[index + 2:end])
        span = tokens[end + 1][1][1:-1] if end + 1 < len(tokens) and tokens[end + 1][0] == "duration" else ""
        placed.append((index, Selector(word, matchers, span, _function_around(tokens, index))))
    return [selector for _, selector in placed], list(_groupings(tokens, lists, placed))


def _braces(tokens):
    return [(index, _closing(tokens, index)) for index, token in enumerate(tokens) if token == ("mark", "{")]


def _groupings(tokens, lists, placed):
    for start, end in lists:
        word = tokens[start][1]
        labels = [text for kind, text in tokens[start + 2:end] if kind == "name"]
        inside = [selector for _, selector in placed]
        if word in ("by", "without"):
            if tokens[end + 1:end + 2] == [("mark", "(")]:  # sum by (a) (...)
                first, last = end + 1, _closing(tokens, end + 1)
            else:  # sum (...) by (a)
                last = start - 1
                first = next(index for index in range(last, -1, -1)
                             if tokens[index] == ("mark", "(") and _closing(tokens, index) == last)
            inside = [selector for index, selector in placed if first < index < last]
        yield Grouping(word, labels, inside)
