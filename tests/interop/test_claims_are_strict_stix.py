"""Every object we write passes the strict parser of somebody else's STIX library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

stix2 = pytest.importorskip("stix2")

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "claims"


def test_a_claim_with_its_evidence_denial_and_standing_parses_strictly() -> None:
    from tocsin.claims import write

    by: dict[str, Any] = {"created": "2026-02-03T09:00:00.000Z", "created_by_ref": ID % (1, 1)}
    day = {"value": "2026-02-03", "precision": "day"}
    link: dict[str, Any] = {"source_ref": GROUPING, "target_ref": NOTE, "links": ["activity"]}
    raws = [
        *write.extension_objects(),
        write.identity_object(id=ID % (1, 1), name="northland.example", created=by["created"]),
        write.claim_object(
            id=NOTE,
            claim_type="attribution",
            speaker_ref=ID % (1, 1),
            asserted_at=day,
            words={"text": "It was them.", "lang": "en", "start": 0, "end": 12},
            steps=[{"link": "actor", "name": "relay to operator"}],
            **by,
        ),
        write.evidence_object(
            id=GROUPING,
            name="flow records",
            kind="telemetry",
            producer_refs=[ID % (1, 1)],
            access="committed",
            commitment="0f" * 32,
            **by,
        ),
        write.link_object(id=f"relationship--{UUID % (6, 6)}", kind="supports", **link, **by),
        write.challenge_object(
            id=f"opinion--{UUID % (7, 7)}",
            target=NOTE,
            form="denial",
            speaker_ref=ID % (1, 1),
            asserted_at=day,
            **by,
        ),
        write.standing_object(
            id=f"note--{UUID % (9, 9)}",
            standing={"claim": NOTE, "for": "public", "level": None, "links": {}, "dropped": []},
            content="Not weighed.",
            **by,
        ),
    ]
    objects = b",".join(raws)
    text = b'{"type":"bundle","id":"bundle--%s","objects":[%s]}' % (
        (UUID % (8, 8)).encode(),
        objects,
    )
    bundle = stix2.parse(text.decode(), allow_custom=False, version="2.1")
    assert [one.id for one in bundle.objects] == [orjson.loads(raw)["id"] for raw in raws]


UUID = "%d0000000-0000-4000-8000-00000000000%d"
ID = f"identity--{UUID}"
NOTE = f"note--{UUID % (4, 4)}"
GROUPING = f"grouping--{UUID % (5, 5)}"


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.txt")), ids=lambda p: p.stem)
def test_our_vectors_parse_strictly(path: Path) -> None:
    body = path.read_text("utf-8").partition("\n\n")[2]
    stix2.parse(body, allow_custom=False, version="2.1")
