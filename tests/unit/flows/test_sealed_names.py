"""A sealed statement names the id of what is inside, and its host cannot see whose that is."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin import canonical
from tocsin.errors import ConflictError
from tocsin.flows import intake, sealed
from tocsin.flows import keys as key_flow
from tocsin.flows.intake import Done
from tocsin.record.envelope import open_envelope, pae, sign, statement_id, write_envelope
from tocsin.record.hpke import HpkeKey
from tocsin.record.keys import Signer
from tocsin.record.seal import MAX_SEALED, PAYLOAD_TYPE, seal
from tocsin.record.statement import KEY_CHAIN, compose, revoke_body
from tocsin.wiring.keys import load_signer

World = Any  # tests/unit/conftest.py


def said(world: World, party: str, signer: Signer, **fields: Any) -> bytes:
    """An envelope for the next place of a chain."""
    last = world.node.store.chain(party, KEY_CHAIN if fields["kind"] == "revoke" else "")
    given = {
        "seq": last.seq + 1 if last else 1,
        "prev": last.head if last else "",
        "tlp": "CLEAR",
        "body": {"heads": []},
        **fields,
    }
    time = intake.stamp(world.clock())
    return sign(
        compose(author=party, key=signer.keyid, time=time, salt="0" * 32, **given), [signer]
    )


def named(world: World, party: str, id: str) -> bytes:
    """A file that `party` sealed in all form, but under another id."""
    signer = world.guests[party]
    inner = said(world, party, signer, kind="ack", tlp="AMBER", to=(world.NORTH,))
    public = HpkeKey(b"\3" * 32).public
    raw = seal(inner, {}, {party: public, world.NORTH: public}, signer, world.node.rng)
    value = canonical.decode(open_envelope(raw, PAYLOAD_TYPE, MAX_SEALED).payload)
    payload = canonical.encode({**value, "commitment": id})
    return write_envelope(
        payload, PAYLOAD_TYPE, {signer.keyid: signer.sign(pae(payload, PAYLOAD_TYPE))}
    )


def test_a_revocation_whose_id_another_took_is_told_and_not_passed_over(
    world: World, template: Any
) -> None:
    root = load_signer(template[0].with_name(world.GRID), world.GRID, "root")
    body = revoke_body(world.guests[world.GRID].keyid, "stolen")
    raw = said(world, world.GRID, root, kind="revoke", body=body)
    sealed.enter(world.node, named(world, world.SOUTH, statement_id(raw)))
    [refused] = key_flow.follow(world.node, [raw]).refused
    assert world.SOUTH in refused.error.message
    with pytest.raises(ConflictError, match=world.SOUTH):
        intake.enter(world.node, raw)


def test_who_took_its_own_id_stops_nobody_else(world: World) -> None:
    grid, south = world.guests[world.GRID], world.guests[world.SOUTH]
    mine = said(world, world.SOUTH, south, kind="ack", case="case--1")
    sealed.enter(world.node, named(world, world.SOUTH, statement_id(mine)))
    other = said(world, world.GRID, grid, kind="ack")
    taken, kept = intake.enter_many(world.node, [mine, other])
    assert isinstance(taken, ConflictError)
    assert isinstance(kept, Done)
    assert world.node.log.halted is None


def test_nobody_is_told_that_it_is_logged_when_something_else_is(world: World) -> None:
    """An author who saw the place of another file would never bring its own anywhere else."""
    mine = said(world, world.GRID, world.guests[world.GRID], kind="ack")
    done = intake.enter(world.node, mine)
    with pytest.raises(ConflictError, match=world.SOUTH):
        sealed.enter(world.node, named(world, world.SOUTH, done.id))
    first = named(world, world.SOUTH, "5" * 64)
    assert sealed.enter(world.node, first) == sealed.enter(world.node, first)
    with pytest.raises(ConflictError, match=world.GRID):
        sealed.enter(world.node, named(world, world.GRID, "5" * 64))
    with pytest.raises(ConflictError, match=world.SOUTH):
        sealed.enter(world.node, named(world, world.SOUTH, "5" * 64))  # for others, maybe
