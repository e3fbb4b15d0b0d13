"""What waits: everybody's turn comes, few bytes are read, and nobody is told whose it is."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from tocsin.errors import ConflictError
from tocsin.flows import neighbours, quarantine, rows, waiting
from tocsin.flows.pages import MAX_WANTED
from tocsin.store.federation import Quarantined

World = Any  # tests/unit/conftest.py
PEER = "cert.southmark.example"
AUTHOR = "cert.eastmere.example"


def keep(world: World, n: int, *, item: bytes = b"{}", **changed: Any) -> str:
    """Something that waits, the older the lower its number."""
    given: dict[str, Any] = {
        "peer": PEER, "id": f"{n:064x}", "author": AUTHOR, "chain": "", "seq": n + 1,
        "reason": "SignatureError", "message": f"secret word {n}", "waits": (),
        "since": f"2026-11-22T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
    }  # fmt: skip
    assert world.node.store.quarantine(Quarantined(item=item, **{**given, **changed}))
    return f"{n:064x}"


# --- whose turn it is ---------------------------------------------------------------------------


@pytest.mark.parametrize("gives", ["nothing", "all", "the first five"])
def test_of_a_thousand_that_wait_each_has_its_turn_oldest_first(world: World, gives: str) -> None:
    ids = [keep(world, n) for n in range(1_000)]
    asking, turns = quarantine.Asking(world.node), []
    for _ in range(250):
        asked = asking.next(PEER, MAX_WANTED)
        turns.append(asked)
        came = {"nothing": [], "all": asked, "the first five": asked[:5]}[gives]
        asking.settle(PEER, asked, frozenset(came))
    assert turns[0] == ids[:MAX_WANTED]
    first = list(dict.fromkeys(id for turn in turns for id in turn))
    assert first == ids
    assert gives == "the first five" or first == [id for turn in turns[:5] for id in turn]


def test_a_page_that_has_room_for_few_starves_none(world: World) -> None:
    """All can be given, three a page, those with the highest ids first."""
    ids = {keep(world, n) for n in range(300)}
    asking, came = quarantine.Asking(world.node), set[str]()
    for _ in range(102):
        asked = asking.next(PEER, MAX_WANTED)
        given = frozenset(sorted(asked)[-3:])
        came |= given
        asking.settle(PEER, asked, given)
    assert came == ids


def test_what_is_new_does_not_get_ahead_of_what_waits(world: World) -> None:
    old = [keep(world, n) for n in range(400)]
    asking = quarantine.Asking(world.node)
    asking.settle(PEER, asking.next(PEER, MAX_WANTED), frozenset())
    for n in range(400, 1_000):  # a peer that brings ever more
        keep(world, n)
    assert asking.next(PEER, MAX_WANTED) == old[200:]


def test_a_peer_is_asked_once_in_ten_rounds_whichever_it_is_in(world: World) -> None:
    asking = quarantine.Asking(world.node)
    due = [round_ for round_ in range(1, 60) if asking.due(PEER, round_)]
    assert due == [10, 20, 30, 40, 50]
    other = quarantine.Asking(world.node)
    assert not other.due(PEER, 3)
    # Its turn came late, in round 27 and not in 20: it is asked, and once.
    assert [r for r in (27, 27, 28, 36, 37) if other.due(PEER, r)] == [27, 37]


# --- bytes --------------------------------------------------------------------------------------


def test_bytes_are_read_a_few_at_a_time_and_not_at_all_to_be_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(100):
        keep(world, n, waits=(waiting.EVIDENCE,) if n % 2 else (waiting.OBJECTS,))
    store, read = world.node.store, list[int]()
    real = store.quarantined

    def counted(*args: Any, **more: Any) -> list[Quarantined]:
        found: list[Quarantined] = real(*args, **more)
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "quarantined", counted, raising=False)
    assert world.json("GET", "/peers")["quarantine"][0]["peer"] == PEER
    neighbours.peers(world.node)
    assert quarantine.has_room(world.node, PEER)
    assert read == []
    whole = list(quarantine.whole(world.node, PEER, evidence=False))
    assert [int(q.id, 16) for q in whole] == list(range(0, 100, 2))
    assert sum(read) == 50
    assert max(read) <= quarantine.AT_ONCE
    assert [q.id for q in quarantine.whole(world.node, waits=[waiting.OBJECTS])] == [
        q.id for q in whole
    ]


def test_what_is_let_go_meanwhile_does_not_come(world: World) -> None:
    ids = [keep(world, n) for n in range(40)]
    found = quarantine.whole(world.node)
    assert next(found).id == ids[0]
    world.node.store.release(PEER, ids[20:])
    assert [q.id for q in found] == ids[1:20]


# --- who is told --------------------------------------------------------------------------------


def test_what_is_not_judged_is_named_to_its_author_only(world: World) -> None:
    id = keep(world, 1)
    keep(world, 2, reason="ChainError", waits=(waiting.EVIDENCE,), author=world.NORTH)
    for role in ("admin", "signer"):
        found = world.ask("GET", "/peers", role=role)
        if found.status >= 400:
            continue
        assert id.encode() not in found.body
        assert b"secret word 1" not in found.body
        theirs, own = msgspec.json.decode(found.body)["quarantine"]
        assert (theirs["author"], theirs["reason"]) == (AUTHOR, "SignatureError")
        assert "key" in theirs["detail"]
        assert (own["id"], own["detail"]) == (f"{2:064x}", "secret word 2")


# --- rows that several change -------------------------------------------------------------------


def test_no_note_of_many_threads_is_lost(world: World) -> None:
    def count() -> None:
        for _ in range(20):
            neighbours.add(world.node, PEER, refused=1)

    threads = [threading.Thread(target=count) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert neighbours.state_of(world.node, PEER).refused == 16 * 20


def test_a_note_outlasts_many_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another is faster thirty times in a row."""
    monkeypatch.setattr(rows, "MAX_PAUSE", 0.0)
    real, left = world.node.store.keep_local, [30]

    def beaten(kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        if left[0]:
            left[0] -= 1
            row = world.node.store.local(kind, key)
            other = neighbours.State(party=PEER, pushed=left[0])
            real(kind, key, msgspec.json.encode(other), row.version if row else None)
        version: int = real(kind, key, value, expected)
        return version

    monkeypatch.setattr(world.node.store, "keep_local", beaten, raising=False)
    neighbours.note(world.node, PEER, dropped=True)
    assert neighbours.state_of(world.node, PEER) == neighbours.State(party=PEER, dropped=True)


def test_a_note_that_is_given_up_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def never(*_: Any) -> int:
        raise ConflictError("somebody was faster", remedy="-")

    monkeypatch.setattr(rows, "MAX_PAUSE", 0.0)
    monkeypatch.setattr(world.node.store, "keep_local", never, raising=False)
    with pytest.raises(ConflictError, match="was not noted"):
        neighbours.note(world.node, PEER, dropped=True)
    assert "was not noted" in caplog.text
