"""Our labels against the grounded labelling of an argumentation library, on random graphs."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.claims.carrier import read
from tocsin.claims.derivation import Derivation
from tocsin.claims.kept import Kept
from tocsin.claims.labels import Labels
from tocsin.claims.model import EXTENSION_ID

dung = pytest.importorskip("argumentation.core.dung")

MAKER = "identity--10000000-0000-4000-8000-000000000001"


def one(kind: str, number: int, role: str, x: dict[str, Any], **native: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "id": f"{kind}--20000000-0000-4000-8000-{number:012d}",
        "created": "2026-02-01T00:00:00.000Z",
        "created_by_ref": MAKER,
        "extensions": {EXTENSION_ID: {"role": role, **x}},
        **native,
    }


@settings(max_examples=200)
@given(st.integers(min_value=0, max_value=2**32))
def test_labels_are_the_grounded_labelling_where_owners_undercut(seed: int) -> None:
    rnd = random.Random(seed)
    day = {"value": "2026-02-01", "precision": "day"}
    pieces = [
        one(
            "grouping",
            n,
            "evidence",
            {"kind": "telemetry", "producer_refs": [MAKER], "access": "described"},
        )
        for n in range(rnd.randint(1, 4))
    ]
    # One speaker owns everything, so that every undercut attacks and nothing asks for grounds.
    ids = [f"opinion--20000000-0000-4000-8000-{n:012d}" for n in range(rnd.randint(0, 12))]
    undercuts = [
        one(
            "opinion",
            n,
            "challenge",
            {"form": "undercut", "speaker_ref": MAKER, "asserted_at": day},
            object_refs=[rnd.choice([*ids, *ids, *(piece["id"] for piece in pieces)])],
        )
        for n in range(len(ids))
    ]
    view = read([(o, "0" * 64) for o in [*pieces, *undercuts]])
    assert not view.broken
    kept = Kept(view, None, None, None)
    labels = Labels(kept, Derivation(kept))
    labels.label([*view.evidence, *view.challenges])
    attacks = frozenset((o["id"], o["object_refs"][0]) for o in undercuts)
    everything = frozenset(o["id"] for o in [*pieces, *undercuts])
    grounded = dung.grounded_extension(dung.ArgumentationFramework(everything, attacks))
    assert {ref for ref, label in labels.of.items() if label == "IN"} == grounded
    beaten = {target for source, target in attacks if source in grounded}
    assert {ref for ref, label in labels.of.items() if label == "OUT"} == beaten
