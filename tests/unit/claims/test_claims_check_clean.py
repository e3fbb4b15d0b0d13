"""What we write ourselves keeps every MUST that we ask of others."""

from __future__ import annotations

from typing import Any

from tocsin.claims import write
from tocsin.stix.bundle import open_object
from tocsin.stix.check import check_objects

NOTE = "note--7a3c0b52-6f0e-4c1d-9a57-000000000001"
GROUPING = "grouping--7a3c0b52-6f0e-4c1d-9a57-000000000002"
NORTH = "identity--7a3c0b52-6f0e-4c1d-9a57-000000000003"


def test_claims_and_evidence_are_checked_without_an_error() -> None:
    by: dict[str, Any] = {"created": "2026-02-03T09:00:00.000Z", "created_by_ref": NORTH}
    raws = [
        *write.extension_objects(),
        write.identity_object(id=NORTH, name="northland.example", created=by["created"]),
        write.claim_object(
            id=NOTE,
            claim_type="attribution",
            speaker_ref=NORTH,
            asserted_at={"value": "2026-02-03", "precision": "day"},
            words={"text": "It was them.", "lang": "en", "start": 0, "end": 12},
            steps=[{"link": "actor", "name": "relay to operator"}],
            **by,
        ),
        write.evidence_object(
            id=GROUPING,
            name="flow records",
            kind="telemetry",
            producer_refs=[NORTH],
            access="committed",
            commitment="0f" * 32,
            about_refs=[NOTE],
            **by,
        ),
        write.link_object(
            id="relationship--7a3c0b52-6f0e-4c1d-9a57-000000000004",
            kind="supports",
            source_ref=GROUPING,
            target_ref=NOTE,
            links=["activity"],
            **by,
        ),
        write.challenge_object(
            id="opinion--7a3c0b52-6f0e-4c1d-9a57-000000000005",
            target=NOTE,
            form="denial",
            speaker_ref=NORTH,
            asserted_at={"value": "2026-02-03", "precision": "day"},
            **by,
        ),
        write.standing_object(
            id="note--7a3c0b52-6f0e-4c1d-9a57-000000000006",
            standing={"claim": NOTE, "for": "public", "level": None, "links": {}, "dropped": []},
            content="Not weighed.",
            **by,
        ),
    ]
    found = check_objects([open_object(raw) for raw in raws])
    # That a claim's links are relationships STIX does not name is known, and allowed; so is that a
    # standing without a level says null in its own extension.
    codes = {one.code for one in found if one.severity != "note"}
    assert codes <= {"id-not-v4", "relationship-not-listed", "custom-hole"}
    assert [one for one in found if one.severity == "error"] == []
