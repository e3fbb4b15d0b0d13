"""Our own golden standings and broken objects: one case per file, invented parties."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.claims.carrier import read
from tocsin.claims.model import View
from tocsin.claims.standing import standing, standings
from tocsin.claims.times import instant
from tocsin.stix.bundle import open_bundle

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "claims"
CASES = sorted(FOLDER.glob("*.txt"))
BROKEN = [path for path in CASES if path.read_text("utf-8").startswith("expect: ClaimError")]


def opened(path: Path) -> tuple[dict[str, list[str]], View]:
    head, _, body = path.read_text("utf-8").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    return fields, read((one.data, one.sha256) for one in open_bundle(body.encode()))


@pytest.mark.parametrize("path", [p for p in CASES if p not in BROKEN], ids=lambda p: p.stem)
def test_a_claim_stands_as_the_vector_says(path: Path) -> None:
    fields, view = opened(path)
    one = standing(
        view,
        fields["claim"][0],
        fields.get("for", [None])[0],
        instant(fields["at"][0]) if "at" in fields else None,
        fields.get("coder", [None])[0],
    )
    links = [f"{n}={g.grade}{'/shown' if g.shown else ''}" for n, g in one.links.items()]
    assert view.broken == ()
    assert (one.level or "no level") == fields["expect"][0]
    assert (" ".join(links) or "none") == fields["links"][0]
    assert [f"{r.code} {r.ref}" for r in one.reasons] == fields.get("reason", [])
    assert [f"{d.id} {d.why} {' '.join(d.by)}" for d in one.dropped] == fields.get("dropped", [])
    by_coder = [f"{who} {level}" for who, level in (one.by_coder or {}).items()]
    assert by_coder == fields.get("by-coder", [])
    assert one.inputs_sha256 == fields["inputs_sha256"][0]


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_a_broken_object_is_named_and_left_out_of_weighing(path: Path) -> None:
    fields, view = opened(path)
    [broken] = view.broken
    assert (broken.id, broken.field) == (fields["id"][0], fields["field"][0])
    assert broken.id in view.objects
    assert broken.id not in {one.claim for one in standings(view)}
    assert broken.message
    assert broken.remedy
