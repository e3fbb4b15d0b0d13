"""Many envelopes at once: each gets the answer it would get alone, in one commit of the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.unit.flows.test_intake import claim

from tocsin.errors import ChainError, SignatureError, TocsinError
from tocsin.flows import intake
from tocsin.record.admission import Opened, Signed, open_all, verify_all
from tocsin.record.envelope import assemble, open_statement, pae, sign, statement_id
from tocsin.record.statement import ObjectRef, compose
from tocsin.stix.bundle import open_object

World = Any  # tests/unit/conftest.py

CASE = "case--6f1c0000-0000-4000-8000-00000000000a"


class Author:
    """A guest who signs at home, statement after statement, without asking the node."""

    def __init__(self, world: World, party: str) -> None:
        self.world, self.party, self.signer = world, party, world.guests[party]
        self.heads: dict[str | None, tuple[int, str]] = {}
        last = world.node.store.chain(party, "")
        if last is not None:
            self.heads[None] = (last.seq, last.head)

    def says(
        self,
        kind: str = "act",
        *,
        case: str | None = None,
        objects: tuple[bytes, ...] = (),
        **more: Any,
    ) -> bytes:
        seq, prev = self.heads.get(case, (0, ""))
        refs = [open_object(raw) for raw in objects]
        payload = compose(
            **{
                "author": self.party,
                "key": self.signer.keyid,
                "kind": kind,
                "seq": seq + 1,
                "prev": prev,
                "time": intake.stamp(self.world.clock()),
                "salt": self.world.node.rng(16).hex(),
                "tlp": "CLEAR",
                "body": {"n": seq} if kind == "act" else {},
                "case": case,
                "objects": tuple(ObjectRef(id=o.id, sha256=o.sha256, type=o.type) for o in refs),
                **more,
            }
        )
        raw = sign(payload, [self.signer])
        self.heads[case] = (seq + 1, statement_id(raw))
        return raw


def _spoilt(raw: bytes) -> bytes:
    envelope, statement = open_statement(raw)
    return assemble(envelope.payload, {statement.key: bytes(64)})


def _put(world: World, party: str, raw: bytes) -> None:
    item = open_object(raw)
    intake.keep_object(world.node, party, raw, item.sha256, None)


def _alone(world: World, raws: list[bytes]) -> list[Any]:
    answers: list[Any] = []
    for raw in raws:
        try:
            answers.append(intake.enter(world.node, raw))
        except TocsinError as wrong:
            answers.append(wrong)
    return answers


def _said(answer: Any) -> Any:
    return (type(answer), answer.message) if isinstance(answer, TocsinError) else answer


def _vouching(
    raws: Sequence[bytes], publics: Mapping[str, bytes]
) -> list[tuple[Opened, Signed | None] | TocsinError]:
    """As workers do it: opened, and verified in the same go."""
    found: list[tuple[Opened, Signed | None] | TocsinError] = []
    for one in open_all(raws, publics):
        if not isinstance(one, TocsinError):
            envelope, _ = one[0]
            signature = envelope.signatures[0]
            public = publics.get(signature.keyid, b"")
            signed = (public, signature.sig, pae(envelope.payload))
            one = (one[0], signed if public and verify_all([signed])[0] else None)
        found.append(one)
    return found


@pytest.mark.parametrize("opener", [open_all, _vouching])
def test_each_gets_the_answer_it_would_get_alone(world: World, copy: Any, opener: Any) -> None:
    def script(w: World) -> list[bytes]:
        south, grid = Author(w, w.SOUTH), Author(w, w.GRID)
        one, other = (
            claim(w, w.SOUTH),
            claim(w, w.GRID, id="note--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a02"),
        )
        _put(w, w.SOUTH, one)
        _put(w, w.GRID, other)
        first = south.says()
        says = south.says("say", objects=(one,))
        return [
            first,
            says,
            first,  # again
            b"{}",
            grid.says("act", case=CASE, body={"event": "case.open", "title": "x"}),
            # The case is open by now, and not by this one.
            south.says("act", case=CASE, body={"event": "case.open", "title": "y"}),
            grid.says("say", objects=(other,)),
            # Takes back what came just before it.
            south.says("withdraw", refs=(statement_id(says),)),
            _spoilt(south.says()),
            south.says(),  # follows one that was not let in
            grid.says(
                "say", objects=(claim(w, w.GRID, id="note--7b1f2f52-6a52-4d5f-8d0e-2f3c1c0b9a03"),)
            ),
            # Not put first; what follows it has no place either.
            grid.says(),
        ]

    with copy() as twin:
        expected = [_said(answer) for answer in _alone(twin, script(twin))]
    node = replace(world.node, opener=opener)
    found = [_said(answer) for answer in intake.enter_many(node, script(world))]
    assert found == expected
    assert [isinstance(one, intake.Done) for one in found].count(True) == 6
    kept = world.node.store.list_local("waiting")
    assert kept == []


def test_a_signature_that_is_good_under_another_key_is_good_for_nothing(world: World) -> None:
    raw = _spoilt(Author(world, world.SOUTH).says())
    envelope, statement = open_statement(raw)
    other = world.guests[world.GRID]
    message = pae(envelope.payload)
    vouched = ((envelope, statement), (other.public, other.sign(message), message))
    node = replace(world.node, opener=lambda raws, publics: [vouched])
    [answer] = intake.enter_many(node, [raw])
    assert isinstance(answer, SignatureError)


def test_many_share_one_batch_of_the_log(world: World) -> None:
    south = Author(world, world.SOUTH)
    before = world.size
    raws = [south.says() for _ in range(30)]
    answers = intake.enter_many(world.node, raws)
    assert [answer.index for answer in answers] == list(range(before, before + 30))  # type: ignore[union-attr]
    again = intake.enter_many(world.node, raws)
    assert again == answers
    assert intake.enter_many(world.node, []) == []


@pytest.mark.parametrize("media_type", ["application/jsonl", "application/x-ndjson"])
def test_the_door_takes_one_envelope_a_line_and_answers_one_result_a_line(
    world: World, media_type: str
) -> None:
    south = Author(world, world.SOUTH)
    good, bad = south.says(), _spoilt(south.says())
    answer = world.ask(
        "POST",
        "/statements",
        body=good + b"\n" + bad + b"\n",
        headers={"content-type": media_type},
    )
    assert (answer.status, answer.media_type) == (200, "application/jsonl")
    one, other = [msgspec.json.decode(line) for line in answer.body.splitlines()]
    assert one == {"id": statement_id(good), "index": world.size - 1, "quorum": True}
    assert other["status"] == 403
    assert "does not verify" in other["detail"]
    assert other["remedy"]


def test_a_thousand_and_one_lines_are_refused_whole(world: World) -> None:
    status, _, detail = world.refused(
        "POST",
        "/statements",
        body=b"{}\n" * 1001,
        headers={"content-type": "application/jsonl"},
    )
    assert status == 400
    assert "1000 go in one request" in detail


def test_those_who_come_one_by_one_at_once_are_each_answered(world: World) -> None:
    south = Author(world, world.SOUTH)
    raws = [south.says(case=f"case-{n}") for n in range(40)]
    fork = south.says(case="case-0", seq=1, prev="")
    size = world.size
    answers: dict[bytes, Any] = {}

    def one(raw: bytes) -> None:
        try:
            answers[raw] = intake.enter(world.node, raw)
        except TocsinError as wrong:
            answers[raw] = wrong

    with world.node.lock:  # everybody is at the door before it opens
        threads = [threading.Thread(target=one, args=(raw,)) for raw in [*raws, fork]]
        for thread in threads:
            thread.start()
        for _ in range(500):
            if len(world.node.arrivals) == 41:
                break
            time.sleep(0.01)
    for thread in threads:
        thread.join(20)
    done = [answer for answer in answers.values() if isinstance(answer, intake.Done)]
    [refused] = [answer for answer in answers.values() if isinstance(answer, TocsinError)]
    assert isinstance(refused, ChainError)
    assert sorted(answer.index for answer in done) == list(range(size, size + 40))
    assert {statement_id(raw) for raw in answers} >= {answer.id for answer in done}
