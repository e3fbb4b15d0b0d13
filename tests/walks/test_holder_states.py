"""Each state of `tocsin holders` is what is known: who refused, who answers, who does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.walks.sync_world import PARTIES, World, build, world

from tocsin.flows import holders, intake
from tocsin.flows.neighbours import state_of
from tocsin.record.requests import Answer

A, B, C = PARTIES[:3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("holders") / "built"
    folder.mkdir()
    build(folder, (A, B, C))
    return folder


@pytest.fixture
def three(built: Path, tmp_path: Path) -> Iterator[World]:
    with world(built, tmp_path / "world", 1, (A, B, C)) as found:
        found.round()
        yield found


def test_who_refused_a_statement_does_not_hold_it(three: World) -> None:
    three.unlisted = frozenset({A})  # it brings what it has
    said, other = three.say(A, 1), three.say(A, 2)

    def refuses(who: str, target: str, answer: Answer) -> Answer:
        if who != B or target != "/peer/inbox":
            return answer
        told = msgspec.json.decode(answer.body)
        told["refused"] = [
            {"id": said, "error": "StatementError", "remedy": "-"},
            {"id": "0" * 64, "error": "StatementError", "remedy": "-"},
        ]
        return Answer(status=200, body=msgspec.json.encode(told))

    three.lie = refuses
    three.round(A)
    assert three.holders(A, said) == {B: "not taken", C: "holds"}
    assert three.holders(A, other) == {B: "holds", C: "holds"}
    node = three.node(A)
    assert [row.key for row in node.store.list_local(holders.NOT_TAKEN)] == [f"{B}/{said}"]
    # Brought again, and taken.
    three.lie = None
    three.running[A].sync._note_party(B, pushed=0)
    three.round(A)
    assert three.holders(A, said) == {B: "holds", C: "holds"}


def test_who_answers_that_it_is_to_be_later_is_not_unreachable(three: World) -> None:
    said = three.say(A, 1)

    def busy(who: str, target: str, answer: Answer) -> Answer:
        return Answer(status=429, body=b"later") if who == B else answer

    sync = three.running[A].sync
    assert sync.pages.lag(sync.peers()[B]), "it is on its way"
    three.lie = busy
    three.round(A)
    assert state_of(three.node(A), B).failing
    assert three.holders(A, said)[B] == "not yet"
    three.lie, three.apart = None, lambda a, b: {a, b} == {A, B}
    three.round(A)
    assert three.holders(A, said)[B] == "unreachable"
    three.lie, three.apart = busy, lambda a, b: False
    three.round(A)
    assert three.holders(A, said)[B] == "not yet"
    three.lie = None
    three.round(B)
    three.round(B)  # whoever asks for more says that it has what came before
    assert three.holders(A, said)[B] == "holds"


def test_many_withdrawals_are_followed_up_a_few_at_a_time_and_none_is_missed(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "AT_ONCE", 3)
    said = [three.say(A, n) for n in range(1, 12)]
    three.round()
    for id in said:
        three.withdraw(A, id)
    store, read = three.node(B).store, list[int]()
    real = store.statements

    def counted(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        if more.get("kind") in ("ack", "withdraw"):
            read.append(len(found))
        return found

    monkeypatch.setattr(store, "statements", counted, raising=False)
    for _ in range(3):
        three.round()
    assert max(read) <= 3
    for id in said:
        assert three.holders(A, id) == {B: "removed", C: "removed"}


def test_withdrawals_are_read_once_for_however_many_statements(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object said often: what takes something back is not read anew for each saying."""
    node = three.node(A)
    first = three.say(A, 1)
    [object] = [o for o in node.store.select(node.everything()) if first in o.said_by]
    for _ in range(6):
        three.say(A, 1)
        three.withdraw(A, three.say(A, 2))
    three.round()
    parsed = [0]
    real = intake.parse_kept

    def counted(kept: Any) -> Any:
        parsed[0] += 1
        return real(kept)

    monkeypatch.setattr(intake, "parse_kept", counted)
    found = holders.holders(node, node.reader(A), object.sha256)
    assert len({one.statement for one in found}) == 7
    assert parsed[0] == 6
