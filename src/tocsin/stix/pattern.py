"""STIX patterns: text to tree and back, and the rules that no grammar can say.

Spec: STIX 2.1 §9; design/exchange.md §1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Literal

from msgspec import Struct

from tocsin.errors import PatternError
from tocsin.stix.pattern_descent import Descent, plain_brackets
from tocsin.stix.pattern_rules import MAX_BYTES, MAX_COMPARISONS, RULES, clip, pattern_error
from tocsin.stix.pattern_tree import (
    Comparison,
    ComparisonOr,
    Constant,
    Constants,
    Exists,
    Observation,
    Pattern,
    PropertyTest,
    Qualified,
    StartStop,
    Step,
    String,
    Timestamp,
    Within,
    unplaced,
    write,
)
from tocsin.stix.terms import HASH_FORMS

__all__ = ["Pattern", "Problem", "check", "parse", "unplaced", "write"]


def parse(text: str) -> Pattern:
    """Read one pattern.

    Takes what the grammar takes; what it says may still break a rule, see `check`.

    Args:
        text: the pattern, without any framing.

    Returns:
        Its tree; places are characters of `text`.

    Raises:
        PatternError: the text is no pattern; code, 0-based character, remedy.
        PatternLimitError: it is longer, deeper or wider than we read (`pattern_rules.py`).

    Spec: STIX 2.1 §9.
    """
    if not text.isascii():
        _check_text(text)
    elif len(text) > MAX_BYTES:
        raise _too_long(text)
    if text[:1] == "[":
        found = plain_brackets(text, 0, MAX_COMPARISONS)
        if found is not None and found[0].end == len(text):
            return found[0]
    return Descent(text).pattern()


def _check_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as wrong:
        raise pattern_error(
            "bad-character",
            wrong.start,
            f"U+{ord(text[wrong.start]):04X} is half of a character",
        ) from wrong
    if size > MAX_BYTES:
        raise _too_long(text)


def _too_long(text: str) -> PatternError:
    kept = len(text.encode()[:MAX_BYTES].decode(errors="ignore"))
    return pattern_error(
        "pattern-too-long", kept, f"{len(text)} characters are more than {MAX_BYTES} bytes"
    )


# --- beyond the grammar ---------------------------------------------------------------------


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a pattern, or that makes it useless."""

    code: str
    severity: Literal["error", "warning"]
    position: int
    """0-based character of the text."""
    detail: str
    remedy: str


_HASH_FORMS: dict[Step, Callable[[str], object]] = {
    name: re.compile(form).fullmatch for name, form in HASH_FORMS.items()
}


def check(pattern: Pattern | str) -> list[Problem]:
    """What is wrong with a pattern, by place. No problem of severity `error` means that it is one.

    Errors are the MUSTs that no grammar can say: the operands of AND in one pair of brackets
    share an object type; no observation has two qualifiers of one kind (around parentheses it is
    undecided, oasis-tcs/cti-stix2#214, and accepted). Warnings are for what is legal and can
    never match.

    Args:
        pattern: a tree, or a text; a text that is no pattern gives that one problem.

    Spec: STIX 2.1 §9.5, §9.5.1.
    """
    if isinstance(pattern, str):
        try:
            pattern = parse(pattern)
        except PatternError as wrong:
            return [
                Problem(
                    code=wrong.code,
                    severity="error",
                    position=wrong.position,
                    detail=wrong.detail,
                    remedy=wrong.remedy,
                )
            ]
    problems: list[Problem] = []
    if isinstance(pattern, Observation) and isinstance(pattern.test, PropertyTest):
        _check_test(pattern.test, problems)  # nine in ten
        return problems
    _check_observations(pattern, problems)
    return sorted(problems, key=lambda one: one.position) if len(problems) > 1 else problems


def _problem(code: str, position: int, detail: str) -> Problem:
    rule = RULES[code]
    return Problem(
        code=code,
        severity="warning" if rule.kind == "warning" else "error",
        position=position,
        detail=detail,
        remedy=rule.remedy,
    )


def _check_observations(node: Pattern, problems: list[Problem]) -> None:
    if isinstance(node, Observation):
        _object_types(node.test, problems)
    elif isinstance(node, Qualified):
        _check_observations(node.expression, problems)
        _check_qualifiers(node, problems)
    else:
        for operand in node.operands:
            _check_observations(operand, problems)


def _check_qualifiers(node: Qualified, problems: list[Problem]) -> None:
    seen: set[type] = set()
    for qualifier in node.qualifiers:
        at = qualifier.start
        if isinstance(qualifier, StartStop):
            word = "START … STOP"
            for one in (qualifier.begin, qualifier.until):
                _check_date(one, problems)
            if qualifier.until.order <= qualifier.begin.order:
                detail = f"{clip(qualifier.until.value)} is not after START"
                problems.append(_problem("stop-not-after-start", qualifier.until.start, detail))
        elif isinstance(qualifier, Within):
            word = "WITHIN"
            if not qualifier.seconds:
                problems.append(_problem("within-zero", at, "a window of 0 seconds"))
        else:
            word = "REPEATS"
            if not qualifier.times:
                problems.append(_problem("repeats-zero", at, "0 times"))
        if type(qualifier) in seen and not node.grouped:
            problems.append(_problem("qualifier-repeated", at, f"{word} is said before"))
        seen.add(type(qualifier))


def _object_types(node: Comparison, problems: list[Problem]) -> frozenset[str] | None:
    """The types an object may have that passes; None where that has been complained of."""
    if isinstance(node, PropertyTest):
        _check_test(node, problems)
        return frozenset((node.path.type,))
    if isinstance(node, Exists):
        return frozenset((node.path.type,))
    found = [_object_types(operand, problems) for operand in node.operands]
    if None in found:
        return None
    types = [one for one in found if one is not None]
    if isinstance(node, ComparisonOr):
        return frozenset().union(*types)
    shared = types[0]
    for operand, its in zip(node.operands[1:], types[1:], strict=True):
        if not shared & its:
            detail = f"{_names(shared)} AND {_names(its)}: no object is both"
            problems.append(_problem("and-operands-share-no-object-type", operand.start, detail))
            return None
        shared &= its
    return shared


def _names(types: frozenset[str]) -> str:
    return clip(" or ".join(sorted(types)))


def _check_test(test: PropertyTest, problems: list[Problem]) -> None:
    if not isinstance(test.value, String):
        _check_value(test.value, problems)
    steps = test.path.steps
    if len(steps) > 1 and steps[-2] == "hashes" and test.operator in ("=", "IN"):
        _check_hashes(test.value, steps[-1], problems)


def _check_value(value: Constant | Constants, problems: list[Problem]) -> None:
    if isinstance(value, Timestamp):
        _check_date(value, problems)
    elif isinstance(value, Constants):
        if not value.members:
            problems.append(_problem("empty-set", value.start, "a set without members"))
        for member in value.members:
            if isinstance(member, Timestamp):
                _check_date(member, problems)


def _check_hashes(value: Constant | Constants, name: Step, problems: list[Problem]) -> None:
    form = _HASH_FORMS.get(name)
    if form is None:
        return
    for one in value.members if isinstance(value, Constants) else (value,):
        if not isinstance(one, String) or not form(one.value):
            shown = clip(one.value) if isinstance(one, String) else "this"
            problems.append(_problem("no-such-hash", one.start, f"{shown} is no {name}"))


def _check_date(instant: Timestamp, problems: list[Problem]) -> None:
    try:
        date.fromisoformat(instant.value[:10])
    except ValueError:
        detail = f"{instant.value[:10]} is no day"
        problems.append(_problem("no-such-date", instant.start, detail))
