"""From a report to a statement: reading, editing, rejecting, accepting drafts."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tocsin.claims import write
from tocsin.claims.model import EXTENSION_ID
from tocsin.errors import (
    DraftError,
    ForbiddenError,
    IndicatorError,
    NotFoundError,
    ReportSizeError,
    StaleDraftError,
)
from tocsin.flows import drafts as drafting
from tocsin.flows import weigh
from tocsin.flows.drafts import Accepting
from tocsin.flows.intake import Act, stix_time
from tocsin.importers import report
from tocsin.stix import ids
from tocsin.stix.bundle import open_object
from tocsin.stix.check import judged

World = Any  # tests/unit/conftest.py


def how(world: World, **more: Any) -> Accepting:
    return Accepting(**{"by": world.NORTH, "date": "2026-11-18", **more})


def seen(drafts: Any) -> list[tuple[str, int]]:
    return [(d.id, d.revision) for d in drafts]


def test_an_indicator_that_has_ended_is_not_said_to_begin_today(world: World) -> None:
    rows = b"value,first_seen,valid_until\n" + b"\n".join(
        (b"old.example,,2025-01-01", b"dated.example,2024-01-01,2025-01-01", b"new.example,,")
    )
    _, found = drafting.ingest(world.node, rows, "list.csv")
    before = world.size
    with pytest.raises(DraftError, match="nothing says when it began") as refused:
        drafting.accept(world.node, seen(found), how(world))
    assert f"draft {found[0].id} ended" in str(refused.value)
    assert world.size == before
    done, _ = drafting.accept(world.node, seen(found[1:]), how(world))
    for one in done:
        [held] = world.node.store.versions(one.object_id, world.node.everything())
        assert [r.problem for r in judged([open_object(held.raw)])] == [None]


def test_reading_asserts_nothing(world: World) -> None:
    before = world.size
    assert len(world.ingest()) == 5
    assert world.size == before


def test_accepted_drafts_are_said_in_one_statement(world: World) -> None:
    drafts = world.ingest()
    before = world.size
    done, statement = drafting.accept(world.node, seen(drafts), how(world))
    assert world.size == before + 1
    assert statement is not None
    assert {d.state for d in done} == {"accepted"}
    assert {d.statement for d in drafting.drafts(world.node)} == {statement.id}


def test_accepting_twice_is_refused_and_says_nothing_again(world: World) -> None:
    drafts = world.ingest()
    drafting.accept(world.node, seen(drafts[:1]), how(world))
    size = world.size
    for revision in (drafts[0].revision, drafting.draft(world.node, drafts[0].id).revision):
        with pytest.raises(StaleDraftError, match="accepted already"):
            drafting.accept(world.node, [(drafts[0].id, revision)], how(world))
    assert world.size == size


def test_a_draft_named_twice_is_said_once(world: World) -> None:
    one = world.ingest()[0]
    done, _ = drafting.accept(world.node, seen([one, one]), how(world))
    assert [d.id for d in done] == [one.id]
    assert drafting.draft(world.node, one.id).state == "accepted"


@pytest.mark.parametrize("spelling", ["01", "٣", "³", "0", "-1", "", "1 ", "9" * 5000])
def test_a_draft_has_one_spelling(world: World, spelling: str) -> None:
    report = world.ingest()[0].report
    with pytest.raises(NotFoundError):
        drafting.draft(world.node, f"{report}.{spelling}")


def test_two_who_accept_at_once_say_it_once(world: World) -> None:
    drafts = world.ingest()
    size = world.size
    outcomes: list[str] = []

    def go() -> None:
        try:
            drafting.accept(world.node, seen(drafts), how(world))
            outcomes.append("said")
        except StaleDraftError:
            outcomes.append("stale")

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["said", "stale", "stale", "stale"]
    assert world.size == size + 1


def test_a_draft_changed_since_it_was_seen_is_not_accepted(world: World) -> None:
    one = world.ingest()[0]
    edited = drafting.edit(world.node, one.id, one.revision, {"speaker": "T. Brandt"})
    size = world.size
    with pytest.raises(StaleDraftError, match="revision"):
        drafting.accept(world.node, seen([one]), how(world))
    assert world.size == size
    drafting.accept(world.node, seen([edited]), how(world))


def test_a_stale_edit_is_refused_and_changes_nothing(world: World) -> None:
    one = world.ingest()[0]
    drafting.edit(world.node, one.id, one.revision, {"speaker": "first"})
    with pytest.raises(StaleDraftError):
        drafting.edit(world.node, one.id, one.revision, {"speaker": "second"})
    assert drafting.draft(world.node, one.id).get("speaker") == "first"


@pytest.mark.parametrize(
    "fields",
    [
        {"words": "other words"},
        {"span": "0"},
        {"state": "accepted"},
        {"claim_type": "slander"},
        {"claim_type": None},
        {"date": "yesterday"},
        {"date": "2026-02-30"},
        {"date": "2026-13"},
        {"date": "0000"},
        {"date": "２０２６"},
        {"value": None},
        {"kind": None},
    ],
    ids=str,
)
def test_words_spans_and_nonsense_cannot_be_edited(world: World, fields: dict[str, Any]) -> None:
    one = world.ingest()[0]
    with pytest.raises(DraftError):
        drafting.edit(world.node, one.id, one.revision, fields)
    assert drafting.draft(world.node, one.id).human == {}


def test_one_undated_claim_stops_all(world: World) -> None:
    drafts = world.ingest()
    dated = drafting.edit(world.node, drafts[0].id, drafts[0].revision, {"date": "2026-11"})
    size = world.size
    with pytest.raises(DraftError, match="when was it said"):
        drafting.accept(world.node, seen([dated, *drafts[1:]]), how(world, date=None))
    assert world.size == size
    assert {d.state for d in drafting.drafts(world.node)} == {"open"}
    drafting.accept(world.node, seen([dated]), how(world, date=None))


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "spell"), ("value", "no address"), ("kind", "mac")]
)
def test_one_draft_that_cannot_be_said_stops_all(world: World, field: str, value: str) -> None:
    drafts = world.ingest()
    wrong = drafting.edit(world.node, drafts[3].id, drafts[3].revision, {field: value})
    size = world.size
    with pytest.raises((IndicatorError, DraftError)):
        drafting.accept(world.node, seen([*drafts[:3], wrong]), how(world))
    assert world.size == size
    assert {d.state for d in drafting.drafts(world.node)} == {"open"}


def test_a_claim_that_nobody_is_named_for_refers_to_the_outlet(world: World) -> None:
    drafts = world.ingest()
    assert drafts[2].get("speaker") is None
    drafting.accept(world.node, seen([drafts[2]]), how(world, outlet="The Courier"))
    [row] = weigh.claims(world.node, world.node.reader(world.NORTH))
    assert row.speaker is None
    page = weigh.claim_page(world.node, world.node.reader(world.NORTH), row.id)
    assert page.positions[0].reported_by is not None
    assert page.positions[0].reported_by.name == "The Courier"


def test_a_crash_between_logging_and_marking_does_not_say_it_twice(
    world: World, restart: Callable[[World], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = world.ingest()

    def crash(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(drafting, "_keep", crash)
        with pytest.raises(KeyboardInterrupt):
            drafting.accept(world.node, seen(drafts), how(world))
    after = restart(world)
    size = after.size
    after.clock.later(hours=1)
    assert {d.state for d in drafting.drafts(after.node)} == {"open"}
    done, statement = drafting.accept(after.node, seen(drafting.drafts(after.node)), how(after))
    assert statement is None
    assert after.size == size
    assert {d.state for d in done} == {"accepted"}
    assert all(d.statement for d in done), "the statement that said it is found again"


def test_nobody_takes_the_place_of_a_draft_before_it_is_accepted(world: World) -> None:
    """A guest that has read the same article says something of its own under every likely id."""
    drafts = world.ingest()
    source = drafting.report(world.node, drafts[0].report).source
    for n in (1, 2, 3):
        guess = ids.deterministic("note", world.NORTH, str(source.text_sha256), str(n))
        forged = write.claim_object(
            id=guess,
            created=stix_time(world.clock()),
            created_by_ref=world.node.identity(world.SOUTH),
            claim_type="accusation",
            speaker_ref=world.node.identity(world.SOUTH),
            asserted_at={"value": "2026-11-18", "precision": "day"},
            words={"text": "ours", "lang": "en"},
        )
        objects = (open_object(forged),)
        to = (world.NORTH, world.GRID)
        world.as_guest(Act(author=world.SOUTH, kind="say", tlp="AMBER", objects=objects, to=to))
    _, statement = drafting.accept(world.node, seen(drafts), how(world))
    assert statement is not None
    mine = [r for r in weigh.claims(world.node, world.node.reader(world.NORTH)) if r.quoted]
    assert len(mine) == 3 + 3


def test_drafts_of_this_node_are_not_accepted_for_a_guest(world: World) -> None:
    drafts = world.ingest()
    with pytest.raises(ForbiddenError):
        drafting.accept(world.node, seen(drafts), how(world, by=world.GRID))
    assert {d.state for d in drafting.drafts(world.node)} == {"open"}


def test_more_drafts_than_one_statement_holds_are_refused_whole(world: World) -> None:
    text = "Look for " + ", ".join(f"10.{n // 250}.{n % 250}.7" for n in range(320)) + "."
    drafts = world.ingest(text)
    wanted = [d for d in drafts if d.kind == "indicator"]
    assert len(wanted) > 300
    with pytest.raises(DraftError, match="at most 300"):
        drafting.accept(world.node, seen(wanted), how(world))
    drafting.accept(world.node, seen(wanted[:300]), how(world))
    assert len(drafting.drafts(world.node, state="open")) == len(drafts) - 300


def test_an_accepted_indicator_names_its_report_and_how_it_was_printed(world: World) -> None:
    drafts = world.ingest("Look for lure-portal[.]com now.\n")
    done, _ = drafting.accept(world.node, seen(drafts), how(world))
    [kept] = world.node.store.versions(str(done[0].object_id), world.node.everything())
    said = json.loads(kept.raw)
    report = drafting.report(world.node, drafts[0].report)
    assert said["pattern"] == "[domain-name:value = 'lure-portal.com']"
    assert said["external_references"] == [
        {
            "source_name": report.source.name,
            "description": "printed there as lure-portal[.]com",
            "hashes": {"SHA-256": report.source.sha256},
        }
    ]
    assert judged([open_object(kept.raw)])[0].problem is None


def test_a_flaw_is_said_as_a_vulnerability_with_its_number(world: World) -> None:
    drafts = world.ingest("They used cve-2026-12345 first.\n")
    done, _ = drafting.accept(world.node, seen(drafts), how(world))
    [kept] = world.node.store.versions(str(done[0].object_id), world.node.everything())
    said = json.loads(kept.raw)
    assert (said["type"], said["name"]) == ("vulnerability", "CVE-2026-12345")
    assert said["external_references"][0] == {
        "source_name": "cve",
        "external_id": "CVE-2026-12345",
    }
    assert said["external_references"][1]["description"] == "printed there as cve-2026-12345"
    assert judged([open_object(kept.raw)])[0].problem is None


def test_what_stix_has_no_object_for_is_refused_by_its_kind(world: World) -> None:
    drafts = world.ingest("They used T1059.001 first.\n")
    with pytest.raises(DraftError, match="STIX has no object for"):
        drafting.accept(world.node, seen(drafts), how(world))


def test_200_MB_of_text_are_refused_before_anything_is_kept(world: World) -> None:
    with pytest.raises(ReportSizeError):
        drafting.ingest(world.node, b"a " * 100_000_000, "huge.txt")
    assert drafting.reports(world.node) == []
    assert drafting.drafts(world.node) == []


def test_the_same_report_again_gives_its_drafts_as_they_are_now(world: World) -> None:
    one = world.ingest()[0]
    drafting.reject(world.node, one.id, one.revision, "a quotation of a quotation")
    assert world.ingest()[0].state == "rejected"
    assert len(drafting.reports(world.node)) == 1


def test_a_reading_that_was_cut_off_can_be_done_again(
    world: World, restart: Callable[[World], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [0]
    keep = type(world.node.store).keep_local

    def cut(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] > 3:
            raise KeyboardInterrupt
        return keep(*args)

    with monkeypatch.context() as broken:
        broken.setattr(type(world.node.store), "keep_local", cut)
        with pytest.raises(KeyboardInterrupt):
            world.ingest()
    after = restart(world)
    assert drafting.reports(after.node) == []
    assert len(after.ingest()) == 5


def test_a_file_name_of_odd_bytes_is_kept_as_text(world: World) -> None:
    kept, _ = drafting.ingest(world.node, world.ARTICLE.encode(), "b\udcff.txt")
    assert kept.source.name == "b\\udcff.txt"
    assert drafting.report(world.node, kept.id) == kept


ORIGINAL = {
    "original_lang": "zh",
    "original_url": "https://spokesperson.southmark.example/2026-11-17",
}


def test_original_words_stand_beside_the_printed_ones_with_what_differs(world: World) -> None:
    one = next(d for d in world.ingest() if d.kind == "claim")
    fields = {"original": "三千次", "translated_by": "Riverton News", **ORIGINAL}
    edited = drafting.edit(world.node, one.id, one.revision, fields)
    assert [found.name for found in drafting.unlike(edited)] == ["number-mismatch"]
    _, statement = drafting.accept(world.node, seen([edited]), how(world))
    assert statement is not None
    [row] = weigh.claims(world.node, world.node.reader(world.NORTH))
    page = weigh.claim_page(world.node, world.node.reader(world.NORTH), row.id)
    assert page.positions[0].original == "三千次"
    assert "number-mismatch (of the outlet)" in page.positions[0].flags
    allowed = world.node.allowed(world.node.reader(world.NORTH))
    [note] = world.node.store.versions(row.id, allowed)
    translator = json.loads(note.raw)["extensions"][EXTENSION_ID]["translation_by_ref"]
    [outlet] = world.node.store.versions(translator, allowed)
    assert json.loads(outlet.raw)["name"] == "Riverton News"


@pytest.mark.parametrize("left_out", sorted(ORIGINAL))
def test_original_words_that_nobody_can_look_up_are_refused(world: World, left_out: str) -> None:
    one = next(d for d in world.ingest() if d.kind == "claim")
    fields = {name: value for name, value in ORIGINAL.items() if name != left_out}
    with pytest.raises(DraftError, match=left_out):
        drafting.edit(world.node, one.id, one.revision, {"original": "三千次", **fields})


INCIDENTS = (
    b"incident_id,name,start_date,end_date,receiver_country,initiator_name,initiator_country,"
    b"attribution_id,attribution_date,attribution_basis,attributing_actor,source_url\n"
    b"7,Ferry terminals,2026,09.02.2026,Eastmere,Grey Heron,Westmark,"
    b"11,12.02.2026,Media-based attribution,Eastmere,https://ferry.example/a\n"
)


def test_a_row_of_a_data_set_becomes_a_claim_with_a_gist_and_no_words(world: World) -> None:
    _, drafts = drafting.ingest(world.node, INCIDENTS, "incidents.csv")
    one = drafting.edit(world.node, drafts[0].id, drafts[0].revision, {"norms": "un-13f, UN-13C"})
    [done], _ = drafting.accept(world.node, seen([one]), how(world, outlet="A data set"))
    reader = world.node.reader(world.NORTH)
    [row] = weigh.claims(world.node, reader)
    page = weigh.claim_page(world.node, reader, row.id)
    [position] = page.positions
    assert (row.quoted, position.words) == (False, None)
    assert position.gist == drafts[0].machine["words"]
    assert position.speaker is not None
    assert position.coder is not None
    assert position.reported_by is not None
    assert position.speaker.name == "Eastmere"
    assert position.coder.party == world.NORTH
    assert position.reported_by.name == "A data set"
    assert position.sources == ("https://ferry.example/a",)
    assert "year-only (of the outlet)" in position.flags
    held = {o.id: o.data for o in world.node.store.select(world.node.everything())}
    x = held[done.object_id]["extensions"][EXTENSION_ID]
    assert x["norm_refs"] == ["un-13f", "un-13c"]
    assert held[x["about_refs"][0]]["name"] == "Ferry terminals"
    assert held[x["names"]["actor_ref"]]["name"] == "Grey Heron"
    assert "words" not in x
    assert [(n.ref, n.title) for n in position.norms] == [
        ("un-13f", "no damage to critical infrastructure"),
        ("un-13c", "no knowing use of one's territory"),
    ]


def test_claims_of_a_data_set_are_read_by_a_strict_parser(world: World) -> None:
    stix2 = pytest.importorskip("stix2")
    _, drafts = drafting.ingest(world.node, INCIDENTS, "incidents.csv")
    drafting.accept(world.node, seen(drafts), how(world))
    said = [o.data for o in world.node.store.select(world.node.everything())]
    kinds = {o["type"] for o in said}
    assert {"note", "incident", "identity"} <= kinds
    for one in said:
        if one["type"] in ("note", "incident", "identity"):
            stix2.parse(one, allow_custom=False)


SPOKEN = """The Eastmere Gazette, 18 November 2026

"Nobody of ours was near it," said Lena Castell, a spokeswoman for the Eastmere Foreign Ministry.

"We will answer in due course," said Tomas Brandt, the Transport Minister.
"""


def test_whom_a_spokeswoman_speaks_for_is_read_from_her_role_and_a_person_may_change_it(
    world: World,
) -> None:
    drafts = world.ingest(SPOKEN)
    hers = next(d for d in drafts if d.get("speaker") == "Lena Castell")
    his = [d for d in drafts if d.get("speaker") == "Tomas Brandt"]
    assert hers.get("speaks_for") == "Eastmere Foreign Ministry"
    assert all(d.get("speaks_for") is None for d in his)
    changed = drafting.edit(world.node, hers.id, hers.revision, {"speaks_for": "Eastmere"})
    drafting.accept(world.node, seen([changed, *his]), how(world))
    rows = weigh.claims(world.node, world.node.reader(world.NORTH))
    told = {
        r.speaker.name: (r.capacity, r.speaks_for.name if r.speaks_for else None)
        for r in rows
        if r.speaker
    }
    assert told["Lena Castell"] == ("spokesperson", "Eastmere")
    assert told.get("Tomas Brandt", ("unknown", None)) == ("unknown", None)


def test_how_far_a_report_is_read_is_known_under_its_senders_mark(world: World) -> None:
    seen_at: list[tuple[int, int] | None] = []

    class Paged:
        def read(self, raw: bytes, name: str, *, progress: Any, **how: Any) -> Any:
            progress(3, 200)
            seen_at.append(world.node.reading.get("ab" * 8))
            return report.read(raw, name, progress=progress, **how)

    node = dataclasses.replace(world.node, importers={**world.node.importers, "report": Paged()})
    drafting.ingest(node, b"Northland said it was down.", "a.txt", mark="ab" * 8)
    assert seen_at == [(3, 200)]
    assert node.reading == {}
    with pytest.raises(ReportSizeError):
        drafting.ingest(node, b"x" * (report.MAX_BYTES + 1), "a.txt", mark="ab" * 8)
    assert node.reading == {}
