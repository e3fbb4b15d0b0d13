"""Reports read with a learned parser: one asked for is had or refused; a setting may fail."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.unit.reading.test_parsed import FOUND, NAME, Trees

from tocsin.errors import ParserError
from tocsin.flows import drafts as drafting
from tocsin.flows.drafts import Accepting

World = Any  # tests/unit/conftest.py

TEXT, TREE, (SPEAKER, _, WORDS) = FOUND["people whom no table knows"]


def node_with(world: World, *, reads_with: str = "") -> Any:
    """The world's node, with a parser called "small"."""

    def parser_of(name: str) -> Trees:
        if name != "small":
            raise ParserError(f"no model {name!r} is here", remedy="take another")
        return Trees({TEXT: TREE})

    return dataclasses.replace(world.node, parser_of=parser_of, reads_with=reads_with)


def found_by(drafts: Any) -> list[str | None]:
    return [draft.machine.get("parser") for draft in drafts]


def test_a_report_is_read_with_the_model_that_is_asked_for(world: World) -> None:
    _, drafts = drafting.ingest(node_with(world), TEXT.encode(), "a.txt", model="small")
    assert found_by(drafts) == [NAME]
    assert [(d.machine["speaker"], d.machine["words"]) for d in drafts] == [(SPEAKER, WORDS)]


def test_without_a_model_the_rules_read_alone(world: World) -> None:
    for model in (None, "none"):
        _, drafts = drafting.ingest(node_with(world), TEXT.encode(), "a.txt", model=model)
        assert found_by(drafts) == []


def test_the_nodes_own_model_is_taken_unless_another_or_none_is_named(world: World) -> None:
    node = node_with(world, reads_with="small")
    assert found_by(drafting.ingest(node, TEXT.encode(), "a.txt")[1]) == [NAME]
    assert found_by(drafting.ingest(node, TEXT.encode(), "a.txt", model="none")[1]) == []


def test_one_report_read_in_two_ways_is_kept_twice(world: World) -> None:
    node = node_with(world)
    plain, _ = drafting.ingest(node, TEXT.encode(), "a.txt")
    parsed, _ = drafting.ingest(node, TEXT.encode(), "a.txt", model="small")
    again, _ = drafting.ingest(node, TEXT.encode(), "a.txt", model="small")
    assert plain.id != parsed.id
    assert parsed.id == again.id


def test_a_model_that_is_asked_for_and_not_here_is_refused_and_nothing_kept(world: World) -> None:
    with pytest.raises(ParserError, match="no model 'large' is here"):
        drafting.ingest(node_with(world), TEXT.encode(), "a.txt", model="large")
    assert drafting.reports(world.node) == []


@pytest.mark.parametrize(
    ("reads_with", "text", "why"),
    [
        ("large", TEXT, "no model 'large' is here"),
        ("small", "Le ministère a dit que le port était fermé et que la ville dort.", "in 'fr'"),
    ],
)
def test_a_nodes_own_model_that_does_not_fit_refuses_no_report(
    world: World, reads_with: str, text: str, why: str
) -> None:
    node = node_with(world, reads_with=reads_with)
    kept, drafts = drafting.ingest(node, text.encode(), "a.txt")
    assert [loss.kind for loss in kept.losses] == ["not-parsed"]
    assert why in kept.losses[0].note
    assert set(found_by(drafts)) <= {None}


def test_what_a_parser_found_waits_for_a_person_and_is_said_as_any_draft(world: World) -> None:
    before = world.size
    node = node_with(world)
    _, [draft] = drafting.ingest(node, TEXT.encode(), "a.txt", model="small")
    assert world.size == before
    how = Accepting(by=world.NORTH, date="2026-11-18")
    [done], _ = drafting.accept(node, [(draft.id, draft.revision)], how)
    assert done.state == "accepted"
    assert world.size == before + 1


def test_the_api_says_which_model_is_missing(world: World) -> None:
    status, kind, detail = world.refused(
        "POST", "/reports", body=TEXT.encode(), name="a.txt", nlp="en_core_web_none"
    )
    assert (status, kind) == (400, "parser")
    assert "en_core_web_none" in detail


def test_other_formats_are_read_as_ever(world: World) -> None:
    rows = b"value\nnew.example\n"
    _, drafts = drafting.ingest(node_with(world), rows, "list.csv", model="large")
    assert len(drafts) == 1
