"""A disputed case on both sides of which the same was done, for tests of the sheet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from tests.unit.record.dossier_case import CASE, EAST, NORTH, Case

from tocsin.cases.sheet import SheetPage
from tocsin.claims import write
from tocsin.record.envelope import statement_id
from tocsin.stix.model import make

AT = "2026-11-20T09:00:00.000Z"
WHO = {
    party: f"identity--0000000{n}-0000-4000-8000-000000000000"
    for n, party in enumerate((NORTH, EAST))
}
MINISTRY = "identity--0000000a-0000-4000-8000-000000000000"


def number(kind: str, n: int) -> str:
    """A STIX id."""
    return f"{kind}--00000000-0000-4000-8000-{n:012x}"


def page() -> SheetPage:
    """The files of this version."""
    cases = resources.files("tocsin.cases")
    console = resources.files("tocsin.console")
    return SheetPage(
        template=cases.joinpath("sheet.html").read_text("utf-8"),
        style=cases.joinpath("sheet.css").read_text("utf-8"),
        script=console.joinpath("static/verify.js").read_text("utf-8"),
    )


def dated(value: str) -> dict[str, str]:
    return {"value": value, "precision": "day"}


def claim(n: int, words: str, **more: Any) -> bytes:
    fields: dict[str, Any] = {
        "claim_type": "accusation",
        "asserted_at": dated("2026-11-19"),
        "created_by_ref": WHO[NORTH],
        "speaker_ref": WHO[NORTH],
        "addressee_refs": [MINISTRY],
        "names": {"sponsor_ref": MINISTRY},
        "words": {"text": words, "lang": "en", "source_url": "https://northland.example/1"},
    }
    return write.claim_object(id=number("note", n), created=AT, **(fields | more))


def disputed(
    words: str = "They ran the wiper against our grid.", title: str = "Grid wiper"
) -> Case:
    """A charge with grounds, a denial with words, a silent ministry, indicators, a withdrawal."""
    case = Case()
    opening: Mapping[str, Any] = {
        "event": "case.open",
        "item": CASE,
        "title": title,
        "class": "incident",
        "tlp": "AMBER",
        "lang": "en",
        "quorum": {"k": 2, "of": 2},
    }
    opened = case.enter(NORTH, "act", opening)
    invited = case.enter(
        NORTH,
        "act",
        {
            "event": "case.invite",
            "item": CASE,
            "party": EAST,
            "role": "responder",
            "rsvp_by": "2026-11-24T00:00:00Z",
        },
        refs=[statement_id(opened)],
    )
    case.enter(
        EAST,
        "act",
        {"event": "case.join", "item": CASE, "re": statement_id(invited), "accept": True},
        refs=[statement_id(invited)],
    )
    ministry = write.identity_object(id=MINISTRY, name="Ministry of Eastmere", created=AT)
    evidence = write.evidence_object(
        id=number("grouping", 2),
        created=AT,
        created_by_ref=WHO[NORTH],
        name="Two log extracts",
        kind="telemetry",
        producer_refs=[WHO[NORTH]],
        access="described",
        published=dated("2026-11-19"),
    )
    supports = write.link_object(
        id=number("relationship", 3),
        created=AT,
        created_by_ref=WHO[NORTH],
        kind="supports",
        source_ref=number("grouping", 2),
        target_ref=number("note", 1),
        links=["activity"],
    )
    hidden = write.link_object(
        id=number("relationship", 4),
        created=AT,
        created_by_ref=WHO[NORTH],
        kind="supports",
        source_ref=number("grouping", 9),
        target_ref=number("note", 1),
        links=["actor"],
    )
    case.enter(
        NORTH,
        "say",
        {},
        objects=[ministry, claim(1, words), evidence, supports, hidden],
        tlp="GREEN",
    )
    denial = write.challenge_object(
        id=number("opinion", 5),
        created=AT,
        created_by_ref=WHO[EAST],
        target=number("note", 1),
        form="denial",
        speaker_ref=WHO[EAST],
        asserted_at=dated("2026-11-20"),
        words={"text": "We did no such thing.", "lang": "en", "source_url": "https://e.example/"},
    )
    case.enter(EAST, "say", {}, objects=[denial], tlp="GREEN")
    indicators = [
        make(
            "indicator",
            id=number("indicator", n),
            created=AT,
            created_by_ref=WHO[NORTH],
            pattern=f"[domain-name:value = 'h{n}.northland.example']",
            pattern_type="stix",
            valid_from=AT,
            name=f"h{n}.northland.example",
        )
        for n in (6, 7)
    ]
    said = [case.enter(NORTH, "say", {}, objects=[one], tlp="GREEN") for one in indicators]
    case.enter(
        NORTH, "withdraw", {"reason": "shared host"}, refs=[statement_id(said[1])], tlp="GREEN"
    )
    return case
