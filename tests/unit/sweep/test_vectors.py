"""Every vector of the sweep: one line of a log, the indicators, and the hits there should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.sweep.tokens import Needle, Needles
from tocsin.sweep.warninglists import LISTS

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "sweep"


@pytest.mark.parametrize("vector", sorted(VECTORS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_line_gives_the_hits_its_vector_says(vector: Path) -> None:
    head, _, line = vector.read_bytes().partition(b"\n\n")
    told = [row.split(": ", 1) for row in head.decode().split("\n")]
    needles = Needles.build(
        [
            Needle(kind=kind, value=value, indicator=name)
            for key, text in told
            if key == "indicator"
            for name, kind, value in [text.split(" ", 2)]
        ],
        seed=3,
        overrides=LISTS,
    )
    wanted = [
        (name, int(offset), rule, matched)
        for key, text in told
        if key == "hit"
        for name, offset, rule, matched in [text.split(" ", 3)]
    ]
    hits = needles.scan(line, path="log", defang=["options", "defang"] in told)
    assert [(hit.indicator, hit.offset, hit.rule, hit.matched) for hit in hits] == wanted
    assert not needles.refused
