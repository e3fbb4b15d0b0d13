"""What is promised of reading and writing patterns, beside the vectors."""

from __future__ import annotations

import sys
import time

import msgspec
import pytest

from tocsin.errors import PatternError, PatternLimitError
from tocsin.stix.pattern import check, parse, unplaced, write
from tocsin.stix.pattern_descent import parse_slowly
from tocsin.stix.pattern_rules import (
    MAX_BYTES,
    MAX_COMPARISONS,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_MEMBERS,
    MAX_OBSERVATIONS,
    RULES,
)
from tocsin.stix.pattern_tree import (
    ComparisonAnd,
    ComparisonOr,
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
    String,
    Timestamp,
    Within,
)


def test_a_plain_pattern_is_a_tree_of_exact_places() -> None:
    text = "[file:hashes.'SHA-256' = 'it\\'s']"
    assert parse(text) == Observation(
        PropertyTest(
            ObjectPath("file", ("hashes", "SHA-256"), 1, 22),
            "=",
            String("it's", 25, 32),
            False,
            1,
            32,
        ),
        0,
        33,
    )
    assert text[25:32] == "'it\\'s'"


def test_every_place_in_a_tree_is_the_text_of_that_node() -> None:
    text = (
        " ( [ (a:b IN (1,'x') OR a:c NOT > .5) AND a:d = h'ff'] OR [EXISTS a:b] ) WITHIN 5 SECONDS"
    )
    tree = parse(text)
    assert isinstance(tree, Qualified)
    assert (tree.start, tree.end) == (1, len(text))
    inner = tree.expression
    assert isinstance(inner, ObservationOr)
    assert text[inner.start : inner.end].startswith("[ (a:b")
    assert text[inner.start : inner.end].endswith("EXISTS a:b]")
    first = inner.operands[0]
    assert isinstance(first, Observation)
    both = first.test
    assert isinstance(both, ComparisonAnd)
    assert text[both.start : both.end] == "(a:b IN (1,'x') OR a:c NOT > .5) AND a:d = h'ff'"
    either = both.operands[0]
    assert isinstance(either, ComparisonOr)
    assert text[either.start : either.end] == "a:b IN (1,'x') OR a:c NOT > .5"
    assert [text[one.start : one.end] for one in either.operands] == [
        "a:b IN (1,'x')",
        "a:c NOT > .5",
    ]
    assert text[tree.qualifiers[0].start : tree.qualifiers[0].end] == "WITHIN 5 SECONDS"


def test_constants_have_their_types() -> None:
    tree = parse("[a:b IN (-7, +7, .5, h'fFd8', t'2026-11-22T08:30:00.10Z')]")
    assert isinstance(tree, Observation)
    assert isinstance(tree.test, PropertyTest)
    members = unplaced(tree.test.value).members
    assert members == (
        Integer(-7, 0, 0),
        Integer(7, 0, 0),
        Float(0.5, 0, 0),
        Hex(b"\xff\xd8", 0, 0),
        Timestamp("2026-11-22T08:30:00.10Z", 0, 0),
    )


def test_outside_brackets_and_binds_before_or_before_followedby() -> None:
    tree = parse(
        "[a:b=1] FOLLOWEDBY [a:b=2] OR [a:b=3] AND [a:b=4] REPEATS 2 TIMES WITHIN 1 SECONDS"
    )
    assert isinstance(tree, FollowedBy)
    right = tree.operands[1]
    assert isinstance(right, ObservationOr)
    both = right.operands[1]
    assert isinstance(both, ObservationAnd)
    last = both.operands[1]
    assert isinstance(last, Qualified)
    assert [type(one) for one in last.qualifiers] == [Repeats, Within]
    assert not last.grouped


def test_chains_are_flat_and_parentheses_that_change_nothing_vanish() -> None:
    flat = unplaced(parse("[a:b=1 AND a:c=2 AND a:d=3]"))
    assert unplaced(parse("(([(a:b=1) AND a:c=2 AND ((a:d=3))]))")) == flat
    assert unplaced(parse("[(a:b=1 AND a:c=2) AND a:d=3]")) != flat


def test_timestamps_sort_as_instants_do() -> None:
    def order(value: str) -> tuple[str, str]:
        return Timestamp(value, 0, 0).order

    assert order("2026-11-22T08:30:00Z") == order("2026-11-22T08:30:00.000Z")
    assert order("2026-11-22T08:30:00.09Z") < order("2026-11-22T08:30:00.1Z")
    assert order("2026-11-22T08:30:60Z") < order("2026-11-22T08:31:00Z")


def test_nodes_cannot_be_changed() -> None:
    tree = parse("[a:b = 1]")
    with pytest.raises(AttributeError):
        tree.start = 7  # type: ignore[misc]
    assert hash(tree) == hash(parse("[a:b = 1]"))
    assert msgspec.json.encode(tree)


@pytest.mark.parametrize("number", ["1.0", "0.1", "-0.0", "123456789.5", "0." + "0" * 300 + "7"])
def test_a_float_comes_back_to_the_last_bit(number: str) -> None:
    tree = parse(f"[a:b = {number}]")
    assert unplaced(parse(write(tree))) == unplaced(tree)
    assert "e" not in write(tree)


# --- limits ---------------------------------------------------------------------------------


def times(count: int, part: str, joint: str) -> str:
    return joint.join([part] * count)


LIMITS = {
    "pattern-too-long": (
        f"[a:b = '{'x' * (MAX_BYTES - 10)}']",
        f"[a:b = '{'x' * (MAX_BYTES - 9)}']",
        MAX_BYTES,
    ),
    "nested-too-deep": (
        "(" * 30 + "[" + "(" * (MAX_DEPTH - 30) + "a:b=1" + ")" * (MAX_DEPTH - 30) + "]" + ")" * 30,
        "(" * (MAX_DEPTH + 1) + "[a:b=1]" + ")" * (MAX_DEPTH + 1),
        MAX_DEPTH,
    ),
    "too-many-observations": (
        times(MAX_OBSERVATIONS, "[a:b=1]", " AND "),
        times(MAX_OBSERVATIONS + 1, "[a:b=1]", " AND "),
        MAX_OBSERVATIONS * len("[a:b=1] AND "),
    ),
    "too-many-comparisons": (
        "[" + times(MAX_COMPARISONS, "a:b = 'x'", " OR ") + "]",
        "[" + times(MAX_COMPARISONS + 1, "a:b = 'x'", " OR ") + "]",
        1 + MAX_COMPARISONS * len("a:b = 'x' OR "),
    ),
    "too-many-members": (
        "[a:b IN (" + times(MAX_MEMBERS, "1", ",") + ")]",
        "[a:b IN (" + times(MAX_MEMBERS + 1, "1", ",") + ")]",
        len("[a:b IN (") + 2 * MAX_MEMBERS,
    ),
    "number-too-large": (f"[a:b = {'9' * MAX_DIGITS}]", f"[a:b = {'9' * (MAX_DIGITS + 1)}]", 7),
}


@pytest.mark.parametrize("code", LIMITS)
def test_a_limit_holds_at_its_edge_by_both_ways(code: str) -> None:
    most, over, position = LIMITS[code]
    tree = parse(most)
    assert parse_slowly(most) == tree
    assert unplaced(parse(write(tree))) == unplaced(tree)
    with pytest.raises(PatternLimitError) as caught:
        parse(over)
    assert (caught.value.code, caught.value.position) == (code, position)
    assert caught.value.remedy == RULES[code].remedy
    assert [one.code for one in check(over)] == [code]


def test_every_limit_is_tested_at_its_edge() -> None:
    assert set(LIMITS) == {code for code, rule in RULES.items() if rule.kind == "limit"}


def test_the_length_is_counted_in_bytes() -> None:
    text = f"[a:b = '{'ж' * 32_763}']"
    assert len(text.encode()) == MAX_BYTES
    parse(text)
    with pytest.raises(PatternLimitError) as caught:
        parse(text[:-2] + "ж']")
    assert caught.value.code == "pattern-too-long"
    assert caught.value.position == 32_763 + 8 + 1


def test_comparisons_are_counted_across_brackets() -> None:
    half = "[" + times(MAX_COMPARISONS // 2, "a:b = 'x'", " OR ") + "]"
    parse(f"{half} AND {half}")
    with pytest.raises(PatternLimitError) as caught:
        parse(f"{half} AND {half} AND [a:c = 1]")
    assert caught.value.position == len(f"{half} AND {half} AND [")


def test_a_number_beyond_every_double_is_refused() -> None:
    with pytest.raises(PatternLimitError) as caught:
        parse(f"[a:b = {'9' * 400}.0]")
    assert caught.value.code == "number-too-large"


HOSTILE = {
    "parentheses": "(" * 60_000,
    "parentheses inside": "[" + "(" * 60_000,
    "comments": "/*" * 30_000,
    "slashes": "/" * 60_000,
    "short comments": "/**/" * 15_000,
    "blanks": " " * 60_000,
    "quotes": "'" * 60_000,
    "backslashes": "[a:b = '" + "\\" * 60_000,
    "escapes": "[a:b = '" + "\\'" * 30_000,
    "digits": "[a:b = " + "9" * 60_000,
    "points": "[a:b = " + "." * 60_000,
    "hex": "[a:b = h'" + "0" * 60_001,
    "base64": "[a:b = b'" + "A" * 60_001,
    "decimals": "[a:b = t'2026-11-22T08:30:00." + "0" * 60_000,
    "steps": "[a:b" + ".c" * 30_000,
    "indexes": "[a:b" + "[*]" * 20_000,
    "names": "[" + "a" * 60_000,
    "hyphens": "[a" + "-" * 60_000 + ":b = 1]",
    "alternatives": "[" + "a:b = 'x' OR " * 4_000,
    "observations": "[a:b=1]AND" * 6_000,
    "qualifiers": "[a:b=1]" + " REPEATS 1 TIMES" * 3_000,
    "members": "[a:b IN (" + "1," * 30_000,
    "members of text": "[a:b IN (" + "'" * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_judged_in_the_time_of_one_pass(name: str) -> None:
    start = time.process_time()
    check(HOSTILE[name])
    assert time.process_time() - start < 2, "a quadratic one takes minutes"


def test_depth_is_refused_long_before_python_gives_up() -> None:
    def deeper(frames: int) -> None:
        if frames:
            deeper(frames - 1)
        else:
            with pytest.raises(PatternError) as caught:
                parse("(" * 5_000 + "[a:b=1]")
            assert caught.value.code == "nested-too-deep"

    deeper(sys.getrecursionlimit() // 3)
