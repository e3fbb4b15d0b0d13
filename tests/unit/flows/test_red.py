"""What is for named persons: its answers and its withdrawal are for the same, and its author."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.flows.test_intake import NOTE, claim, said

from tocsin.flows import answers, intake
from tocsin.flows.held import seen

World = Any  # tests/unit/conftest.py


def test_a_withdrawal_reaches_the_persons_who_held_it_and_no_other(world: World) -> None:
    raw = claim(world, world.NORTH)
    done = said(world, world.NORTH, raw, tlp="RED", to=(world.GRID,), body={"persons": ["gus"]})
    gus = world.node.reader(world.GRID, person="gus", role="reader")
    other = world.node.reader(world.GRID, person="otto", role="signer")
    assert NOTE in seen(world.node, gus).view.claims
    assert NOTE not in seen(world.node, other).view.claims

    back = intake.withdraw(world.node, world.NORTH, done.id)
    assert isinstance(back, intake.Done)
    assert world.node.store.statement(back.id, world.node.allowed(gus)) is not None
    assert world.node.store.statement(back.id, world.node.allowed(other)) is None
    assert NOTE in seen(world.node, gus).view.withdrawn


@pytest.mark.parametrize("how", ["denial", "refused"])
def test_an_answer_reaches_the_persons_named_and_who_signs_for_the_author(
    world: World, how: str
) -> None:
    raw = claim(world, world.GRID)
    both = (world.NORTH, world.SOUTH)
    said(world, world.GRID, raw, tlp="RED", to=both, body={"persons": ["anna", "sue"]})
    anna = world.node.reader(world.NORTH, person="anna", role="signer")
    answers.answer(world.node, anna, NOTE, how, "We ran nothing of the kind.")

    def finds(party: str, person: str, role: str) -> bool:
        reader = world.node.reader(party, person=person, role=role)
        have = seen(world.node, reader)
        return bool(have.view.challenges) or bool(have.answers)

    assert finds(world.SOUTH, "sue", "reader")
    assert finds(world.NORTH, "anna", "reader")
    assert finds(world.GRID, "gus", "signer")
    assert not finds(world.SOUTH, "otto", "signer")
    assert not finds(world.GRID, "gus", "analyst")


def test_nobody_is_named_where_nobody_was(world: World) -> None:
    raw = claim(world, world.GRID)
    said(world, world.GRID, raw, tlp="RED", to=(world.NORTH, world.SOUTH))
    anna = world.node.reader(world.NORTH, person="anna", role="signer")
    before = world.size
    done = answers.answer(world.node, anna, NOTE, "denial", "We ran nothing of the kind.")
    assert world.size == before + 1
    kept = world.node.store.statement(done.id, world.node.everything())
    assert kept.audience.persons == frozenset()
    assert kept.audience.to == {world.GRID, world.SOUTH}
