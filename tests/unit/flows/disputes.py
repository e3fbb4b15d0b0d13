"""A charge, its denial and its grounds, said by parties of one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tocsin.claims import answering, write
from tocsin.flows import intake
from tocsin.flows.intake import Act
from tocsin.stix.bundle import open_object

World = Any  # tests/unit/conftest.py

CLAIM = "note--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a01"
DENIAL = "opinion--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a02"


def said(
    world: World, party: str, raw: bytes, *to: str, tlp: Any = "AMBER", case: str | None = None
) -> intake.Done:
    act = Act(author=party, kind="say", tlp=tlp, objects=(open_object(raw),), to=to, case=case)
    done: intake.Done = (
        intake.record(world.node, act) if party == world.NORTH else world.as_guest(act)
    )
    return done


def claim(world: World, party: str, **props: Any) -> bytes:
    given: dict[str, Any] = {
        "id": CLAIM,
        "created": intake.stix_time(world.clock()),
        "created_by_ref": world.node.identity(party),
        "claim_type": "accusation",
        "speaker_ref": world.node.identity(party),
        "addressee_refs": [world.node.identity(world.SOUTH)],
        "asserted_at": {"value": "2026-11-18", "precision": "day"},
        "words": {"text": "South did it", "lang": "en"},
    }
    return write.claim_object(**{**given, **props})


def denial(world: World, party: str, **props: Any) -> bytes:
    return write.challenge_object(
        created=intake.stix_time(world.clock()),
        created_by_ref=world.node.identity(party),
        target=CLAIM,
        speaker_ref=world.node.identity(party),
        asserted_at={"value": "2026-11-19", "precision": "day"},
        words={"text": "We did not", "lang": "en"},
        **{"id": DENIAL, "form": "denial", **props},
    )


def saying(world: World) -> answering.Saying:
    """Whatever North says now."""
    return answering.Saying(
        new=lambda type: f"{type}--{uuid4()}",
        now=world.clock(),
        by=world.node.identity(world.NORTH),
    )


def say_all(world: World, objects: Sequence[bytes]) -> intake.Done:
    """North says them to both others."""
    act = Act(
        author=world.NORTH,
        kind="say",
        tlp="AMBER",
        objects=tuple(open_object(raw) for raw in objects),
        to=(world.GRID, world.SOUTH),
    )
    done: intake.Done = intake.record(world.node, act)
    return done
