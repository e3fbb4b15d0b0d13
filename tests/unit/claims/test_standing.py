"""Standing as a reader meets it: the public record, the accused, the disowned report."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from tocsin import canonical
from tocsin.claims.carrier import read
from tocsin.claims.derivation import disjoint
from tocsin.claims.explain import explain, summary
from tocsin.claims.model import EXTENSION_ID, View
from tocsin.claims.standing import alarms, roots, standing, standings
from tocsin.claims.times import instant
from tocsin.errors import ClaimError, NotFoundError
from tocsin.stix.bundle import open_bundle

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "claims"
Object = dict[str, Any]


def objects_of(name: str) -> list[Object]:
    body = (VECTORS / f"{name}.txt").read_text("utf-8").partition("\n\n")[2]
    found: list[Object] = orjson.loads(body)["objects"]
    return found


def view_of(objects: list[Object], withdrawn: dict[str, datetime] | None = None) -> View:
    pairs = [(one, hashlib.sha256(orjson.dumps(one)).hexdigest()) for one in objects]
    return read(pairs, withdrawn=withdrawn)


def opened(path: Path) -> View:
    return read((one.data, one.sha256) for one in open_bundle(path.read_bytes()))


def find(objects: list[Object], kind: str, name: str | None = None) -> Object:
    fits = [
        one
        for one in objects
        if one["type"] == kind and name in (None, one.get("name"), one.get("relationship_type"))
    ]
    return fits[0]


def x_of(one: Object) -> Object:
    found: Object = one["extensions"][EXTENSION_ID]
    return found


# --- the public record ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["seed", "apt-c-39", "volt-typhoon"])
def test_the_public_record_stands_as_expected_then_and_now(
    corpus: Callable[[str], Path], name: str
) -> None:
    expected = orjson.loads(corpus("claims/disputes/expected.json").read_bytes())
    view = opened(corpus(f"claims/disputes/{name}.json"))
    assert view.broken == ()
    for row in expected["expected"][name]:
        at = instant(row["at"]) if "at" in row else None
        found = standing(view, row["claim"], None, at).to_json()
        links = found["links"]
        assert {
            "key": row["key"],
            **{k: found[k] for k in ("claim", "level", "base", "reasons", "dropped")},
            "links": {name: link["grade"] for name, link in links.items()},
            "shown": [name for name, link in links.items() if link["shown"]],
            "inputs_sha256": found["inputs_sha256"],
            **({"at": found["at"]} if at else {}),
        } == row
        assert found["algorithm"] == expected["algorithm"]


def test_the_example_of_the_spec_computes_to_the_standing_it_carries(
    corpus: Callable[[str], Path],
) -> None:
    view = opened(corpus("claims/example.json"))
    [one] = standings(view)
    [stored] = view.standings.values()
    assert alarms(view) == []
    assert stored.x.inputs_sha256 == one.inputs_sha256
    [note] = [h.data for h in view.objects.values() if h.data["id"] == stored.id]
    assert summary(one) == note["content"]


# --- how we will know -------------------------------------------------------------------------


def test_a_disowned_report_falls_in_every_claim_that_used_it() -> None:
    objects = objects_of("disowned")
    first = find(objects, "note")
    second = msgspec.json.decode(msgspec.json.encode(first)) | {
        "id": "note--30000000-0000-4000-8000-000000000002"
    }
    uses = [one for one in objects if one.get("relationship_type") == "supports"]
    again = [
        one | {"id": one["id"][:-3] + "9" + one["id"][-2:], "target_ref": second["id"]}
        for one in uses
    ]
    both = standings(view_of([*objects, second, *again]))
    assert [one.level for one in both] == ["none-shown", "none-shown"]
    assert both[0].dropped == both[1].dropped != ()
    kept = [one for one in [*objects, second, *again] if one["type"] != "opinion"]
    assert [one.level for one in standings(view_of(kept))] == ["one-root", "one-root"]


def test_the_accused_sees_withheld_not_absent() -> None:
    objects = objects_of("own-access")
    piece = find(objects, "grouping")
    claim = find(objects, "note")["id"]
    accused = find(objects, "identity", "mfa.eastmere.example")["id"]
    x_of(piece)["access_for"] = {accused: "withheld"}
    x_of(piece)["access"] = "inspectable"
    view = view_of(objects)
    public, own = standing(view, claim), standing(view, claim, accused)
    assert public.level == "one-root"
    assert own.level == "none-shown"
    assert [(r.code, r.ref) for r in own.reasons] == [("withheld", piece["id"])]
    # The evidence itself is not for the accused: the same words, not silence.
    without = view_of([one for one in objects if one is not piece])
    assert [(r.code, r.ref) for r in standing(without, claim, accused).reasons] == [
        ("withheld", piece["id"])
    ]
    assert any("withheld" in sentence.text for sentence in explain(own, view))


def test_swapping_two_names_changes_only_the_names() -> None:
    text = orjson.dumps(objects_of("rivals")).decode()
    one, other = (
        find(orjson.loads(text), "identity", name)["id"]
        for name in ("cert.northland.example", "mfa.eastmere.example")
    )
    swapped = text.replace(one, "<>").replace(other, one).replace("<>", other)
    swapped = swapped.replace("cert.northland.example", "<>")
    swapped = swapped.replace("mfa.eastmere.example", "cert.northland.example")
    swapped = swapped.replace("<>", "mfa.eastmere.example")
    views = view_of(orjson.loads(text)), view_of(orjson.loads(swapped))

    def said(view: View) -> list[str]:
        return [
            line
            for s in standings(view)
            for line in [*(said.text for said in explain(s, view)), summary(s)]
        ]

    before, after = (said(view) for view in views)
    back = [
        line.replace("cert.northland.example", "<>")
        .replace("mfa.eastmere.example", "cert.northland.example")
        .replace("<>", "mfa.eastmere.example")
        for line in after
    ]
    assert back == before
    assert after != before


def test_one_step_over_the_whole_chain_still_asks_for_three_links() -> None:
    objects = objects_of("one-step-over-the-chain")
    [one] = standings(view_of(objects))
    assert list(one.links) == ["activity", "actor", "sponsor"]
    assert one.level == "links-missing"
    del x_of(find(objects, "note"))["steps"]
    assert standings(view_of(objects))[0].links == one.links


def test_a_claim_that_stops_naming_its_group_gains_its_sponsor_link() -> None:
    # The one place where saying less lets more count: grounds for a link that was not asked for
    # while a group was named alone. The level goes from none-shown to links-missing, no further.
    objects = objects_of("group-alone")
    claim, supports = find(objects, "note"), find(objects, "relationship")
    rest = [one for one in objects if one is not supports]
    assert standings(view_of(rest))[0].level == "none-shown"
    del x_of(claim)["names"]
    assert standings(view_of(rest))[0].level == "links-missing"


# --- what is taken back, what is asked for ----------------------------------------------------


def test_a_withdraw_statement_is_a_status_event_of_the_claim() -> None:
    objects = objects_of("two-roots")
    claim = find(objects, "note")["id"]
    view = view_of(objects, {claim: datetime(2026, 3, 1, tzinfo=UTC)})
    assert standing(view, claim).level == "withdrawn"
    before = standing(view, claim, None, datetime(2026, 2, 20, tzinfo=UTC))
    assert before.level == "independent-roots"
    assert before.inputs_sha256 != standing(view, claim).inputs_sha256


def test_evidence_and_supports_taken_back_no_longer_count() -> None:
    objects = objects_of("two-roots")
    claim = find(objects, "note")["id"]
    for gone in (find(objects, "grouping")["id"], find(objects, "relationship")["id"]):
        one = standing(view_of(objects, {gone: datetime(2026, 3, 1, tzinfo=UTC)}), claim)
        assert one.level == "one-root"
        assert one.reasons == ()


def test_a_claim_nobody_holds_is_said_to_be_missing() -> None:
    view = view_of(objects_of("two-roots"))
    with pytest.raises(NotFoundError, match="no claim"):
        standing(view, "note--0")
    claim = next(iter(view.claims))
    with pytest.raises(NotFoundError, match="known by 2026-02-03"):
        standing(view, claim, None, datetime(2026, 2, 3, 12, tzinfo=UTC))
    assert standings(view, None, datetime(2026, 2, 3, 12, tzinfo=UTC)) == []


def test_a_broken_claim_asked_for_is_refused_with_its_remedy() -> None:
    view = view_of(objects_of("broken-no-type"))
    with pytest.raises(ClaimError, match="claim_type") as refused:
        standing(view, view.broken[0].id)
    assert refused.value.remedy


def test_a_stored_standing_that_differs_is_an_alarm_with_both_values() -> None:
    objects = objects_of("two-roots")
    [ours] = standings(view_of(objects))
    x = {k: v for k, v in ours.to_json().items() if v is not None and k != "claim"}
    note = {
        **find(objects, "note"),
        "id": "note--30000000-0000-4000-8000-000000000099",
        "extensions": {EXTENSION_ID: {"role": "standing", "claim_ref": ours.claim, **x}},
    }
    assert alarms(view_of([*objects, note])) == []
    x_of(note)["level"] = "none-shown"
    [alarm] = alarms(view_of([*objects, note]))
    assert (alarm.stored.x.level, alarm.ours.level) == ("none-shown", "independent-roots")
    assert alarm.same_inputs
    assert [one.claim for one in standings(view_of([*objects, note]))] == [ours.claim]


def test_the_output_is_canonical_json() -> None:
    [one] = standings(view_of(objects_of("two-coders")))
    again = canonical.decode(canonical.encode(one.to_json()))
    assert list(one.to_json()) == [
        "claim",
        "for",
        "at",
        "level",
        "base",
        "links",
        "by_coder",
        "reasons",
        "dropped",
        "inputs_sha256",
        "algorithm",
    ]
    assert set(again["by_coder"].values()) == {"one-root"}


def test_pieces_with_a_common_root_share_a_word() -> None:
    view = view_of(objects_of("one-origin"))
    first, second = (roots(view, ref) for ref in view.evidence)
    assert first & second == {"made-of relay-tap"}
    view = view_of(objects_of("two-roots"))
    first, second = (roots(view, ref) for ref in view.evidence)
    assert not first & second


def test_disjoint_roots_are_found_as_by_comparing_every_pair() -> None:
    rnd = random.Random(7)  # the same cases in every run
    for _ in range(5000):
        every = [
            sum(1 << bit for bit in rnd.sample(range(9), rnd.randint(1, 6)))
            for _ in range(rnd.randint(0, 6))
        ]
        some = rnd.sample(every, rnd.randint(0, len(every)))
        some += [rnd.randint(1, 511) for _ in range(rnd.randint(0, 2))]
        expected = any(a & b == 0 for a in some for b in every)
        assert disjoint(some, every) is expected, (some, every)


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bare-accusation", "No grounds shown here for actor."),
        ("none-is-open", "For actor: grounds from one root; this is stated, not shown."),
        ("call", "This is a call: it is not weighed, and has no level."),
        ("unknown-type", "This is a prophecy: its type is not known, and has no level."),
        ("withdrawn", "Its speaker or publisher says that it is withdrawn; it is not weighed."),
        ("denied", "mfa.eastmere.example denies it."),
        ("withheld", "“flow records” is said to exist and is withheld."),
        (
            "support-taken-away",
            "“lab report” was disowned by those who made it, and is not counted.",
        ),
        ("class-critique", "mfa.eastmere.example asks to be shown the grounds."),
        (
            "two-coders",
            "By coder: cert.northland.example: one-root, isac.westwater.example: one-root.",
        ),
    ],
)
def test_a_standing_is_explained_in_plain_sentences(name: str, sentence: str) -> None:
    view = view_of(objects_of(name))
    said = [line for one in standings(view) for line in explain(one, view)]
    lines = [line.text for line in said]
    assert sentence in lines
    for line in said:
        assert line.refs
        assert all(ref in view.objects or "withheld" in line.text for ref in line.refs)
    assert lines[0] == "What has been shown here, not what is true."


def test_a_summary_says_what_is_shown_stated_and_bare() -> None:
    said = {
        name: summary(standings(view_of(objects_of(name)))[0])
        for name in ("bare-accusation", "organisation-alone", "rivals", "call")
    }
    tail = "Not a finding of truth."
    assert said["bare-accusation"] == (
        f"No grounds shown here for activity, actor and sponsor. {tail}"
    )
    assert said["organisation-alone"] == (
        f"Grounds shown for activity; none shown here for actor and sponsor. {tail}"
    )
    assert said["rivals"] == f"Grounds shown for activity, actor and sponsor. Contested. {tail}"
    assert said["call"] == f"Not weighed: it has no level. {tail}"
