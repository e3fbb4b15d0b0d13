"""What changed in a standing between two times, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.claims import changes as changing
from tocsin.claims import write
from tocsin.claims.carrier import read
from tocsin.claims.changes import Change, Once, changes, latest
from tocsin.claims.model import EXTENSION_ID, View
from tocsin.claims.standing import standing
from tocsin.claims.times import instant
from tocsin.errors import NotFoundError, UsageError
from tocsin.stix.bundle import open_bundle

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "claims"
CLAIM = "note--30000000-0000-4000-8000-000000000001"
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


def objects_of(name: str) -> list[dict[str, Any]]:
    body = (VECTORS / f"{name}.txt").read_text("utf-8").partition("\n\n")[2]
    found: list[dict[str, Any]] = orjson.loads(body)["objects"]
    return found


def view_of(objects: list[dict[str, Any]], **withdrawn: datetime) -> View:
    pairs = [(one, hashlib.sha256(orjson.dumps(one)).hexdigest()) for one in objects]
    return read(pairs, withdrawn=withdrawn)


def dated(objects: list[dict[str, Any]], days: dict[str, str]) -> list[dict[str, Any]]:
    """The same objects, those of these types dated otherwise."""
    for one in objects:
        day = days.get(one["type"])
        if day is not None:
            one["created"] = one["modified"] = day + "T09:00:00.000Z"
            x = one["extensions"][EXTENSION_ID]
            for name in ("asserted_at", "published"):
                if name in x:
                    x[name] = {"value": day, "precision": "day"}
    return objects


@pytest.mark.parametrize(
    "path",
    sorted(one for one in VECTORS.glob("*.txt") if not one.stem.startswith("broken")),
    ids=lambda path: path.stem,
)
def test_steps_lead_from_nothing_to_what_stands_now(path: Path) -> None:
    view = view_of(objects_of(path.stem))
    for claim in view.claims:
        found = changes(Once(view), claim)
        now = standing(view, claim)
        assert found[0].said
        assert not any(one.said for one in found[1:])
        assert [one.before for one in found[1:]] == [one.after for one in found[:-1]]
        grades: dict[str, str | None] = {}
        for step in found:
            assert step.came
            assert step.after == standing(view, claim, None, instant(step.at)).level
            grades |= {link.link: link.after for link in step.links}
        # What has no end yet ("2027") is not known on any day that has been.
        last = standing(view, claim, None, instant(found[-1].at))
        assert found[-1].after == last.level
        if last.inputs_sha256 == now.inputs_sha256:
            assert found[-1].after == now.level
        assert {k: g for k, g in grades.items() if g} == {n: g.grade for n, g in last.links.items()}


def test_a_step_says_what_came_and_why_the_level_changed() -> None:
    days = {"note": "2026-02-03", "grouping": "2026-02-10", "opinion": "2026-02-20"}
    view = view_of(dated(objects_of("rivals"), days))
    said, shown, contested = changes(Once(view), CLAIM)
    assert (said.at, said.before, said.after) == ("2026-02-04T00:00:00.000Z", None, "none-shown")
    assert (shown.at, shown.after) == ("2026-02-10T09:00:00.000Z", "one-root")
    assert {(link.link, link.before, link.after) for link in shown.links} == {
        (link, "none-shown", "one-root") for link in ("activity", "actor", "sponsor")
    }
    piece = "grouping--40000000-0000-4000-8000-000000000001"
    assert piece in shown.came
    assert any(one.refs == (piece,) for one in shown.sentences)
    assert any(one.text == "No grounds shown here for actor." for one in shown.no_longer)
    assert contested.after == "contested(one-root)"
    assert contested.links == ()
    assert [one.text for one in contested.sentences] == [
        "mfa.eastmere.example contests it, with grounds of its own."
    ]


def test_only_what_lies_between_the_two_times_is_told() -> None:
    days = {"note": "2026-02-03", "grouping": "2026-02-10", "opinion": "2026-02-20"}
    view = view_of(dated(objects_of("rivals"), days))
    first, second, third = changes(Once(view), CLAIM)
    at = [instant(one.at) for one in (first, second, third)]
    assert changes(Once(view), CLAIM, after=at[0]) == [second, third]
    assert changes(Once(view), CLAIM, after=at[0], until=at[1]) == [second]
    assert changes(Once(view), CLAIM, after=at[2]) == []
    assert changes(Once(view), CLAIM, until=at[0]) == [first]
    assert changes(Once(view), CLAIM, after=LONG_AGO, until=at[0] - timedelta(seconds=1)) == []


def test_a_withdrawn_piece_is_a_change_and_so_is_a_withdrawn_claim() -> None:
    objects = dated(objects_of("denied"), {"note": "2026-02-03"})
    back = datetime(2026, 3, 1, tzinfo=UTC)
    [*_, last] = changes(Once(view_of(objects, **{CLAIM: back})), CLAIM)
    assert (last.at, last.after) == ("2026-03-01T00:00:00.000Z", "withdrawn")
    assert CLAIM in last.came


def test_bad_times_and_unknown_claims_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of(objects_of("rivals"))
    with pytest.raises(UsageError, match="is not later than"):
        changes(Once(view), CLAIM, after=LONG_AGO, until=LONG_AGO)
    with pytest.raises(NotFoundError):
        changes(Once(view), "note--30000000-0000-4000-8000-00000000000f")
    monkeypatch.setattr(changing, "MOST_STEPS", 0)
    with pytest.raises(UsageError, match="0 are looked at"):
        changes(Once(view), CLAIM)


def test_the_public_record_changed_on_the_days_it_is_known_to_have(
    corpus: Callable[[str], Path],
) -> None:
    view = read(
        (one.data, one.sha256)
        for one in open_bundle(corpus("claims/disputes/volt-typhoon.json").read_bytes())
    )
    expected = orjson.loads(corpus("claims/disputes/expected.json").read_bytes())["expected"]
    for row in expected["volt-typhoon"]:
        at = instant(row["at"]) if "at" in row else None
        steps: list[Change] = changes(Once(view), row["claim"], until=at)
        assert steps[-1].after == row["level"]


def test_of_more_than_one_look_may_cost_the_last_changes_are_told() -> None:
    """Bare answers by the hundred push the first steps off a page, and leave it a page."""
    objects = objects_of("bare-accusation")
    by = next(one["created_by_ref"] for one in objects if one["type"] == "note")
    for n in range(300):
        minute = f"2027-01-01T{n // 60:02}:{n % 60:02}:00Z"
        denied = write.challenge_object(
            id=f"opinion--99999999-0000-4000-8000-{n:012d}",
            created="2027-01-02T00:00:00.000Z",
            created_by_ref=by,
            target=CLAIM,
            form="denial",
            speaker_ref=by,
            asserted_at={"value": minute, "precision": "instant"},
        )
        objects.append(orjson.loads(denied))
    have = Once(view_of(objects))
    all_of_them = changes(have, CLAIM)
    found = latest(have, CLAIM)
    assert len(all_of_them) == 301
    assert found.changes == all_of_them[-len(found.changes) :]
    assert 50 < len(found.changes) < 100
    assert found.since is not None
    assert found.since < found.changes[0].at
    assert changes(have, CLAIM, after=instant(found.since)) == found.changes
    few = latest(have, CLAIM, until=instant("2027-01-01T00:03:00Z"))
    assert (len(few.changes), few.since) == (5, None)
