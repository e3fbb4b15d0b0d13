"""What statements say of logs: the `seen` of each, and fork proofs that somebody says."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.canonical import b64encode
from tocsin.errors import LogHalted
from tocsin.flows import intake
from tocsin.record import checkpoint as notes
from tocsin.record import fork as forks
from tocsin.record.envelope import sign
from tocsin.record.statement import ObjectRef, Seen, compose
from tocsin.store.interface import Attachment
from tocsin.wiring.keys import load_log_signer

World = Any  # tests/unit/conftest.py


def enter(world: World, *, tlp: str = "CLEAR", **fields: Any) -> intake.Done:
    """A statement that southmark composed by itself, as no payload of ours would be."""
    signer = world.guests[world.SOUTH]
    last = world.node.store.chain(world.SOUTH, "")
    payload = compose(
        author=world.SOUTH,
        key=signer.keyid,
        kind="say",
        body={},
        seq=last.seq + 1 if last else 1,
        prev=last.head if last else "",
        time=intake.stamp(world.clock()),
        salt="0" * 32,
        tlp=tlp,
        to=(world.NORTH,) if tlp == "RED" else (),
        **fields,
    )
    return intake.enter(world.node, sign(payload, [signer]))


def seen(world: World, size: int, root: bytes) -> Seen:
    return Seen(origin=world.node.log.origin, root=b64encode(root), size=size)


def head(world: World) -> Any:
    return world.node.store.head()


def kinds(world: World) -> list[str]:
    return [a.kind for a in world.node.alarms()]


def test_a_seen_that_is_right_is_no_alarm(world: World) -> None:
    enter(world, seen=(seen(world, head(world).size, head(world).root),))
    world.node.watch.round()
    assert world.node.alarms() == []


def test_a_seen_with_another_root_is_unexplained_and_names_who_says_it(world: World) -> None:
    done = enter(world, seen=(seen(world, 2, b"\7" * 32),))
    world.node.watch.round()
    [alarm] = world.node.alarms()
    assert (alarm.kind, alarm.statement) == ("unexplained", done.id)
    assert world.SOUTH in alarm.detail
    assert world.node.log.halted is None, "anybody can write any root into a statement"
    world.node.watch.round()
    assert len(world.node.alarms()) == 1


def test_a_seen_of_a_size_that_there_never_was_is_unexplained(world: World) -> None:
    enter(world, seen=(seen(world, 900, b"\7" * 32),))
    world.node.watch.round()
    assert kinds(world) == ["unexplained"]
    assert world.node.log.halted is None


def test_an_alarm_that_names_a_statement_is_shown_to_those_who_may_see_it(world: World) -> None:
    enter(world, tlp="RED", seen=(seen(world, 2, b"\7" * 32),))
    world.node.watch.round()
    reader = world.node.reader
    assert len(world.node.alarms()) == 1
    assert len(world.node.alarms(reader(world.NORTH))) == 1
    assert world.node.alarms(reader(world.GRID)) == []
    assert world.json("GET", "/log", party=world.GRID)["alarms"] == []
    assert len(world.json("GET", "/log")["alarms"]) == 1


def test_statements_are_read_once_also_over_a_restart(world: World, restart: Any) -> None:
    enter(world, seen=(seen(world, 2, b"\7" * 32),))
    world.node.watch.round()
    again = restart(world)
    row = again.node.store.local("watch", "statements")
    assert int(row.value) == again.size - 1
    again.node.watch.round()
    assert again.node.store.local("watch", "statements") == row
    assert kinds(again) == ["unexplained"]


def said_fork(world: World) -> bytes:
    """A fork of north's own log: what its key signed at home, and what it signs elsewhere."""
    signer = load_log_signer(world.home, world.NORTH)
    other = notes.Checkpoint(origin=signer.name, size=head(world).size, root=b"\3" * 32)
    twin = notes.sign_checkpoint(other, signer, 1_795_000_000)
    return forks.write_fork(forks.prove_fork(world.node.log.checkpoint, twin))


def say(world: World, raw: bytes) -> intake.Done:
    item = Attachment.of(raw, forks.MEDIA_TYPE)
    intake.keep_object(world.node, world.SOUTH, raw, item.sha256, forks.MEDIA_TYPE)
    ref = ObjectRef(id=item.id, sha256=item.sha256, type=item.type)
    return enter(world, objects=(ref,))


def test_a_fork_proof_that_anybody_says_is_checked_and_counts(world: World) -> None:
    done = say(world, said_fork(world))
    world.node.watch.round()
    [alarm] = world.node.alarms()
    assert (alarm.kind, alarm.statement) == ("fork", done.id)
    assert "two histories" in world.node.log.halted
    [fork] = world.node.witnessing().forks
    assert fork.statement == done.id
    with pytest.raises(LogHalted):
        enter(world)


def test_a_made_up_fork_proof_accuses_nobody(world: World) -> None:
    proof = said_fork(world)
    for raw in (b"{}", proof.replace(b"AwMDAw", b"BAMDAw", 1), proof[:-1]):
        say(world, raw)
    world.node.watch.round()
    assert world.node.alarms() == []
    assert world.node.log.halted is None
