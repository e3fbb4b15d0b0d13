"""What leaves for machines: only what may, and the rest counted for whoever exports."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.unit.flows.disputes import claim

from tocsin.errors import NotFoundError, UsageError
from tocsin.flows import export as exporting
from tocsin.flows import intake, respond
from tocsin.flows.export import Exported, Wanted
from tocsin.flows.intake import Act
from tocsin.policy import Audience, may_leave
from tocsin.record.statement import ObjectRef
from tocsin.stix.bundle import open_object
from tocsin.stix.markings import MARKING_ID
from tocsin.stix.model import make

World = Any  # tests/unit/conftest.py


def indicator(world: World, n: int, value: str, *, tlp: Any = None, **more: Any) -> Any:
    return open_object(
        make(
            "indicator",
            id=f"indicator--5f0c2a1e-0000-4000-8000-0000000000{n:02}",
            created="2026-11-18T08:00:00Z",
            created_by_ref=world.node.identity(world.NORTH),
            pattern=f"[domain-name:value = '{value}']",
            pattern_type="stix",
            valid_from="2026-11-18T08:00:00Z",
            object_marking_refs=[MARKING_ID[tlp]] if tlp else [],
            **more,
        )
    )


def say(world: World, *objects: Any, tlp: Any = "GREEN", to: tuple[str, ...] = ()) -> str:
    act = Act(author=world.NORTH, kind="say", tlp=tlp, to=to, objects=objects)
    return intake.record(world.node, act).id


def export(
    world: World, form: str = "blocklist", *, for_: str | None = None, **more: Any
) -> Exported:
    own = world.node.reader(world.NORTH)
    reader = world.node.reader(for_) if for_ else own
    return exporting.export(world.node, Wanted(form=form, **more), reader, own=own)


def values(made: Exported) -> list[str]:
    rows = made.written.raw.decode().splitlines()
    return [row for row in rows if not row.startswith("#")]


def test_what_is_in_force_is_written_and_the_rest_counted(world: World) -> None:
    gone = indicator(world, 1, "gone.example")
    statement = say(world, gone)
    say(
        world,
        indicator(world, 2, "in-force.example"),
        indicator(world, 3, "old.example", valid_until="2026-11-19T08:00:00Z"),
        indicator(world, 4, "revoked.example", revoked=True),
        indicator(world, 5, "github.com"),
    )
    intake.withdraw(world.node, world.NORTH, statement)
    made = export(world)
    assert values(made) == ["in-force.example"]
    assert made.left_out == {"expired": 1, "revoked": 1, "warninglisted": 1, "withdrawn": 1}
    assert "github.com" in values(export(world, overrides=("top-domains",)))


def test_red_and_what_names_parties_never_goes_into_a_file(world: World) -> None:
    say(world, indicator(world, 1, "open.example"))
    say(world, indicator(world, 2, "red.example"), tlp="RED", to=(world.GRID,))
    say(world, indicator(world, 3, "marked-red.example", tlp="RED"))
    say(world, indicator(world, 4, "named.example"), to=(world.GRID,))
    made = export(world)
    assert values(made) == ["open.example"]
    assert made.left_out["not-for-files"] == 3


def test_for_another_party_only_what_it_may_read_and_the_file_tells_nothing(world: World) -> None:
    say(world, indicator(world, 1, "shared.example"), tlp="AMBER", to=(world.GRID,))
    before = export(world, for_=world.GRID).written.raw
    say(world, indicator(world, 2, "kept.example"), tlp="AMBER", to=(world.SOUTH,))
    made = export(world, for_=world.GRID)
    assert values(made) == ["shared.example"]
    assert made.left_out == {"not-for-reader": 1}
    assert made.written.raw == before


def test_nothing_stricter_than_asked_for(world: World) -> None:
    say(world, indicator(world, 1, "a.example"), indicator(world, 2, "b.example", tlp="AMBER"))
    made = export(world, ceiling="GREEN")
    assert values(made) == ["a.example"]
    assert made.left_out == {"stricter": 1}


def test_words_choose(world: World) -> None:
    say(world, indicator(world, 1, "tidebeacon.example"), indicator(world, 2, "b.example"))
    assert values(export(world, words="tidebeacon.example")) == ["tidebeacon.example"]


def test_only_the_kinds_that_are_asked_for(world: World) -> None:
    say(world, indicator(world, 1, "tidebeacon.example"), indicator(world, 2, "b.example"))
    made = export(world, kinds=("ipv4",))
    assert values(made) == []
    assert made.left_out == {"other-kind": 2}
    assert len(values(export(world, kinds=("ipv4", "domain")))) == 2
    for wrong in ({"kinds": ("colour",)}, {"kinds": ("ipv4",), "form": "misp"}):
        with pytest.raises(UsageError):
            export(world, **wrong)


@pytest.mark.parametrize("form", exporting.FORMS)
def test_nothing_to_write_is_said_and_not_an_empty_file(world: World, form: str) -> None:
    with pytest.raises(NotFoundError, match="nothing chosen"):
        export(world, form, words="no-such-word")
    say(world, indicator(world, 2, "red.example"), tlp="RED", to=(world.GRID,))
    with pytest.raises(NotFoundError, match="1 not-for-files"):
        export(world, form)


def test_what_a_stranger_takes_back_is_not_counted_as_withdrawn(world: World) -> None:
    gone = indicator(world, 1, "gone.example")
    statement = say(world, indicator(world, 2, "in-force.example"))
    world.as_guest(
        Act(
            author=world.GRID,
            kind="withdraw",
            tlp="GREEN",
            refs=(statement,),
            named=(ObjectRef(id=gone.id, sha256=gone.sha256, type=gone.type),),
        )
    )
    made = export(world)
    assert (values(made), made.left_out) == (["in-force.example"], {})


@pytest.mark.parametrize("form", exporting.FORMS)
def test_a_list_of_which_all_has_ended_is_written_without_values(world: World, form: str) -> None:
    """Else the list that a machine read before would stay in force."""
    say(world, indicator(world, 3, "old.example", valid_until="2026-11-19T08:00:00Z"))
    intake.withdraw(world.node, world.NORTH, say(world, indicator(world, 4, "gone.example")))
    if form not in exporting.LAPSING:
        with pytest.raises(NotFoundError, match="1 expired, 1 withdrawn"):
            export(world, form)
        return
    made = export(world, form)
    assert (made.written.count, b".example " in made.written.raw) == (0, False)
    assert made.left_out == {"expired": 1, "withdrawn": 1}
    if form == "misp-feed":
        assert dict(made.written.files) == {"hashes.csv": b"", "manifest.json": b"{}"}


@pytest.mark.parametrize("form", ["stix", "misp"])
def test_what_was_taken_back_and_stays_on_record_leaves_in_no_file(world: World, form: str) -> None:
    """Claims stay readable, marked as withdrawn; a file has no place for that mark."""
    raw = claim(world, world.NORTH, words={"text": "so said nobody", "lang": "en"})
    say(world, indicator(world, 1, "a.example"))
    statement = say(world, open_object(raw))
    assert b"so said nobody" in export(world, form).written.raw
    intake.withdraw(world.node, world.NORTH, statement)
    made = export(world, form)
    assert b"so said nobody" not in made.written.raw
    assert made.left_out == {"withdrawn": 1}


@pytest.mark.parametrize("path", ["/exports/lists", "/exports"])
def test_nobody_but_the_nodes_own_party_asks_what_another_may_read(world: World, path: str) -> None:
    case, _ = respond.open_case(world.node, world.NORTH, "Grid wiper")
    act = Act(
        author=world.NORTH, kind="say", tlp="GREEN", case=case,
        objects=(indicator(world, 1, "a.example"),),
    )  # fmt: skip
    intake.record(world.node, act)
    how = {"as": "blocklist" if path.endswith("lists") else "stix", "case": case}
    for party in (world.SOUTH, "nobody.example"):
        told = world.refused("GET", path, party=world.GRID, **how, **{"for": party})
        assert told[:2] == (403, "forbidden")
    assert world.ask("GET", path, **how, **{"for": world.SOUTH}).status == 200


MARKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("label", {"labels": ["tlp:amber"]}),
    (
        "granular",
        {
            "description": "seen once",
            "granular_markings": [
                {"marking_ref": MARKING_ID["AMBER"], "selectors": ["description"]}
            ],
        },
    ),
)


@pytest.mark.parametrize("form", ["csv", "blocklist", "rpz", "suricata", "zeek", "misp"])
@pytest.mark.parametrize("more", [more for _, more in MARKED], ids=[name for name, _ in MARKED])
def test_an_object_leaves_under_its_own_marking_however_it_bears_it(
    world: World, form: str, more: dict[str, Any]
) -> None:
    say(world, indicator(world, 1, "narrow.example", **more))
    raw = export(world, form).written.raw.decode().lower()
    assert "amber" in raw
    assert "tlp:green" not in raw
    assert "tlp green" not in raw
    with pytest.raises(NotFoundError, match="1 stricter"):
        export(world, form, ceiling="GREEN")


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_no_older_version_leaves_in_the_place_of_one_that_ended_it(world: World, how: str) -> None:
    say(world, indicator(world, 1, "ended.example"), indicator(world, 2, "b.example"))
    more: dict[str, Any] = (
        {"revoked": True} if how == "revoked" else {"valid_until": "2026-11-19T08:00:00Z"}
    )
    later = indicator(world, 1, "ended.example", modified="2026-11-19T08:00:00Z", **more)
    say(world, later, to=(world.GRID,))  # which goes into no file
    made = export(world)
    assert (values(made), made.left_out) == (["b.example"], {how: 1})
    # Who may not read that it ended is told nothing by the file.
    assert values(export(world, for_=world.SOUTH)) == ["b.example", "ended.example"]


def test_an_end_in_the_last_second_of_a_leap_minute_is_an_end(world: World) -> None:
    say(world, indicator(world, 1, "b.example"))
    data = indicator(world, 2, "leap.example").data | {
        "valid_from": "2015-01-01T00:00:00Z", "valid_until": "2016-12-31T23:59:60Z"
    }  # fmt: skip
    say(world, open_object(json.dumps(data).encode()))
    assert values(export(world)) == ["b.example"]


@pytest.mark.parametrize("more", [{"form": "pdf"}, {"overrides": ("no-such-list",)}])
def test_a_form_or_list_that_is_none_is_refused(world: World, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        export(world, **more)


@pytest.mark.parametrize("form", sorted(exporting.FORMS))
def test_every_form_is_written_and_says_how_much_is_in_it(world: World, form: str) -> None:
    say(world, indicator(world, 1, "a.example", description="=cmd()"))
    made = export(world, form)
    assert made.written.count >= 1
    assert b"a.example" in made.written.raw or form == "misp-feed"


def test_the_route_gives_the_file_and_its_losses(world: World) -> None:
    say(world, indicator(world, 1, "a.example"))
    answer = world.client(world.NORTH).get("/exports/lists", **{"as": "blocklist"})
    assert b"\na.example\n" in base64.b64decode(answer["data"])
    assert (answer["count"], answer["left_out"], answer["losses"]) == (1, {}, [])
    json.dumps(answer)


@pytest.mark.parametrize(
    ("audience", "answer"),
    [
        (Audience(author="a", tlp="CLEAR"), True),
        (Audience(author="a", tlp="GREEN"), True),
        (Audience(author="a", tlp="GREEN", to=frozenset("b")), False),
        (Audience(author="a", tlp="AMBER", to=frozenset("b")), True),
        (Audience(author="a", tlp="AMBER+STRICT", to=frozenset("b")), True),
        (Audience(author="a", tlp="RED", to=frozenset("b")), False),
        (Audience(author="a", tlp="CLEAR", unknown=True), False),
    ],
)
def test_what_may_leave(audience: Audience, answer: bool) -> None:
    assert may_leave(audience) is answer
