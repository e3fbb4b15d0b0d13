"""What every store owes of the exchange with other nodes, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contracts.test_any_store import EASTMERE, KINDS, NORTHLAND, Opener, opener_of
from tests.unit.fakes import Author, publish, seen_by, thing

from tocsin.errors import ChainError, StatementError
from tocsin.record.envelope import Verified
from tocsin.record.ports import Keeping
from tocsin.store.federation import Absent, Given, Outgoing, Quarantined
from tocsin.store.interface import Attachment, Purge, Store

PEER, OTHER = "portco.example", "gridco.example"
TIME, LATER = "2026-11-22T08:30:00Z", "2026-11-22T09:00:00Z"


@pytest.fixture(params=KINDS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    opener = opener_of(request, tmp_path)
    yield opener
    opener.store.close()


@pytest.fixture
def store(opener: Opener) -> Store:
    return opener.store


@pytest.fixture
def northland() -> Author:
    return Author(NORTHLAND)


def filled(store: Store, peer: str = PEER, limit: int = 1_000) -> list[Outgoing]:
    """The outbox of this peer, with what its own party may read in it."""
    while store.fill(peer, seen_by(store, peer), limit):
        pass
    return store.outbox(peer)


def ids(rows: list[Outgoing]) -> list[str]:
    return [row.id for row in rows]


# --- outboxes ---------------------------------------------------------------------------------


def test_an_outbox_holds_what_its_readers_may_read_numbered_without_a_hole(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    said = [
        publish(store, northland.say(tlp=tlp, to=to))
        for tlp, to in (
            ("GREEN", ()),
            ("AMBER+STRICT", [OTHER]),
            ("AMBER+STRICT", [OTHER, PEER]),
            ("CLEAR", ()),
        )
    ]
    pending = northland.say(tlp="CLEAR")
    store.keep_pending(pending, (), pending.audience)
    rows = filled(store)
    assert [(r.n, r.id) for r in rows] == [(1, said[0].id), (2, said[2].id), (3, said[3].id)]
    assert [(r.seq, r.behind) for r in rows] == [(1, 0), (3, 1), (4, 3)]
    assert {(r.author, r.chain, r.kind, r.came, r.present) for r in rows} == {
        (NORTHLAND, "", "say", False, True)
    }
    assert filled(store) == rows, "once is enough"
    assert filled(opener.reopen()) == rows
    assert ids(filled(opener.store, OTHER)) == [s.id for s in said]


def test_an_outbox_is_filled_in_slices_and_read_in_pages(store: Store, northland: Author) -> None:
    said = [publish(store, northland.say()).id for _ in range(7)]
    allowed = seen_by(store, PEER)
    assert store.fill(PEER, allowed, 3)
    assert ids(store.outbox(PEER)) == said[:3]
    assert store.fill(PEER, allowed, 3)
    assert not store.fill(PEER, allowed, 3)
    assert ids(store.outbox(PEER)) == said
    assert ids(store.outbox(PEER, 2, 3)) == said[2:5]
    assert store.outbox(PEER, 7) == []
    assert store.outbox("nobody.example") == []
    assert store.outbox_end(PEER) == (7, said[-1])
    assert store.outbox_end("nobody.example") == (0, "")


def test_what_may_be_read_only_now_is_put_behind(store: Store, northland: Author) -> None:
    hidden = publish(store, northland.say(tlp="AMBER+STRICT", to=[OTHER]))
    plain = publish(store, northland.say())
    assert ids(filled(store)) == [plain.id]
    both = seen_by(store, PEER) | seen_by(store, OTHER)
    assert not store.fill(PEER, both)
    assert ids(store.outbox(PEER)) == [plain.id, hidden.id]
    fewer = seen_by(store, PEER)
    assert not store.fill(PEER, fewer)
    again = publish(store, northland.say(tlp="AMBER+STRICT", to=[OTHER]))
    assert not store.fill(PEER, fewer)
    assert ids(store.outbox(PEER)) == [plain.id, hidden.id], "nothing is taken out, or put in"
    assert not store.fill(PEER, both)
    assert ids(store.outbox(PEER)) == [plain.id, hidden.id, again.id]


def test_a_withdrawal_goes_to_whom_the_statement_went(store: Store, northland: Author) -> None:
    said = publish(store, northland.say(tlp="GREEN"))
    kept = publish(store, northland.say(tlp="AMBER+STRICT", to=[OTHER]))
    assert ids(filled(store)) == [said.id]
    narrow = northland.withdraw(said, tlp="AMBER+STRICT", to=[OTHER])
    publish(store, narrow)
    other = northland.withdraw(kept, tlp="AMBER+STRICT", to=[OTHER])
    publish(store, other)
    assert ids(filled(store)) == [said.id, narrow.id]
    assert ids(store.outbox(PEER, kind="withdraw")) == [narrow.id]
    assert set(ids(filled(store, OTHER))) == {said.id, kept.id, narrow.id, other.id}


def test_an_outbox_filled_late_has_the_withdrawals_too(store: Store, northland: Author) -> None:
    said = publish(store, northland.say(tlp="GREEN"))
    gone = publish(store, northland.withdraw(said, tlp="AMBER+STRICT", to=[OTHER]))
    assert set(ids(filled(store, limit=1))) == {said.id, gone.id}


def test_anothers_withdrawal_goes_nowhere(store: Store, northland: Author) -> None:
    said = publish(store, northland.say(tlp="GREEN"))
    publish(store, Author(EASTMERE).withdraw(said, tlp="AMBER+STRICT", to=[OTHER]))
    assert ids(filled(store)) == [said.id]


def test_the_withdrawal_of_what_is_sealed_goes_along_too(store: Store, northland: Author) -> None:
    sealed = publish(store, northland.seals(PEER))
    early = publish(store, northland.withdraw(sealed, tlp="AMBER+STRICT", to=[OTHER]))
    assert ids(filled(store)) == [sealed.id, early.id]
    late = publish(store, northland.withdraw(sealed, tlp="AMBER+STRICT", to=[OTHER]))
    assert ids(filled(store)) == [sealed.id, early.id, late.id]
    assert store.wanted(PEER, [bytes.fromhex(sealed.id)[:8]])[0].kind == "sealed"


def test_the_withdrawal_of_what_is_sealed_goes_along_if_it_came_first(
    store: Store, northland: Author
) -> None:
    sealed = northland.seals(PEER)
    early = publish(store, northland.withdraw(sealed, tlp="AMBER+STRICT", to=[OTHER]))
    publish(store, sealed)
    assert set(ids(filled(store, limit=1))) == {sealed.id, early.id}


def test_a_receipt_counts_once_and_says_when(store: Store, northland: Author) -> None:
    said = [publish(store, northland.say()).id for _ in range(3)]
    filled(store)
    filled(store, OTHER)
    assert store.outbox_lag(PEER) == 3
    store.receipt(PEER, 2, TIME)
    store.receipt(PEER, 2, LATER)
    assert store.outbox_lag(PEER) == 1
    assert store.given(said[1]) == [
        Given(peer=OTHER, n=2, at="", came=False),
        Given(peer=PEER, n=2, at=TIME, came=False),
    ]
    store.receipt(PEER, 3, LATER)
    assert [g.at for g in store.given(said[2])] == ["", LATER]
    assert [g.at for g in store.given(said[0])] == ["", TIME]
    assert store.given("0" * 64) == []


def test_a_receipt_for_more_than_there_is_counts_for_what_there_is(
    store: Store, northland: Author
) -> None:
    publish(store, northland.say())
    filled(store)
    store.receipt(PEER, 99, TIME)
    second = publish(store, northland.say())
    filled(store)
    assert [g.at for g in store.given(second.id)] == [""]
    store.receipt(PEER, 2, LATER)
    assert [g.at for g in store.given(second.id)] == [LATER]


def test_what_a_peer_brought_is_known_before_and_after(opener: Opener, northland: Author) -> None:
    store = opener.store
    first = publish(store, northland.say())
    filled(store)
    second = publish(store, northland.say())
    store.came(PEER, [first.id, second.id, "0" * 64])
    assert [(r.id, r.came) for r in filled(opener.reopen())] == [
        (first.id, True),
        (second.id, True),
    ]
    assert [r.came for r in filled(opener.store, OTHER)] == [False, False]
    assert (opener.store.outbox_lag(PEER), opener.store.outbox_lag(OTHER)) == (0, 2)


def test_two_sides_of_an_exchange_compare_what_they_have(store: Store, northland: Author) -> None:
    said = [publish(store, northland.say()) for _ in range(4)]
    hidden = publish(store, northland.say(tlp="AMBER+STRICT", to=[OTHER]))
    filled(store)
    store.receipt(PEER, 1, TIME)
    store.came(PEER, [said[2].id, hidden.id])
    assert store.exchanged(PEER, theirs=False) == [bytes.fromhex(s.id) for s in said]
    has = {bytes.fromhex(s.id) for s in (said[0], said[2], hidden)}
    assert store.exchanged(PEER, theirs=True) == sorted(has)
    found = store.wanted(PEER, [bytes.fromhex(said[1].id)[:8], bytes.fromhex(hidden.id)[:8]])
    assert ids(found) == [said[1].id]
    assert store.exchanged("nobody.example", theirs=False) == []


def test_what_was_purged_is_marked_so_and_is_nothing_to_stand_behind(
    store: Store, northland: Author
) -> None:
    first, gone, last = (publish(store, northland.say()) for _ in range(3))
    filled(store)
    store.purge(Purge(what="statement", id=gone.id, time=TIME, actor="a", why="spilt"))
    rows = store.outbox(PEER)
    assert [(r.id, r.present) for r in rows] == [
        (first.id, True),
        (gone.id, False),
        (last.id, True),
    ]
    assert rows[2].behind == 1


def test_a_log_begun_anew_leaves_outboxes_as_they_are(store: Store, northland: Author) -> None:
    from tests.unit.fakes import enter

    said = [publish(store, northland.say()).id for _ in range(3)]
    filled(store)
    store.restart_log()
    assert ids(store.outbox(PEER)) == said
    enter(store, *reversed(said))
    assert ids(filled(store)) == said
    more = publish(store, northland.say())
    assert ids(filled(store)) == [*said, more.id]


# --- places of a chain ------------------------------------------------------------------------


def test_a_statement_behind_a_gap_binds_the_place_before_it(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    first, second, third, fourth = (northland.say() for _ in range(4))
    publish(store, first)
    publish(store, fourth)
    everything = {1: first.id, 3: third.id, 4: fourth.id}
    assert store.places(NORTHLAND, "", 1, 9) == everything
    assert opener.reopen().places(NORTHLAND, "", 3, 3) == {3: third.id}
    store = opener.store
    publish(store, third)
    assert store.places(NORTHLAND, "", 2, 2) == {2: second.id}
    publish(store, second)
    assert store.places(NORTHLAND, "", 1, 9) == everything | {2: second.id}
    last = store.chain(NORTHLAND, "")
    assert last is not None
    assert (last.seq, last.head) == (4, fourth.id)


def test_another_statement_at_a_bound_place_is_refused(store: Store, northland: Author) -> None:
    chain = [northland.say() for _ in range(3)]
    other = Author(NORTHLAND)
    twins = [other.say(tlp="CLEAR") for _ in range(3)]
    publish(store, chain[2])
    for wrong in (twins[1], twins[2]):
        with pytest.raises(ChainError):
            store.keep_pending(wrong, (), wrong.audience)
    publish(store, chain[1])
    with pytest.raises(ChainError):
        store.keep_pending(twins[0], (), twins[0].audience)
    publish(store, chain[0])


def test_a_sealed_statement_has_its_place_by_what_is_inside(
    store: Store, northland: Author
) -> None:
    """What follows it names that, as its author signs without knowing where it is logged."""
    sealed, after = northland.seals(PEER), northland.say()
    publish(store, after)
    assert store.places(NORTHLAND, "", 1, 9) == {1: sealed.inside, 2: after.id}
    wrong = Author(NORTHLAND).seals(OTHER)
    with pytest.raises(ChainError):
        store.keep_pending(wrong, (), wrong.audience)
    publish(store, sealed)
    assert store.places(NORTHLAND, "", 1, 9) == {1: sealed.inside, 2: after.id}


def test_what_follows_a_sealed_statement_may_come_after_what_follows_it(
    store: Store, northland: Author
) -> None:
    sealed, after, last = northland.seals(PEER), northland.say(), northland.say()
    publish(store, sealed)
    publish(store, last)
    publish(store, after)
    assert store.places(NORTHLAND, "", 1, 9) == {1: sealed.inside, 2: after.id, 3: last.id}
    again = Author(NORTHLAND)
    again.goes_on(store.chain(NORTHLAND, ""))
    closed = again.seals(PEER)
    plain = again.say()
    items: list[Keeping] = [(closed, (), closed.audience, {}), (plain, (), plain.audience, {})]
    assert store.keep_pending_many(items) == [None, None]


def test_the_first_that_is_seen_of_a_chain_binds_too(store: Store, northland: Author) -> None:
    first, second = northland.say(case="case--1"), northland.say(case="case--1")
    publish(store, second)
    assert store.places(NORTHLAND, "case--1", 1, 2) == {1: first.id, 2: second.id}
    wrong = Author(NORTHLAND).say(case="case--1", tlp="CLEAR")
    [refused] = store.keep_pending_many([(wrong, (), wrong.audience, {})])
    assert isinstance(refused, ChainError)


def test_a_gap_within_one_write_binds_as_well(store: Store, northland: Author) -> None:
    said = [northland.say() for _ in range(4)]
    wrong = Author(NORTHLAND).say(tlp="CLEAR")
    items: list[Keeping] = [
        (s, (), s.audience, {}) for s in (said[3], said[1], wrong, said[0], said[2])
    ]
    outcomes = store.keep_pending_many(items)
    assert [isinstance(one, ChainError) for one in outcomes] == [False, False, True, False, False]
    assert store.places(NORTHLAND, "", 1, 9) == {n + 1: s.id for n, s in enumerate(said)}


def test_what_is_signed_for_binds_and_a_peers_word_does_not(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    first, second = northland.say(), northland.say()
    store.withhold(PEER, NORTHLAND, "", {1: "a" * 64, 2: "b" * 64})
    store.withhold(OTHER, NORTHLAND, "", {1: first.id})
    assert store.places(NORTHLAND, "", 1, 9) == {}
    publish(store, first)
    store.withhold("", NORTHLAND, "", {1: "c" * 64, 2: second.id})
    store.withhold("", NORTHLAND, "", {2: "d" * 64})
    assert store.places(NORTHLAND, "", 1, 9) == {1: first.id, 2: second.id}
    assert opener.reopen().named(NORTHLAND, "", 1, 1) == {1: {PEER: "a" * 64, OTHER: first.id}}
    wrong = Author(NORTHLAND)
    wrong.say()
    twin = wrong.say(tlp="CLEAR")
    with pytest.raises(ChainError):
        opener.store.keep_pending(twin, (), twin.audience)
    publish(opener.store, second)


# --- absent objects ---------------------------------------------------------------------------


def absent(item: Attachment) -> Absent:
    return Absent(sha256=item.sha256, id=item.id, type=item.type)


def test_a_statement_is_kept_without_an_object_that_does_not_come(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    here, away = thing("tool", 1), thing("tool", 2)
    said = northland.say(here, away)
    publish(store, said, here, absent(away))
    store = opener.reopen()
    everything = seen_by(store, "everybody")
    kept = store.statement(said.id, everything)
    assert kept is not None
    assert store.object(here.sha256, everything) is not None
    assert store.object(away.sha256, everything) is None
    assert store.versions(away.id, everything) == []
    assert store.holdings(away.sha256, everything) == []
    # It is nobody's saying: who says it has to bring it.
    bare = northland.say(away)
    with pytest.raises(StatementError):
        store.keep_pending(bare, (), bare.audience)
    assert store.absent(said.id) == [absent(away)]
    publish(store, bare, away)
    found = store.object(away.sha256, everything)
    assert found is not None
    assert found.said_by == (bare.id,)


def test_an_object_that_comes_late_is_read_as_if_it_had_come_with_it(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    here, late, never = thing("tool", 1), thing("tool", 2), thing("tool", 3)
    said = northland.say(here, late, never, tlp="AMBER+STRICT", to=[PEER])
    publish(store, said, here, absent(late), absent(never))
    assert store.absent(said.id) == [absent(late), absent(never)]
    store = opener.reopen()
    store.complete(said.id, [late, thing("tool", 4)])
    store.complete(said.id, [late])
    assert store.absent(said.id) == [absent(never)]
    found = store.object(late.sha256, seen_by(store, PEER))
    assert found is not None
    assert (found.raw, found.said_by, found.withdrawn) == (late.raw, (said.id,), False)
    assert store.object(late.sha256, seen_by(store, OTHER)) is None
    assert [e.id for e in store.page("", seen_by(store, PEER)).entries] == [here.id, late.id]
    assert store.absent("0" * 64) == []


def test_what_comes_late_and_was_taken_back_comes_taken_back(
    store: Store, northland: Author
) -> None:
    tool, other, kept = thing("tool", 1), thing("tool", 2), thing("tool", 3)
    said = northland.say(tool, other, kept)
    publish(store, said, kept, absent(tool), absent(other))
    publish(store, northland.withdraw(said, kept))
    everything = seen_by(store, "everybody")
    held = store.statement(said.id, everything)
    assert held is not None
    assert not held.withdrawn, "a part of it stands, and is not here"
    publish(store, northland.withdraw(said, tool))
    store.complete(said.id, [tool, other])
    assert store.object(tool.sha256, everything) is None
    assert store.object(other.sha256, everything) is not None


def test_an_object_may_come_late_before_its_statement_is_in_the_log(
    store: Store, northland: Author
) -> None:
    from tests.unit.fakes import enter

    tool = thing("tool", 1)
    said = northland.say(tool)
    store.keep_pending(said, [absent(tool)], said.audience)
    store.complete(said.id, [tool])
    assert store.object(tool.sha256, seen_by(store, "everybody")) is None
    enter(store, said.id)
    assert store.object(tool.sha256, seen_by(store, "everybody")) is not None


def test_absent_is_only_what_is_said(store: Store, northland: Author) -> None:
    said = northland.say(thing("tool", 1))
    with pytest.raises(StatementError):
        store.keep_pending(said, [absent(thing("tool", 2))], said.audience)


def test_an_absent_object_may_be_one_that_was_purged(store: Store, northland: Author) -> None:
    tool = thing("tool", 1)
    publish(store, northland.say(tool), tool)
    store.purge(Purge(what="object", id=tool.sha256, time=TIME, actor="a", why="spilt"))
    again = northland.say(tool)
    publish(store, again, absent(tool))
    assert store.statement(again.id, seen_by(store, "everybody")) is not None
    assert store.object(tool.sha256, seen_by(store, "everybody")) is None


# --- quarantine -------------------------------------------------------------------------------


def held_back(verified: Verified, item: bytes = b"{}", peer: str = PEER) -> Quarantined:
    s = verified.statement
    return Quarantined(
        peer=peer,
        id=verified.id,
        author=s.author,
        chain=s.chain,
        seq=s.seq,
        reason="ChainError",
        message="a gap",
        since=TIME,
        item=item,
    )


def test_what_is_quarantined_is_kept_and_let_go(opener: Opener, northland: Author) -> None:
    store = opener.store
    one, two = held_back(northland.say()), held_back(northland.say(), b"\x00\xff", OTHER)
    assert store.quarantine(one)
    assert store.quarantine(two)
    store = opener.reopen()
    assert store.quarantined() == [one, two]
    assert store.quarantined(OTHER) == [two]
    assert store.quarantined("nobody.example") == []
    changed = replace(one, reason="MarkingError", item=b"[]", since=LATER)
    assert store.quarantine(changed)
    assert store.quarantined(PEER) == [replace(changed, since=TIME)]
    store.release(PEER, [one.id, two.id])
    assert store.quarantined() == [two]
    assert store.places(NORTHLAND, "", 1, 9) == {}


def test_what_waits_is_found_by_what_it_waits_for(opener: Opener, northland: Author) -> None:
    store = opener.store
    gap = replace(held_back(northland.say()), waits=("a",))
    two = replace(held_back(northland.say()), waits=("b", "a", "b"))
    none = held_back(northland.say(), peer=OTHER)
    for one in (gap, two, none):
        assert store.quarantine(one)
    store = opener.reopen()
    two = replace(two, waits=("a", "b"))
    assert store.quarantined(waiting=["a", "z"]) == [gap, two]
    assert store.quarantined(waiting=["b"]) == [two]
    assert store.quarantined(OTHER, waiting=["a"]) == store.quarantined(waiting=[]) == []
    assert store.quarantine(replace(two, waits=("c",))), "it waits for something else now"
    assert store.quarantined(waiting=["b"]) == []
    assert store.quarantined(waiting=["c"]) == [replace(two, waits=("c",))]
    store.release(PEER, [two.id])
    assert store.quarantined(waiting=["a", "b", "c"]) == [gap]
    assert store.quarantine(replace(two, waits=()))
    assert store.quarantined(waiting=["c"]) == []


def test_what_is_held_back_is_listed_and_counted_without_its_bytes(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    assert store.held_back() == []
    assert store.held_back_counts() == {}
    one = replace(held_back(northland.say(), b"\x00" * 5_000), waits=("a", "b"))
    two = replace(held_back(northland.say()), since=LATER)
    theirs = held_back(northland.say(), b"{}", OTHER)
    for each in (two, theirs, one):
        assert store.quarantine(each)
    store = opener.reopen()
    assert store.held_back_counts() == {PEER: 2, OTHER: 1}
    for peer in (None, PEER, OTHER, "nobody.example"):
        whole, listed = store.quarantined(peer), store.held_back(peer)
        assert [q.id for q in listed] == [q.id for q in whole]
        assert not any(hasattr(q, "item") for q in listed)
        for q, full in zip(listed, whole, strict=True):
            assert all(getattr(q, name) == getattr(full, name) for name in q.__struct_fields__)
    assert [q.id for q in store.held_back(waiting=["b", "z"])] == [one.id]
    assert store.held_back(OTHER, waiting=["b"]) == store.held_back(waiting=[]) == []
    assert store.quarantined(ids=[two.id, theirs.id]) == [theirs, two]
    assert store.quarantined(PEER, ids=[two.id, theirs.id]) == [two]
    assert store.quarantined(PEER, waiting=["a"], ids=[two.id]) == []
    assert store.quarantined(ids=[]) == []
    store.release(PEER, [one.id, two.id])
    assert store.held_back_counts() == {OTHER: 1}


def test_what_has_waited_too_long_goes(store: Store, northland: Author) -> None:
    old = replace(held_back(northland.say()), waits=("a",))
    new = replace(held_back(northland.say(), peer=OTHER), since=LATER)
    assert store.quarantine(old)
    assert store.quarantine(new)
    assert store.expire(TIME) == []
    assert store.expire(LATER) == [PEER]
    assert store.quarantined() == [new]
    assert store.quarantined(waiting=["a"]) == []


def test_a_quarantine_has_room_for_so_much_of_each_peer(
    store: Store, northland: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit import fakes_federation

    from tocsin.store import postgres_federation, sqlite_federation

    for module in (fakes_federation, sqlite_federation, postgres_federation):
        monkeypatch.setattr(module, "MAX_QUARANTINED", 3)
        monkeypatch.setattr(module, "MAX_QUARANTINED_BYTES", 10)
    a, b, c, d = (northland.say() for _ in range(4))
    assert store.quarantine(held_back(a, b"12345"))
    assert not store.quarantine(held_back(b, b"123456"))
    assert store.quarantine(held_back(b, b"1"))
    assert store.quarantine(held_back(a, b"123456789")), "in place of what it was"
    assert not store.quarantine(held_back(c, b"1"))
    assert store.quarantine(held_back(c, b""))
    assert not store.quarantine(held_back(d, b"")), "three are kept"
    assert store.quarantine(held_back(d, b"1234567890", OTHER))
    assert len(store.quarantined()) == 4
