"""Hypothesis makes any STIX pattern: as a tree, and as a text in any spelling."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tocsin.stix.pattern import Pattern, write
from tocsin.stix.pattern_tree import (
    KEYWORDS,
    Binary,
    Boolean,
    ComparisonAnd,
    ComparisonOr,
    Constants,
    Exists,
    Float,
    FollowedBy,
    Hex,
    Integer,
    ObjectPath,
    Observation,
    ObservationAnd,
    ObservationOr,
    PropertyTest,
    Qualified,
    Repeats,
    StartStop,
    String,
    Timestamp,
    Within,
)

AT = (0, 0)
TYPES = st.sampled_from(["file", "ipv4-addr", "x-acme--1", "AND-x", "a", "true_"])
TEXTS = st.text("ab'\\ \n/*[]()ANDt=\"é\u3000\u2028\U0001d4b3\x00", max_size=6)
KEYS = st.one_of(
    st.sampled_from(["name", "_", "B7", "and", "TRUE", "SHA-256", "AND", "true", "", "7"]), TEXTS
)
PATHS = st.builds(
    lambda kind, first, rest: ObjectPath(kind, (first, *rest), *AT),
    TYPES,
    KEYS,
    st.lists(st.one_of(KEYS, st.integers(-3, 300), st.none()), max_size=2),
)
SAME_TYPE = PATHS.map(lambda path: ObjectPath("file", path.steps, *AT))
STRINGS = st.builds(lambda text: String(text, *AT), TEXTS)
TIMESTAMPS = st.builds(
    lambda day, time, decimals: Timestamp(f"{day}T{time}{decimals}Z", *AT),
    st.sampled_from(["0000-01-01", "1970-01-31", "2026-02-30", "9999-12-31"]),
    st.sampled_from(["00:00:00", "08:30:59", "23:59:60"]),
    st.sampled_from(["", ".0", ".25", ".123456789012"]),
)
ORDERED = st.one_of(
    STRINGS,
    st.builds(lambda n: Integer(n, *AT), st.integers(-(10**30), 10**30)),
    st.builds(lambda n: Float(n, *AT), st.floats(allow_nan=False, allow_infinity=False)),
    TIMESTAMPS,
    st.builds(lambda b: Hex(b, *AT), st.binary(max_size=5)),
    st.builds(lambda b: Binary(b, *AT), st.binary(min_size=1, max_size=5)),
)
CONSTANTS = st.one_of(ORDERED, st.builds(lambda b: Boolean(b, *AT), st.booleans()))
SETS = st.builds(lambda found: Constants(tuple(found), *AT), st.lists(CONSTANTS, max_size=3))


def tests(paths: st.SearchStrategy[ObjectPath]) -> st.SearchStrategy[Any]:
    def test(operators: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda path, operator, value, negated: PropertyTest(
                path, operator, value, negated, *AT
            ),
            paths,
            st.sampled_from(operators),
            values,
            st.booleans(),
        )

    return st.one_of(
        test(["="], STRINGS),
        test(["=", "!="], CONSTANTS),
        test(["<", "<=", ">", ">="], ORDERED),
        test(["IN"], SETS),
        test(["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"], STRINGS),
        st.builds(lambda path, negated: Exists(path, negated, *AT), paths, st.booleans()),
    )


def joined(node: Any) -> Any:
    def extend(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda found: node(tuple(found), *AT), st.lists(part, min_size=2, max_size=3)
        )

    return extend


def comparisons(paths: st.SearchStrategy[ObjectPath]) -> st.SearchStrategy[Any]:
    return st.recursive(
        tests(paths),
        lambda part: st.one_of(joined(ComparisonAnd)(part), joined(ComparisonOr)(part)),
        max_leaves=4,
    )


QUALIFIERS = st.one_of(
    st.builds(lambda a, b: StartStop(a, b, *AT), TIMESTAMPS, TIMESTAMPS),
    st.builds(
        lambda n: Within(n, *AT),
        st.one_of(st.integers(0, 10**6), st.floats(0, 1e6).map(abs)),
    ),
    st.builds(lambda n: Repeats(n, *AT), st.integers(0, 1000)),
)


def _qualified(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda inner, found, grouped: Qualified(
            inner, tuple(found), grouped or not isinstance(inner, Observation), *AT
        ),
        part,
        st.lists(QUALIFIERS, min_size=1, max_size=3),
        st.booleans(),
    )


def patterns(paths: st.SearchStrategy[ObjectPath] = PATHS) -> st.SearchStrategy[Pattern]:
    """Any tree that the grammar can give, all places 0."""
    return st.recursive(
        st.builds(lambda test: Observation(test, *AT), comparisons(paths)),
        lambda part: st.one_of(
            joined(ObservationAnd)(part),
            joined(ObservationOr)(part),
            joined(FollowedBy)(part),
            _qualified(part),
        ),
        max_leaves=3,
    )


TOKEN = re.compile(r"[thb]?'(?:[^'\\]|\\.)*'|[A-Za-z_][A-Za-z0-9_-]*|[+-]?[0-9.]+|[<>=!]+|\S", re.S)
BLANKS = ["", " ", "\n\t", "\u3000", "\u2028", "/* ' ] */", "// [\r", "\x85\xa0"]
SPELLINGS = {"=": ["=", "=="], "!=": ["!=", "<>"]}


@st.composite
def texts(draw: st.DrawFn, trees: st.SearchStrategy[Pattern]) -> tuple[str, Pattern]:
    """A tree and a text of it: other blanks, comments, spellings of operators."""
    tree = draw(trees)
    parts: list[str] = []
    last = ""
    for token in TOKEN.findall(write(tree)):
        blank = draw(st.sampled_from(BLANKS))
        clash = re.fullmatch(r"[\w.+-]", last[-1:]) and re.match(r"[\w.+'-]", token)
        if not blank and (clash or (last[-1:] in ("<", ">", "=") and token[:1] in "<>=")):
            blank = " "
        parts += [blank, draw(st.sampled_from(SPELLINGS.get(token, [token])))]
        last = token
    return "".join(parts), tree


FRAGMENTS = [
    *sorted(KEYWORDS),
    *("[", "]", "(", ")", ".", ":", ",", "*", "=", "<", "'x'", "t'2026-11-22T08:30:00Z'"),
    *(
        "a",
        "a-b",
        "file:name",
        "7",
        "-7",
        ".5",
        "07",
        "1e5",
        "b'AQ=='",
        "h'f'",
        "{",
        '"',
        "\\",
        "'",
    ),
    *("and", "True", "[a:b = 1]", "/*", "//", "\x1c", "\ufeff", " "),
]


@st.composite
def almost_patterns(draw: st.DrawFn, trees: st.SearchStrategy[Pattern]) -> str:
    """The text of a tree with a few tokens left out, put in or exchanged."""
    tokens = TOKEN.findall(write(draw(trees)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(tokens)))
        tokens[at : at + draw(st.integers(0, 2))] = draw(
            st.lists(st.sampled_from(FRAGMENTS), max_size=2)
        )
    return draw(st.sampled_from([" ", ""])).join(tokens)
