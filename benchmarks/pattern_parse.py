"""P4: patterns that four parsers agree on, read to a tree, against stix2-patterns.

Each is asserted to be judged as they agree before anything is timed. P4c also asks for the MUSTs
beyond the grammar, as `tocsin stix pattern` does; P4s is the descent alone, without the short way
for plain comparisons; P4r only the patterns that are not plain.

    python -m benchmarks.pattern_parse [RUNS]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from benchmarks.figures import corpus, cpu_median, figure, skipped

from tocsin.stix.pattern import check, parse
from tocsin.stix.pattern_descent import parse_slowly, plain_brackets
from tocsin.stix.pattern_rules import MAX_COMPARISONS

NAME = "STIX patterns read a second"
FILE = "exchange/patterns/patterns.jsonl"
PACKAGES = ("tocsin", "stix2-patterns", "msgspec")


def main() -> None:
    """Print the figures of this file."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    path = corpus("P4", NAME, FILE)
    if path is None:
        return
    cases = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    wrong = sum(
        (case["expect"] == "accept")
        == any(one.severity == "error" for one in check(case["pattern"]))
        for case in cases
    )
    assert wrong == 0, f"{wrong} of {len(cases)} are judged otherwise than agreed"
    texts = [case["pattern"] for case in cases if case["expect"] == "accept"]
    hard = [text for text in texts if not _plain(text)]
    peer = _peer(texts)
    peer_hard = _peer(hard)
    for id, name, read, which, theirs in (
        (
            "P4",
            f"{NAME}, all {len(texts)} agreed ones, 0 wrong of {len(cases)}",
            parse,
            texts,
            peer,
        ),
        ("P4c", f"{NAME}, and checked beyond the grammar", check, texts, peer),
        ("P4s", f"{NAME}, by the descent alone", parse_slowly, texts, peer),
        ("P4r", f"{NAME}, the {len(hard)} that are not plain", parse, hard, peer_hard),
    ):
        ours = _rate(read, which, runs)
        figure(
            id,
            name,
            ours=ours,
            peer=theirs,
            ratio=None if theirs is None else ours / theirs,
            goal=">= 40 times stix2-patterns, 80 aimed at" if id == "P4" else "printed",
            unit="patterns/s",
            n=runs,
            packages=PACKAGES,
        )


def _plain(text: str) -> bool:
    found = plain_brackets(text, 0, MAX_COMPARISONS) if text.startswith("[") else None
    return found is not None and found[0].end == len(text)


def _rate(read: Callable[[str], object], texts: list[str], runs: int) -> float:
    def work() -> None:
        for text in texts:
            read(text)

    work()
    return len(texts) / cpu_median(work, runs)


def _peer(texts: list[str]) -> float | None:
    try:
        from stix2patterns.v21.pattern import Pattern
    except ImportError:
        skipped("P4", f"{NAME}, by stix2-patterns", "stix2-patterns is not installed")
        return None
    return _rate(Pattern, texts, 3)


if __name__ == "__main__":
    main()
