"""What is kept back, left out, listed and not there, or signed twice: bounded, told, and mended."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest
from tests.unit.console.conftest import Client
from tests.walks.sync_world import PARTIES, World, build, world
from tests.walks.test_hostile_peers import nothing, of, raw_of

from tocsin.canonical import b64decode, b64encode
from tocsin.console import app
from tocsin.console.auth import Person, role
from tocsin.errors import LogHalted, RateError, UnreachableError
from tocsin.flows import arrivals, comparing, holders, intake, neighbours, purge, splits
from tocsin.flows.arrivals import Arrivals
from tocsin.flows.node import Node
from tocsin.flows.pages import MAX_WANTED, Item
from tocsin.flows.sync import Sync
from tocsin.flows.turns import Turns
from tocsin.record.envelope import statement_id
from tocsin.record.requests import Answer, sign_request
from tocsin.record.statement import ObjectRef
from tocsin.stix.bundle import open_object
from tocsin.wiring.doctor import _peer_rows
from tocsin.wiring.keys import load_node_key

A, B, C = PARTIES[:3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waits") / "built"
    folder.mkdir()
    build(folder, (A, B, C))
    return folder


@pytest.fixture
def three(built: Path, tmp_path: Path) -> Iterator[World]:
    with world(built, tmp_path / "world", 1, (A, B, C)) as found:
        found.round()
        yield found


# --- turns --------------------------------------------------------------------------------------


def test_a_peer_that_hangs_delays_no_other_and_no_end(three: World) -> None:
    """B hangs in the middle of its answer; what A says comes nevertheless, and C stops at once."""
    said, stop, let_go = three.say(A, 1), threading.Event(), threading.Event()
    node, real = three.node(C), three.running[C].sync._wire

    class Hangs:
        def ask(self, party: str, *args: Any, **more: Any) -> Answer:
            if party == B:
                let_go.wait(20)
                raise UnreachableError("no answer", remedy="-")
            return real.ask(party, *args, **more)

    sync = Sync(node, Hangs(), address=lambda: True, turns=Turns())
    runs = threading.Thread(target=sync.run, args=(stop, lambda: 60.0), daemon=True)
    runs.start()
    until = time.monotonic() + 20
    while said not in three.held(C) and time.monotonic() < until:
        time.sleep(0.02)
    assert said in three.held(C)
    assert not let_go.is_set()
    started = time.monotonic()
    stop.set()
    sync.wake()
    runs.join(10)
    assert not runs.is_alive()
    assert time.monotonic() - started < 8
    let_go.set()
    time.sleep(0.1)


# --- quarantine ---------------------------------------------------------------------------------


def chain(found: World, author: str, count: int) -> list[Item]:
    items, prev = [], ""
    for seq in range(1, count + 1):
        raw = of(found, author, seq=seq, prev=prev)
        prev = statement_id(raw.encode())
        items.append(Item(n=seq, envelope=raw))
    return items


def test_what_comes_in_opens_only_what_waits_for_it(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.running.pop(C).stack.close()
    theirs = chain(three, C, 40)
    three.say(B, 1)
    door = Arrivals(three.node(A))
    # Number 1 is wanting: all behind it wait, each for the one before.
    for item in reversed(theirs[2:]):
        assert door.take(B, [item], nothing).quarantined == 1
    opened = [0]
    real = arrivals._Batch.__init__

    def counted(self: Any, *args: Any, **more: Any) -> None:
        opened[0] += more.get("retried") is not None
        real(self, *args, **more)

    monkeypatch.setattr(arrivals._Batch, "__init__", counted)
    said = three.say(B, 2)
    three.round(A)
    assert said in three.held(A)
    opened[0] = 0
    three.say(B, 3)
    three.round(A)
    assert opened[0] == 0, "nothing waits for what B says"
    taken = door.take(B, theirs[:2], nothing)
    assert len(taken.entered) == 40
    assert opened[0] <= 40, "each of them once"
    assert three.node(A).store.quarantined() == []


def test_what_comes_in_by_another_door_is_waited_for_too(three: World) -> None:
    """No retry: it would be there for thirty days."""
    sync = three.running[A].sync
    sync.round()
    three.running.pop(C).stack.close()
    three.running.pop(B).stack.close()
    first, second = chain(three, C, 2)
    assert sync.arrivals.take(B, [second], nothing).quarantined == 1
    # Through another door: what this exchange does not see.
    batch = arrivals._Batch(three.node(A), C, arrivals.Taken())
    batch.add(first, nothing)
    batch.enter()
    assert len(three.node(A).store.quarantined()) == 1
    sync.round()
    assert three.node(A).store.quarantined() == []
    assert statement_id(second.envelope.encode()) in three.held(A)


def test_what_has_waited_for_thirty_days_goes_and_is_asked_for_once_more(three: World) -> None:
    first, second = three.say(A, 1), three.say(A, 2)

    def drops(who: str, target: str, answer: Answer) -> Answer:
        if who != A or b'"items"' not in answer.body:
            return answer
        page = msgspec.json.decode(answer.body)
        page["items"] = [i for i in page["items"] if i["envelope"] != raw_of(three, A, first)]
        return Answer(status=200, body=msgspec.json.encode(page))

    three.lie = drops
    three.apart = lambda a, b: {a, b} != {A, B}
    three.round(B)
    node = three.node(B)
    assert [q.id for q in node.store.quarantined()] == [second]
    three.clock.at += timedelta(days=29)
    three.round(B)
    assert node.store.quarantined()
    three.clock.at += timedelta(days=1)
    three.lie = None
    three.round(B)
    assert three.held(B).keys() >= {first, second}, "it is found by comparing"
    assert node.store.quarantined() == []


def test_what_waited_too_long_is_asked_for_again_although_nothing_gets_in_just_then(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = three.running[B].sync
    store = three.node(B).store
    monkeypatch.setattr(type(store), "expire", lambda self, before: [A])

    def halted(*_: Any) -> Any:
        raise LogHalted("the disk is full", remedy="make room")

    monkeypatch.setattr(sync.arrivals, "_again", halted)
    with pytest.raises(LogHalted):
        sync.round()
    assert sync.state(A).dropped


def posted(found: World, party: str, to: str, items: list[Item]) -> Answer:
    body = msgspec.json.encode({"epoch": "e", "items": items, "next": 9, "at": ""})
    key = load_node_key(found.folder / party, party)
    assert key is not None
    nonce = found.rng.randbytes(16).hex()
    target = "/peer/inbox"
    headers = sign_request(key, to, "POST", target, body, now=found.clock(), nonce=nonce)
    return found.running[to].door.answer("POST", target, headers, body)


def test_who_brings_more_than_can_be_kept_back_is_to_keep_it(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.store.sqlite_federation.MAX_QUARANTINED", 2)
    items = chain(three, B, 5)
    found = posted(three, B, A, items[1:])
    assert found.status == 429
    assert found.retry_after
    assert len(three.node(A).store.quarantined(B)) == 2, "what there was room for"
    assert posted(three, B, A, items).status == 200, "the gap is closed, and all of it comes"
    assert three.node(A).store.quarantined(B) == []


def test_an_object_that_was_brought_stays_for_what_waits(three: World) -> None:
    """B has no address and puts an object; its statement waits for the one before it."""
    three.unlisted = frozenset({B})
    raw = (
        b'{"type":"tool","spec_version":"2.1","id":"tool--00000000-0000-4000-8000-000000000001",'
        b'"created":"2026-11-22T08:00:00.000Z","modified":"2026-11-22T08:00:00.000Z","name":"x"}'
    )
    sha256 = hashlib.sha256(raw).hexdigest()
    ref = ObjectRef(id="tool--00000000-0000-4000-8000-000000000001", sha256=sha256, type="tool")
    first = of(three, B)
    second = of(three, B, seq=2, prev=statement_id(first.encode()), objects=(ref,))
    sync = three.running[A].sync
    sync.sent.keep(B, sha256, raw)
    assert posted(
        three, B, A, [Item(n=2, envelope=second, objects=((sha256, len(raw)),))]
    ).status == 200  # fmt: skip
    assert len(three.node(A).store.quarantined(B)) == 1
    taken = Arrivals(three.node(A)).take(C, [Item(n=1, envelope=first)], nothing)
    assert statement_id(second.encode()) not in taken.entered, "its object is not to be had there"
    three.round(A)
    assert sha256 in three.objects(A)
    assert three.node(A).store.list_local("peer-object") == []


def test_what_is_brought_and_waits_leaves_room_for_what_comes(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that a statement in quarantine names outlives a flood of others; those do not."""
    three.unlisted = frozenset({B})
    sync = three.running[A].sync
    waiting = b"what waits"
    sha256 = hashlib.sha256(waiting).hexdigest()
    ref = ObjectRef(id=f"urn:sha256:{sha256}", sha256=sha256, type="text/plain")
    second = of(three, B, seq=2, prev="0" * 64, objects=(ref,))
    sync.sent.keep(B, sha256, waiting)
    assert posted(
        three, B, A, [Item(n=2, envelope=second, objects=((sha256, len(waiting)),))]
    ).status == 200  # fmt: skip
    for limit, most in (("MAX_SENT", 6), ("MAX_SENT_BYTES", 60)):
        monkeypatch.setattr(f"tocsin.flows.sent.{limit}", most)
        for n in range(40):
            other = f"other {limit} {n}".encode()
            with contextlib.suppress(RateError):
                sync.sent.keep(B, hashlib.sha256(other).hexdigest(), other)
            rows = three.node(A).store.list_local("peer-object")
            assert len(rows) <= 6
            assert limit == "MAX_SENT" or sum(len(row.value) for row in rows) <= 60
            assert f"{B}/{sha256}" in {row.key for row in rows}


def test_a_statement_of_large_objects_gets_in_before_the_last_of_them_is_fetched(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "OBJECTS_BYTES", 2_000)
    raws = [bytes([n]) * 1_000 for n in range(1, 11)]
    there = {hashlib.sha256(raw).hexdigest(): raw for raw in raws}
    refs = tuple(
        ObjectRef(id=f"urn:sha256:{sha}", sha256=sha, type="application/octet-stream")
        for sha in there
    )
    envelope = of(three, B, objects=refs)
    id = statement_id(envelope.encode())
    store = three.node(A).store
    held: list[int] = []

    def fetch(sha256: str, size: int) -> bytes:
        # What has been fetched and is not kept yet is what memory holds.
        kept = 0 if store.place(id) is None else len(refs) - len(store.absent(id))
        held.append(len(held) - kept)
        return there[sha256]

    item = Item(n=1, envelope=envelope, objects=tuple((sha, 1_000) for sha in there))
    taken = Arrivals(three.node(A)).take(B, [item], fetch)
    assert taken.entered == [id]
    assert store.absent(id) == []
    assert len(held) == len(refs), "each of them once"
    assert max(held) == 2, "and three at a time"


# --- what a peer lists --------------------------------------------------------------------------


def test_a_digest_of_what_there_is_not_is_looked_into_only_so_far(three: World) -> None:
    three.say(A, 1)
    three.round(B)
    three.round(B)
    more = three.say(A, 2)
    neighbours.note(three.node(B), A, epoch="", after=0, at="")
    asked: list[str] = []

    def lie(who: str, target: str, answer: Answer) -> Answer:
        if who != A or not target.startswith("/peer/"):
            return answer
        asked.append(target)
        if target == "/peer/digest":
            told = msgspec.json.decode(answer.body)
            told["mark"]["n"] = 1 << 31
            told["buckets"] = b64encode(bytes(range(256)) * 32)
            return Answer(status=200, body=msgspec.json.encode(told))
        if target.startswith("/peer/digest?"):
            made_up = {
                str(n): b64encode(
                    b"".join(
                        (n << 6 | k % 64).to_bytes(2, "big") + k.to_bytes(4, "big")
                        + (n * 50 + k + 1).to_bytes(4, "big")
                        for k in range(50)
                    )
                )
                for n in range(1_024)
            }  # fmt: skip
            return Answer(status=200, body=msgspec.json.encode(made_up))
        return answer

    three.lie = lie
    three.round(B)
    wanted = [target for target in asked if "want=" in target]
    assert len(wanted) == comparing.MAX_NOT_GIVEN // MAX_WANTED
    assert three.running[B].sync.state(A).not_given == comparing.MAX_NOT_GIVEN
    [row] = [p for p in neighbours.peers(three.node(B)) if p.party == A]
    assert row.not_given == comparing.MAX_NOT_GIVEN
    assert "does not give" in row.error
    for _ in range(3):  # it fails again and again, and is asked less and less
        three.round(B)
    asked.clear()
    three.clock.at -= timedelta(minutes=19)
    three.round(B)
    assert three.running[B].sync.state(A).wait_until > "2026"
    said = three.say(C, 3)
    three.round(B)
    assert said in three.held(B), "others are none the worse"
    three.lie = None
    for _ in range(3):
        three.round(B)
    neighbours.note(three.node(B), A, epoch="", after=0, at="", compared=0)
    three.round(B)
    assert more in three.held(B)
    assert three.running[B].sync.state(A).error == ""


def test_a_comparison_goes_on_where_it_was(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MAX_WANTED", 3)
    monkeypatch.setattr(comparing, "REQUESTS_A_TURN", 2)
    three.say(A, 0)
    three.round(B)
    three.round(B)
    said = [three.say(A, n) for n in range(1, 21)]
    neighbours.note(three.node(B), A, epoch="", after=0, at="")
    three.apart = lambda a, b: {a, b} != {A, B}
    came = [0]
    for _ in range(5):
        three.round(B)
        came.append(len(three.held(B).keys() & set(said)))
    assert came[1] < came[2] < came[3] <= 18
    assert three.held(B).keys() >= set(said)
    assert three.running[B].sync.state(A).compared == 0


# --- left out by a relay ------------------------------------------------------------------------


def test_what_a_relay_left_out_comes_although_its_author_was_there_first(three: World) -> None:
    """B gives C a statement without its objects, and A is brought it by C before C asks A."""
    said = three.say(A, 1)
    three.round(B)
    bare = Item(n=1, envelope=raw_of(three, A, said))
    assert Arrivals(three.node(C)).take(B, [bare], nothing).entered == [said]
    three.apart = lambda a, b: {a, b} != {A, C}
    three.round(A)
    three.round(C)
    assert len(three.objects(C)) == 1


def test_a_statement_that_a_relay_left_out_comes_from_any_that_has_it(three: World) -> None:
    first, second, third = (three.say(A, n) for n in range(1, 4))
    three.round(B)

    def omits(who: str, target: str, answer: Answer) -> Answer:
        if who != B or b'"items"' not in answer.body:
            return answer
        page = msgspec.json.decode(answer.body)
        gone = raw_of(three, A, second)
        page["items"] = [item for item in page["items"] if item["envelope"] != gone]
        for item in page["items"]:
            item["withheld"] = [[2, "ab" * 32]]
        return Answer(status=200, body=msgspec.json.encode(page))

    three.lie = omits
    three.apart = lambda a, b: {a, b} != {B, C}
    three.round(C)
    three.round(C)
    assert three.held(C).keys() >= {first, third}
    assert second not in three.held(C)
    three.lie = None
    three.apart = lambda a, b: {a, b} != {A, C}
    three.round(C)
    assert second in three.held(C)
    assert len(three.objects(C)) == 3
    # Its word was kept, and is shown where it turned out false.
    named = three.node(C).store.named(A, "", 2, 2)
    assert named == {2: {B: "ab" * 32}}
    assert three.running[C].sync.state(B).contradicted == 1
    [row] = [p for p in neighbours.peers(three.node(C)) if p.party == B]
    assert row.contradicted == 1


# --- signed twice -------------------------------------------------------------------------------


def test_two_statements_for_one_place_raise_an_alarm_with_both(three: World) -> None:
    three.running.pop(C).stack.close()
    one, two = of(three, C, salt="1" * 32), of(three, C, salt="2" * 32)
    node = three.node(A)
    door = Arrivals(node)
    assert door.take(C, [Item(n=1, envelope=one)], nothing).taken == 1
    assert not [a for a in node.alarms() if a.kind == "split"]
    for _ in range(3):
        door.take(B, [Item(n=1, envelope=two)], nothing)
    [alarm] = [a for a in node.alarms(node.reader(A)) if a.kind == "split"]
    assert C in alarm.detail
    assert "tocsin peers --evidence" in alarm.remedy
    [row] = splits.splits(node, node.reader(A))
    assert (row.author, row.seq) == (C, 1)
    assert b64decode(row.held_envelope) == one.encode()
    assert b64decode(row.other_envelope) == two.encode()


def _page(node: Node, reader: str, path: str) -> httpx.Response:
    """A page of the console, to somebody of that party."""
    console = app.build(node)
    person = Person(name="anna", party=reader, role=role("reader"))
    client = Client(console.asgi)
    client.cookies.set("tocsin", console.doors.open_session(person))
    return client.get(path)


def test_both_statements_for_one_place_are_fetched_where_the_alarm_stands(three: World) -> None:
    three.running.pop(C).stack.close()
    node = three.node(A)
    door = Arrivals(node)
    both = [of(three, C, salt=n * 32, tlp="AMBER+STRICT", to=(A,)) for n in "12"]
    for raw in both:
        door.take(C, [Item(n=1, envelope=raw)], nothing)
    page = _page(node, A, "/log").text
    links = re.findall(r'href="(/log/split/[0-9a-f]{64})"', page)
    assert len(links) == 2
    for link, raw in zip(links, both, strict=True):
        answer = _page(node, A, link)
        assert (answer.status_code, answer.text) == (200, raw)
        name = f"{C}-1-{statement_id(raw.encode())[:16]}.json"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    # Who may not read them gets the same words as for what is not there.
    assert "/log/split/" not in _page(node, B, "/log").text
    hidden, unknown = _page(node, B, links[0]), _page(node, B, f"/log/split/{'ab' * 32}")
    assert (hidden.status_code, hidden.text) == (404, unknown.text)


def test_a_second_history_shows_by_what_it_names_before(three: World) -> None:
    three.running.pop(C).stack.close()
    first = of(three, C, salt="1" * 32)
    other = of(three, C, seq=2, prev="ab" * 32)
    door = Arrivals(three.node(A))
    door.take(C, [Item(n=1, envelope=first)], nothing)
    assert door.take(C, [Item(n=2, envelope=other)], nothing).quarantined == 1
    [row] = splits.splits(three.node(A), three.node(A).reader(A))
    assert (row.seq, row.held) == (1, statement_id(first.encode()))


def test_what_only_some_may_read_raises_no_alarm_for_others(three: World) -> None:
    three.running.pop(C).stack.close()
    node = three.node(A)
    door = Arrivals(node)
    for salt in "12":
        raw = of(three, C, salt=salt * 32, tlp="AMBER+STRICT", to=(A,))
        door.take(C, [Item(n=1, envelope=raw)], nothing)
    assert [a.kind for a in node.alarms(node.reader(A))].count("split") == 1
    assert [a.kind for a in node.alarms(node.reader(B))].count("split") == 0
    assert splits.splits(node, node.reader(B)) == []


def test_who_signs_without_end_fills_only_so_much_evidence(three: World) -> None:
    three.running.pop(C).stack.close()
    door = Arrivals(three.node(A))
    for n in range(splits.KEPT + 5):
        door.take(C, [Item(n=1, envelope=of(three, C, salt=f"{n:032x}"))], nothing)
    assert len(splits.splits(three.node(A), three.node(A).reader(A))) == splits.KEPT
    assert [a.kind for a in three.node(A).alarms()].count("split") == 1


def test_a_case_that_two_say_they_opened_raises_an_alarm_at_every_node(three: World) -> None:
    body: dict[str, Any] = {"event": "case.open", "title": "A case", "tlp": "CLEAR"}
    case = "case--00000000-0000-4000-8000-000000000001"
    raws = {p: of(three, p, kind="act", body=body, case=case) for p in (B, C)}
    three.running.pop(B).stack.close()
    three.running.pop(C).stack.close()
    door = Arrivals(three.node(A))
    assert door.take(B, [Item(n=1, envelope=raws[B])], nothing).taken == 1
    assert not [a for a in three.node(A).alarms() if a.kind == "opening"]
    assert door.take(C, [Item(n=1, envelope=raws[C])], nothing).taken == 1
    [alarm] = [a for a in three.node(A).alarms() if a.kind == "opening"]
    assert B in alarm.detail
    assert C in alarm.detail


# --- who holds what -----------------------------------------------------------------------------


def test_what_was_passed_over_is_not_held(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    said = three.say(A, 1)
    pages = three.running[A].sync.pages
    peer = three.running[A].sync.peers()[B]
    assert pages.lag(peer), "it is in the outbox"
    # A marking that narrowed meanwhile, a guest that moved: at its turn it cannot be given.
    monkeypatch.setattr(pages, "allowed", lambda peer: frozenset())
    three.apart = lambda a, b: {a, b} != {A, B}
    three.round(B)
    later = three.say(A, 2)
    three.round(B)
    assert said not in three.held(B)
    assert B not in three.holders(A, said)
    monkeypatch.undo()
    neighbours.note(three.node(B), A, epoch="", after=0, at="")
    three.round(B)
    three.round(B)
    assert three.held(B).keys() >= {said, later}
    assert three.holders(A, said)[B] == "holds"


def test_one_party_answers_a_withdrawal_only_so_often(three: World) -> None:
    said = three.say(A, 1)
    three.round()
    gone = three.withdraw(A, said)
    three.running.pop(C).stack.close()
    sync = three.running[A].sync
    prev = ""
    for seq in range(1, 3 * holders.MAX_ACKS):
        body: dict[str, Any] = {"effect": "removed" if seq < 2 * holders.MAX_ACKS else "refused",
                "heads": [], "onward": {"told": seq, "acknowledged": 0}}  # fmt: skip
        raw = of(
            three, C, kind="ack", seq=seq, prev=prev, body=body, refs=(gone,),
            tlp="AMBER+STRICT", to=(A,),
        )  # fmt: skip
        prev = statement_id(raw.encode())
        taken = sync.arrivals.take(C, [Item(n=seq, envelope=raw)], nothing)
        sync._came_in(C, taken)
    [ack] = [a for a in holders._told(three.node(A), gone).acks if a.party == C]
    assert (ack.said, ack.told, ack.effect) == (holders.MAX_ACKS, holders.MAX_ACKS, "removed")


# --- said to the operator -----------------------------------------------------------------------


class _Answers:
    def __init__(self, **found: Any) -> None:
        self.found = found

    def get(self, path: str, **query: str) -> Any:
        return self.found


def test_doctor_says_who_is_not_reached_and_what_is_kept_back() -> None:
    rows: list[tuple[str, str, str | None]] = []

    def row(check: str, state: str, remedy: str | None = None) -> None:
        rows.append((check, state, remedy))

    well = {"party": B, "reached": "2026-11-22T08:00:00Z", "lag": 2, "error": "",
            "not_given": 0, "contradicted": 0}  # fmt: skip
    ill = {**well, "party": C, "error": "C does not answer", "not_given": 7, "contradicted": 1}
    _peer_rows(_Answers(items=[well, ill], quarantine=[{}, {}]), row)  # type: ignore[arg-type]
    assert rows[0] == (f"peer {B}", "reached 2026-11-22T08:00:00Z, lag 2", None)
    assert rows[1][:2] == (f"peer {C}", "C does not answer")
    assert rows[1][2]
    told = " ".join(" ".join(filter(None, one)) for one in rows[2:])
    assert "lists 7 statements" in told
    assert "otherwise than the author" in told
    assert "2 statements of other nodes" in told
    rows.clear()
    _peer_rows(_Answers(items=[well], quarantine=[]), row)  # type: ignore[arg-type]
    assert len(rows) == 1


def test_a_peer_learns_of_no_purge_by_what_is_not_asked_for(three: World) -> None:
    """A names an object that C said and B has purged: B asks for it once, and drops it."""
    there = three.node(C)
    said = three.say(C, 1)
    three.round()
    [thing] = there.store.versions("tool--00000000-0000-4000-8000-000000000001", there.everything())
    node = three.node(B)
    reader = node.reader(B, person="anna", role="admin")
    purge.purge(node, reader, thing.sha256, "names a patient", actor="anna", local_only=True)
    asked: list[str] = []

    def fetch(sha256: str, size: int) -> bytes:
        asked.append(sha256)
        return thing.raw

    ref = {"id": thing.id, "sha256": thing.sha256, "type": thing.type}
    theirs = of(three, A, seq=1, objects=[ObjectRef(**ref)])
    item = Item(n=1, envelope=theirs, objects=((thing.sha256, len(thing.raw)),))
    door = Arrivals(node)
    for times in (1, 2, 3):
        door.take(A, [item], fetch)
        assert asked == [thing.sha256], times
    assert said in three.held(B)
    assert thing.sha256 not in three.objects(B)
    assert b"thing 1" not in b"".join(
        path.read_bytes() for path in (three.folder / B).rglob("*.sqlite*")
    )


def test_who_takes_an_id_first_holds_up_nothing_else_of_its_author(three: World) -> None:
    """B knows the id of an object of A's and says something under it at C before A does."""
    three.say(A, 1, name="true", tlp="AMBER", to=(B,))
    three.round()
    there = three.node(C)
    forged = orjson.dumps(
        {
            "type": "tool",
            "spec_version": "2.1",
            "id": "tool--00000000-0000-4000-8000-000000000001",
            "created": "2026-11-22T08:00:00.000Z",
            "modified": "2026-11-22T08:00:00.000Z",
            "created_by_ref": there.identity(B),
            "name": "forged",
        }
    )
    digest = hashlib.sha256(forged).hexdigest()
    ref = ObjectRef(id="tool--00000000-0000-4000-8000-000000000001", sha256=digest, type="tool")
    item = Item(
        n=1,
        envelope=of(three, B, seq=1, tlp="GREEN", objects=[ref]),
        objects=((digest, len(forged)),),
    )
    three.running.pop(B).stack.close()
    taken = Arrivals(there).take(B, [item], lambda sha256, size: forged)
    assert len(taken.entered) == 1
    # A says the same object for everybody, with another one.
    own = three.node(A).store
    [true] = own.versions(ref.id, three.node(A).everything())
    other = open_object(true.raw.replace(b"000000000001", b"000000000002"))
    act = intake.Act(author=A, kind="say", tlp="GREEN", objects=(open_object(true.raw), other))
    said = intake.record(three.node(A), act).id
    three.round(A, C)
    assert said in three.held(C)
    assert there.store.quarantined() == []
    seen = three.objects(C)
    assert other.sha256 in seen
    assert true.sha256 not in seen
    assert there.store.object(true.sha256, there.allowed(there.reader(A))) is not None
