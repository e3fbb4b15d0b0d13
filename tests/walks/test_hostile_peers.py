"""What a peer, or an author, may try against nodes that keep to the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.walks.sync_world import PARTIES, World, build, world

from tocsin.canonical import b64encode
from tocsin.errors import UnreachableError
from tocsin.flows import homes, intake, neighbours
from tocsin.flows.arrivals import Arrivals
from tocsin.flows.pages import Item
from tocsin.record.envelope import open_envelope, sign, statement_id
from tocsin.record.requests import Answer
from tocsin.record.statement import ObjectRef, compose
from tocsin.stix.bundle import open_object
from tocsin.stix.markings import MARKING_ID
from tocsin.wiring.keys import load_signer

A, B, C, D, E = PARTIES


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "built"
    folder.mkdir()
    build(folder)
    return folder


@pytest.fixture
def five(built: Path, tmp_path: Path) -> Iterator[World]:
    with world(built, tmp_path / "world", 1) as found:
        yield found


def nothing(sha256: str, size: int) -> bytes:
    raise UnreachableError("nothing here", remedy="-")


def raw_of(found: World, party: str, id: str) -> str:
    node = found.node(party)
    kept = node.store.statement(id, node.everything())
    assert kept is not None
    return kept.raw.decode()


def of(found: World, author: str, **fields: Any) -> str:
    """An envelope that `author` signs by itself, whatever its node would say to it."""
    signer = load_signer(found.folder / author, author, "signing")
    given: dict[str, Any] = {
        "kind": "say", "seq": 1, "prev": "", "tlp": "CLEAR", "body": {},
        "time": "2026-11-22T08:30:00Z", "salt": "0" * 32, **fields,
    }  # fmt: skip
    return sign(compose(author=author, key=signer.keyid, **given), [signer]).decode()


def test_an_author_of_two_histories_stops_no_exchange_between_others(
    five: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.store.sqlite_federation.MAX_QUARANTINED", 40)
    five.round()
    five.running.pop(E).stack.close()

    def history(salt: str) -> list[Item]:
        found: list[Item] = []
        prev = ""
        for seq in range(1, 61):
            raw = of(five, E, seq=seq, prev=prev, salt=salt * 32)
            prev = statement_id(raw.encode())
            found.append(Item(n=seq, envelope=raw))
        return found

    five.apart = lambda a, b: {a, b} != {A, B}
    assert Arrivals(five.node(A)).take(E, history("0"), nothing).taken == 60
    assert Arrivals(five.node(B)).take(E, history("1"), nothing).taken == 60
    honest = five.say(B, 1)
    for _ in range(2):
        five.round(A, B)
    assert honest in five.held(A)
    kept = [q for q in five.node(A).store.quarantined() if q.author == E]
    assert kept, "and some of the other history is kept, as evidence"
    # What it brings of itself has room again when it needs it.
    waits = of(five, B, seq=9, prev="ab" * 32)
    taken = Arrivals(five.node(A)).take(B, [Item(n=1, envelope=waits)], nothing)
    assert (taken.quarantined, taken.refused) == (1, [])
    own = [q.author for q in five.node(A).store.quarantined(B)]
    assert sorted(own) == sorted([B, E])


def test_an_answer_of_what_was_not_asked_for_ends(five: World) -> None:
    five.round()
    five.say(A, 1)
    five.round(B)
    neighbours.note(five.node(B), A, epoch="", after=0, at="")
    asked = [0]
    junk: dict[str, str] = {}
    kept: list[Answer] = []

    def lie(who: str, target: str, answer: Answer) -> Answer:
        if who != A:
            return answer
        if target == "/peer/digest":
            told = msgspec.json.decode(answer.body)
            told["buckets"] = b64encode(bytes(range(256)) * 32)
            return Answer(status=200, body=msgspec.json.encode(told))
        if target.startswith("/peer/digest?"):
            for n in range(1_024):
                ids = b"".join(
                    (n << 6 | k).to_bytes(2, "big") + bytes(4) + (k + 1).to_bytes(4, "big")
                    for k in range(20)
                )
                junk[str(n)] = b64encode(ids)
            return Answer(status=200, body=msgspec.json.encode(junk))
        if "want=" in target:
            asked[0] += 1
            assert asked[0] < 300, "it asks for ever"
            raw = of(five, A)
            page = {"epoch": "e", "items": [{"n": 1, "envelope": raw}], "next": 1, "at": ""}
            return Answer(status=200, body=msgspec.json.encode(page))
        kept.append(answer)
        return answer

    five.lie = lie
    five.round(B)


@pytest.mark.parametrize(
    "change",
    [
        {"withheld": [[1, "zz"]]},
        {"withheld": [[1, "\x00" * 64], [-5, "a" * 64], [1 << 62, ""]]},
        {"n": 1 << 63},
        {"objects": [["", -1], ["zz", 1 << 62]]},
        {"texts": {"a\x00": "\x00"}},
        {"envelope": "\x00{}"},
        {"envelope": "é"},
        {"sealed": "{}"},
        {"sealed": "\x00é"},
        {"proofs": ["\x00", "é"]},
    ],
)
def test_a_broken_item_stops_nobody_else(five: World, change: dict[str, Any]) -> None:
    five.round()
    five.say(A, 1)
    five.say(A, 2)
    others = [five.say(party, n) for n, party in enumerate((C, D, E), start=3)]

    def lie(who: str, target: str, answer: Answer) -> Answer:
        if who != A or answer.status != 200 or b'"items"' not in answer.body:
            return answer
        page = msgspec.json.decode(answer.body)
        for item in page["items"]:
            item.update(change)
        return Answer(status=200, body=msgspec.json.encode(page))

    five.lie = lie
    five.round(B)
    five.round(B)
    assert five.held(B).keys() >= set(others)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "\r\nx: y"},
        {"at": "\x00"},
        {"next": 1 << 62, "at": "\x7f\n"},
        {"next": 1 << 63},
        {"next": -1},
        {"at": "é" * 100_000},
    ],
)
def test_a_broken_page_stops_nobody_else(five: World, change: dict[str, Any]) -> None:
    five.round()
    five.say(A, 1)
    others = [five.say(party, n) for n, party in enumerate((C, D, E), start=3)]

    def lie(who: str, target: str, answer: Answer) -> Answer:
        if who != A or answer.status != 200 or b'"items"' not in answer.body:
            return answer
        return Answer(
            status=200, body=msgspec.json.encode({**msgspec.json.decode(answer.body), **change})
        )

    five.lie = lie
    five.round(B)
    five.round(B)
    assert five.held(B).keys() >= set(others)


def test_taking_back_what_another_said_tells_nothing_of_it(five: World) -> None:
    five.round()
    secret = five.say(A, 1, tlp="AMBER+STRICT", to=(B, C, D))
    for _ in range(2):
        five.round()
    told, prev = [], ""
    for n, ref in enumerate((secret, "ab" * 32), start=1):
        raw = of(
            five, E, kind="withdraw", seq=n, prev=prev,
            tlp="AMBER+STRICT", to=(A,), refs=(ref,),
        )  # fmt: skip
        prev = statement_id(raw.encode())
        taken = five.running[A].sync.arrivals.take(E, [Item(n=n, envelope=raw)], nothing)
        assert taken.withdrawals == [prev]
        five.running[A].sync._came_in(E, taken)
        node = five.node(A)
        [ack] = [
            k
            for k in node.store.statements(node.everything(), author=A, kind="ack")
            if prev in msgspec.json.decode(_payload(k.raw))["refs"]
        ]
        told.append(msgspec.json.decode(_payload(ack.raw))["body"])
    assert told[0]["onward"] == told[1]["onward"]
    assert told[0]["effect"] == told[1]["effect"]
    assert five.held(A)[secret] is False


def test_a_peer_that_answers_slowly_has_a_turn_and_no_more(five: World) -> None:
    five.round()
    for n in range(1, 6):
        five.say(A, n, description="x" * 70_000)
    slow = [0.0]
    asked = [0]
    sync = five.running[B].sync
    sync._monotonic = lambda: slow[0]

    def lie(who: str, target: str, answer: Answer) -> Answer:
        if who == A:
            asked[0] += 1
            slow[0] += 59
        return answer

    five.lie = lie
    sync.exchange(sync.peers()[A])
    assert asked[0] == 3
    first = len(five.objects(B))
    assert 0 < first < 5, "what has come is in"
    assert not sync.state(A).failing
    for _ in range(4):
        sync.exchange(sync.peers()[A])
    assert len(five.objects(B)) == 5


def test_what_was_for_a_guest_that_has_moved_away_is_not_given_any_more(
    five: World,
) -> None:
    five.round()
    peer = homes.peers_of(five.node(A).directory, A)[B]
    first = five.say(A, 1)
    narrow = five.say(A, 2, tlp="AMBER+STRICT", to=(E,))
    pages = five.running[A].sync.pages
    pages.lag(structs.replace(peer, home=(B, E)))
    assert B in {g.peer for g in five.node(A).store.given(narrow)}, "it is in the outbox"
    after = five.say(A, 3)
    for _ in range(2):
        five.round(A, B)
    node = five.node(B)
    assert node.store.statement(narrow, node.everything()) is None
    assert five.held(B).keys() >= {first, after}
    assert not node.store.quarantined()
    gone = five.withdraw(A, narrow)
    five.round(A, B)
    assert gone in {k.id for k in node.store.statements(node.everything())}


def test_an_object_that_breaks_a_must_is_kept_and_given_to_nobody(five: World) -> None:
    five.round()
    raws = [
        (
            b'{"type":"tool","spec_version":"2.1","id":"tool--00000000-0000-4000-8000-00000000000%d",'
            b'"created":"2026-11-22T08:00:00.000Z","modified":"%b","name":"a thing"%b}'
        )
        % (n, modified, more)
        for n, (modified, more) in enumerate(
            [
                (b"2026-11-22T07:00:00.000Z", b""),  # before it was created
                (b"2026-11-22T08:00:00.000Z", b',"aliases":[]'),
                (b"2026-11-22T08:00:00.000000Z", b""),  # tolerated: most producers write so
                (b"2026-11-22T08:00:00.000Z", b""),
            ]
        )
    ]
    listed = [(f"tool--00000000-0000-4000-8000-00000000000{n}", sha(raw), "tool", raw)
              for n, raw in enumerate(raws)]  # fmt: skip
    envelope = of(
        five, E, objects=tuple(ObjectRef(id=id, sha256=at, type=type) for id, at, type, _ in listed)
    )
    item = Item(
        n=1,
        envelope=envelope,
        objects=tuple((at, len(raw)) for _, at, _, raw in listed),
        texts={at: raw.decode() for _, at, _, raw in listed},
    )
    assert Arrivals(five.node(A)).take(E, [item], nothing).taken == 1
    assert five.objects(A).keys() == {listed[2][1], listed[3][1]}
    node = five.node(A)
    held = {o.sha256 for o in node.store.select(node.everything())}
    assert held == {at for _, at, _, _ in listed}, "kept, as it was signed for"
    five.running.pop(E).stack.close()
    five.round(B, A)
    five.round(B, A)
    assert five.objects(B).keys() == {listed[2][1], listed[3][1]}
    assert len(five.node(B).store.select(five.node(B).everything())) == 2


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _payload(raw: bytes) -> bytes:
    return open_envelope(raw).payload


def test_other_content_under_the_id_of_a_tlp_level_stops_nobody_else(five: World) -> None:
    green = MARKING_ID["GREEN"]
    other = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": green,
        "created": "2022-10-01T00:00:00.000Z",
        "definition_type": "statement",
        "definition": {"statement": "something else"},
    }
    bad = open_object(msgspec.json.encode(other))
    said = intake.record(
        five.node(B), intake.Act(author=B, kind="say", tlp="GREEN", objects=(bad,))
    ).id
    five.round(A, B)
    assert said in five.held(A)
    own = five.say(A, 1, object_marking_refs=[green])
    theirs = five.say(B, 2, object_marking_refs=[green])
    five.round(A, B)
    assert {own, theirs} <= five.held(A).keys() & five.held(B).keys()
    assert five.node(A).store.quarantined() == []
