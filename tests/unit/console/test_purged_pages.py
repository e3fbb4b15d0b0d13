"""Pages of what was purged: its place is shown, its bytes are nowhere."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.unit.flows.test_intake import claim, said

from tocsin.console import record_pages
from tocsin.console.page import Ask
from tocsin.errors import NotFoundError, PurgedError
from tocsin.flows import purge

World = Any  # tests/unit/conftest.py


def ask(world: World, party: str, **path: str) -> Ask:
    actor = world.actor(party)
    return Ask(node=world.node, actor=actor, person="ada", path=path, query={}, form={}, uploads=[])


def test_the_log_page_shows_a_purged_statement_in_its_place(world: World) -> None:
    raw = claim(world, world.NORTH)
    done = said(world, world.NORTH, raw, tlp="AMBER+STRICT", to=(world.GRID,))
    later = said(world, world.NORTH, world.indicator(world.NORTH), tlp="GREEN")
    reader = world.actor().reader
    purge.purge(world.node, reader, done.id, "spilt", actor="anna", local_only=True)
    rows = record_pages.log(ask(world, world.GRID)).view.statements
    assert [(s.index, s.what) for s in rows[:2]] == [
        (later.index, rows[0].what),
        (done.index, "withheld: purged"),
    ]
    hidden = record_pages.log(ask(world, world.SOUTH)).view.statements
    assert done.index not in [s.index for s in hidden]


def test_the_page_of_a_purged_object_says_so_to_whoever_might_have_read_it(world: World) -> None:
    raw = claim(world, world.NORTH)
    said(world, world.NORTH, raw, tlp="AMBER+STRICT", to=(world.GRID,))
    digest = hashlib.sha256(raw).hexdigest()
    purge.purge(world.node, world.actor().reader, digest, "spilt", actor="anna", local_only=True)
    with pytest.raises(PurgedError, match="withheld: purged on 2026-11-22"):
        record_pages.object_(ask(world, world.GRID, sha256=digest))
    with pytest.raises(NotFoundError):
        record_pages.object_(ask(world, world.SOUTH, sha256=digest))
