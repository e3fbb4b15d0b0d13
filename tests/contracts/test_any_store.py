"""What every store owes, whoever wrote it: run over each one we have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.fakes import (
    EVERYBODY,
    ORIGIN,
    Author,
    MemoryStore,
    checkpoint,
    claim,
    enter,
    publish,
    root_of,
    seen_by,
    thing,
)

from tocsin.errors import ChainError, ConflictError, NotFoundError, PurgedError, StatementError
from tocsin.policy import Audience
from tocsin.record.seal import VerifiedSeal
from tocsin.record.statement import KEY_CHAIN, revoke_body
from tocsin.store.feeds import SPAN
from tocsin.store.interface import (
    EVERYTHING,
    Attachment,
    Chain,
    Entry,
    Head,
    KeptObject,
    LocalRow,
    Page,
    Purge,
    Saying,
    Store,
    broken_audit,
    instant_text,
    microseconds,
    put_by,
    version_key,
)
from tocsin.store.postgres import PostgresStore
from tocsin.store.sqlite import SqliteStore

NORTHLAND = "cert.northland.example"
EASTMERE = "cert.eastmere.example"
GRIDCO = "gridco.example"
PORTCO = "portco.example"


KINDS = ["memory", "sqlite", "postgres"]


class Opener:
    """Opens the store under test, and opens it again as a restart would."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        self.kind = kind
        self.folder = folder
        self.url = url
        self.now = datetime(2026, 11, 22, 8, tzinfo=UTC)
        self.store: Store = self.open()

    def open(self) -> Store:
        if self.kind == "memory":
            return MemoryStore(clock=self.clock)
        if self.kind == "postgres":
            return PostgresStore.open(self.url, self.folder, clock=self.clock)
        return SqliteStore.open(self.folder, clock=self.clock)

    def clock(self) -> datetime:
        """Told to each store; a test may set it to what it likes."""
        return self.now

    def reopen(self) -> Store:
        if self.kind != "memory":  # memory does not outlive its process
            self.store.close()
            self.store = self.open()
        return self.store


def opener_of(request: pytest.FixtureRequest, folder: Path) -> Opener:
    """The opener of the kind a fixture is asked for; a server is started only where it is."""
    kind: str = request.param
    url = request.getfixturevalue("postgres") if kind == "postgres" else ""
    return Opener(kind, folder / "node", url)


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


def ids(found: list[KeptObject]) -> list[str]:
    return [o.id for o in found]


# --- pending, then logged, then opened --------------------------------------------------------


def test_a_kept_statement_is_pending_and_no_read_shows_it(store: Store, northland: Author) -> None:
    tool = thing("tool", 1, name="wiper")
    said = northland.say(tool, case="case--1", tlp="CLEAR")
    store.keep_pending(said, [tool], said.audience)
    all_ = seen_by(store, EVERYBODY)

    [pending] = store.pending()
    assert (pending.id, pending.raw, pending.kind) == (said.id, said.raw, "say")
    assert (pending.author, pending.case, pending.seq) == (NORTHLAND, "case--1", 1)
    assert pending.audience == said.audience

    assert store.statement(said.id, all_) is None
    assert store.statements(all_) == []
    assert store.object(tool.sha256, all_) is None
    assert store.versions(tool.id, all_) == []
    assert store.select(all_) == []
    assert store.select(all_, types=["tool"], case="case--1") == []
    assert store.count(all_) == 0
    assert store.search("wiper", all_) == []
    assert store.place(said.id) is None
    assert store.entries(0, 10) == []
    assert store.head() is None
    assert store.edge() == []


def test_an_appended_statement_has_its_index_and_its_objects_are_open(
    store: Store, northland: Author
) -> None:
    first, second = thing("tool", 1), thing("tool", 2)
    a, b = northland.say(first), northland.say(second)
    store.keep_pending(a, [first], a.audience)
    store.keep_pending(b, [second], b.audience)
    enter(store, b.id, a.id)
    all_ = seen_by(store, EVERYBODY)

    assert store.pending() == []
    assert (store.place(b.id), store.place(a.id)) == (0, 1)
    assert store.entries(0, 10) == [bytes.fromhex(b.id), bytes.fromhex(a.id)]
    assert store.entries(1, 1) == [bytes.fromhex(a.id)]
    assert store.entries(2, 5) == []
    assert [(k.id, k.index, k.raw, k.seq) for k in store.statements(all_)] == [
        (b.id, 0, b.raw, 2),
        (a.id, 1, a.raw, 1),
    ]
    kept = store.object(first.sha256, all_)
    assert kept is not None
    assert kept.raw == first.raw
    assert (kept.id, kept.type, kept.sha256) == (first.id, "tool", first.sha256)
    assert (kept.created, kept.modified) == (first.created, first.modified)
    assert kept.said_by == (a.id,)
    assert kept.withdrawn is False
    assert kept.data["id"] == first.id


def test_an_object_keeps_the_bytes_it_came_in(store: Store, northland: Author) -> None:
    odd = b'{"type":"x-acme",  "id":"x-acme--00000000-0000-4000-8000-000000000001", "n":2.50}'
    item = Attachment.of(odd, "x-acme")
    item = Attachment(raw=odd, sha256=item.sha256, id=odd.decode().split('"')[7], type="x-acme")
    publish(store, northland.say(item), item)
    [kept] = store.select(seen_by(store, EVERYBODY))
    assert kept.raw == odd


def test_keeping_a_statement_twice_changes_nothing(store: Store, northland: Author) -> None:
    tool = thing("tool", 1)
    said = northland.say(tool)
    for _ in range(2):
        store.keep_pending(said, [tool], said.audience)
    assert len(store.pending()) == 1
    enter(store, said.id)
    store.keep_pending(said, [tool], said.audience)
    assert store.pending() == []
    assert store.count(seen_by(store, EVERYBODY)) == 1


def test_pending_keeps_the_order_of_arrival(store: Store) -> None:
    said = [Author(f"p{n}.example").say() for n in range(30)]
    for one in said:
        store.keep_pending(one, [], one.audience)
    assert [p.id for p in store.pending()] == [one.id for one in said]
    assert [p.id for p in store.waiting()] == [one.id for one in said]


def test_the_log_is_told_what_waits_without_its_bytes_but_for_root_kinds(store: Store) -> None:
    first = Author("p1.example").say(kind="act")
    store.keep_pending(first, [], first.audience)
    [one] = store.waiting()
    assert (one.id, one.kind) == (first.id, "act")
    second = Author("p2.example").say(
        kind="revoke", tlp="CLEAR", body={"keyid": "ab" * 32, "reason": "lost"}
    )
    store.keep_pending(second, [], second.audience)
    [_, key] = store.waiting()
    assert (key.id, key.kind, key.raw) == (second.id, "revoke", second.raw)
    enter(store, first.id, second.id)
    assert store.waiting() == []


def test_hundreds_at_once_are_kept_and_entered_in_any_order(store: Store) -> None:
    author = Author(NORTHLAND)
    said = [author.say(kind="act", body={"n": n}) for n in range(430)]
    told = store.keep_pending_many([(one, [], one.audience, {}) for one in said])
    assert told == [None] * 430
    ids = [one.id for one in said]
    assert [p.id for p in store.waiting()] == ids
    batches = (ids[:250], ids[260:430], ids[250:260][::-1])
    for batch in batches:
        enter(store, *batch)
    order = [id for batch in batches for id in batch]
    assert [entry.hex() for entry in store.entries(0, 999)] == order
    kept = store.statements(seen_by(store, EVERYBODY))
    assert [k.id for k in kept] == order
    assert {k.id: k.raw for k in kept} == {one.id: one.raw for one in said}
    with pytest.raises(ConflictError):
        enter(store, *ids[:3])


def test_everything_is_there_after_a_restart(opener: Opener, northland: Author) -> None:
    store = opener.store
    tool, note = thing("tool", 1, name="wiper"), claim(2)
    a = publish(store, northland.say(tool, case="case--1"), tool)
    b = northland.say(note, tlp="AMBER", to=[GRIDCO])
    store.keep_pending(b, [note], b.audience)
    store.keep_local("draft", "k", b"v", None)
    store.append_audit("2026-11-22T08:30:00Z", "ada", "accept", a.id)
    before = (
        store.head(),
        store.edge(),
        store.entries(0, 9),
        store.pending(),
        store.audiences(),
        store.statements(seen_by(store, EVERYBODY)),
        store.select(seen_by(store, EVERYBODY)),
        store.list_local("draft"),
        store.audit(),
        store.search("wiper", seen_by(store, EVERYBODY)),
    )
    store = opener.reopen()
    assert before == (
        store.head(),
        store.edge(),
        store.entries(0, 9),
        store.pending(),
        store.audiences(),
        store.statements(seen_by(store, EVERYBODY)),
        store.select(seen_by(store, EVERYBODY)),
        store.list_local("draft"),
        store.audit(),
        store.search("wiper", seen_by(store, EVERYBODY)),
    )
    enter(store, b.id)
    assert store.count(seen_by(store, EVERYBODY)) == 2


# --- the log's compare-and-set ----------------------------------------------------------------


def test_the_head_is_what_was_appended(store: Store, northland: Author) -> None:
    said = northland.say()
    store.keep_pending(said, [], said.audience)
    root, note = b"\x07" * 32, checkpoint(ORIGIN, 1, b"\x07" * 32)
    store.append([said.id], [root, b"\x08" * 32], note, None)
    assert store.head() == Head(origin=ORIGIN, size=1, root=root, checkpoint=note)
    assert store.edge() == [root, b"\x08" * 32]


def test_an_empty_batch_renews_the_checkpoint_only(store: Store, northland: Author) -> None:
    publish(store, northland.say())
    head = store.head()
    assert head is not None
    cosigned = head.checkpoint + "— witness BBBB\n".encode()
    store.append([], store.edge(), cosigned, head)
    assert store.head() == Head(
        origin=head.origin, size=head.size, root=head.root, checkpoint=cosigned
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda h: None, id="none"),
        pytest.param(lambda h: replace(h, size=h.size + 1), id="size"),
        pytest.param(lambda h: replace(h, root=b"\x01" * 32), id="root"),
        pytest.param(lambda h: replace(h, origin="x.example/log"), id="origin"),
    ],
)
def test_an_append_to_another_head_is_refused_and_changes_nothing(
    store: Store, northland: Author, wrong: Callable[[Head], Head | None]
) -> None:
    publish(store, northland.say())
    tool = thing("tool", 1)
    said = northland.say(tool)
    store.keep_pending(said, [tool], said.audience)
    head = store.head()
    assert head is not None
    expected = wrong(head)
    size = expected.size if expected else 0
    note = checkpoint(expected.origin if expected else ORIGIN, size + 1, b"\x02" * 32)
    with pytest.raises(ConflictError):
        store.append([said.id], [], note, expected)
    assert store.head() == head
    assert [p.id for p in store.pending()] == [said.id]
    assert store.count(seen_by(store, EVERYBODY)) == 0
    enter(store, said.id)


def test_an_append_with_a_statement_that_is_not_pending_is_refused_whole(
    store: Store, northland: Author
) -> None:
    logged = publish(store, northland.say())
    tool = thing("tool", 1)
    waiting = northland.say(tool)
    store.keep_pending(waiting, [tool], waiting.audience)
    head = store.head()
    for bad in ([waiting.id, logged.id], [waiting.id, "ab" * 32], [waiting.id, waiting.id]):
        with pytest.raises(ConflictError):
            store.append(bad, [], checkpoint(ORIGIN, 3, b"\x02" * 32), head)
        assert store.head() == head
        assert [p.id for p in store.pending()] == [waiting.id]
        assert store.count(seen_by(store, EVERYBODY)) == 0


def test_a_checkpoint_of_another_size_or_origin_is_refused(store: Store, northland: Author) -> None:
    publish(store, northland.say())
    said = northland.say()
    store.keep_pending(said, [], said.audience)
    head = store.head()
    for origin, size in ((ORIGIN, 3), (ORIGIN, 1), ("x.example/log", 2)):
        with pytest.raises(ConflictError):
            store.append([said.id], [], checkpoint(origin, size, b"\x02" * 32), head)
    assert store.head() == head


def test_of_two_who_append_at_once_one_is_refused(store: Store) -> None:
    said = [Author(f"p{n}.example").say() for n in range(2)]
    for one in said:
        store.keep_pending(one, [], one.audience)
    barrier = threading.Barrier(2)

    def append(n: int) -> bool:
        barrier.wait()
        root = root_of([bytes.fromhex(said[n].id)])
        try:
            store.append([said[n].id], [root], checkpoint(ORIGIN, 1, root), None)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(append, range(2)))
    assert sorted(won) == [False, True]
    assert store.entries(0, 9) == [bytes.fromhex(said[won.index(True)].id)]


# --- chains -----------------------------------------------------------------------------------


def test_a_chain_counts_what_is_pending_and_keeps_cases_apart(
    store: Store, northland: Author
) -> None:
    a = publish(store, northland.say())
    b = northland.say()
    c = northland.say(case="case--1")
    store.keep_pending(b, [], b.audience)
    store.keep_pending(c, [], c.audience)
    chain = store.chain(NORTHLAND, "")
    assert chain is not None
    assert (chain.seq, chain.head) == (2, b.id)
    assert a.id != b.id
    chain = store.chain(NORTHLAND, "case--1")
    assert chain is not None
    assert (chain.seq, chain.head) == (1, c.id)
    assert store.chain(NORTHLAND, "case--2") is None
    assert store.chain(EASTMERE, "") is None


def test_keys_and_directories_count_in_a_chain_of_their_own(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    publish(store, northland.say(tool, tlp="CLEAR"), tool)
    body = revoke_body("ab" * 32, "lost")
    first = publish(store, northland.say(kind="revoke", tlp="CLEAR", body=body))
    second = northland.say(kind="revoke", tlp="CLEAR", body=body)
    store.keep_pending(second, [], second.audience)
    assert (first.statement.seq, second.statement.prev) == (1, first.id)
    assert store.chain(NORTHLAND, KEY_CHAIN) == Chain(seq=2, head=second.id)
    rival = replace(second, id="cd" * 32)
    with pytest.raises(ChainError):
        store.keep_pending(rival, [], rival.audience)
    open_chain = store.chain(NORTHLAND, "")
    assert open_chain is not None
    assert open_chain.seq == 1


def test_a_second_statement_at_one_place_of_a_chain_is_refused(store: Store) -> None:
    one, two = Author(NORTHLAND), Author(NORTHLAND)
    first = publish(store, one.say())
    rival = two.say(body={"reason": "other"})
    assert rival.id != first.id
    with pytest.raises(ChainError) as refused:
        store.keep_pending(rival, [], rival.audience)
    assert (refused.value.seq, refused.value.head) == (1, first.id)
    after = two.say()  # number 2, behind the rival
    with pytest.raises(ChainError):
        store.keep_pending(after, [], after.audience)
    assert store.pending() == []


def test_of_many_who_write_at_one_place_of_a_chain_one_is_kept(store: Store) -> None:
    rivals = [Author(NORTHLAND).say(body={"reason": str(n)}) for n in range(8)]

    def keep(n: int) -> bool:
        try:
            store.keep_pending(rivals[n], [], rivals[n].audience)
        except ChainError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(keep, range(8))) == 1
    assert len(store.pending()) == 1


# --- what is said must be brought -------------------------------------------------------------


def test_an_object_that_is_said_and_does_not_come_is_refused(
    store: Store, northland: Author
) -> None:
    tool, note = thing("tool", 1), thing("note", 2)
    said = northland.say(tool, note)
    with pytest.raises(StatementError, match=r"tool--"):
        store.keep_pending(said, [note], said.audience)
    assert store.pending() == []
    assert store.audiences() == {}


def test_an_object_that_is_not_said_is_refused(store: Store, northland: Author) -> None:
    said = northland.say(thing("tool", 1))
    with pytest.raises(StatementError):
        store.keep_pending(said, [thing("tool", 1), thing("tool", 2)], said.audience)
    assert store.pending() == []


def test_bytes_with_another_digest_are_refused(store: Store, northland: Author) -> None:
    tool = thing("tool", 1)
    forged = Attachment(raw=tool.raw + b" ", sha256=tool.sha256, id=tool.id, type=tool.type)
    said = northland.say(tool)
    with pytest.raises(StatementError):
        store.keep_pending(said, [forged], said.audience)
    assert store.pending() == []


def test_an_author_says_an_object_again_without_bringing_it(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    publish(store, northland.say(tool, tlp="AMBER", to=[GRIDCO]), tool)
    again = publish(store, northland.say(tool, tlp="CLEAR"))
    [kept] = store.select(seen_by(store, None))
    assert kept.said_by == (again.id,)


def test_nobody_opens_anothers_object_by_naming_its_digest(store: Store, northland: Author) -> None:
    hidden = thing("tool", 1, name="hidden")
    publish(store, northland.say(hidden, tlp="AMBER", to=[GRIDCO]), hidden)
    thief = Author(PORTCO)
    said = thief.say(hidden)
    with pytest.raises(StatementError) as refused:
        store.keep_pending(said, [], said.audience)
    unknown = Author(EASTMERE).say(thing("tool", 1, name="nowhere"))
    with pytest.raises(StatementError) as not_there:
        store.keep_pending(unknown, [], unknown.audience)
    assert type(refused.value) is type(not_there.value)
    words = refused.value.message.replace(hidden.sha256, "")
    assert words == not_there.value.message.replace(thing("tool", 1, name="nowhere").sha256, "")
    assert store.select(seen_by(store, PORTCO)) == []


# --- who may read -----------------------------------------------------------------------------


def test_an_object_is_read_by_those_whom_one_live_statement_allows(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    publish(store, northland.say(tool, tlp="AMBER", to=[GRIDCO]), tool)
    eastmere = Author(EASTMERE)
    publish(store, eastmere.say(tool, tlp="AMBER", to=[PORTCO]), tool)
    by = {}
    for party in (GRIDCO, PORTCO, NORTHLAND, EASTMERE, "cert.southmark.example", None):
        found = store.select(seen_by(store, party))
        by[party] = [k.author for o in found for k in _speakers(store, o, party)]
    assert by == {
        GRIDCO: [NORTHLAND],
        PORTCO: [EASTMERE],
        NORTHLAND: [NORTHLAND],
        EASTMERE: [EASTMERE],
        "cert.southmark.example": [],
        None: [],
    }


def _speakers(store: Store, kept: KeptObject, party: str | None) -> list[Audience]:
    found = [store.statement(id, seen_by(store, party)) for id in kept.said_by]
    return [k.audience for k in found if k is not None]


def test_an_objects_own_marking_tightens_its_audience_not_the_statements(
    store: Store, northland: Author
) -> None:
    open_, marked = thing("tool", 1), thing("tool", 2)
    narrow = Audience(author=NORTHLAND, tlp="AMBER", to=frozenset([GRIDCO]))
    said = northland.say(open_, marked, tlp="GREEN")
    publish(store, said, open_, marked, narrowed={marked.sha256: narrow})
    found = store.select(seen_by(store, GRIDCO))
    assert ids(found) == [open_.id, marked.id]
    assert [dict(one.narrowed) for one in found] == [{}, {said.id: narrow}]
    assert ids(store.select(seen_by(store, PORTCO))) == [open_.id]
    assert store.statement(said.id, seen_by(store, PORTCO)) is not None
    assert store.object(marked.sha256, seen_by(store, PORTCO)) is None
    assert store.versions(marked.id, seen_by(store, PORTCO)) == []
    assert store.count(seen_by(store, PORTCO)) == 1


def test_equal_audiences_have_one_number(store: Store, northland: Author) -> None:
    for _ in range(3):
        publish(store, northland.say(tlp="AMBER", to=[GRIDCO, PORTCO]))
    publish(store, northland.say(tlp="AMBER+STRICT", to=[GRIDCO, PORTCO]))
    publish(store, Author(EASTMERE).say(tlp="AMBER", to=[GRIDCO, PORTCO]))
    assert sorted((a.author, a.tlp) for a in store.audiences().values()) == [
        (EASTMERE, "AMBER"),
        (NORTHLAND, "AMBER"),
        (NORTHLAND, "AMBER+STRICT"),
    ]


def test_an_audience_comes_back_as_it_went_in(store: Store, northland: Author) -> None:
    for audience in (
        Audience(
            author=NORTHLAND, tlp="RED", to=frozenset([GRIDCO]), persons=frozenset(["ø", "a"])
        ),
        Audience(author="", tlp="AMBER+STRICT", unknown=True),
    ):
        said = northland.say()
        store.keep_pending(said, [], audience)
        assert audience in store.audiences().values()


def test_nobody_reads_anything_with_no_audience_allowed(store: Store, northland: Author) -> None:
    tool = claim(1, content="wiper")
    said = publish(store, northland.say(tool, case="case--1", tlp="CLEAR"), tool)
    nothing: frozenset[int] = frozenset()
    assert store.statement(said.id, nothing) is None
    assert store.statements(nothing) == []
    assert store.statements(nothing, case="case--1", author=NORTHLAND, kind="say", limit=5) == []
    assert store.object(tool.sha256, nothing) is None
    assert store.versions(tool.id, nothing) == []
    assert store.held([tool.id], nothing) == frozenset()
    assert store.select(nothing) == []
    assert store.select(nothing, types=["note"], case="case--1", limit=5) == []
    assert store.count(nothing) == 0
    assert store.count(nothing, types=["note"], case="case--1") == 0
    assert store.search("wiper", nothing) == []


def test_hidden_and_unknown_are_one_answer(store: Store, northland: Author) -> None:
    hidden = claim(1, content="secret words")
    said = northland.say(hidden, case="case--1", tlp="AMBER", to=[GRIDCO])
    publish(store, said, hidden)
    open_ = thing("tool", 9)
    publish(store, northland.say(open_), open_)
    mine = seen_by(store, PORTCO)
    unknown = thing("note", 7)
    assert store.statement(said.id, mine) == store.statement("ab" * 32, mine)
    assert store.object(hidden.sha256, mine) == store.object(unknown.sha256, mine)
    assert store.versions(hidden.id, mine) == store.versions(unknown.id, mine)
    assert store.held([hidden.id, unknown.id], mine) == frozenset()
    everyone = frozenset(store.audiences())
    assert store.held([hidden.id, unknown.id], everyone) == {hidden.id}
    assert store.held([], everyone) == frozenset()
    assert store.select(mine, types=["note"]) == store.select(mine, types=["grouping"])
    assert store.select(mine, case="case--1") == store.select(mine, case="case--2")
    assert store.statements(mine, case="case--1") == store.statements(mine, case="case--2")
    assert store.count(mine, case="case--1") == store.count(mine, case="case--2")
    assert store.search("secret", mine) == store.search("nowhere", mine)


@pytest.mark.parametrize("odd", ["", "zz" * 32, "ab", "AB" * 32, "ab" * 33, "é" * 64])
def test_what_is_no_digest_is_unknown(store: Store, northland: Author, odd: str) -> None:
    tool = thing("tool", 1)
    publish(store, northland.say(tool), tool)
    all_ = seen_by(store, EVERYBODY)
    assert store.statement(odd, all_) is None
    assert store.object(odd, all_) is None
    assert store.versions(odd, all_) == []
    assert store.place(odd) is None


# --- withdrawals ------------------------------------------------------------------------------


def test_a_withdrawn_object_stops_for_everybody(store: Store, northland: Author) -> None:
    tool = thing("indicator", 1, name="wiper")
    said = publish(store, northland.say(tool, tlp="CLEAR", case="case--1"), tool)
    publish(store, northland.withdraw(said, tlp="CLEAR"))
    for party in (EVERYBODY, NORTHLAND, None):
        mine = seen_by(store, party)
        assert store.object(tool.sha256, mine) is None
        assert store.versions(tool.id, mine) == []
        assert store.select(mine) == []
        assert store.select(mine, case="case--1") == []
        assert store.count(mine) == 0
        assert store.search("wiper", mine) == []
        kept = store.statement(said.id, mine)
        assert kept is not None
        assert kept.withdrawn


@pytest.mark.parametrize("type_", ["note", "grouping", "opinion", "relationship"])
def test_a_withdrawn_claim_evidence_challenge_or_link_stays_marked(
    store: Store, northland: Author, type_: str
) -> None:
    item = claim(1, type=type_, content="they struck")
    said = publish(store, northland.say(item, tlp="AMBER", to=[GRIDCO]), item)
    publish(store, northland.withdraw(said, tlp="AMBER", to=[GRIDCO]))
    mine = seen_by(store, GRIDCO)
    [kept] = store.select(mine)
    assert kept.withdrawn
    assert kept.said_by == (said.id,)
    assert store.object(item.sha256, mine) == kept
    assert store.versions(item.id, mine) == [kept]
    assert store.search("struck", mine) == [kept]
    assert store.count(mine) == 1
    assert store.select(seen_by(store, PORTCO)) == []


@pytest.mark.parametrize(
    "item",
    [
        thing("note", 1),
        thing("note", 1, content="extension-definition--b57c915e-ef34-559b-a164-4f7a58b7cd08"),
        claim(1, type="indicator"),
        thing("opinion", 1, extensions={"extension-definition--0": {}}),
    ],
    ids=["plain note", "named in its text", "indicator", "other extension"],
)
def test_what_is_none_of_these_stops(store: Store, northland: Author, item: Attachment) -> None:
    said = publish(store, northland.say(item), item)
    publish(store, northland.withdraw(said))
    assert store.select(seen_by(store, EVERYBODY)) == []


def test_a_withdrawal_in_the_same_batch_takes_effect_with_it(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    said = northland.say(tool)
    gone = northland.withdraw(said)
    store.keep_pending(said, [tool], said.audience)
    store.keep_pending(gone, [], gone.audience)
    enter(store, said.id, gone.id)
    assert store.select(seen_by(store, EVERYBODY)) == []


def test_a_withdrawal_that_comes_first_takes_effect_when_its_statement_comes(
    store: Store, northland: Author
) -> None:
    tool, note = thing("tool", 1), claim(2)
    said = northland.say(tool, note)
    gone = northland.withdraw(said, case="case--1")
    publish(store, gone)
    publish(store, said, tool, note)
    [kept] = store.select(seen_by(store, EVERYBODY))
    assert (kept.id, kept.withdrawn) == (note.id, True)


def test_a_withdrawal_of_a_part_leaves_the_rest(store: Store, northland: Author) -> None:
    one, two = thing("tool", 1), thing("tool", 2)
    said = publish(store, northland.say(one, two), one, two)
    publish(store, northland.withdraw(said, one))
    all_ = seen_by(store, EVERYBODY)
    assert ids(store.select(all_)) == [two.id]
    kept = store.statement(said.id, all_)
    assert kept is not None
    assert not kept.withdrawn
    publish(store, northland.withdraw(said, two))
    assert store.select(all_) == []
    kept = store.statement(said.id, all_)
    assert kept is not None
    assert kept.withdrawn


def test_only_the_author_takes_back(store: Store, northland: Author) -> None:
    tool = thing("tool", 1)
    said = publish(store, northland.say(tool), tool)
    publish(store, Author(EASTMERE).withdraw(said))
    assert ids(store.select(seen_by(store, EVERYBODY))) == [tool.id]
    kept = store.statement(said.id, seen_by(store, EVERYBODY))
    assert kept is not None
    assert not kept.withdrawn


def test_what_another_still_says_stays(store: Store, northland: Author) -> None:
    tool, eastmere = thing("tool", 1), Author(EASTMERE)
    ours = publish(store, northland.say(tool), tool)
    theirs = publish(store, eastmere.say(tool), tool)
    publish(store, northland.withdraw(ours))
    [kept] = store.select(seen_by(store, PORTCO))
    assert (kept.said_by, kept.withdrawn) == ((theirs.id,), False)


def test_a_reader_of_the_withdrawn_saying_only_is_not_told_of_the_other(
    store: Store, northland: Author
) -> None:
    item, eastmere = claim(1), Author(EASTMERE)
    ours = publish(store, northland.say(item, tlp="AMBER", to=[GRIDCO]), item)
    publish(store, eastmere.say(item, tlp="AMBER", to=[PORTCO]), item)
    publish(store, northland.withdraw(ours, tlp="AMBER", to=[GRIDCO]))
    [kept] = store.select(seen_by(store, GRIDCO))
    assert (kept.said_by, kept.withdrawn) == ((ours.id,), True)


def test_a_withdrawal_cannot_be_taken_back(store: Store, northland: Author) -> None:
    tool = thing("tool", 1)
    said = publish(store, northland.say(tool), tool)
    gone = publish(store, northland.withdraw(said))
    publish(store, northland.withdraw(gone))
    assert store.select(seen_by(store, EVERYBODY)) == []
    kept = store.statement(gone.id, seen_by(store, EVERYBODY))
    assert kept is not None
    assert not kept.withdrawn


@pytest.mark.parametrize("withdrawn_first", [False, True])
def test_a_claim_said_again_narrower_and_withdrawn_is_gone_for_those_cut_off(
    store: Store, northland: Author, withdrawn_first: bool
) -> None:
    item = claim(1)
    wide = publish(store, northland.say(item, tlp="AMBER", to=[GRIDCO, PORTCO]), item)
    if withdrawn_first:
        publish(store, northland.withdraw(wide, tlp="AMBER", to=[GRIDCO, PORTCO]))
        assert len(store.select(seen_by(store, PORTCO))) == 1
    narrow = northland.say(item, tlp="AMBER", to=[GRIDCO], refs=[wide.id])
    publish(store, narrow, item)
    if not withdrawn_first:
        assert len(store.select(seen_by(store, PORTCO))) == 1
        publish(store, northland.withdraw(wide, tlp="AMBER", to=[GRIDCO, PORTCO]))
    assert store.select(seen_by(store, PORTCO)) == []
    [kept] = store.select(seen_by(store, GRIDCO))
    assert (kept.said_by, kept.withdrawn) == ((narrow.id,), False)
    publish(store, northland.withdraw(narrow, tlp="AMBER", to=[GRIDCO]))
    [kept] = store.select(seen_by(store, GRIDCO))
    assert (kept.said_by, kept.withdrawn) == ((narrow.id,), True)
    assert store.select(seen_by(store, PORTCO)) == []


def test_a_narrower_saying_counts_from_when_it_is_logged(store: Store, northland: Author) -> None:
    item = claim(1)
    wide = publish(store, northland.say(item, tlp="GREEN"), item)
    narrow = northland.say(item, tlp="AMBER", to=[GRIDCO], refs=[wide.id])
    store.keep_pending(narrow, [item], narrow.audience)
    publish(store, northland.withdraw(wide, case="case--1"))
    assert len(store.select(seen_by(store, PORTCO))) == 1
    enter(store, narrow.id)
    assert store.select(seen_by(store, PORTCO)) == []


def test_another_partys_reference_narrows_nothing(store: Store, northland: Author) -> None:
    item = claim(1)
    wide = publish(store, northland.say(item, tlp="GREEN"), item)
    eastmere = Author(EASTMERE)
    publish(store, eastmere.say(item, tlp="AMBER", to=[GRIDCO], refs=[wide.id]), item)
    publish(store, northland.withdraw(wide))
    [kept] = store.select(seen_by(store, PORTCO))
    assert kept.withdrawn


# --- versions, pages --------------------------------------------------------------------------


def test_select_gives_the_newest_version_and_versions_all(store: Store, northland: Author) -> None:
    times = ["2026-11-22T08:00:00Z", "2026-11-22T08:00:00.5Z", "2026-11-22T08:00:00.500001Z"]
    made = [thing("tool", 1, modified=time) for time in times]
    for item in (made[1], made[2], made[0]):
        publish(store, northland.say(item), item)
    all_ = seen_by(store, EVERYBODY)
    assert [o.modified for o in store.select(all_)] == [times[2]]
    assert [o.modified for o in store.versions(made[0].id, all_)] == times[::-1]
    assert store.count(all_) == 1


def test_the_newest_version_is_the_newest_this_reader_may_see(
    store: Store, northland: Author
) -> None:
    old = thing("tool", 1, modified="2026-11-22T08:00:00.000Z", name="oldname")
    new = thing("tool", 1, modified="2026-11-22T09:00:00.000Z", name="newname")
    publish(store, northland.say(old, tlp="GREEN"), old)
    publish(store, northland.say(new, tlp="AMBER", to=[GRIDCO]), new)
    assert [o.sha256 for o in store.select(seen_by(store, GRIDCO))] == [new.sha256]
    assert [o.sha256 for o in store.select(seen_by(store, PORTCO))] == [old.sha256]
    assert [o.sha256 for o in store.search("oldname", seen_by(store, PORTCO))] == [old.sha256]
    assert store.search("oldname", seen_by(store, GRIDCO)) == []
    assert store.search("newname", seen_by(store, PORTCO)) == []


def test_nobody_replaces_a_version_by_saying_other_bytes_under_its_time(
    store: Store, northland: Author
) -> None:
    first, second = thing("tool", 1, name="true"), thing("tool", 1, name="forged")
    publish(store, northland.say(first), first)
    publish(store, Author(EASTMERE).say(second), second)
    all_ = seen_by(store, EVERYBODY)
    assert [o.sha256 for o in store.select(all_)] == [first.sha256]
    assert [o.sha256 for o in store.versions(first.id, all_)] == [first.sha256, second.sha256]


def test_nobody_makes_a_newer_version_of_anothers_object(store: Store, northland: Author) -> None:
    """Who knows an id and may not read what bears it could else revoke it for those who may."""
    made = {"created_by_ref": "identity--00000001-0000-4000-8000-000000000000"}
    taken = {"created_by_ref": "identity--00000002-0000-4000-8000-000000000000"}
    first = thing("tool", 1, name="true", modified="2026-11-22T08:00:00.000Z", **made)
    forged = thing("tool", 1, name="forged", modified="2026-11-22T09:00:00.000Z", **taken)
    publish(store, northland.say(first), first)
    publish(store, Author(EASTMERE).say(forged), forged)
    all_ = seen_by(store, EVERYBODY)
    assert [o.sha256 for o in store.select(all_)] == [first.sha256]
    assert store.search("forged", all_) == []
    assert store.count(all_) == 1
    newer = thing("tool", 1, name="newer", modified="2026-11-22T10:00:00.000Z", **made)
    publish(store, northland.say(newer), newer)
    assert [o.sha256 for o in store.select(all_)] == [newer.sha256]


def test_of_versions_without_a_time_the_last_logged_is_newest(
    store: Store, northland: Author
) -> None:
    first = thing("ipv4-addr", 1, modified=None, value="192.0.2.1")
    second = thing("ipv4-addr", 1, modified=None, value="192.0.2.1", x_seen=True)
    publish(store, northland.say(first), first)
    publish(store, northland.say(second), second)
    assert [o.sha256 for o in store.select(seen_by(store, EVERYBODY))] == [second.sha256]


@pytest.mark.parametrize("modified", [None, "2026-11-22T08:00:00.000Z"])
def test_of_two_of_one_age_in_one_statement_the_smaller_digest_counts(
    store: Store, northland: Author, modified: str | None
) -> None:
    pair = [thing("tool", 1, modified=modified, x_n=n) for n in range(2)]
    publish(store, northland.say(*pair), *pair)
    smaller, larger = sorted(o.sha256 for o in pair)
    all_ = seen_by(store, EVERYBODY)
    assert [o.sha256 for o in store.select(all_)] == [smaller]
    assert [o.sha256 for o in store.versions(pair[0].id, all_)] == [smaller, larger]


def test_pages_together_are_the_whole_at_any_size(store: Store, northland: Author) -> None:
    items = [thing(t, n) for n in range(9) for t in ("tool", "malware", "note")]
    for n, item in enumerate(items):
        author = Author(f"p{n}.example")
        publish(store, author.say(item, case=f"case--{n % 2}"), item)
    newer = thing("tool", 3, modified="2026-11-23T08:00:00.000Z")
    publish(store, northland.say(newer, case="case--0"), newer)
    all_ = seen_by(store, EVERYBODY)
    for types, case in (
        (None, None),
        (["tool"], None),
        (["note", "malware", "unseen", "note"], None),
        (None, "case--0"),
        (["tool", "note"], "case--1"),
        ([], None),
    ):
        whole = store.select(all_, types=types, case=case)
        assert [o.cursor for o in whole] == sorted({o.cursor for o in whole})
        assert store.count(all_, types=types, case=case) == len(whole)
        for limit in (1, 2, 5, 100):
            pages: list[KeptObject] = []
            page = store.select(all_, types=types, case=case, limit=limit)
            while page:
                assert len(page) <= limit
                pages += page
                after = page[-1].cursor
                page = store.select(all_, types=types, case=case, after=after, limit=limit)
            assert pages == whole
    assert len(store.select(all_)) == 27
    assert store.select(all_, limit=0) == []


def test_statements_are_filtered_and_paged_in_log_order(store: Store, northland: Author) -> None:
    eastmere = Author(EASTMERE)
    for n in range(6):
        author = (northland, eastmere)[n % 2]
        publish(
            store,
            author.say(
                case=("case--1", None)[n // 3],
                kind=("say", "ack")[n == 5],
                body={"heads": []} if n == 5 else {},
            ),
        )
    all_ = seen_by(store, EVERYBODY)
    every = store.statements(all_)
    assert [k.index for k in every] == [0, 1, 2, 3, 4, 5]
    assert [k.index for k in store.statements(all_, case="case--1")] == [0, 1, 2]
    assert [k.index for k in store.statements(all_, author=EASTMERE)] == [1, 3, 5]
    assert [k.index for k in store.statements(all_, kind="ack")] == [5]
    assert [k.index for k in store.statements(all_, case="case--1", author=NORTHLAND)] == [0, 2]
    assert [k.index for k in store.statements(all_, after_index=2, limit=2)] == [3, 4]
    assert store.statements(all_, limit=0) == []
    assert [k.case for k in every] == ["case--1"] * 3 + [None] * 3


def test_case_filters_what_was_said_in_that_case(store: Store, northland: Author) -> None:
    tool = thing("tool", 1)
    publish(store, northland.say(tool, case="case--1"), tool)
    second = publish(store, northland.say(tool, case="case--2"), tool)
    all_ = seen_by(store, EVERYBODY)
    [kept] = store.select(all_, case="case--2")
    assert kept.said_by == (second.id,)
    [kept] = store.select(all_)
    assert len(kept.said_by) == 2


# --- attachments ------------------------------------------------------------------------------


def test_an_attachment_is_kept_with_its_media_type(store: Store, northland: Author) -> None:
    report = Attachment.of(b"They said <evil.example> was struck.", "text/plain")
    publish(store, northland.say(report), report)
    all_ = seen_by(store, EVERYBODY)
    kept = store.object(report.sha256, all_)
    assert kept is not None
    assert (kept.raw, kept.type, kept.id) == (report.raw, "text/plain", report.id)
    assert kept.data == {}
    assert store.select(all_) == []
    assert store.count(all_) == 0
    assert store.select(all_, types=["text/plain"]) == [kept]
    assert store.count(all_, types=["text/plain"]) == 1
    assert store.versions(report.id, all_) == [kept]
    assert store.search("evil.example struck", all_) == [kept]


def test_the_same_bytes_as_object_and_as_attachment_are_both_kept(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    file = Attachment.of(tool.raw, "application/json")
    publish(store, northland.say(file), file)
    publish(store, northland.say(tool), tool)
    all_ = seen_by(store, EVERYBODY)
    assert ids(store.select(all_)) == [tool.id]
    assert ids(store.select(all_, types=["application/json"])) == [file.id]
    kept = store.object(tool.sha256, all_)
    assert kept is not None
    assert kept.id == tool.id


# --- search -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        "EVIL.example",
        "https://evil.example/a?b=c",
        "evil",
        "indicator--00000000-0000-4000-8000-000000000001",
        "192.0.2.7",
        "2001:db8::1",
        "straße",
        "STRASSE",
        "cafe\u0301",
        "Grid  wiper",
        "wiper, grid.",
        "[evil.example]",
        "o'brien",
        "ТРЕВОГА",
    ],
)
def test_search_finds_words_ids_and_indicators(
    store: Store, northland: Author, question: str
) -> None:
    item = thing(
        "indicator",
        1,
        name="Grid wiper, Straße café O'Brien тревога",
        pattern="[url:value='https://evil.example/a?b=c' OR ipv4-addr:value = '192.0.2.7'"
        " OR ipv6-addr:value='2001:db8::1']",
    )
    other = thing("indicator", 2, name="nothing of it", x_n=[1, None, True, {"deep": ["word"]}])
    publish(store, northland.say(item, other), item, other)
    assert ids(store.search(question, seen_by(store, EVERYBODY))) == [item.id]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        '"',
        "*",
        "AND",
        "evil*",
        "NEAR(a b)",
        "words:evil",
        "evi",
        "-",
        "\x00",
        "evil nope",
    ],
)
def test_search_finds_nothing_by_syntax_or_part_of_a_word(
    store: Store, northland: Author, question: str
) -> None:
    item = thing("indicator", 1, name="evil thing")
    publish(store, northland.say(item), item)
    found = store.search(question, seen_by(store, EVERYBODY))
    assert ids(found) == ([item.id] if question == "evil*" else [])


def test_search_gives_the_newest_first_and_no_more_than_asked(
    store: Store, northland: Author
) -> None:
    items = [
        thing("tool", n, modified=f"2026-11-{10 + n}T08:00:00.000Z", name="wiper") for n in range(5)
    ]
    publish(store, northland.say(*items), *items)
    found = store.search("wiper", seen_by(store, EVERYBODY), limit=3)
    assert ids(found) == [items[4].id, items[3].id, items[2].id]


# --- local rows, audit ------------------------------------------------------------------------


def test_a_local_row_is_kept_read_changed_and_deleted(store: Store) -> None:
    assert store.local("draft", "a") is None
    one = store.keep_local("draft", "a", b"1", None)
    assert store.local("draft", "a") == LocalRow(key="a", value=b"1", version=one)
    two = store.keep_local("draft", "a", b"2", one)
    assert two > one
    assert store.local("draft", "a") == LocalRow(key="a", value=b"2", version=two)
    store.keep_local("draft", "a", None, two)
    assert store.local("draft", "a") is None


def test_a_stale_change_of_a_local_row_is_refused(store: Store) -> None:
    one = store.keep_local("draft", "a", b"1", None)
    two = store.keep_local("draft", "a", b"2", one)
    for value, expected in ((b"3", one), (b"3", None), (None, one), (b"3", two + 1)):
        with pytest.raises(ConflictError):
            store.keep_local("draft", "a", value, expected)
    with pytest.raises(ConflictError):
        store.keep_local("draft", "b", b"3", one)
    assert store.list_local("draft") == [LocalRow(key="a", value=b"2", version=two)]


def test_a_row_and_who_made_it_are_kept_together_or_not_at_all(store: Store) -> None:
    noted = {"time": "2026-11-22T08:30:00Z", "actor": "ada", "act": "made", "ref": "a"}
    one = store.keep_noted("draft", "a", b"1", **noted)
    assert store.local("draft", "a") == LocalRow(key="a", value=b"1", version=one)
    [line] = store.audit()
    assert (line.time, line.actor, line.act, line.ref) == tuple(noted.values())
    with pytest.raises(ConflictError):
        store.keep_noted("draft", "a", b"2", **noted)
    assert store.local("draft", "a") == LocalRow(key="a", value=b"1", version=one)
    assert store.audit() == [line]


def test_a_version_never_comes_twice(store: Store) -> None:
    one = store.keep_local("draft", "a", b"1", None)
    store.keep_local("draft", "a", None, one)
    again = store.keep_local("draft", "a", b"1", None)
    assert again > one
    with pytest.raises(ConflictError):
        store.keep_local("draft", "a", b"2", one)


def test_of_many_who_change_a_row_at_once_one_wins(store: Store) -> None:
    first = store.keep_local("draft", "a", b"", None)

    def change(n: int) -> int:
        try:
            store.keep_local("draft", "a", str(n).encode(), first)
        except ConflictError:
            return -1
        return n

    with ThreadPoolExecutor(8) as pool:
        [winner] = [n for n in pool.map(change, range(20)) if n >= 0]
    row = store.local("draft", "a")
    assert row is not None
    assert row.value == str(winner).encode()


def test_local_rows_are_listed_by_kind_and_prefix_in_order(store: Store) -> None:
    for key in ("b.2", "b.1", "a%", "a_x", "ab", "B.1", "é", "é1"):
        store.keep_local("draft", key, key.encode(), None)
    store.keep_local("session", "b.1", b"", None)
    assert [r.key for r in store.list_local("draft", "b.")] == ["b.1", "b.2"]
    assert [r.key for r in store.list_local("draft", "a_")] == ["a_x"]
    assert [r.key for r in store.list_local("draft", "a%")] == ["a%"]
    assert [r.key for r in store.list_local("draft", "é")] == ["é", "é1"]
    keys = [r.key for r in store.list_local("draft")]
    assert keys == sorted(keys)
    assert len(keys) == 8
    assert store.list_local("nothing") == []


def test_the_audit_is_a_chain_that_shows_every_change(store: Store) -> None:
    for n in range(5):
        row = store.append_audit("2026-11-22T08:30:00Z", f"ada{n}", "accept", "draft:1")
        assert row.n == n + 1
    rows = store.audit()
    assert [r.actor for r in rows] == [f"ada{n}" for n in range(5)]
    assert broken_audit(rows) is None
    assert store.audit(2) == rows[3:]
    assert store.audit(0) == []
    assert broken_audit(store.audit(2)) is None
    changed = [r if r.n != 3 else replace(r, actor="eve") for r in rows]
    assert broken_audit(changed) == 3
    assert broken_audit(rows[:2] + rows[3:]) == 4


# --- many at once, checkpoints, a log that begins anew ------------------------------------------


def test_of_many_kept_at_once_a_bad_one_does_not_spoil_the_others(
    store: Store, northland: Author
) -> None:
    eastmere, rival = Author(EASTMERE), Author(NORTHLAND)
    tool, brought = thing("tool", 1), thing("tool", 2)
    first, second = northland.say(tool), northland.say(tool)
    forked = rival.say(body={"reason": "other"})
    unsaid, unbrought = eastmere.say(), Author(GRIDCO).say(tool)
    held = publish(store, Author(PORTCO).say())
    outcomes = store.keep_pending_many(
        [
            (first, [tool], first.audience, {}),
            (forked, [], forked.audience, {}),
            (unsaid, [brought], unsaid.audience, {}),
            (held, [], held.audience, {}),
            (unbrought, [], unbrought.audience, {}),
            (first, [tool], first.audience, {}),
            (second, [], second.audience, {}),  # its object came with the one before
        ]
    )
    kinds = [type(wrong) for wrong in outcomes]
    nothing = type(None)
    expected = [nothing, ChainError, StatementError, nothing, StatementError, nothing, nothing]
    assert kinds == expected
    assert [p.id for p in store.pending()] == [first.id, second.id]
    enter(store, first.id, second.id)
    [kept] = store.select(seen_by(store, EVERYBODY))
    assert kept.said_by == (first.id, second.id)
    assert store.chain(EASTMERE, "") is None


def test_many_at_once_give_what_one_after_the_other_gives(store: Store, northland: Author) -> None:
    items = [thing("tool", n % 3, name=f"wiper{n % 3}") for n in range(6)]
    said = [
        northland.say(item, case=("case--1", None)[n % 2], tlp="AMBER", to=[GRIDCO])
        for n, item in enumerate(items)
    ]
    narrow = Audience(author=NORTHLAND, tlp="RED", to=frozenset([GRIDCO]))
    narrowed = {items[0].sha256: narrow}
    assert store.keep_pending_many(
        [(one, [item], one.audience, narrowed) for one, item in zip(said, items, strict=True)]
    ) == [None] * len(said)
    assert store.keep_pending_many([]) == []
    enter(store, *(p.id for p in store.pending()))
    grid = store.select(seen_by(store, GRIDCO))
    assert [(o.id, len(o.said_by)) for o in grid] == [(items[n].id, 2) for n in (1, 2)]
    assert store.count(seen_by(store, PORTCO)) == 0
    assert [k.seq for k in store.statements(seen_by(store, GRIDCO), case="case--1")] == [1, 2, 3]


def test_threads_that_keep_at_once_all_get_their_answer(store: Store) -> None:
    authors = [Author(f"p{n}.example") for n in range(8)]
    rivals = [Author(author.party) for author in authors]
    for rival in rivals:
        rival.say()

    def keep(n: int) -> list[str]:
        kept = []
        for _ in range(5):
            one = authors[n].say(thing("tool", n))
            store.keep_pending(one, [thing("tool", n)], one.audience)
            kept.append(one.id)
        late = rivals[n].say(body={"reason": "other"})
        with pytest.raises(ChainError):
            store.keep_pending(late, [], late.audience)
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = {id for ids in pool.map(keep, range(8)) for id in ids}
    assert {p.id for p in store.pending()} == kept
    assert len(kept) == 40


def test_checkpoints_are_kept_by_size_and_origin(opener: Opener, northland: Author) -> None:
    store = opener.store
    notes = {size: checkpoint(ORIGIN, size, bytes([size]) * 32) for size in (3, 1)}
    for size, note in notes.items():
        store.keep_checkpoint(size, note)
    store.keep_checkpoint(1, checkpoint(ORIGIN, 1, b"\x01" * 32) + "— w BBBB\n".encode())
    store.keep_checkpoint(2, checkpoint("x.example/log", 2, b"\x02" * 32))
    assert store.checkpoints() == []
    publish(store, northland.say())
    found = opener.reopen().checkpoints()
    assert [size for size, _ in found] == [1, 3]
    assert found[1] == (3, notes[3])
    assert found[0][1].endswith("— w BBBB\n".encode())


def test_a_restarted_log_holds_nothing_and_everything_waits_in_its_order(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    tool, note = thing("tool", 1, name="wiper"), claim(2)
    a, b = northland.say(tool), northland.say(note)
    gone = northland.withdraw(b)
    for one, items in ((a, [tool]), (b, [note]), (gone, [])):
        store.keep_pending(one, items, one.audience)
    enter(store, b.id, a.id, gone.id)
    late = northland.say()
    store.keep_pending(late, [], late.audience)
    everything = store.select(seen_by(store, EVERYBODY))
    assert [o.withdrawn for o in everything] == [True, False]
    store.restart_log()
    store = opener.reopen()
    all_ = seen_by(store, EVERYBODY)
    assert [p.id for p in store.pending()] == [b.id, a.id, gone.id, late.id]
    assert [p.id for p in store.waiting()] == [b.id, a.id, gone.id, late.id]
    assert (store.head(), store.edge(), store.entries(0, 9)) == (None, [], [])
    assert (store.select(all_), store.statements(all_)) == ([], [])
    assert store.chain(NORTHLAND, "") == Chain(seq=4, head=late.id)
    enter(store, *(p.id for p in store.pending()), origin=f"{NORTHLAND}/log/2")
    assert store.select(all_) == everything
    assert [k.id for k in store.statements(all_)] == [b.id, a.id, gone.id, late.id]
    assert [k.withdrawn for k in store.statements(all_)] == [True, False, False, False]


# --- purging ----------------------------------------------------------------------------------


def dropping(what: Any, id: str, why: str = "a name of a patient") -> Purge:
    return Purge(what=what, id=id, time="2026-11-22T09:00:00Z", actor="ada", why=why)


def test_a_purged_object_is_in_no_read_and_its_statement_stays(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    spilt, fine = claim(1, content="wiper jane"), thing("tool", 2, name="wiper")
    said = publish(store, northland.say(spilt, fine), spilt, fine)
    store.keep_local("waiting", "a", spilt.raw, None)
    one = dropping("object", spilt.sha256)
    assert store.purge(one, [("waiting", "a"), ("waiting", "unknown")]) is True
    assert store.purge(one) is False
    store = opener.reopen()
    all_ = seen_by(store, EVERYBODY)
    assert store.object(spilt.sha256, all_) is None
    assert store.versions(spilt.id, all_) == []
    assert ids(store.select(all_)) == [fine.id]
    assert store.count(all_) == 1
    assert store.search("jane", all_) == []
    assert ids(store.search("wiper", all_)) == [fine.id]
    assert store.local("waiting", "a") is None
    [kept] = store.statements(all_)
    assert (kept.id, kept.raw) == (said.id, said.raw)
    [held] = store.holdings(spilt.id, all_)
    assert (held.id, held.name, held.size, held.purge) == (spilt.sha256, spilt.id, 0, one)
    assert held.said_by == (Saying(statement=said.id, author=NORTHLAND, live=False),)
    assert store.purge_of("object", spilt.sha256) == one
    assert store.purge_of("object", fine.sha256) is None
    audit = store.audit()
    assert [(row.act, row.actor) for row in audit] == [("purge", "ada")]
    assert audit[0].ref == f"object {spilt.sha256}: {one.why}"
    assert broken_audit(audit) is None


def test_a_purged_statement_keeps_its_place_in_log_and_chain(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    said = publish(store, northland.say(case="case--1", tlp="AMBER", to=[GRIDCO]))
    one = dropping("statement", said.id)
    assert store.purge(one) is True
    store = opener.reopen()
    all_ = seen_by(store, EVERYBODY)
    assert store.statement(said.id, all_) is None
    assert store.statements(all_, case="case--1") == []
    assert store.entries(0, 9) == [bytes.fromhex(said.id)]
    assert store.place(said.id) == 0
    assert store.chain(NORTHLAND, "case--1") == Chain(seq=1, head=said.id)
    [left] = store.purged(seen_by(store, GRIDCO), case="case--1")
    assert (left.id, left.index, left.author, left.seq) == (said.id, 0, NORTHLAND, 1)
    assert (left.case, left.kind, left.purge) == ("case--1", "say", one)
    assert store.purged(seen_by(store, PORTCO)) == []
    assert store.purged(all_, case="case--2") == []
    store.keep_pending(said, [], said.audience)  # it comes again: held, and still purged
    assert store.statement(said.id, all_) is None
    publish(store, northland.say(case="case--1"))
    assert store.chain(NORTHLAND, "case--1").seq == 2  # type: ignore[union-attr]


def test_what_was_purged_is_not_kept_again_until_that_is_lifted(
    store: Store, northland: Author
) -> None:
    spilt, other = thing("tool", 1, name="jane"), thing("tool", 2)
    publish(store, northland.say(spilt), spilt)
    store.purge(dropping("object", spilt.sha256))
    eastmere, rival = Author(EASTMERE), Author(EASTMERE)
    again = eastmere.say(spilt, other)
    with pytest.raises(PurgedError, match=spilt.id):
        store.keep_pending(again, [spilt, other], again.audience)
    mine = Author(PORTCO).say(spilt)
    with pytest.raises(PurgedError):
        store.keep_pending(mine, [], mine.audience)
    assert store.pending() == []
    assert store.lift(dropping("object", spilt.sha256, "it was no name")) is True
    assert store.lift(dropping("object", spilt.sha256)) is False
    # Its bytes do not come back by that.
    assert store.object(spilt.sha256, seen_by(store, EVERYBODY)) is None
    publish(store, rival.say(spilt, other), spilt, other)
    all_ = seen_by(store, EVERYBODY)
    kept = store.object(spilt.sha256, all_)
    assert kept is not None
    assert kept.raw == spilt.raw
    assert [o.id for o in store.search("jane", all_)] == [spilt.id]
    assert [row.act for row in store.audit()] == ["purge", "purge.lift"]


def test_what_was_purged_before_its_words_were_cut_can_come_back(
    store: Store, northland: Author
) -> None:
    spilt = thing("tool", 1, name="jane")
    publish(store, northland.say(spilt), spilt)
    store.purge(dropping("object", spilt.sha256))
    assert store.search("jane", seen_by(store, EVERYBODY)) == []  # cuts what has not been cut
    store.lift(dropping("object", spilt.sha256, "it was no name"))
    publish(store, Author(EASTMERE).say(spilt), spilt)
    all_ = seen_by(store, EVERYBODY)
    assert [o.id for o in store.search("jane", all_)] == [spilt.id]
    store.purge(dropping("object", spilt.sha256))
    assert store.search("jane", all_) == []
    assert store.search(spilt.id, all_) == []


def test_what_was_taken_back_can_be_purged_and_what_is_hidden_is_not_held(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    said = publish(store, northland.say(tool, tlp="AMBER", to=[GRIDCO]), tool)
    publish(store, northland.withdraw(said))
    [held] = store.holdings(tool.sha256, seen_by(store, GRIDCO))
    assert (held.size, held.said_by[0].live) == (len(tool.raw), False)
    assert store.holdings(tool.id, seen_by(store, PORTCO)) == []
    assert store.holdings(said.id, seen_by(store, PORTCO)) == []
    [itself] = store.holdings(said.id, seen_by(store, GRIDCO))
    assert (itself.what, itself.type, itself.size) == ("statement", "say", len(said.raw))
    assert store.purge(dropping("object", tool.sha256)) is True
    assert store.holdings("no id", seen_by(store, EVERYBODY)) == []


@pytest.mark.parametrize("what", ["object", "statement"])
def test_what_is_not_in_the_log_is_not_purged(store: Store, northland: Author, what: str) -> None:
    waiting = northland.say()
    store.keep_pending(waiting, [], waiting.audience)
    for id in ("ab" * 32, waiting.id):
        with pytest.raises(NotFoundError):
            store.purge(dropping(what, id))
    assert store.audit() == []


def test_a_restarted_log_takes_in_the_commitments_of_what_was_purged(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    gone = publish(store, northland.say(tool), tool)
    stays = publish(store, northland.say())
    store.purge(dropping("statement", gone.id))
    store.purge(dropping("object", tool.sha256))
    store.restart_log()
    waiting = store.pending()
    assert [(p.id, p.raw) for p in waiting] == [(gone.id, b""), (stays.id, stays.raw)]
    enter(store, *(p.id for p in waiting))
    all_ = seen_by(store, EVERYBODY)
    assert store.entries(0, 9) == [bytes.fromhex(gone.id), bytes.fromhex(stays.id)]
    assert store.count(all_) == 0
    assert [p.id for p in store.purged(all_)] == [gone.id]


# --- sealed -----------------------------------------------------------------------------------


def test_a_sealed_statement_is_in_the_log_and_in_no_read_of_plain_ones(
    store: Store, northland: Author
) -> None:
    before = publish(store, northland.say(case="case--1"))
    sealed = northland.seals(GRIDCO, case="case--1")
    store.keep_pending(sealed, [], sealed.audience)
    [waiting] = store.pending()
    assert (waiting.id, waiting.raw, waiting.kind) == (sealed.id, b"", "sealed")
    assert store.sealed_in(seen_by(store, EVERYBODY)) == []
    enter(store, sealed.id)
    after = publish(store, northland.say(case="case--1"))

    all_ = seen_by(store, EVERYBODY)
    assert [k.id for k in store.statements(all_)] == [before.id, after.id]
    assert store.statement(sealed.id, all_) is None
    assert store.place(sealed.id) == 1
    assert store.entries(0, 9) == [bytes.fromhex(i) for i in (before.id, sealed.id, after.id)]
    assert store.chain(NORTHLAND, "case--1") == Chain(seq=3, head=after.id)
    [row] = store.sealed_in(all_)
    assert (row.id, row.index, row.author, row.case) == (sealed.id, 1, NORTHLAND, "case--1")
    assert (row.inside, after.statement.prev) == (sealed.inside, sealed.inside)
    assert (row.seq, row.tlp, row.withdrawn) == (2, "AMBER", False)
    assert row.readers == (NORTHLAND, GRIDCO)
    assert store.sealed(sealed.id, all_) == (row, sealed.raw)
    assert store.sealed_in(all_, case="case--2") == []


def under(sealed: VerifiedSeal, inside: str, **fields: Any) -> VerifiedSeal:
    """The same with another id outside: nobody who carries it can tell."""
    return replace(sealed, statement=replace(sealed.statement, commitment=inside, **fields))


@pytest.mark.parametrize("first", [0, 1, 2])
def test_whose_id_a_sealed_statement_names_is_kept_beside_it(
    store: Store, northland: Author, first: int
) -> None:
    """What is inside cannot be seen here, so it may name the id of anything: in any order."""
    mine = Author(GRIDCO).say()
    ours, theirs = northland.seals(GRIDCO), Author(PORTCO).seals(GRIDCO)
    taken = [under(ours, mine.id), under(theirs, mine.id)]
    several: list[Any] = [mine, *taken]
    several = several[first:] + several[:first]
    for one in several:
        if one is several[-1]:
            enter(store, *(waiting.id for waiting in store.pending()))
        store.keep_pending(one, [], one.audience)
        store.keep_pending(one, [], one.audience)  # it is held
    enter(store, several[-1].id)
    all_ = seen_by(store, EVERYBODY)
    assert [k.id for k in store.statements(all_)] == [mine.id]
    assert {(k.id, k.author) for k in store.sealed_in(all_, inside=mine.id)} == {
        (one.id, one.statement.author) for one in taken
    }
    assert len({mine.id, *(one.id for one in taken)}) == 3
    assert store.entries(0, 9) == [bytes.fromhex(one.id) for one in several]
    for one in several:
        assert store.place(one.id) == several.index(one)
    assert store.chain(NORTHLAND, "") == Chain(seq=1, head=mine.id)
    [held] = store.holdings(mine.id, all_)
    assert held.type == "say"


def test_two_that_one_author_sealed_under_one_id_are_not_both_kept(
    store: Store, northland: Author
) -> None:
    first = northland.seals(GRIDCO)
    second = under(northland.seals(GRIDCO), first.inside)
    store.keep_pending(first, [], first.audience)
    with pytest.raises(ConflictError):
        store.keep_pending(second, [], second.audience)
    enter(store, first.id)
    [wrong] = store.keep_pending_many([(second, [], second.audience, {})])
    assert isinstance(wrong, ConflictError)


def test_whoever_takes_back_what_it_sealed_takes_back_nobody_elses(
    store: Store, northland: Author
) -> None:
    mine = northland.say(thing("indicator", 1))
    publish(store, mine, thing("indicator", 1))
    port = Author(PORTCO)
    taken = publish(store, under(port.seals(GRIDCO), mine.id))
    port.goes_on(store.chain(PORTCO, ""))
    publish(store, port.say(kind="withdraw", refs=[taken.id]))  # its entry is no name for it
    all_ = seen_by(store, EVERYBODY)
    assert not store.sealed_in(all_)[0].withdrawn
    publish(store, port.say(kind="withdraw", refs=[mine.id]))
    assert store.sealed_in(all_)[0].withdrawn
    assert [k.withdrawn for k in store.statements(all_, kind="say")] == [False]
    publish(store, northland.withdraw(mine))
    assert [k.withdrawn for k in store.statements(all_, kind="say")] == [True]


def test_a_sealed_statement_is_taken_back_in_either_order(store: Store, northland: Author) -> None:
    sealed = northland.seals(GRIDCO)
    back = northland.say(kind="withdraw", refs=[sealed.inside], tlp="AMBER", to=[GRIDCO])
    publish(store, back)
    publish(store, sealed)
    assert store.sealed_in(seen_by(store, GRIDCO))[0].withdrawn


def test_a_sealed_statement_is_given_to_those_who_can_open_it(
    store: Store, northland: Author
) -> None:
    sealed = publish(store, northland.seals(GRIDCO))
    for party, may in ((NORTHLAND, True), (GRIDCO, True), (PORTCO, False)):
        allowed = seen_by(store, party)
        assert (store.sealed(sealed.id, allowed) is not None) is may
        assert bool(store.sealed_in(allowed)) is may
        assert bool(store.holdings(sealed.id, allowed)) is may
    assert store.sealed("ab" * 32, seen_by(store, GRIDCO)) is None
    assert store.sealed("no id", seen_by(store, GRIDCO)) is None


def test_a_sealed_statement_kept_twice_is_kept_once_and_its_place_is_taken(
    store: Store, northland: Author
) -> None:
    sealed = publish(store, northland.seals(GRIDCO))
    store.keep_pending(sealed, [], sealed.audience)
    assert store.pending() == []
    twin = Author(NORTHLAND)
    other = twin.seals(PORTCO)
    with pytest.raises(ChainError):
        store.keep_pending(other, [], other.audience)
    assert [type(o) for o in store.keep_pending_many([(other, [], other.audience, {})])] == [
        ChainError
    ]


def test_a_sealed_statement_is_taken_back_by_its_author(store: Store, northland: Author) -> None:
    sealed = publish(store, northland.seals(GRIDCO))
    publish(store, Author(PORTCO).say(kind="withdraw", refs=[sealed.inside]))
    assert not store.sealed_in(seen_by(store, GRIDCO))[0].withdrawn
    publish(store, northland.say(kind="withdraw", refs=[sealed.inside], tlp="AMBER", to=[GRIDCO]))
    assert store.sealed_in(seen_by(store, GRIDCO))[0].withdrawn


def test_a_sealed_statement_is_purged_and_its_place_stays(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    sealed = publish(store, northland.seals(GRIDCO))
    [held] = store.holdings(sealed.id, seen_by(store, GRIDCO))
    assert (held.type, held.size) == ("sealed", len(sealed.raw))
    assert store.holdings(sealed.inside, seen_by(store, GRIDCO)) == [held]
    assert held.said_by[0].statement == held.name == sealed.inside
    assert store.purge(dropping("statement", sealed.id)) is True
    store = opener.reopen()
    assert store.sealed_in(seen_by(store, GRIDCO)) == []
    assert store.sealed(sealed.id, seen_by(store, GRIDCO)) is None
    assert store.entries(0, 9) == [bytes.fromhex(sealed.id)]
    assert [p.id for p in store.purged(seen_by(store, GRIDCO))] == [sealed.id]
    assert store.chain(NORTHLAND, "") == Chain(seq=1, head=sealed.inside)


def test_a_restarted_log_takes_sealed_statements_along(opener: Opener, northland: Author) -> None:
    store = opener.store
    sealed = publish(store, northland.seals(GRIDCO))
    stays = publish(store, northland.say())
    store.restart_log()
    store = opener.reopen()
    waiting = store.pending()
    assert [(p.id, p.raw) for p in waiting] == [(sealed.id, b""), (stays.id, stays.raw)]
    enter(store, *(p.id for p in waiting))
    allowed = seen_by(store, GRIDCO)
    assert store.sealed(sealed.id, allowed) == (store.sealed_in(allowed)[0], sealed.raw)


# --- collections, by date ---------------------------------------------------------------------


def entered(page: Page) -> list[str]:
    return [e.id for e in page.entries]


def walk(store: Store, allowed: frozenset[int], limit: int, **how: Any) -> list[Entry]:
    """Everything, page after page."""
    found: list[Entry] = []
    after = -1
    for _ in range(1000):
        page = store.page(
            how.pop("collection", EVERYTHING), allowed, after=after, limit=limit, **how
        )
        found += page.entries
        assert page.position >= after
        after = page.position
        if not page.more:
            return found
    raise AssertionError("it never ends")


def test_a_collection_shows_what_is_readable_by_date_and_nothing_pending(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    tool, other = thing("tool", 2), thing("malware", 1)
    said = northland.say(tool, other)
    store.keep_pending(said, [tool, other], said.audience)
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries == ()
    enter(store, said.id)
    opener.now += timedelta(seconds=1)
    late = publish(store, northland.say(thing("note", 3)), thing("note", 3))
    store = opener.reopen()
    found = store.page(EVERYTHING, seen_by(store, EVERYBODY))
    assert entered(found) == [other.id, tool.id, thing("note", 3).id]
    first, second, third = (e.added for e in found.entries)
    began = microseconds(opener.now) - 1_000_000
    assert instant_text(began) == "2026-11-22T08:00:00.000000Z"
    assert began <= first < second < began + SPAN
    assert began + 1_000_000 <= third < began + 1_000_000 + SPAN
    assert found.position == third
    assert not found.more
    assert (found.entries[0].raw, found.entries[0].sha256) == (other.raw, other.sha256)
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY), after=second).entries[0].added == third
    assert store.page(EVERYTHING, frozenset()).entries == ()
    assert store.page("case--nowhere", seen_by(store, EVERYBODY)).entries == ()
    assert late.id


def test_a_clock_that_goes_back_changes_no_order(opener: Opener, northland: Author) -> None:
    store = opener.store
    publish(store, northland.say(thing("tool", 9)), thing("tool", 9))
    opener.now -= timedelta(days=1)
    store = opener.reopen()
    publish(store, northland.say(thing("tool", 1)), thing("tool", 1))
    one, two = store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries
    assert two.id == thing("tool", 1).id
    assert one.added < two.added <= one.added + SPAN


def test_dates_of_what_comes_in_at_once_count_nothing(store: Store, northland: Author) -> None:
    gaps = []
    for n in range(0, 40, 4):
        seen, hidden = [thing("tool", n), thing("tool", n + 1)], thing("tool", n + 2)
        said = northland.say(*seen)
        between = northland.say(hidden, tlp="AMBER", to=[GRIDCO])
        store.keep_pending(said, seen, said.audience)
        store.keep_pending(between, [hidden], between.audience)
        enter(store, between.id, said.id)
        two, one = store.page(EVERYTHING, seen_by(store, PORTCO)).entries[:-3:-1]
        assert [one.id, two.id] == sorted(thing.id for thing in seen)
        gaps.append(two.added - one.added)
    assert min(gaps) > 0
    assert 100 < max(gaps) < SPAN


def test_the_last_date_is_not_given_again_when_its_row_has_gone(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    said = publish(store, northland.say(thing("tool", 1)), thing("tool", 1))
    [before] = store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries
    publish(store, northland.withdraw(said))
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries == ()
    publish(store, northland.say(thing("tool", 1)))
    [again] = store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries
    assert again.added > before.added


def test_a_case_and_a_door_have_collections_of_their_own(store: Store, northland: Author) -> None:
    a, b, c = thing("tool", 1), thing("tool", 2), thing("tool", 3)
    via = {"via": {"door": "taxii", "party": GRIDCO}}
    publish(store, northland.say(a), a)
    publish(store, northland.say(b, case="case--1"), b)
    publish(store, northland.say(c, body=via), c)
    all_ = seen_by(store, EVERYBODY)
    assert entered(store.page(EVERYTHING, all_)) == [a.id, b.id, c.id]
    assert entered(store.page("case--1", all_)) == [b.id]
    assert entered(store.page(put_by("taxii", GRIDCO), all_)) == [c.id]
    assert store.page(put_by("taxii", PORTCO), all_).entries == ()


def test_an_object_is_shown_once_and_comes_anew_for_those_it_reaches_later(
    store: Store, northland: Author
) -> None:
    tool, between = thing("tool", 1), thing("tool", 2)
    publish(store, northland.say(tool, tlp="AMBER", to=[GRIDCO]), tool)
    publish(store, northland.say(between), between)
    first = store.page(EVERYTHING, seen_by(store, GRIDCO))
    before = store.page(EVERYTHING, seen_by(store, PORTCO))
    assert entered(first) == [tool.id, between.id]
    assert entered(before) == [between.id]
    publish(store, northland.say(tool, tlp="AMBER", to=[PORTCO]))
    publish(store, northland.say(tool, tlp="AMBER", to=[PORTCO]))
    assert store.page(EVERYTHING, seen_by(store, GRIDCO)) == first
    later = store.page(EVERYTHING, seen_by(store, PORTCO), after=before.position)
    assert entered(later) == [tool.id]
    assert entered(store.page(EVERYTHING, seen_by(store, EVERYBODY))) == [tool.id, between.id]


@pytest.mark.parametrize("versions", [["last"], ["first"], ["all"], ["last", "first"]])
@pytest.mark.parametrize("after", [-1, 0, 1 << 60])
def test_a_glance_is_the_page_or_leaves_it_to_the_page(
    store: Store, northland: Author, versions: list[str], after: int
) -> None:
    alone, hidden = thing("tool", 1), thing("tool", 2)
    large = thing("note", 3, content="x" * 40_000)
    several = [thing("tool", 4, modified=f"2026-11-2{n}T08:00:00.000Z") for n in range(1, 3)]
    publish(store, northland.say(alone, hidden), alone, hidden)
    publish(store, northland.say(large), large)
    publish(store, northland.say(hidden, tlp="AMBER", to=[GRIDCO]))
    for one in several:
        publish(store, northland.say(one), one)
    for reader in (EVERYBODY, GRIDCO):
        allowed = seen_by(store, reader)
        for id in {o.id for o in (alone, hidden, large, *several)} | {thing("tool", 9).id}:
            for spec in (None, ["2.1"], ["2.0"]):
                how: Any = {"after": after, "spec_versions": spec, "versions": versions}
                found = store.glance(EVERYTHING, allowed, id, **how)
                assert found in (None, store.page(EVERYTHING, allowed, ids=[id], **how))
                assert found is None or len(found.entries) == 1
    assert store.glance(EVERYTHING, frozenset(), alone.id) is None
    assert store.glance("case--nowhere", seen_by(store, EVERYBODY), alone.id) is None


def test_whatever_changes_makes_another_generation(opener: Opener, northland: Author) -> None:
    store = opener.store
    tool = thing("tool", 1)
    said = northland.say(tool)
    acts: list[Callable[[], object]] = [
        lambda: store.keep_local("draft", "a", b"1", None),
        lambda: store.append_audit("2026-11-22T08:00:00.000Z", "x", "y", "z"),
        lambda: store.keep_pending(said, [tool], said.audience),
        lambda: enter(store, said.id),
        lambda: store.purge(dropping("object", tool.sha256)),
    ]
    seen = [store.generation()]
    for act in acts:
        assert store.generation() == seen[-1], "nothing has changed"
        act()
        seen.append(store.generation())
    if seen[0] is None:  # it says so, and nobody keeps anything
        assert set(seen) == {None}
    else:
        assert len(set(seen)) == len(seen)


def test_what_is_withdrawn_purged_or_said_narrower_leaves_its_collections(
    store: Store, northland: Author
) -> None:
    a, b, c, d = (thing("tool", n) for n in (1, 2, 3, 4))
    said = publish(store, northland.say(a, b, case="case--1"), a, b)
    on_record = claim(5)
    publish(store, northland.withdraw(publish(store, northland.say(on_record), on_record)))
    twice = publish(store, northland.say(b), b)
    publish(store, northland.withdraw(said, a, b))
    all_ = seen_by(store, EVERYBODY)
    assert entered(store.page(EVERYTHING, all_)) == [b.id]
    assert store.page("case--1", all_).entries == ()
    publish(store, northland.withdraw(twice))
    assert store.page(EVERYTHING, all_).entries == ()
    publish(store, northland.say(c), c)
    store.purge(dropping("object", c.sha256))
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries == ()
    wide = publish(store, northland.say(d, tlp="GREEN"), d)
    publish(store, northland.say(d, tlp="AMBER", to=[GRIDCO], refs=[wide.id]))
    publish(store, northland.withdraw(wide))
    assert entered(store.page(EVERYTHING, seen_by(store, GRIDCO))) == [d.id]
    assert store.page(EVERYTHING, seen_by(store, PORTCO)).entries == ()


def test_a_withdrawal_that_comes_first_keeps_its_target_out(
    store: Store, northland: Author
) -> None:
    tool = thing("tool", 1)
    said = northland.say(tool)
    back = northland.withdraw(said)
    store.keep_pending(said, [tool], said.audience)
    store.keep_pending(back, [], back.audience)
    enter(store, back.id, said.id)
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries == ()


def test_a_restarted_log_fills_its_collections_anew(opener: Opener, northland: Author) -> None:
    store = opener.store
    tool = thing("tool", 1)
    said = publish(store, northland.say(tool), tool)
    [before] = store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries
    store.restart_log()
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries == ()
    enter(store, said.id)
    [again] = store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries
    assert again.id == tool.id
    assert again.added > before.added


def test_attachments_are_in_no_collection(store: Store, northland: Author) -> None:
    page = Attachment.of(b"<p>x", "text/html")
    publish(store, northland.say(page), page)
    assert store.page(EVERYTHING, seen_by(store, EVERYBODY)).entries == ()


def test_versions_of_an_object_first_last_all_and_by_time(store: Store, northland: Author) -> None:
    times = ["2026-11-22T08:00:00.000Z", "2026-11-22T08:00:00.5Z", "2026-11-22T08:00:01Z"]
    old, mid, new = (thing("tool", 1, modified=t) for t in times)
    for one in (mid, new, old):
        publish(store, northland.say(one), one)
    all_ = seen_by(store, EVERYBODY)

    def found(*versions: str) -> list[str | None]:
        page = store.page(EVERYTHING, all_, versions=versions)
        return [e.modified for e in page.entries]

    assert [e.modified for e in store.page(EVERYTHING, all_).entries] == [times[2]]
    assert found("first") == [times[0]]
    assert found("first", "last") == [times[2], times[0]]
    assert found("all") == [times[1], times[2], times[0]]
    assert found(version_key(mid)) == [times[1]]
    assert found("2020-01-01T00:00:00.000000000") == []


def test_nobody_replaces_anothers_version_in_a_collection(store: Store, northland: Author) -> None:
    mine = thing("tool", 1, created_by_ref="identity--north")
    same_time = thing("tool", 1, created_by_ref="identity--north", name="other bytes")
    foreign = thing("tool", 1, modified="2027-01-01T00:00:00.000Z", created_by_ref="identity--x")
    publish(store, northland.say(mine), mine)
    publish(store, Author(EASTMERE).say(foreign), foreign)
    publish(store, Author(PORTCO).say(same_time), same_time)
    all_ = seen_by(store, EVERYBODY)
    assert [e.sha256 for e in store.page(EVERYTHING, all_).entries] == [mine.sha256]
    assert len(store.page(EVERYTHING, all_, versions=["all"]).entries) == 3


def test_the_last_version_is_the_last_that_this_reader_may_see(
    store: Store, northland: Author
) -> None:
    old, new = thing("tool", 1), thing("tool", 1, modified="2026-11-22T09:00:00.000Z")
    publish(store, northland.say(old, tlp="GREEN"), old)
    publish(store, northland.say(new, tlp="AMBER", to=[GRIDCO]), new)
    assert [e.sha256 for e in store.page(EVERYTHING, seen_by(store, PORTCO)).entries] == [
        old.sha256
    ]
    assert [e.sha256 for e in store.page(EVERYTHING, seen_by(store, GRIDCO)).entries] == [
        new.sha256
    ]


def test_an_object_without_time_has_the_version_of_its_arrival(
    opener: Opener, northland: Author
) -> None:
    store = opener.store
    address = thing("ipv4-addr", 1, modified=None)
    publish(store, northland.say(address), address)
    all_ = seen_by(store, EVERYBODY)
    [one] = store.page(EVERYTHING, all_).entries
    arrived = instant_text(one.added).replace("Z", "000")
    assert store.page(EVERYTHING, all_, versions=[arrived]).entries == (one,)
    assert not store.page(EVERYTHING, all_, versions=["2026-11-22T08:00:00.000001000"]).entries


def test_filters_of_a_collection_are_one_of_each_list(store: Store, northland: Author) -> None:
    things = [
        thing("tool", 1),
        thing("malware", 2),
        thing("tool", 3, modified=None),
        thing("note", 4),
    ]
    before = replace(thing("tool", 5), spec_version=None)
    for one in (*things, before):
        publish(store, northland.say(one), one)
    all_ = seen_by(store, EVERYBODY)

    def found(**how: Any) -> list[str]:
        return entered(store.page(EVERYTHING, all_, **how))

    assert found(types=["tool", "note"]) == [things[0].id, things[2].id, things[3].id, before.id]
    assert found(types=["tool"], ids=[things[1].id, things[2].id]) == [things[2].id]
    assert found(ids=[t.id for t in reversed(things)]) == [t.id for t in things]
    assert found(spec_versions=["2.0"]) == [before.id]
    assert found(types=[]) == []
    assert found(ids=["tool--x", ""]) == []


@pytest.mark.parametrize("how", [{}, {"types": ["tool"]}, {"versions": ["all"]}])
def test_any_pages_together_are_the_one_large_page(
    store: Store, northland: Author, how: dict[str, Any]
) -> None:
    for n in range(23):
        party = GRIDCO if n % 3 else PORTCO
        to: dict[str, Any] = {"tlp": "AMBER", "to": [party]} if n % 2 else {}
        hour = f"2026-11-22T{n // 7:02d}:00:00.000Z"
        one = thing("tool" if n % 5 else "malware", n % 17, modified=hour)
        publish(store, northland.say(one, **to), one)
    for reader in (GRIDCO, EVERYBODY):
        allowed = seen_by(store, reader)
        [*whole] = store.page(EVERYTHING, allowed, limit=1000, **how).entries
        assert whole
        for limit in (1, 2, 3, 7, 22, 23, 24):
            assert walk(store, allowed, limit, **how) == whole


def test_a_page_holds_no_more_bytes_than_asked_for(store: Store, northland: Author) -> None:
    big = [thing("tool", n, name="x" * 400) for n in range(4)]
    for one in big:
        publish(store, northland.say(one), one)
    all_ = seen_by(store, EVERYBODY)
    two = sum(len(b.raw) for b in big[:2])
    page = store.page(EVERYTHING, all_, most_bytes=two)
    assert (len(page.entries), page.more) == (2, True)
    alone = store.page(EVERYTHING, all_, most_bytes=1)
    assert (len(alone.entries), alone.more) == (1, True)
    assert [e.id for e in walk(store, all_, 9, most_bytes=1)] == [b.id for b in big]


def test_what_is_hidden_changes_no_page(opener: Opener, northland: Author) -> None:
    store = opener.store
    open_ = [thing("tool", n) for n in range(3)]
    for one in open_:
        opener.now += timedelta(seconds=1)
        publish(store, northland.say(one), one)
    before = store.page(EVERYTHING, seen_by(store, PORTCO), limit=2)
    for n in range(20):
        secret = thing("tool", n % 4, name=f"hidden {n}", modified=f"2027-01-01T00:00:{n:02d}.000Z")
        publish(store, northland.say(secret, tlp="AMBER+STRICT", to=[GRIDCO]), secret)
    assert store.page(EVERYTHING, seen_by(store, PORTCO), limit=2) == before
    assert len(walk(store, seen_by(store, PORTCO), 1)) == 3
