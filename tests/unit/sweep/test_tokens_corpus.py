"""The tricky lines and the logs of the shared corpus: nothing missed, nothing false."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tocsin.sweep.tokens import Needle, Needles
from tocsin.sweep.warninglists import LISTS

KIND = {
    "ipv4-addr": "address",
    "ipv6-addr": "address",
    "domain-name": "domain",
    "file-hash": "hash",
    "email-addr": "email",
    "url": "url",
}
SEED = 0x5EED


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_tricky_line_gives_the_hits_it_should(corpus: Callable[[str], Path]) -> None:
    wrong = []
    for row in _rows(corpus("find/tricky.jsonl")):
        needles = Needles.build(
            [
                Needle(kind=KIND[one["type"]], value=one["value"], indicator=one["id"])
                for one in row["indicators"]
            ],
            seed=SEED,
            overrides=LISTS,
        )
        assert not needles.refused
        hits = needles.scan(row["line"].encode(), path="log", defang="defang" in row["options"])
        found = [
            {"indicator": h.indicator, "offset": h.offset, "matched": h.matched, "rule": h.rule}
            for h in hits
        ]
        if found != row["expect"]:
            wrong.append((row["id"], row["why"], found))
    assert wrong == []


def test_the_logs_give_their_planted_hits_and_no_other(corpus: Callable[[str], Path]) -> None:
    folder = corpus("find/logs")
    needles = Needles.build(
        [
            Needle(kind=KIND[row["type"]], value=row["value"], indicator=row["value"])
            for row in _rows(folder / "indicators.jsonl")
        ],
        seed=SEED,
        overrides=LISTS,
    )
    assert not needles.refused
    truth = {
        (row["path"], row["line"], row["value"], row["rule"])
        for row in _rows(folder / "truth.jsonl")
    }
    found = {
        (hit.path, hit.line, hit.value, hit.rule)
        for path in sorted({row[0] for row in truth})
        for hit in needles.scan((folder / path).read_bytes(), path=path)
    }
    assert found - truth == set()
    assert truth - found == set()
    for row in _rows(folder / "decoys.jsonl"):
        assert not any(hit[:3] == (row["path"], row["line"], row["value"]) for hit in found)
