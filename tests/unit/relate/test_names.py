"""Names: every candidate and who says it; several are ambiguous; nothing moves between actors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli import run
from tocsin.errors import BundleError, ReportError
from tocsin.importers.actors import read_actors
from tocsin.relate.names import Names, Record, Speaker, fold

ONE = {
    "type": "acme-actor",
    "version": 3,
    "values": [
        {
            "value": "Grey Heron",
            "uuid": "11111111-1111-4111-8111-111111111111",
            "meta": {
                "synonyms": ["TEAL ANVIL", "UNC-70", "Slow_Tide"],
                "country": "XX",
                "attribution-confidence": "50",
                "name-attribution": ["TEAL ANVIL:22222222-2222-4222-8222-222222222222"],
            },
        },
        {
            "value": "Slow Tide",
            "uuid": "33333333-3333-4333-8333-333333333333",
            "meta": {"synonyms": ["Other Name"]},
        },
    ],
}
OTHER = {
    "type": "bell-actor",
    "version": 1,
    "values": [{"value": "teal-anvil", "uuid": "44444444-4444-4444-8444-444444444444"}],
}


def names(*galaxies: dict[str, Any]) -> Names:
    return Names(
        record
        for galaxy in galaxies
        for record in read_actors(json.dumps(galaxy).encode(), "a.json").records
    )


def test_two_sources_that_give_one_name_are_both_shown_and_none_is_chosen() -> None:
    found = names(ONE, OTHER).look_up("Teal Anvil")
    assert found.ambiguous
    assert [(str(c.record.speaker), c.record.name) for c in found.candidates] == [
        ("MISP galaxy acme-actor, version 3", "Grey Heron"),
        ("MISP galaxy bell-actor, version 1", "teal-anvil"),
    ]
    assert found.candidates[0].coined_by == "producer 22222222-2222-4222-8222-222222222222"
    assert found.shared == (), "each of the sources gives it to one actor"


def test_no_field_moves_between_actors_that_share_a_name() -> None:
    """Today's platforms fuse such a pair: one name, two actors, one source."""
    found = names(ONE).look_up("slow tide")
    first, second = found.candidates
    assert found.ambiguous
    assert [s.name for s in found.shared] == ["MISP galaxy acme-actor"]
    assert dict(first.record.words) == {"country": "XX", "attribution-confidence": "50"}
    assert second.record.words == ()
    assert [a.name for a in second.record.aliases] == ["Other Name"]


def test_an_alias_of_an_alias_is_not_followed() -> None:
    assert not names(ONE, OTHER).look_up("Other Name").ambiguous


def test_a_name_that_thousands_of_sources_give_is_looked_up_in_one_pass() -> None:
    speakers = [Speaker(f"source {n}") for n in range(20_000)]
    records = [Record(id="a", speaker=one, name="Tide") for one in speakers]
    known = Names([*records, Record(id="b", speaker=speakers[0], name="Tide")])
    start = time.process_time()
    found = known.look_up("tide")
    assert time.process_time() - start < 4, "it took fifteen seconds, each counted among all"
    assert (len(found.candidates), found.shared) == (20_001, (speakers[0],))


def test_what_nobody_is_called_has_no_candidate() -> None:
    found = names(ONE).look_up("nobody")
    assert (found.candidates, found.ambiguous) == ((), False)
    assert names(ONE).look_up(" -_ ").candidates == ()


def test_the_order_of_the_files_changes_nothing() -> None:
    assert names(ONE, OTHER).look_up("TealAnvil") == names(OTHER, ONE).look_up("TealAnvil")


@given(st.text(max_size=40))
def test_a_name_folded_twice_is_folded_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("text", ["APT 28", "apt-28", "Apt_28", "\uff21PT\u201128"])
def test_names_that_differ_in_case_spaces_and_hyphens_are_one(text: str) -> None:
    assert fold(text) == "apt28"


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_never_worse(data: bytes) -> None:
    with suppress(BundleError, ReportError):
        read_actors(data, "x")


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "uuid", "meta", "synonyms", "country", "name-attribution"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=4))
def test_any_clusters_are_read_and_what_is_none_is_a_loss(values: list[Any]) -> None:
    found = read_actors(json.dumps({"values": values}).encode(), "x")
    assert len(found.records) + len([x for x in found.losses if "a name" in x.note]) == len(values)


def test_the_verb_shows_every_candidate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(ONE))
    assert run(["names", "slow-tide", "nobody", "--from", str(file)]) == 0
    out = capsys.readouterr().out
    assert "2 actors: ambiguous, and none is chosen" in out
    assert "country, in its words: XX" in out
    assert "nobody: nobody is called so" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run(["names", "slow-tide", "--from", str(file), "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in found["candidates"]] == ["Grey Heron", "Slow Tide"]


def corpus_names(corpus: Callable[[str], Path], *galaxies: str) -> Names:
    files = [corpus(f"claims/naming/{name}.json") for name in galaxies]
    return Names(r for f in files for r in read_actors(f.read_bytes(), f.name).records)


def test_the_public_names_fold_as_the_chapter_counts(corpus: Callable[[str], Path]) -> None:
    found = corpus_names(corpus, "threat-actor")
    assert (len(found), len(found.shared())) == (2361, 29)
    grizzly = found.look_up("GRIZZLY STEPPE")
    assert {c.record.name for c in grizzly.candidates} == {"APT28", "APT29"}


def test_two_groups_that_platforms_fuse_stay_two(corpus: Callable[[str], Path]) -> None:
    found = corpus_names(
        corpus, "threat-actor", "360net", "microsoft-activity-group", "mitre-intrusion-set"
    )
    salt = {c.record.id for c in found.look_up("Salt Typhoon").candidates}
    earth = {c.record.id for c in found.look_up("Earth Estries").candidates}
    assert salt
    assert earth
    assert not salt & earth
    [longhorn] = found.look_up("Longhorn").candidates
    [apt] = found.look_up("CIA - APT-C-39").candidates
    assert longhorn.record.speaker.name == "MISP galaxy threat-actor"
    assert apt.record.speaker.name == "MISP galaxy 360net-threat-actor"
    assert "APT-C-39" in [a.name for a in longhorn.record.aliases]
    assert "Longhorn" not in [a.name for a in apt.record.aliases], "each has its source's words"
