"""Patterns that others published: read as four other parsers agree, and written back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tocsin.errors import PatternError
from tocsin.stix.pattern import check, parse, unplaced, write
from tocsin.stix.pattern_descent import parse_slowly

Corpus = Callable[[str], Path]


def accepted(text: str) -> bool:
    return not any(problem.severity == "error" for problem in check(text))


def test_published_patterns_are_read_as_four_other_parsers_agree(corpus: Corpus) -> None:
    lines = corpus("exchange/patterns/patterns.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    wrong = [
        (case["expect"], case["pattern"])
        for case in cases
        if accepted(case["pattern"]) != (case["expect"] == "accept")
    ]
    assert wrong == []
    assert len(cases) == 4_791


def test_published_patterns_give_one_tree_by_both_ways_and_come_back(corpus: Corpus) -> None:
    for line in corpus("exchange/patterns/patterns.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        if case["expect"] == "accept":
            tree = parse(case["pattern"])
            assert parse_slowly(case["pattern"]) == tree
            assert unplaced(parse(write(tree))) == unplaced(tree), case["pattern"]


def test_the_examples_of_the_specification_are_accepted(corpus: Corpus) -> None:
    lines = corpus("exchange/oasis/spec_examples-v20.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not accepted(line)] == []
    assert len(lines) == 24


def test_the_patterns_of_the_matcher_cases_are_read(corpus: Corpus) -> None:
    """What they expect of matching is not asked here, only that each text is a pattern."""
    first = corpus("exchange/oasis/matcher-complex.json")
    count = 0
    for path in sorted(first.parent.glob("matcher-*.json")):
        for case in json.loads(path.read_text("utf-8"))["cases"]:
            count += 1
            try:
                parse(case["pattern"])
            except PatternError:
                assert case["expect"] == "error", case["pattern"]
    assert count == 44
    for line in corpus("find/stix/cases.jsonl").read_text("utf-8").splitlines():
        parse(json.loads(line)["pattern"])
